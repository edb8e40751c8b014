"""What was trained: every candidate with its figures, what changed from version to version, and what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlbridge.catalogue.metrics import METRICS
from mlbridge.monitor.models import checked_version
from mlbridge.monitor.models import model as model_row
from mlbridge.monitor.records import document
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

METRIC_ORDER = {name: index for index, name in enumerate(METRICS)}
SPLITS = ("validation", "test")
# A flag of another table is NULL where the join finds nothing.
LEADERBOARD = """
select
    v.version, v.candidate, v.outcome,
    v.outcome <> 'runner_up' and c.version is not null as in_use, coalesce(v.is_retired, false) as is_retired,
    m.metric, m.split, m.value, m.low, m.high, m.baseline, m.n,
    v.trained_at, v.as_of, v.rows_train, v.rows_validation, v.rows_test, v.fit_seconds, v.peak_memory_mb, v.reason
from ml_versions as v
inner join ml_metrics as m
    on v.model = m.model and v.version = m.version and v.candidate = m.candidate and m.slice = 'all'
left join ml_champions as c on v.model = c.model and v.version = c.version
where v.model = :model
"""
IMPORTANCES = "select feature, version, mean, std, n from ml_importances where model = :model"
DECISIONS = """
select decided_at, as_of, outcome, version, reason, decision
from ml_decisions
where model = :model
order by decided_at desc, as_of desc
"""

LEAKS = """
select version, feature, "check", level, evidence, allowed, reason
from ml_leaks
where model = :model
order by version desc, case level when 'withhold' then 0 when 'warn' then 1 else 2 end, feature, "check"
"""


def leaderboard(state: State, model: str) -> pd.DataFrame:
    """One row per version, candidate, metric and split; newest version first, its chosen candidate first.

    `value` with its 95 % interval on `n` rows, `baseline` the naive baseline's on the same rows; NULL where
    the metric is not defined. `outcome` is promoted, rejected, withheld or runner_up; `in_use` marks the champion,
    `is_retired` a version that the spec has retired. Metrics are in the order of the docs. Times are UTC,
    `peak_memory_mb` is of the whole process.
    """
    model_row(state, model)
    found = state.ask(LEADERBOARD, model=model)
    found = found.assign(
        runner_up=found["outcome"] == "runner_up",
        metric_order=found["metric"].map(METRIC_ORDER),
        split_order=found["split"].map(SPLITS.index),
    )
    by = ["as_of", "version", "runner_up", "candidate", "metric_order", "split_order"]
    found = found.sort_values(by, ascending=[False, False, True, True, True, True], kind="stable")
    return (
        found.drop(columns=["runner_up", "metric_order", "split_order"])
        .astype({"in_use": "bool", "is_retired": "bool"})
        .reset_index(drop=True)
    )


def importances(state: State, model: str, versions: Sequence[int]) -> pd.DataFrame:
    """One row per feature and version: permutation importance on the validation rows, the most important first.

    `feature, version, mean, std, n`; in the unit of the metric of the version's own spec. A feature comes by its
    largest mean; NULL where the metric was not defined.
    """
    for version in versions:
        checked_version(state, model, version)
    found = state.ask(IMPORTANCES, model=model)
    found = found[found["version"].isin(list(versions))]
    largest = found["mean"].astype("float64").groupby(found["feature"]).transform("max")
    found = found.assign(largest=largest).sort_values(
        ["largest", "feature", "version"], ascending=[False, True, True], na_position="last"
    )
    return found.drop(columns="largest").astype({"mean": "float64", "std": "float64"}).reset_index(drop=True)


def decisions(state: State, model: str) -> pd.DataFrame:
    """One row per build that decided whether to train, newest first.

    `decided_at, as_of, outcome (promoted|rejected|withheld|skipped|not_trained), version (NULL where nothing was
    trained), reason, figures`; `figures` is a dict of the figures behind the decision, empty if no policy was checked.
    """
    model_row(state, model)
    found = state.ask(DECISIONS, model=model)
    figures = found["decision"].map(document)
    return found.drop(columns="decision").assign(figures=figures).astype({"version": "Int64"})


def leaks(state: State, model: str) -> pd.DataFrame:
    """One row per version, feature and check of what looks like a leak, newest version and worst level first.

    `version, feature, check, level (withhold|warn|none), evidence, allowed, reason`; no rows where the build was of an
    mlbridge that did not look for leaks yet.
    """
    import pandas as pd

    model_row(state, model)
    if "ml_leaks" not in state.tables:
        return pd.DataFrame(columns=["version", "feature", "check", "level", "evidence", "allowed", "reason"])
    return state.ask(LEAKS, model=model).astype({"allowed": "bool"})
