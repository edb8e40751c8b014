"""`mlbridge.train`, which a Python training node calls: decides whether to train, and imports what trains if it does.

`mlbridge train`, the command, answers the requests of SQL training nodes by the same `new_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlbridge.engines.adapters import Relation, Session
from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import FeatureError, listed, nearest
from mlbridge.features.columns import features_of
from mlbridge.lifecycle.retraining import RetrainingContext, decide_retraining
from mlbridge.log import info
from mlbridge.registry import champions, changes
from mlbridge.registry.logbook import LogbookRow, as_query, as_table, history, next_version, rows_until
from mlbridge.spec.reading import read_spec
from mlbridge.spec.run import DbtModel, Run
from mlbridge.spec.specification import MONITORED_OUTPUTS, Spec
from mlbridge.training.candidates import describe, own_candidates
from mlbridge.typing import Json
from mlbridge.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa
    from sklearn.base import BaseEstimator
    from sqlglot import exp

LOGBOOK = "logbook"


def train(
    dbt: DbtModel,
    session: Session,
    split: Relation,
    spec: Mapping[str, Json] | None,
    candidates: Mapping[str, BaseEstimator] | None = None,
) -> pa.Table | Relation:
    """Train a model if there is a reason to; returns the rows to append to its logbook.

    `split` is `dbt.ref("<model>_split")`, `spec` is `dbt.config.meta_get("mlbridge")`, which is None before dbt 1.11.6:
    then it is what the materialization has read. `candidates` are pipelines of your own by name, fitted and evaluated
    like the stock ones. They get a pandas frame with the feature columns by name: numbers with NaN, texts as categories
    with NaN. Returns one row per fitted candidate, or one row with the reason why there was no training: there was no
    need (`skipped`), or the rows do not suffice (`not_trained`). Raises a subclass of MlbridgeError before any fit if
    spec or rows are wrong; nothing is written then.
    """
    run = Run.of(dbt)
    own = own_candidates(run.node, candidates)
    parsed_spec = read_spec(run.node, run.spec if spec is None else spec, own)
    warehouse = Warehouse(session)
    if run.empty:
        return warehouse.lazy(as_query(None))
    rows = new_rows(run, parsed_spec, own, warehouse, split, warehouse.table(dbt.this, LOGBOOK))
    return as_table(rows) if rows[0].version is not None else warehouse.lazy(as_query(rows[0]))


def new_rows(
    run: Run,
    parsed_spec: Spec,
    own: Mapping[str, BaseEstimator],
    warehouse: Warehouse,
    split: Relation,
    logbook: exp.Expression,
) -> Sequence[LogbookRow]:
    """Decide whether to train, and do it; returns the rows that a build adds to the logbook, as `train` describes."""
    all_rows = history(warehouse, logbook) if run.exists else []
    rows = rows_until(all_rows, run.as_of)
    model = run.model("training")
    spec_hash = parsed_spec.hash({name: describe(each) for name, each in own.items()})
    types = {each.name: each.type for each in features_of(run.node, warehouse.columns(split), parsed_spec)}
    _check_feature_thresholds(run.node, parsed_spec, types)
    last = champions.last_trained(rows)
    changed = None if last is None else changes.changed(last, parsed_spec, spec_hash, types, __version__)
    changed = changed or champions.reason_after_retirement(rows, run.in_use.get("champion"), parsed_spec.retire)
    context = RetrainingContext(run, parsed_spec, rows, warehouse, split, logbook)
    decision = decide_retraining(context, changed)
    entry = LogbookRow(
        model_name=model,
        outcome="skipped",
        reason=decision.reason,
        trained_at=run.started_at,
        as_of=run.as_of,
        invocation_id=run.invocation_id,
        spec=parsed_spec.as_dict(),
        spec_hash=spec_hash,
        decision=decision.figures,
    )
    if not decision.trains:
        info(run.node, decision.reason)
        return [entry]
    # Only now: scikit-learn and pandas cost a build that has nothing to train seconds.
    from mlbridge.nodes.new_version import new_version

    number = next_version(all_rows)
    info(run.node, f"training version {number}: {decision.reason}")
    return new_version(context, own, entry, number, champions.chosen(all_rows, run.in_use.get("promoted")))


def _check_feature_thresholds(node: str, spec: Spec, features: Mapping[str, str]) -> None:
    """Raise FeatureError for thresholds of a feature that the model does not have."""
    allowed = (*features, *MONITORED_OUTPUTS)
    for name in spec.monitor.feature_thresholds:
        if name not in allowed:
            raise FeatureError(
                f"{node}: `mlbridge.monitor.feature_thresholds` names '{name}', which is no feature of this model."
                f"{nearest(name, allowed)} Allowed: {listed(allowed, 60)}."
            )
