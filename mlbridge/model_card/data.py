"""What a model card is made of: the rows about one version in the tables of one published build."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mlbridge.errors import MonitorError, listed
from mlbridge.monitor.models import checked_version, model_fields
from mlbridge.monitor.models import model as model_row
from mlbridge.monitor.records import document, records
from mlbridge.monitor.source import Build, State
from mlbridge.monitor.versions import METRIC_ORDER
from mlbridge.spec.specification import Spec, stored_spec
from mlbridge.typing import Json, Row

VERSION = """
select
    v.candidate, v.outcome, v.reason, v.trained_at, v.as_of, v.spec, v.features, v.params, v.calibration, v.decision,
    v.rows_train, v.rows_validation, v.rows_test, v.train_from, v.train_to, v.holdout_from, v.data_hash,
    v.artifact_format, v.artifact_sha256, v.scoring_sql_note, v.fit_seconds, v.library_versions, v.damaged_documents,
    c.version as in_use, c.pinned
from ml_versions as v
left join ml_champions as c on v.model = c.model and v.version = c.version
where v.model = :model and v.version = :version and v.outcome <> 'runner_up'
"""
CANDIDATES = """
select candidate, outcome, reason, fit_seconds
from ml_versions
where model = :model and version = :version
order by outcome = 'runner_up', candidate
"""
FIGURES = """
select candidate, split, slice, metric, value, low, high, n, baseline, baseline_name
from ml_metrics
where model = :model and version = :version
"""
IMPORTANCES = "select feature, mean, std, n from ml_importances where model = :model and version = :version"
NODES = "select node, name, stage, model, description, parents from ml_nodes order by name"
LEAKS = """
select feature, "check", level, evidence, allowed, reason
from ml_leaks
where model = :model and version = :version
order by case level when 'withhold' then 0 when 'warn' then 1 else 2 end, feature, "check"
"""
DECISIONS = """
select decided_at, outcome, version, reason
from ml_decisions
where model = :model
order by decided_at desc, as_of desc
"""
RETIRED = "select distinct version from ml_versions where model = :model and is_retired order by version"
HEALTH = "select version, verdict, reason, action from ml_health where model = :model"
PERFORMANCE = """
select window_start, slice, kind, metric, value, low, high, n, baseline, threshold, alert, muted
from ml_performance
where model = :model and version = :version
order by window_start desc, kind desc, slice
"""
ALERTS = """
select severity, since, message, action
from ml_alerts
where model = :model and version = :version and is_current
order by case severity when 'act' then 1 when 'look' then 2 else 3 end, since, what
"""
# The newest window that can be compared, beside the training.
DRIFT = """
select d.feature, d.metric, d.value, d.threshold, d.alert, d.muted, d.window_start
from ml_drift as d
inner join (
    select max(window_start) as newest from ml_drift
    where model = :model and version = :version and baseline = 'training' and is_comparable
) as compared
    on d.window_start = compared.newest
