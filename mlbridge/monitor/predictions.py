"""What was predicted: how much, how it is distributed over time, and single rows of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbridge.monitor.histogram import nice, span
from mlbridge.monitor.models import model as facts_of
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

SIZES = ("day", "week", "month")
BINS = 20
VOLUMES = {
    size: f"""
select
    date_trunc('{size}', time) as "window", version, count(*) as n, count(actual) as labelled,
    avg(coalesce(probability, prediction_value)) as mean
from ml_predictions
where model = :model
group by 1, 2
order by 1, 2
"""  # noqa: S608 - put together of constants only
    for size in SIZES
}
NUMBERS = {
    size: f"""
select
    date_trunc('{size}', time) as "window",
    cast(greatest(0, least(:bins - 1, floor((coalesce(probability, prediction_value) - :start) / :width))) as integer)
        as bin,
    count(*) as n
from ml_predictions
where model = :model and (:version is null or version = :version) and coalesce(probability, prediction_value) is not null
group by 1, 2
order by 1, 2
"""  # noqa: S608
    for size in SIZES
}
CLASSES = {
    size: f"""
select date_trunc('{size}', time) as "window", prediction as category, count(*) as n
from ml_predictions
where model = :model and (:version is null or version = :version)
group by 1, 2
order by 1, 2
"""  # noqa: S608
    for size in SIZES
}
COLUMNS = "entity, time, version, prediction, prediction_value, probability, actual, actual_value, scored_at"
LOOKUP = f"""
select {COLUMNS}
from ml_predictions
where model = :model and entity = :entity
order by time desc, version desc
limit {{limit}}
"""  # noqa: S608
ROWS = f"""
select {COLUMNS}
from ml_predictions
where
    model = :model and (:version is null or version = :version)
    and (:since is null or time >= :since) and (:until is null or time < :until)
order by time, entity, version
limit {{limit}}
"""  # noqa: S608
ENTITIES = """
select entity, count(*) as n, max(time) as newest
from ml_predictions
where model = :model and substring(entity, 1, length(:starting)) = :starting
group by entity
order by entity
limit 20
"""


def volumes(state: State, model: str) -> pd.DataFrame:
    """One row per window and version: `window, version, n, labelled` (outcome known), `mean`.

    `mean` is that of the probability, or of the prediction where there is none; NULL for classes that are no numbers.
    Windows are of the size that the spec watches, in UTC.
    """
    return state.ask(VOLUMES[_size(state, model)], model=model)


def _size(state: State, model: str) -> str:
    return str(facts_of(state, model)["window_size"] or "month")


def prediction_bins(state: State, model: str, version: int | None = None) -> pd.DataFrame:
    """Count the predictions by window and bin, of one version or all: `window, bin, lower, upper, category, n`.

    Two classes: 20 bins of the probability. Regression: about 20 bins of the number, the outer ones hold what is
    beyond. Many classes: one `category` each, bin by its name. What does not apply is NULL.
    """
    facts = facts_of(state, model)
    size = _size(state, model)
    if facts["task"] == "classification" and facts["positive"] is None:
        found = state.ask(CLASSES[size], model=model, version=version)
        places = {name: place for place, name in enumerate(sorted(found["category"].unique()))}
        return found.assign(bin=found["category"].map(places), lower=None, upper=None)
    start, width, bins = 0.0, 1 / BINS, BINS
    if facts["positive"] is None:
        found_span = span(state, "prediction", model=model, version=version, since=None, until=None)
        start, width, bins = nice(*(found_span or (0.0, 1.0)), BINS)
    found = state.ask(NUMBERS[size], model=model, version=version, bins=bins, start=start, width=width)
    lower = (start + found["bin"] * width).round(12)
    return found.assign(lower=lower, upper=(lower + width).round(12), category=None)


def lookup(state: State, model: str, entity: str, limit: int = 200) -> pd.DataFrame:
    """Give the predictions of one entity (the key as text), newest first, at most `limit`; the columns of the table."""
    return state.ask(LOOKUP.format(limit=int(limit)), model=model, entity=entity)


def rows(
    state: State,
    model: str,
    version: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100_000,
) -> pd.DataFrame:
    """Give predictions as they stand in the table, oldest first, at most `limit`; for a download."""
    where: dict[str, Any] = {"model": model, "version": version, "since": since, "until": until}
    return state.ask(ROWS.format(limit=int(limit)), **where)


def entities(state: State, model: str, starting: str) -> pd.DataFrame:
    """Suggest up to 20 entities whose key begins with a text: `entity, n` (predictions), `newest` (their time)."""
    return state.ask(ENTITIES, model=model, starting=starting)
