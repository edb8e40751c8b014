"""How well a score ranks the rows of two classes, and what a threshold costs: from counts by step that a build keeps.

The steps are those of the version's calibration, so no row is read and the cost does not grow with them. Rows of one
step are not told apart: a curve has a point for each step, and between two points it is a straight line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mlbridge.errors import MonitorError
from mlbridge.monitor.counted import OF_PRESENT_SIZE, wilson
from mlbridge.monitor.models import check_choice, version_facts
from mlbridge.monitor.outcomes import stored_calibration
from mlbridge.monitor.performance import slices
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["lower", "n", "positives"]
# Windows that were counted by mlbridge 0.9 or older have no outcomes. The numbering is that of the macro `step_bin`.
COUNTED = f"""
select counted.bin, sum(counted.outcomes) as n, sum(counted.outcome_sum) as positives
{OF_PRESENT_SIZE} and counted.feature = 'ml_estimate'
    and counted.period = 'scored' and counted.slice = :slice and counted.bin >= 1000 and counted.outcomes > 0
    and (:since is null or counted.window_start >= :since) and (:until is null or counted.window_start < :until)
group by counted.bin
order by counted.bin desc
"""
ESTIMATION = "select estimation from ml_versions where model = :model and version = :version and outcome <> 'runner_up'"
EFFECTS = """
select metrics.metric, max(metrics.design_effect) as design_effect
from ml_metrics as metrics
inner join ml_versions as versions
    on
        metrics.model = versions.model and metrics.version = versions.version
        and metrics.candidate = versions.candidate and versions.outcome <> 'runner_up'
where
    metrics.model = :model and metrics.version = :version and metrics.split = 'test' and metrics.slice = 'all'
    and metrics.metric in ('precision', 'recall')
group by metrics.metric
"""


def score_steps(
    state: State,
    model: str,
    version: int,
    slice: str = "all",  # noqa: A002
    since: datetime | None = None,
    until: datetime | None = None,
) -> pd.DataFrame:
    """Count the rows with a known outcome by step of their probability, the highest first: `lower, n, positives`.

    A step holds probabilities above `lower` (0 for the lowest step). `since` is inclusive, `until` exclusive, both
    naive UTC and compared with the start of a window; None means no limit. Empty for anything but two classes, and
    where no outcome was counted. Raises MonitorError for an unknown model, version or slice.
    """
    import pandas as pd

    types = {"lower": "float64", "n": "int64", "positives": "int64"}
    binary = version_facts(state, model, version)["positive"] is not None
    check_choice(slice, slices(state, model), "slice")
    which = {"model": model, "version": version}
    found = state.ask(COUNTED, slice=slice, since=since, until=until, **which)
    if found.empty or not binary:
        return pd.DataFrame(columns=COLUMNS).astype(types)
    documents = json.loads(state.ask(ESTIMATION, **which)["estimation"].iloc[0])
    uppers = [each["upper"] for each in sorted(documents, key=lambda each: int(each["step"]))]
    step = (found["bin"].astype("int64") - 1000) // 2
    lowers = step.map({number: 0.0 if number == 0 else uppers[number - 1] for number in range(len(uppers))})
    counted = found.assign(lower=lowers.astype("float64")).groupby("lower", as_index=False)[["n", "positives"]].sum()
    counted = counted.sort_values("lower", ascending=False, ignore_index=True)
    return counted[COLUMNS].astype(types)


def holdout_steps(state: State, model: str, version: int) -> pd.DataFrame:
    """Return the same of the version's test rows, by the ten bins that its training kept; `lower` is not known, NaN."""
    kept = stored_calibration(state, model, version)[::-1].reset_index(drop=True)
    positives = (kept["n"] * kept["observed"]).round().astype("int64")
    return kept[["n"]].assign(lower=math.nan, positives=positives)[COLUMNS]


