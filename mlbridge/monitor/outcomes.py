"""Predictions against their outcomes: aggregates that the warehouse computes from `ml_predictions`.

`since` is inclusive, `until` exclusive, both naive UTC; None means no limit. Only rows with a known outcome count.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict, Unpack

from mlbridge.monitor.counted import wilson
from mlbridge.monitor.histogram import LARGEST, Grid, bin_of, central_range, histogram, nice, no_bins
from mlbridge.monitor.models import version_facts
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd


class Where(TypedDict):
    """The rows to select: those of a version, from `since` (inclusive) to `until` (exclusive)."""

    model: str
    version: int
    since: datetime | None
    until: datetime | None


STEPS = 200  # steps of the probability scale, so a threshold is a multiple of 0.005
FINE_STEPS = 10_000  # finer steps that calibration bins are made of, so that a rare class has several bins
RESIDUAL_BINS = 60
CELLS = 40
KNOWN = """
model = :model and version = :version and actual is not null
and (:since is null or time >= :since) and (:until is null or time < :until)
"""
SCORES = f"""
select
    {bin_of("probability")} as step,
    count(*) as n,
    sum(case when actual = :positive then 1 else 0 end) as positives,
    sum(probability) as total
from ml_predictions
where probability is not null and {KNOWN}
group by 1
order by 1
"""  # noqa: S608 - put together of constants only
# Of two classes the probability is that of the positive one, of many that of the predicted one.
CLASSES = f"""
select actual, prediction as predicted, count(*) as n
from ml_predictions
where
    {KNOWN}
    and case when :positive is null or prediction = :positive then probability else 1 - probability end >= :at_least
group by actual, prediction
order by actual, prediction
"""  # noqa: S608
AGAINST = f"""
select {bin_of("prediction_value")} as predicted, {bin_of("actual_value")} as actual, count(*) as n
from ml_predictions
where abs(prediction_value) <= {LARGEST} and abs(actual_value) <= {LARGEST} and {KNOWN}
group by 1, 2
order by 1, 2
"""  # noqa: S608
WITHIN = f"""
select
    sum(case when abs(actual_value - prediction_value) <= :tolerance then 1 else 0 end) as inside, count(*) as n