where d.model = :model and d.version = :version and d.baseline = 'training'
order by d.feature, d.metric
"""
UNSCORED = """
select not_scored_because as reason, count(*) as n
from ml_predictions
where model = :model and version = :version and not_scored_because is not null
group by not_scored_because
order by count(*) desc, not_scored_because
"""
ACCESS = """
select node, grantee, is_configured, is_observed, unreadable_inputs
from ml_access
where stage = 'score' and (model = :model or model is null) and privilege = 'select'
order by node, grantee
"""
LINEAGE = """
select node, column_name, from_node, from_column, how, is_pii
from ml_lineage
where model = :model and version = :version
"""
SCORED = "select sum(rows_scored) as n from ml_windows where model = :model and version = :version"
CHAMPION = "select version from ml_champions where model = :model"
VERSIONS = "select distinct version from ml_versions where model = :model order by version"
WAITING = """
select reason from ml_decisions where model = :model and outcome = 'not_trained' order by decided_at desc, as_of desc
"""


@dataclass(frozen=True)
class CardData:
    """The rows about a version, by the table they are from; a table that the build does not have is None."""

    model: str
    version: int
    build: Build
    row: Row
    spec: Spec
    classes: list[str] | None
    positive: str | None
    greater: bool
    candidates: list[Row]
    metrics: list[Row]
    importances: list[Row]
    nodes: list[Row]
    leaks: list[Row] | None
    decisions: list[Row]
    retired: list[int]
    health: Row | None
    performance: list[Row]
    alerts: list[Row]
    drift: list[Row]
    unscored: list[Row]
    scored: int
    access: list[Row] | None
    lineage: list[Row]

    @property
    def is_used(self) -> bool:
        """Whether it is the version that scores now."""
        return bool(self.row["in_use"] == self.version)

    def document(self, column: str) -> Json:
        """Read a JSON document of the version; a NULL is an empty one."""
        return document(self.row[column])

    def figures(self, split: str, slice_: str | None = "all") -> list[Row]:
        """Return the metrics of the chosen candidate on the rows of a split; `slice_` None gives all but `all`."""
        own = [each for each in self.metrics if (each["candidate"], each["split"]) == (self.row["candidate"], split)]
        return [each for each in own if (each["slice"] != "all" if slice_ is None else each["slice"] == slice_)]

    def description(self, node: str) -> str | None:
        """Return what the project's YAML says of a node; None where it says nothing."""
        return next((each["description"] for each in self.nodes if each["name"] == node), None)


def champion(state: State, model: str) -> int:
    """Return the version of a model that is in use.

    Raises MonitorError if there is no such model, it was never trained, or no version of it is in use.
    """
    model_row(state, model)
    found = records(state.ask(CHAMPION, model=model))
    if found:
        return int(found[0]["version"])
    versions = [each["version"] for each in records(state.ask(VERSIONS, model=model))]
    if versions:
        raise MonitorError(
            f"no version of '{model}' is in use. Name one with --version. Its versions: {listed(versions)}."
        )
    waiting = records(state.ask(WAITING, model=model))
    why = f" The last build did not train it: {waiting[0]['reason']}." if waiting else ""
    raise MonitorError(
        f"'{model}' has never been trained, so there is nothing to write on a card.{why} "
        f"Run `dbt build --select +{model}_predictions+`."
    )


def card_data(state: State, model: str, version: int) -> CardData:
    """Read what the published tables say of a version; raises MonitorError if there is none, or it is damaged."""
    checked_version(state, model, version)
    which = {"model": model, "version": int(version)}
    (row,) = records(state.ask(VERSION, **which))
    if row["damaged_documents"] is not None:
        raise MonitorError(
            f"version {version} of '{model}' has documents that are no JSON: {row['damaged_documents']}. Restore the "
            f"row of '{model}_training' from a backup."
        )
    params = document(row["params"])
    known = model_fields(json.loads(row["spec"]), params)
    metrics = records(state.ask(FIGURES, **which))
    health = records(state.ask(HEALTH, model=model))
    scored = records(state.ask(SCORED, **which))
    return CardData(
        model=model,
        version=int(version),
        build=state.build,
        row=row,
        spec=stored_spec(json.loads(row["spec"])),
        classes=known["classes"],
        positive=known["positive"],
        greater=known["greater_is_better"],
        candidates=records(state.ask(CANDIDATES, **which)),
        metrics=sorted(metrics, key=lambda each: METRIC_ORDER.get(each["metric"], len(METRIC_ORDER))),
        importances=records(state.ask(IMPORTANCES, **which)),
        nodes=records(state.ask(NODES)),
        leaks=records(state.ask(LEAKS, **which)) if "ml_leaks" in state.tables else None,
        decisions=records(state.ask(DECISIONS, model=model)),
        retired=[int(each["version"]) for each in records(state.ask(RETIRED, model=model))],
        health=health[0] if health else None,
        performance=records(state.ask(PERFORMANCE, **which)),
        alerts=records(state.ask(ALERTS, **which)),
        drift=records(state.ask(DRIFT, **which)),
        unscored=records(state.ask(UNSCORED, **which)),
        scored=int(scored[0]["n"] or 0) if scored else 0,
        lineage=records(state.ask(LINEAGE, **which)) if "ml_lineage" in state.tables else [],
        access=records(state.ask(ACCESS, model=model)) if "ml_access" in state.tables else None,
    )
