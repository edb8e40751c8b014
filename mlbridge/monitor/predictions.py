"""The predictions: their number, their distribution over time, and single rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mlbridge.monitor.histogram import Grid, bin_of, central_range, nice
from mlbridge.monitor.models import model as model_row
from mlbridge.monitor.models import version_facts
from mlbridge.monitor.source import State
from mlbridge.spec.specification import WINDOWS

if TYPE_CHECKING:
    import pandas as pd

BINS = 20
PROBABILITIES = Grid(1.0, float(BINS), 0.0, BINS)
NEAR = 5_000  # rows that are sorted to find the next entities
VOLUMES = {
    size: f"""
select
    date_trunc('{size}', time) as "window", version, count(*) as n, count(actual) as labelled,
    avg(coalesce(probability, prediction_value)) as mean
from ml_predictions
where model = :model and prediction is not null
group by 1, 2
order by 1, 2
"""  # noqa: S608 - put together of constants only
    for size in WINDOWS
}
NUMBERS = {
    (size, value): f"""
select date_trunc('{size}', time) as "window", {bin_of(value)} as bin, count(*) as n
from ml_predictions
where model = :model and (:version is null or version = :version) and {value} is not null
group by 1, 2
order by 1, 2
"""  # noqa: S608
    for size in WINDOWS
    for value in ("probability", "prediction_value")
}
CLASSES = {
    size: f"""
select date_trunc('{size}', time) as "window", prediction as category, count(*) as n
from ml_predictions
where model = :model and (:version is null or version = :version) and prediction is not null
group by 1, 2
order by 1, 2
"""  # noqa: S608
    for size in WINDOWS
}
COLUMNS = "entity, time, version, prediction, prediction_value, probability, actual, actual_value, scored_at"
LOOKUP = f"""
select {COLUMNS}
from ml_predictions
where model = :model and entity = :entity and prediction is not null
order by time desc, version desc
limit :limit
"""  # noqa: S608
WITHIN = """
model = :model and prediction is not null and (:version is null or version = :version)
and (:since is null or time >= :since) and (:until is null or time < :until)
"""
PER_UNIT = {
    unit: f"""
select date_trunc('{unit}', time) as start, count(*) as n
from ml_predictions
where {WITHIN}
group by 1
order by 1
"""  # noqa: S608
    for unit in ("hour", "second")
}
ALL_ROWS = f"select {COLUMNS} from ml_predictions where {WITHIN} order by time, entity, version"  # noqa: S608
SOME_ROWS = f"select {COLUMNS} from ml_predictions where {WITHIN} limit :limit"  # noqa: S608
# Sorting a few of the rows takes no memory, grouping all of them would.
ENTITIES = """
select entity
from (
    select entity
    from ml_predictions
    where
        model = :model and prediction is not null and entity > :after
        and substring(entity, 1, length(:starting)) = :starting
    order by entity
    limit :near
) as next_rows
group by entity
order by entity
limit :limit
"""
OF_ENTITIES = """
select entity, count(*) as n, max(time) as newest
from ml_predictions
where
    model = :model and prediction is not null and entity >= :first and entity <= :last
    and substring(entity, 1, length(:starting)) = :starting