from ml_predictions
where prediction_value is not null and actual_value is not null and {KNOWN}
"""  # noqa: S608
STORED = "select calibration from ml_versions where model = :model and version = :version and outcome <> 'runner_up'"


def scores(
    state: State, model: str, version: int, since: datetime | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """Count the rows by their probability: one row per step of 0.005 that has any.

    `step` (0 to 199: from step / 200 on, below (step + 1) / 200; the last one holds 1 as well), `n`, `positives`,
    `total` (of the probabilities). Empty for anything but two classes.
    """
    return _stepped(state, STEPS, model=model, version=version, since=since, until=until)


def _stepped(state: State, steps: int, **where: Unpack[Where]) -> pd.DataFrame:
    import pandas as pd

    positive = version_facts(state, where["model"], where["version"])["positive"]
    if positive is None:
        types = {"step": "int64", "n": "int64", "positives": "int64", "total": "float64"}
        return pd.DataFrame(columns=list(types)).astype(types)
    return state.ask(SCORES, positive=positive, **Grid(1.0, float(steps), 0.0, steps).parameters, **where)


def confusion(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Return the confusion matrix at a threshold (a multiple of 0.005): four rows of `actual, predicted, n`.

    `scores` is the frame of `scores`. A row is predicted positive if its probability is at least the threshold; at a
    threshold of 1 no row is.
    """
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
    """Return precision, recall, specificity, f1, accuracy, alert_rate (predicted positive) and n at a threshold.

    NaN where there is nothing to divide by.
    """
    true_positives, false_negatives, false_positives, true_negatives = confusion(scores, threshold)["n"]
    n = true_positives + false_negatives + false_positives + true_negatives

    def of(part: int, whole: int) -> float:
        return part / whole if whole else math.nan

    return {
        "precision": of(true_positives, true_positives + false_positives),
        "recall": of(true_positives, true_positives + false_negatives),
        "specificity": of(true_negatives, true_negatives + false_positives),
        "f1": of(2 * true_positives, 2 * true_positives + false_negatives + false_positives),
        "accuracy": of(true_positives + true_negatives, n),
        "alert_rate": of(true_positives + false_positives, n),
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
    1927), `n`. A bin consists of whole steps of 0.0001; there are fewer than `bins` where many rows share one.
    """
    counted = _stepped(state, FINE_STEPS, model=model, version=version, since=since, until=until)
    middle = (counted["n"].cumsum() - counted["n"] / 2) / counted["n"].sum()
    bin_number = (middle * bins).astype("int64")
    found = counted.groupby(bin_number)[["n", "positives", "total"]].sum().reset_index(drop=True)
    return _shares(found["n"], found["total"] / found["n"], found["positives"] / found["n"])


def stored_calibration(state: State, model: str, version: int) -> pd.DataFrame:
    """Return the stored calibration on the test rows; columns as in `calibration`, for two classes only."""
    import pandas as pd

    names = ["n", "mean_predicted", "observed"]
    two_classes = version_facts(state, model, version)["positive"] is not None
    documents = state.ask(STORED, model=model, version=version)["calibration"]
    kept = pd.DataFrame(json.loads(documents.iloc[0]) if two_classes else [], columns=names, dtype="float64")
    return _shares(kept["n"].astype("int64"), kept["mean_predicted"], kept["observed"])


def _shares(n: pd.Series, predicted: pd.Series, observed: pd.Series) -> pd.DataFrame:
    import pandas as pd

    low, high = wilson(observed, n)
    return pd.DataFrame(
        {"bin": range(len(n)), "predicted": predicted, "observed": observed, "low": low, "high": high, "n": n}
    )


def confusion_classes(
    state: State,
    model: str,
    version: int,
    since: datetime | None = None,
    until: datetime | None = None,
    at_least: float = 0.0,
) -> pd.DataFrame:
    """Return the confusion matrix: one row per `actual, predicted` with its `n` rows; empty for a regression.

    Only rows whose predicted class has a probability of at least `at_least` count.
    """
    facts = version_facts(state, model, version)
    # No probability is infinite.
    least = at_least if facts["task"] == "classification" else math.inf
    where = {"model": model, "version": version, "since": since, "until": until}
    return state.ask(CLASSES, positive=facts["positive"], at_least=least, **where)


def residuals(
    state: State, model: str, version: int, since: datetime | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """Count actual minus predicted in about 60 bins, `lower, upper, n`, as `histogram` does; regression only."""
    if version_facts(state, model, version)["task"] != "regression":
        return no_bins()
    return histogram(state, "residual", RESIDUAL_BINS, model=model, version=version, since=since, until=until)


def within(
    state: State,
    model: str,
    version: int,
    tolerance: float,
    since: datetime | None = None,
    until: datetime | None = None,
) -> float:
    """Return the share of rows with an absolute error of at most `tolerance` (target's unit).

    NaN without rows, and for a classification.
    """
    if version_facts(state, model, version)["task"] != "regression":
        return math.nan
    where = {"model": model, "version": version, "since": since, "until": until}
    found = state.ask(WITHIN, tolerance=float(tolerance), **where).iloc[0]
    return float(found["inside"] / found["n"]) if found["n"] else math.nan


def against(
    state: State, model: str, version: int, since: datetime | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """Count predictions against outcomes; a row per cell that has any.

    Regression: `predicted_lower, predicted_upper, actual_lower, actual_upper, n` on one grid of at most 40 x 40 for
    both that covers all but about 0.5 % of each at each end; the outer cells hold the rest. Two classes: `step, actual,
    n` with steps of 0.005. Many classes: what `confusion_classes` gives.
    """
    facts = version_facts(state, model, version)
    where: Where = {"model": model, "version": version, "since": since, "until": until}
    if facts["positive"] is not None:
        return _by_outcome(scores(state, **where), facts["classes"])
    if facts["task"] == "classification":
        return confusion_classes(state, **where)
    return _cells(state, where)


def _by_outcome(scores: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    import pandas as pd

    negative = scores.assign(actual=classes[0], n=scores["n"] - scores["positives"])
    both = pd.concat([negative, scores.assign(actual=classes[1], n=scores["positives"])])
    both = both.loc[both["n"] > 0, ["step", "actual", "n"]]
    return both.sort_values(["step", "actual"], ignore_index=True).astype({"actual": "str"})


def _cells(state: State, where: Where) -> pd.DataFrame:
    spans = [central_range(state, what, **where) for what in ("labelled", "actual")]
    known = [each for each in spans if each is not None] or [(0.0, 1.0)]
    grid = nice(min(low for low, _ in known), max(high for _, high in known), CELLS - 1)
    found = state.ask(AGAINST, **grid.parameters, **where)
    edges = {index: grid.edge(index) for index in range(grid.bins + 1)}
    cells = {
        f"{what}_{end}": (found[what] + plus).map(edges).astype("float64")
        for what in ("predicted", "actual")
        for end, plus in (("lower", 0), ("upper", 1))
    }
    return found[["n"]].assign(**cells)[[*cells, "n"]]