def design_effects(state: State, model: str, version: int) -> dict[str, float]:
    """Return by how much rows that belong together widen the variance of `precision` and `recall` (at least 1).

    As measured on the version's test rows. A metric of which it is not known is left out.
    """
    found = state.ask(EFFECTS, model=model, version=version).dropna()
    return {name: max(float(effect), 1.0) for name, effect in zip(found["metric"], found["design_effect"], strict=True)}


def curve(steps: pd.DataFrame, effects: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Return what a threshold gives at each step, from no row above it to all; `steps` as from `score_steps`.

    `threshold` (rows with a higher probability are flagged; 1 flags none), `flagged` (rows), `share_flagged`, `hits`
    (flagged positives), `recall`, `false_positive_rate` and `precision`, each with `_low` and `_high`, `lift`
    (precision by the share of positives among all), `n` and `positives` (of all rows). NaN where there is nothing to
    divide by.
    Intervals hold with 95 % at each point by itself, not for the whole curve: after Wilson (1927) with the effective
    number of rows, rows / design effect (Kish 1965), that of recall also for false positives. Without `effects` rows
    count as independent. An empty frame gives an empty frame.
    """
    import numpy as np
    import pandas as pd

    if steps.empty:
        return pd.DataFrame(columns=["threshold", "flagged", "hits"], dtype="float64")
    effects = effects or {}
    flagged = np.concatenate([[0], steps["n"].cumsum()])
    hits = np.concatenate([[0], steps["positives"].cumsum()])
    n, positives = int(flagged[-1]), int(hits[-1])
    found = pd.DataFrame({"threshold": [1.0, *steps["lower"]], "flagged": flagged, "share_flagged": flagged / n})
    found["hits"] = hits
    shares = {
        "recall": (hits, np.full(len(found), positives), effects.get("recall", 1.0)),
        "false_positive_rate": (flagged - hits, np.full(len(found), n - positives), effects.get("recall", 1.0)),
        "precision": (hits, flagged, effects.get("precision", 1.0)),
    }
    for name, (part, whole, effect) in shares.items():
        of = pd.Series(whole).astype("float64").where(whole > 0)
        found[name] = part / of
        found[f"{name}_low"], found[f"{name}_high"] = wilson(found[name], of / effect)
    found["lift"] = found["precision"] / (positives / n) if positives else math.nan
    return found.assign(n=n, positives=positives)


def gain(points: pd.DataFrame, share: float) -> dict[str, float]:
    """Return what the `share` of rows with the highest scores holds; `points` as from `curve`.

    `flagged` (rows), `recall` (their part of all positives), `precision`, `lift`. Within a step the positives are taken
    as evenly spread. Raises MonitorError for a share that is not above 0 and at most 1; NaN without positives.
    """
    import numpy as np

    if not 0 < share <= 1:
        raise MonitorError(f"a share of rows is above 0 and at most 1, and this is {share:g}.")
    n, positives = int(points["n"].iloc[0]), int(points["positives"].iloc[0])
    hits = float(np.interp(share, points["share_flagged"], points["hits"]))
    precision = hits / (share * n)
    return {
        "flagged": share * n,
        "recall": hits / positives if positives else math.nan,
        "precision": precision,
        "lift": precision / (positives / n) if positives else math.nan,
    }


def costs(points: pd.DataFrame, false_alarm: float, miss: float) -> pd.DataFrame:
    """Return the expected cost of each threshold: `threshold, cost` per 1,000 rows, `false_alarms` and `misses` too.

    `points` as from `curve`. `false_alarm` is the cost of a flagged row whose outcome is negative, `miss` that of a
    positive one that is not flagged, in any unit of money or time; what is predicted right costs nothing. The first
    row flags none, the last all. Raises MonitorError for a negative cost.
    """
    if min(false_alarm, miss) < 0:
        raise MonitorError(f"a cost is at least 0, and these are {false_alarm:g} and {miss:g}.")
    false_alarms = 1000 * (points["flagged"] - points["hits"]) / points["n"]
    misses = 1000 * (points["positives"] - points["hits"]) / points["n"]
    cost = false_alarm * false_alarms + miss * misses
    return points[["threshold"]].assign(cost=cost, false_alarms=false_alarms, misses=misses)
