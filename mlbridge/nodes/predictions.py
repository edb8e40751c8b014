"""`mlbridge.predict`, which the predictions node calls: champion and challenger score the rows not scored yet.

The macro `scoring_versions` decides which versions score which rows, and whether they can.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from sqlglot import exp

from mlbridge.compile.reasons import BECAUSE
from mlbridge.engines.adapters import Relation, Session
from mlbridge.engines.records import as_query
from mlbridge.engines.warehouse import Warehouse, select, subquery
from mlbridge.errors import MlbridgeError, SetupError
from mlbridge.log import info, warn
from mlbridge.registry.champions import trained
from mlbridge.registry.logbook import CandidateRow, history, with_deferred
from mlbridge.registry.versions import Version, read_version
from mlbridge.scoring.python import SCORING_BATCH_ROWS, score
from mlbridge.scoring.rows import (
    SCORED,
    SPLIT,
    ConstantColumns,
    Prediction,
    answer_columns,
    prediction_schema,
    recorded_reasons,
    refused_query,
    scored_columns,
    unscorable_query,
)
from mlbridge.scoring.sql import ROWS, cheaper
from mlbridge.spec.reading import read_spec
from mlbridge.spec.run import DbtModel, Run, Scoring
from mlbridge.spec.specification import Spec

if TYPE_CHECKING:
    import pyarrow as pa

LOGBOOK = "logbook"


def predict(
    dbt: DbtModel, session: Session, split: Relation, training: Relation, requests: Relation | None = None
) -> pa.Table | pa.RecordBatchReader | Relation:
    """Score the rows that the champion was not trained on and has not scored yet; returns the rows to append.

    `split` and `training` are `dbt.ref("<model>_split")` and `dbt.ref("<model>_training")`. `requests` is `dbt.ref` of
    a model that calls `mlbridge.requests`: so dbt builds it before, and the materialization has already taken its rows
    in. The result is an Arrow reader, so that memory hardly grows with the rows, or a lazy query, which has no rows
    without a champion, for example. With `shadow: true` the challenger's rows follow the champion's; its errors are
    only warnings. Raises ScoringError if the version fails to score, ArtifactError if the artifact is damaged or has a
    type that is not trusted, SetupError if `requests` has no requests. A missing or retyped feature, or a key that is
    NULL or not unique, already fails the node in the macros.
    """
    import pyarrow as pa

    run = Run.of(dbt)
    model = run.model("predictions")
    spec = read_spec(f"{model}_training", run.spec, own_candidates=None)
    warehouse = Warehouse(session)
    nothing = as_query(Prediction, None)
    if requests is not None and not (run.takes_requests or run.empty):
        raise SetupError(f"{run.node}: `requests` is no model that calls mlbridge.requests; it has no rows to take in.")
    if run.empty or not run.scoring:
        return warehouse.lazy(nothing)
    scored = warehouse.table(dbt.this, SCORED) if run.exists else None
    context = _ScoringContext(run, spec, warehouse, split, warehouse.table(training, LOGBOOK), scored)
    first, second = (_waiting(context, is_challenger) for is_challenger in (False, True))
    # The champion's rows are queried last, because another query on this session would end their stream.
    if first and not second and (answer := _in_warehouse(context, first)) is not None:
        return answer
    streams = ([_scored(context, first)] if first else []) + (
        [_scored_by_challenger(context, second)] if second else []
    )
    if not streams:
        return warehouse.lazy(nothing)
    return pa.RecordBatchReader.from_batches(prediction_schema(), chain(*streams))


@dataclass(frozen=True)
class _ScoringContext:
    """The inputs of scoring; `scored` are the predictions so far, None before the first build."""

    run: Run
    spec: Spec
    warehouse: Warehouse
    split: Relation
    logbook: exp.Expression
    scored: exp.Expression | None


@dataclass(frozen=True)
class _Waiting:
    """A version that scores, its row of the logbook, and the query of the rows that it has not scored yet.

    `select_problem` says why its SELECT must not run, None where it may.
    """

    version: Version
    row: CandidateRow
    query: exp.Select
    select_problem: str | None


def _waiting(context: _ScoringContext, is_challenger: bool) -> _Waiting | None:
    """Read the champion, or the challenger, whose errors are only warnings; None without one or without its rows."""
    found = [each for each in context.run.scoring if each["is_challenger"] is is_challenger]
    if not found:
        return None
    (scoring,) = found
    try:
        return _read(context, scoring)
    except MlbridgeError as error:
        if not is_challenger:
            raise
        warn(context.run.node, f"the challenger (version {scoring['number']}) does not score in shadow: {error}")
        return None


def _read(context: _ScoringContext, scoring: Scoring) -> _Waiting | None:
    """Read a version if there are rows to score; else return None."""
    node, warehouse, number = context.run.node, context.warehouse, scoring["number"]
    query = warehouse.written(scoring["waiting"], context.split)
    if not warehouse.rows(query.select("1", append=False).limit(1)):
        info(node, f"version {number} has scored every row already")
        return None
    rows = history(warehouse, context.logbook)
    (row,) = (each for each in trained(rows) if each.version == number)
    version = read_version(node, warehouse, context.logbook, row, context.spec.trusted)
    # Deserialize now, so that an error is raised here and not while the rows are streamed.
    _ = version.estimator
    return _Waiting(version, row, query, scoring["select_problem"])


def _scored(context: _ScoringContext, waiting: _Waiting) -> Iterator[pa.RecordBatch]:
    run, version = context.run, waiting.version
    rows = select(scored_columns(version), subquery(waiting.query, SPLIT))
    known = _recorded_reasons(context, version)  # before the rows are streamed: a session has one open result
    batches = context.warehouse.batches(rows, SCORING_BATCH_ROWS)
    return score(run.node, batches, version, _constant_columns(run), known)


def _recorded_reasons(context: _ScoringContext, version: Version) -> set[tuple[datetime, str, str]]:
    """Read time, entity and reason of the rows that the version could not score in earlier builds."""
    warehouse, scored = context.warehouse, context.scored
    if scored is None or "not_scored_because" not in warehouse.names(scored):
        return set()
    rows = warehouse.rows(recorded_reasons(version, scored))
    return {(row["time"], row["entity"], row["not_scored_because"]) for row in rows}


def _constant_columns(run: Run) -> ConstantColumns:
    return {"model_name": run.model("predictions"), "scored_at": run.as_of, "invocation_id": run.invocation_id}


def _in_warehouse(context: _ScoringContext, waiting: _Waiting) -> Relation | None:
    """Return the lazy result of the version's SELECT if it is expected to be faster than Python, else None.

    If a row would get no prediction, Python scores, because it can name the row and the reason.
    """
    node, warehouse, version, query = context.run.node, context.warehouse, waiting.version, waiting.query
    if waiting.row.scoring_cost is None:
        return None
    rows = warehouse.row(query.select(exp.alias_(exp.Count(this=exp.Star()), "rows"), append=False))["rows"]
    if cheaper(waiting.row.scoring_cost, rows) == "python":
        return None
    if warehouse.row(unscorable_query(version, query))["unscorable"]:
        return None
    sql = with_deferred(warehouse, context.logbook, waiting.row, "scoring_sql").scoring_sql
    if sql is None or waiting.select_problem is not None:
        warn(node, f"version {version.number} {waiting.select_problem}. Python scores, from the artifact.")
        return None
    # A SELECT that was compiled before 0.8 does not say which rows it refuses.
    if BECAUSE in sql and warehouse.rows_of(sql, ROWS, query, refused_query())[0]["refused"]:
        return None
    info(node, f"version {version.number} scores {rows:,} new rows as SQL")
    return warehouse.generated(sql, ROWS, query, answer_columns(version, _constant_columns(context.run)))


def _scored_by_challenger(context: _ScoringContext, waiting: _Waiting) -> Iterator[pa.RecordBatch]:
    """Score with the challenger after the champion; an error ends its rows with a warning."""
    try:
        yield from _scored(context, waiting)
    except MlbridgeError as error:
        warn(context.run.node, f"the challenger (version {waiting.version.number}) stopped scoring in shadow: {error}")