group by entity
order by entity
"""


def volumes(state: State, model: str) -> pd.DataFrame:
    """One row per window and version: `window, version, n, labelled` (outcome known), `mean`.

    `mean` is that of the probability, or of the prediction where there is none. Windows are of the size that the spec
    watches, in UTC.
    """
    return state.ask(VOLUMES[_size(state, model)], model=model)


def _size(state: State, model: str) -> str:
    return str(model_row(state, model)["window_size"] or "month")


def prediction_bins(state: State, model: str, version: int | None = None) -> pd.DataFrame:
    """Count the predictions by window and bin, of one version or all: `window, bin, lower, upper, category, n`.

    Two classes: 20 bins of the probability. Regression: about 20 bins of the number, the outer ones hold what is
    beyond. Many classes: one `category` each, bin by its name. What does not apply is NULL; bins without rows are left
    out.
    """
    size = _size(state, model)
    facts = model_row(state, model) if version is None else version_facts(state, model, version)
    where = {"model": model, "version": version}
    if facts["task"] == "classification" and facts["positive"] is None:
        found = state.ask(CLASSES[size], **where)
        numbers = {name: number for number, name in enumerate(sorted(found["category"].unique()))}
        found = found.assign(bin=found["category"].map(numbers).astype("int64"), lower=float("nan"), upper=float("nan"))
        return found[["window", "bin", "lower", "upper", "category", "n"]]
    grid, value = PROBABILITIES, "probability"
    if facts["positive"] is None:
        reached = central_range(state, "prediction", since=None, until=None, **where)
        grid, value = nice(*(reached or (0.0, 1.0)), BINS), "prediction_value"
    found = state.ask(NUMBERS[size, value], **grid.parameters, **where)
    found = found.assign(lower=found["bin"].map(grid.edge), upper=(found["bin"] + 1).map(grid.edge), category=None)
    found = found.astype({"lower": "float64", "upper": "float64", "category": "str"})
    return found[["window", "bin", "lower", "upper", "category", "n"]]


def lookup(state: State, model: str, entity: str, limit: int = 200) -> pd.DataFrame:
    """Return the predictions of one entity (as text), newest first, at most `limit`; columns as in `ml_predictions`."""
    model_row(state, model)
    return state.ask(LOOKUP, model=model, entity=entity, limit=limit)


def rows(
    state: State,
    model: str,
    version: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100_000,
) -> pd.DataFrame:
    """Return rows of `ml_predictions`, oldest first, at most `limit`, for a download; `until` is exclusive.

    Sorting all rows would need much memory, so the oldest ones are found by counting per hour and then per second. If
    one second has more rows than fit, it is undefined which of them are returned.
    """
    import pandas as pd

    model_row(state, model)
    which = {"model": model, "version": version}
    parts = []
    for unit, length in (("hour", timedelta(hours=1)), ("second", timedelta(seconds=1))):
        counted = state.ask(PER_UNIT[unit], **which, since=since, until=until)
        fits = counted["n"].cumsum() <= limit
        if fits.all():
            parts.append(state.ask(ALL_ROWS, **which, since=since, until=until))
            break
        start = counted["start"][~fits].iloc[0]
        parts.append(state.ask(ALL_ROWS, **which, since=since, until=_least(start, until)))
        limit -= len(parts[-1])
        since, until = _most(start, since), _least(start + length, until)
    else:
        rest = state.ask(SOME_ROWS, **which, since=since, until=until, limit=limit)
        parts.append(rest.sort_values(["time", "entity", "version"]))
    return pd.concat(parts, ignore_index=True)


def _least(moment: datetime, other: datetime | None) -> datetime:
    return moment if other is None else min(moment, other)


def _most(moment: datetime, other: datetime | None) -> datetime:
    return moment if other is None else max(moment, other)


def entities(state: State, model: str, starting: str, limit: int = 20) -> pd.DataFrame:
    """Suggest up to `limit` entities whose key begins with a text: `entity, n` (predictions), `newest` (their time).

    They are the first ones by name; there may be fewer than `limit` if each has thousands of predictions.
    """
    import pandas as pd

    model_row(state, model)
    found: list[str] = []
    for _ in range(3):
        after = found[-1] if found else ""
        near = {"after": after, "starting": starting, "near": NEAR, "limit": limit - len(found)}
        more = list(state.ask(ENTITIES, model=model, **near)["entity"])
        found += more
        if not more or len(found) >= limit:
            break
    if not found:
        return pd.DataFrame({"entity": [], "n": [], "newest": []}).astype(
            {"entity": "str", "n": "int64", "newest": "datetime64[us]"}
        )
    return state.ask(OF_ENTITIES, model=model, first=found[0], last=found[-1], starting=starting)
