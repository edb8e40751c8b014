"""Predictions against their outcomes: aggregates of `ml_predictions`, whatever its size.

`since` is inclusive, `until` exclusive, both naive UTC; None is open. Only rows with a known outcome count.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbridge.monitor.histogram import histogram, nice, span
from mlbridge.monitor.models import model as facts_of
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

STEPS = 200  # of a probability: a threshold moves by half a percent
RESIDUAL_BINS = 60
CELLS = 40
Z = 1.959963984540054  # the 97.5 % point of the normal distribution
SCORES = """
select
    case when probability >= 1 then 199 else cast(floor(probability * 200) as integer) end as step,
    count(*) as n,
    sum(case when actual = :positive then 1 else 0 end) as positives,
    sum(probability) as total
from ml_predictions
where
    model = :model and version = :version and actual is not null and probability is not null
    and (:since is null or time >= :since) and (:until is null or time < :until)
group by 1
order by 1
"""
CLASSES = """
select actual, prediction as predicted, count(*) as n
from ml_predictions
where
    model = :model and version = :version and actual is not null and coalesce(probability, 1) >= :at_least
    and (:since is null or time >= :since) and (:until is null or time < :until)
group by actual, prediction
order by actual, prediction
"""
AGAINST = """
select
    cast(greatest(0, least(:bins - 1, floor((prediction_value - :start) / :width))) as integer) as predicted,
    cast(greatest(0, least(:bins - 1, floor((actual_value - :start) / :width))) as integer) as actual,
    count(*) as n
from ml_predictions
where
    model = :model and version = :version and actual_value is not null and prediction_value is not null
    and (:since is null or time >= :since) and (:until is null or time < :until)
group by 1, 2
order by 1, 2
"""
STORED = "select calibration from ml_versions where model = :model and version = :version and outcome <> 'runner_up'"


def scores(
    state: State, model: str, version: int, since: datetime | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """Count the rows by their probability: one row per step of 0.005 that has any.

    `step` (0 to 199: from step / 200 on, below (step + 1) / 200; the last one holds 1 as well), `n`, `positives`,
    `total` (of the probabilities). Empty for anything but two classes.
    """
    positive = facts_of(state, model)["positive"]
    where = {"model": model, "version": version, "since": since, "until": until, "positive": positive}
    found = state.ask(SCORES, **where)
    found["positives"] = found["positives"].astype("int64")
    return found if positive is not None else found.iloc[:0]


def confusion(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Tell the rows apart at a threshold (a multiple of 0.005): four rows of `actual, predicted, n`."""
    import pandas as pd

    above = scores["step"] >= round(threshold * STEPS)
    cells = {
        ("positive", "positive"): scores.loc[above, "positives"].sum(),
        ("positive", "negative"): scores.loc[~above, "positives"].sum(),
        ("negative", "positive"): (scores["n"] - scores["positives"])[above].sum(),
        ("negative", "negative"): (scores["n"] - scores["positives"])[~above].sum(),
    }
    return pd.DataFrame([(*names, int(n)) for names, n in cells.items()], columns=["actual", "predicted", "n"])


def rates(scores: pd.DataFrame, threshold: float) -> dict[str, float]:
    """Give precision, recall, specificity, f1, accuracy, alert_rate (predicted positive) and n at a threshold.

    NaN where there is nothing to divide by.
    """
    hit, missed, false, right = confusion(scores, threshold)["n"]
    n = hit + missed + false + right

    def of(part: int, whole: int) -> float:
        return part / whole if whole else math.nan

    return {
        "precision": of(hit, hit + false),
        "recall": of(hit, hit + missed),
        "specificity": of(right, right + false),
        "f1": of(2 * hit, 2 * hit + missed + false),
        "accuracy": of(hit + right, n),
        "alert_rate": of(hit + false, n),
        "n": n,
    }


def calibration(
    state: State,
    model: str,
    version: int,
    since: datetime | None = None,
    until: datetime | None = None,
    bins: int = 10,
) -> pd.DataFrame:
    """Compare predicted with observed: one row per bin of about equally many rows, two classes only.

    `bin, predicted` (mean probability), `observed` (share of positives), `low, high` (95 % interval after Wilson,
    1927), `n`. A bin consists of whole steps of `scores`.
    """
    counted = scores(state, model, version, since, until)
    middle = (counted["n"].cumsum() - counted["n"] / 2) / counted["n"].sum()
    place = (middle * bins).astype("int64")
    found = counted.groupby(place)[["n", "positives", "total"]].sum().reset_index(drop=True)
    return _shares(found["n"], found["total"] / found["n"], found["positives"] / found["n"])


