"""What the two Python models of a branch call: the stages, composed along the line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlglot import exp

import mlbridge
from mlbridge import artifacts, registry
from mlbridge.challenge import challenge
from mlbridge.errors import FeatureError, MlbridgeError, listed, nearest
from mlbridge.features import checked_columns, facts_query, features_of, target_type
from mlbridge.frame import BATCH_ROWS, FIT_WORDS, read_frame, training_query
from mlbridge.gate import ROWS, cheaper, examine, title
from mlbridge.incumbent import Incumbent, meet
from mlbridge.large import check_large
from mlbridge.log import say, warn
from mlbridge.parity import proof
from mlbridge.resampling import blocks_of, numbers_of, uses_of
from mlbridge.retrain import Case, decide
from mlbridge.run import Run
from mlbridge.score import BATCH_ROWS as SCORE_ROWS
from mlbridge.score import (
    SCORED,
    SPLIT,
    answer_columns,
    keyed_rows,
    odd_query,
    prediction_schema,
    score,
    scored_columns,
    waiting_rows,
)
from mlbridge.shortage import Shortage, shortage
from mlbridge.spec import WATCHED, Spec, read_spec
from mlbridge.split import check_keys, check_labels, check_rows, duplicates_query, labels_query, missing_query
from mlbridge.traces import traces
from mlbridge.train import ONE_AT_A_TIME, Inputs, candidates_of, describe, own_candidates
from mlbridge.trial import Training
from mlbridge.versions import Version, read_version, unwritten_version
from mlbridge.warehouse import Warehouse, select, subquery

if TYPE_CHECKING:
    import pyarrow as pa

LOGBOOK = "logbook"


def train(dbt: Any, session: Any, split: Any, spec: Any, candidates: Mapping[str, Any] | None = None) -> pa.Table:
    """Train a model if there is a reason to, and give the rows to append to its logbook.

    `split` is `dbt.ref("<model>_split")`, `spec` is `dbt.config.meta_get("mlbridge")`; `candidates` are pipelines
    of your own by name, fitted and judged beside the stock ones. They are given a pandas frame with the feature
    columns by name: numbers with NaN, texts as categories with NaN. Gives one row per candidate fitted, or one that
    says why there was nothing to do (`skipped`), or what the rows lack yet (`not_trained`). Raises a child of
    MlbridgeError before any fit for whatever is wrong with spec or rows; nothing is written then.
    """
    run = Run.of(dbt)
    own = own_candidates(run.node, candidates)
    read = read_spec(run.node, spec, own)
    if run.empty:
        return registry.as_table([])
    warehouse = Warehouse(session)
    logbook = warehouse.table(dbt.this, LOGBOOK)
    every = registry.history(warehouse, logbook) if run.exists else []
    rows = registry.known(every, run.as_of)
    if registry.last_trained(rows) is not None:
        # A pin or a retirement that names nothing is refused before it costs a fit.
        registry.check_retired(run.node, every, read.retire)
        registry.champion(run.node, rows, read.pin, read.retire)
    facts: dict[str, Any] = {
        "model_name": run.model("training"),
        "trained_at": run.started_at,
        "as_of": run.as_of,
        "invocation_id": run.invocation_id,
        "spec": read.as_dict(),
        "spec_hash": read.hash({name: describe(each) for name, each in own.items()}),
    }
    types = {each.name: each.type for each in features_of(run.node, warehouse.columns(split), read)}
    _check_watched(run.node, read, types)
    last = registry.last_trained(rows)
    changed = None if last is None else registry.changed(last, read, facts["spec_hash"], types, mlbridge.__version__)
    changed = changed or registry.nothing_left(run.node, rows, read.pin, read.retire)
    decision = decide(Case(run, read, rows, warehouse, split, logbook), changed)
    facts["decision"] = decision.figures
    if not decision.trains:
        say(run.node, decision.reason)
        return registry.as_table([{**facts, "outcome": "skipped", "reason": decision.reason}])
    facts["version"] = registry.next_version(every)
    say(run.node, f"training version {facts['version']}: {decision.reason}")
    with ONE_AT_A_TIME:
        training = _gather(run.node, warehouse, split, read, own, rows)
        if isinstance(training, Shortage):
            return _not_trained(run.node, facts, f"{decision.reason}; {training.reason}", training.figures)
        # A pin says who scores, not who is best: the challenger meets the version that was promoted last.
        best = registry.champion(run.node, rows, pin=None, retire=read.retire)
        incumbent: Incumbent | None = None
        if best is not None:
            version = read_version(run.node, warehouse, logbook, best, read.trusted)
            table, columns = warehouse.table(split, SPLIT), warehouse.columns(split)
            incumbent = meet(warehouse, table, columns, version, read, training.classes)
        table = warehouse.table(split, SPLIT)

        def prove(row: Mapping[str, Any], judged: Any) -> str | None:
            return proof(unwritten_version(run.node, read, {**facts, **row}), warehouse, table, judged)

        chosen = challenge(training, incumbent, decision.reason, prove)
        for row in chosen:
            if row["outcome"] == "promoted" or (read.shadow and row["outcome"] == "rejected"):
                row |= _compiled(run, read, warehouse, table, {**facts, **row})
    return registry.as_table([{**facts, **row} for row in chosen])


def _not_trained(node: str, facts: Mapping[str, Any], reason: str, figures: Mapping[str, Any]) -> pa.Table:
    """Log what the rows lack yet, and warn of it; a version in use goes on scoring."""
    warn(node, reason)
    known = {"version": None, "decision": {**(facts["decision"] or {}), **figures}}
    return registry.as_table([{**facts, **known, "outcome": "not_trained", "reason": reason}])


def _compiled(
    run: Run, spec: Spec, warehouse: Warehouse, split: exp.Expression, row: Mapping[str, Any]
) -> dict[str, Any]:
    """Let the gate decide whether the new champion has a SELECT."""
    version = unwritten_version(run.node, spec, row)
    found = examine(version, title(row["model_name"], row), warehouse, split)
    say(
        run.node, f"version {version.number} scores as SQL too" if found.sql else f"scores in Python only: {found.note}"
    )
    return {"scoring_sql": found.sql, "scoring_sql_note": found.note, "scoring_cost": found.cost}


def _check_watched(node: str, spec: Spec, features: Mapping[str, str]) -> None:
    """Refuse thresholds of a feature that the model does not have."""
    allowed = (*features, *WATCHED)
    for name in spec.monitor.feature_thresholds:
        if name not in allowed:
            raise FeatureError(
                f"{node}: `mlbridge.monitor.feature_thresholds` names '{name}', which is no feature of this model."
                f"{nearest(name, allowed)} Allowed: {listed(allowed, 60)}."
            )


def _gather(
    node: str, warehouse: Warehouse, split: Any, spec: Spec, own: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Training | Shortage:
    """Check the rows in the warehouse, then read them once, or say what they lack; `rows` is the logbook so far."""
    columns = warehouse.columns(split)
    table = warehouse.table(split, SPLIT)
    features = features_of(node, columns, spec)
    for each in features:
        if each.converted:
            say(node, f"reads the feature {each.converted}")
    target_as = target_type(node, columns, spec)
    _check_keys(node, warehouse, spec, split)
    facts = {row["word"]: row for row in warehouse.rows(facts_query(features, spec, table))}
    check_rows(node, spec, facts)
    counted = warehouse.rows(labels_query(spec, target_as, table)) if spec.task == "classification" else []
    classes = check_labels(node, spec, counted) if spec.task == "classification" else None
    lacking = shortage(spec, facts, counted)
    if lacking is not None:
        return lacking
    read_as = checked_columns(node, features, facts)
    inputs = Inputs.of(read_as, spec.task, facts["train"]["rows"], len(classes or ()))
    candidates = candidates_of(node, spec.candidates, own, inputs)
    for name in own:
        artifacts.dump(node, name, candidates[name], spec.trusted)
    query = training_query(read_as, spec, target_as, table)
    sizes = {word: row["rows"] for word, row in facts.items()}
    frame = read_frame(warehouse.batches(query, BATCH_ROWS), sizes)
    check_large(node, frame.features, candidates)
    say(node, f"read {len(frame.features):,} rows x {len(features)} features")
    times = {word: (row["first"], row["last"]) for word, row in facts.items()}
    labelled = [moment for word in FIT_WORDS for moment in times[word]]
    found = traces(warehouse, table, features, spec, min(labelled), max(labelled))
    uses = uses_of(registry.trained(rows), spec, frame)
    training = Training(node, spec, read_as, frame, classes, candidates, times, {}, uses, found)
    outcomes = numbers_of(training.truth("test"), len(classes or ()))
    return replace(training, blocks=blocks_of(warehouse, table, spec, frame, outcomes))


def _check_keys(node: str, warehouse: Warehouse, spec: Spec, split: Any) -> None:
    table = warehouse.table(split, SPLIT)
    duplicates = warehouse.rows(duplicates_query(spec, table))
    check_keys(node, spec, warehouse.row(missing_query(spec, table)), duplicates)


def predict(dbt: Any, session: Any, split: Any, training: Any) -> Any:
    """Score the rows that the champion has not seen and not scored, and give the rows to append.

    `split` and `training` are `dbt.ref("<model>_split")` and `dbt.ref("<model>_training")`. Gives an Arrow reader
    of predictions, so that memory hardly grows with the rows. With `shadow: true` the challenger's rows come after the
    champion's; whatever keeps the challenger from scoring is only warned of. No champion yet gives no rows and a
    warning. Raises ScoringError when a feature is gone or changed its type, SplitError when a key is missing or stands
    twice, ArtifactError when the artifact is damaged or holds a type that is not trusted.
    """
    import pyarrow as pa

    run = Run.of(dbt)
    model = run.model("predictions")
    spec = read_spec(f"{model}_training", run.spec, own_candidates=None)
    if run.empty:
        return prediction_schema().empty_table()
    warehouse = Warehouse(session)
    logbook = warehouse.table(training, LOGBOOK)
    every = registry.history(warehouse, logbook)
    registry.check_retired(run.node, every, spec.retire)
    rows = registry.known(every, run.as_of)
    champion = registry.champion(run.node, rows, spec.pin, spec.retire)
    if champion is None:
        warn(run.node, f"{model} has no champion yet, so nothing is scored; see `ml_decisions` for the reason")
        return prediction_schema().empty_table()
    scored = warehouse.table(dbt.this, SCORED) if run.exists else None
    work = _Work(run, spec, warehouse, split, logbook, scored)
    first = _waiting(work, champion)
    second = _waiting_beside(work, registry.challenger(rows, champion, spec.retire)) if spec.shadow else None
    # The champion's rows are asked for last, because another question on this session would end their stream.
    if first and not second and (answer := _in_warehouse(work, champion, *first)) is not None:
        return answer
    streams = ([_scored(work, *first)] if first else []) + ([_scored_beside(work, *second)] if second else [])
    if not streams:
        return prediction_schema().empty_table()
    return pa.RecordBatchReader.from_batches(prediction_schema(), chain(*streams))


@dataclass(frozen=True)
class _Work:
    """What a scoring works on; `scored` are the predictions so far, None before the first build."""

    run: Run
    spec: Spec
    warehouse: Warehouse
    split: Any
    logbook: exp.Expression
    scored: exp.Expression | None


def _waiting(work: _Work, row: Mapping[str, Any]) -> tuple[Version, exp.Select] | None:
    """Check that the version of a logbook row can score; give it and the query of its rows, None where none wait."""
    node, warehouse = work.run.node, work.warehouse
    version = read_version(node, warehouse, work.logbook, row, work.spec.trusted)
    version.check_schema(warehouse.columns(work.split))
    tells = work.scored is not None and "not_scored_because" in warehouse.names(work.scored)
    query = waiting_rows(version, work.spec, warehouse.table(work.split, SPLIT), work.scored, tells)
    if not warehouse.rows(query.select("1", append=False).limit(1)):
        say(node, f"version {version.number} has scored every row already")
        return None
    _check_keys(node, warehouse, replace(version.spec, split=work.spec.split), work.split)
    # Read now: what is wrong with it should be said by this node, not through the stream of its rows.
    _ = version.estimator
    return version, query


def _scored(work: _Work, version: Version, query: exp.Select) -> Iterator[pa.RecordBatch]:
    run = work.run
    rows = select(scored_columns(version), subquery(query, SPLIT))
    return score(run.node, work.warehouse.batches(rows, SCORE_ROWS), version, _facts(run))


def _facts(run: Run) -> dict[str, Any]:
    return {"model_name": run.model("predictions"), "scored_at": run.as_of, "invocation_id": run.invocation_id}


def _in_warehouse(work: _Work, row: Mapping[str, Any], version: Version, query: exp.Select) -> Any:
    """Give the lazy answer of the version's SELECT where that is expected to be sooner than Python, else None.

    A SELECT says that a row gets no prediction, but not why: where that may come, Python scores.
    """
    node, warehouse = work.run.node, work.warehouse
    if row["scoring_cost"] is None:
        return None
    rows = warehouse.row(query.select(exp.alias_(exp.Count(this=exp.Star()), "rows"), append=False))["rows"]
    if cheaper(json.loads(row["scoring_cost"]), rows) == "python":
        return None
    if warehouse.row(odd_query(version, query))["odd"]:
        return None
    sql = warehouse.row(registry.heavy_query(work.logbook, version.number, "scoring_sql"))["scoring_sql"]
    say(node, f"version {version.number} scores {rows:,} new rows as SQL")
    return warehouse.generated(sql, ROWS, keyed_rows(version, query), answer_columns(version, _facts(work.run)))


def _waiting_beside(work: _Work, row: Mapping[str, Any] | None) -> tuple[Version, exp.Select] | None:
    """Do the same for a challenger, if there is one; what it cannot do is only warned of."""
    if row is None:
        return None
    try:
        return _waiting(work, row)
    except MlbridgeError as error:
        warn(work.run.node, f"the challenger (version {row['version']}) does not score in shadow: {error}")
        return None


def _scored_beside(work: _Work, version: Version, query: exp.Select) -> Iterator[pa.RecordBatch]:
    """Score with the challenger once the champion is through; what it cannot do ends its rows with a warning."""
    try:
        yield from _scored(work, version, query)
    except MlbridgeError as error:
        warn(work.run.node, f"the challenger (version {version.number}) stopped scoring in shadow: {error}")