def stored_calibration(state: State, model: str, version: int) -> pd.DataFrame:
    """Give the calibration on the test rows that the training has kept, as `calibration` does; two classes only."""
    import pandas as pd

    found = state.ask(STORED, model=model, version=version)
    names = ["n", "mean_predicted", "observed"]
    kept = pd.DataFrame(json.loads(found["calibration"].iloc[0]) if len(found) else [], columns=["bin", *names])
    two_classes = facts_of(state, model)["positive"] is not None
    return _shares(*(kept[name].astype("float64") for name in names)) if two_classes else _shares(*[_no_rows()] * 3)


def _no_rows() -> pd.Series:
    import pandas as pd

    return pd.Series(dtype="float64")


def _shares(n: pd.Series, predicted: pd.Series, observed: pd.Series) -> pd.DataFrame:
    import pandas as pd

    middle = (observed + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (observed * (1 - observed) / n + Z**2 / (4 * n**2)) ** 0.5
    return pd.DataFrame(
        {
            "bin": range(len(n)),
            "predicted": predicted,
            "observed": observed,
            "low": middle - half,
            "high": middle + half,
            "n": n,
        }
    )


def confusion_classes(
    state: State,
    model: str,
    version: int,
    since: datetime | None = None,
    until: datetime | None = None,
    at_least: float = 0.0,
) -> pd.DataFrame:
    """Count which classes are taken for which: `actual, predicted, n`, of the rows predicted with that probability.

    Empty for a regression.
    """
    where = {"model": model, "version": version, "since": since, "until": until}
    least = at_least if facts_of(state, model)["task"] == "classification" else math.inf
    return state.ask(CLASSES, at_least=least, **where)


def residuals(
    state: State, model: str, version: int, since: datetime | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """Count actual minus predicted in about 60 bins: `lower, upper, n`; see `histogram`."""
    where = {"model": model, "version": version, "since": since, "until": until}
    return histogram(state, "residual", RESIDUAL_BINS, **where)


def within(residuals: pd.DataFrame, tolerance: float) -> float:
    """Give the share of the rows whose residual lies within plus and minus a tolerance, by whole bins.

    The upper end is exclusive, as a bin's; NaN without rows.
    """
    n = residuals["n"].sum()
    slack = 1e-9 * max(1.0, tolerance)
    inside = (residuals["lower"] >= -tolerance - slack) & (residuals["upper"] <= tolerance + slack)
    return float(residuals.loc[inside, "n"].sum() / n) if n else math.nan


def against(
    state: State, model: str, version: int, since: datetime | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """Count predictions against outcomes; a row per cell that has any.

    Regression: `predicted_lower, predicted_upper, actual_lower, actual_upper, n` on a grid of at most about 40 x 40
    that covers all but 0.5 % at each end, the outer cells hold the rest. Two classes: `step, actual, n` with step of
    0.005. Many classes: what `confusion_classes` gives.
    """
    facts = facts_of(state, model)
    where: dict[str, Any] = {"model": model, "version": version, "since": since, "until": until}
    if facts["positive"] is not None:
        return _by_outcome(scores(state, **where), facts["classes"])
    if facts["task"] == "classification":
        return confusion_classes(state, **where)
    return _grid(state, where)


def _by_outcome(scores: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    import pandas as pd

    negative = scores.assign(actual=classes[0], n=scores["n"] - scores["positives"])
    both = pd.concat([scores.assign(actual=classes[1], n=scores["positives"]), negative])
    return both.loc[both["n"] > 0, ["step", "actual", "n"]].sort_values(["step", "actual"], ignore_index=True)


def _grid(state: State, where: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    names = ["predicted_lower", "predicted_upper", "actual_lower", "actual_upper", "n"]
    spans = [span(state, what, **where) for what in ("prediction", "actual")]
    known = [each for each in spans if each is not None]
    if len(known) < len(spans):
        return pd.DataFrame({name: [] for name in names})
    start, width, bins = nice(min(low for low, _ in known), max(high for _, high in known), CELLS)
    found = state.ask(AGAINST, bins=bins, start=start, width=width, **where)
    for what in ("predicted", "actual"):
        found[f"{what}_lower"] = (start + found[what] * width).round(12)
        found[f"{what}_upper"] = (start + (found[what] + 1) * width).round(12)
    return found[names]
