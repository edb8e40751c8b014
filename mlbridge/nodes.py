"""What the two Python models of a branch call: the stages, composed along the line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import mlbridge
from mlbridge import artifacts, registry
from mlbridge.challenge import Training, challenge
from mlbridge.errors import SetupError
from mlbridge.features import checked_columns, facts_query, features_of, target_type
from mlbridge.frame import BATCH_ROWS, read_frame, training_query
from mlbridge.log import say, warn
from mlbridge.score import BATCH_ROWS as SCORE_ROWS
from mlbridge.score import SCORED, SPLIT, prediction_schema, rows_query, score
from mlbridge.spec import Spec, read_spec, stored_spec
from mlbridge.split import check_labels, check_rows, check_unique, duplicates_query, labels_query
from mlbridge.train import ONE_AT_A_TIME, Inputs, candidates_of, describe, own_candidates
from mlbridge.versions import read_version
from mlbridge.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Run:
    """What the materialization tells a Python model of this build. Times are UTC without zone."""

    node: str
    invocation_id: str
    as_of: datetime
    started_at: datetime
    retrain: bool
    exists: bool
    package_version: str

    @classmethod
    def of(cls, dbt: Any) -> Run:
        """Read it off the `dbt` object; raises SetupError when the node is materialized as something else."""
        said = getattr(dbt, "mlbridge", None)
        if said is None:
            raise SetupError(
                f"{dbt.this.identifier}: this node must be materialized by mlbridge. Write `config: "
                "{materialized: mlbridge}` in its YAML."
            )
        if said["package_version"] != mlbridge.__version__:
            raise SetupError(
                f"{said['node']}: the dbt package mlbridge is {said['package_version']}, the Python package is "
                f"{mlbridge.__version__}. Install the same version of both (`dbt deps`, `pip install`)."
            )
        times = {key: datetime.fromisoformat(said[key]) for key in ("as_of", "started_at")}
        return cls(**{**said, **times})

    def model(self, stage: str) -> str:
        """Give the model's name: the node's without the stage's word."""
        if not self.node.endswith(f"_{stage}"):
            raise SetupError(f"{self.node}: the node of this stage must be called `<model>_{stage}`.")
        return self.node.removesuffix(f"_{stage}")


def train(dbt: Any, session: Any, split: Any, spec: Any, candidates: Mapping[str, Any] | None = None) -> pa.Table:
    """Train a model if there is a reason to, and give the rows to append to its logbook.

    `split` is `dbt.ref("<model>_split")`, `spec` is `dbt.config.meta_get("mlbridge")`; `candidates` are pipelines
    of your own by name, fitted and judged beside the stock ones. They are given a pandas frame with the feature
    columns by name: numbers with NaN, texts as categories with NaN. Gives one row per candidate fitted, or one
    `skipped` row that says why there was nothing to do. Raises a child of MlbridgeError before any fit for
    whatever is wrong with spec or rows; nothing is written then.
    """
    run = Run.of(dbt)
    own = own_candidates(run.node, candidates)
    read = read_spec(run.node, spec, own)
    warehouse = Warehouse(session)
    rows = registry.history(warehouse, warehouse.table(dbt.this, "logbook")) if run.exists else []
    spec_hash = read.hash({name: describe(each) for name, each in own.items()})
    facts: dict[str, Any] = {
        "model_name": run.model("training"),
        "trained_at": run.started_at,
        "as_of": run.as_of,
        "invocation_id": run.invocation_id,
        "spec": read.as_dict(),
        "spec_hash": spec_hash,
    }
    champion = registry.champion(run.node, rows, read.pin)
    types = {each.name: each.type for each in features_of(run.node, warehouse.columns(split), read)}
    needed, reason = registry.decide(rows, read, spec_hash, types, mlbridge.__version__, run.retrain)
    if not needed:
        say(run.node, reason)
        return registry.as_table([{**facts, "outcome": "skipped", "reason": reason}])
    facts["version"] = registry.next_version(rows)
    say(run.node, f"training version {facts['version']}: {reason}")
    with ONE_AT_A_TIME:
        training = _gather(run.node, warehouse, split, read, own)
        incumbent = None
        if champion is not None:
            logbook = warehouse.table(dbt.this, "logbook")
            incumbent = read_version(run.node, warehouse, logbook, champion, read.trusted)
        chosen = challenge(training, warehouse, warehouse.table(split, SPLIT), incumbent, reason)
    return registry.as_table([{**facts, **row} for row in chosen])


def _gather(node: str, warehouse: Warehouse, split: Any, spec: Spec, own: Mapping[str, Any]) -> Training:
    """Check the rows in the warehouse, then read them once."""
    columns = warehouse.columns(split)
    table = warehouse.table(split, SPLIT)
    features = features_of(node, columns, spec)
    for each in features:
        if each.converted:
            say(node, f"reads the feature {each.converted}")
    target_as = target_type(node, columns, spec)
    facts = {row["word"]: row for row in warehouse.rows(facts_query(features, spec, table))}
    check_rows(node, spec, facts)
    check_unique(node, spec, warehouse.rows(duplicates_query(spec, table)))
    read_as = checked_columns(node, features, facts)
    classes: tuple[Any, ...] | None = None
    if spec.task == "classification":
        classes = check_labels(node, spec, warehouse.rows(labels_query(spec, target_as, table)))
    inputs = Inputs.of(read_as, spec.task, facts["train"]["rows"], len(classes or ()))
    candidates = candidates_of(node, spec.candidates, own, inputs)
    for name in own:
        artifacts.dump(node, name, candidates[name], spec.trusted)
    counted = {word: row["rows"] for word, row in facts.items()}
    query = training_query(read_as, spec, target_as, table)
    frame = read_frame(warehouse.batches(query, BATCH_ROWS), counted)
    say(node, f"read {len(frame.features):,} rows x {len(features)} features")
    times = {word: (row["first"], row["last"]) for word, row in facts.items()}
    return Training(node, spec, columns, read_as, frame, classes, candidates, times)


def predict(dbt: Any, session: Any, split: Any, training: Any) -> Any:
    """Score the rows that the champion has not seen and not scored, and give the rows to append.

    `split` and `training` are `dbt.ref("<model>_split")` and `dbt.ref("<model>_training")`. Gives an Arrow reader
    of predictions: memory does not grow with the rows. No champion yet gives no rows and a warning. Raises
    ScoringError when a feature is gone or changed its type, ArtifactError when the artifact is damaged or holds
    a type that is not trusted.
    """
    import pyarrow as pa

    run = Run.of(dbt)
    model = run.model("predictions")
    warehouse = Warehouse(session)
    logbook = warehouse.table(training, "logbook")
    rows = registry.history(warehouse, logbook)
    spec = stored_spec(json.loads(rows[-1]["spec"])) if rows else None
    champion = registry.champion(run.node, rows, spec.pin) if spec else None
    if spec is None or champion is None:
        warn(run.node, f"{model} has no champion yet, so nothing is scored; see `ml_versions` for the reason")
        return prediction_schema().empty_table()
    version = read_version(run.node, warehouse, logbook, champion, spec.trusted)
    version.check_schema(warehouse.columns(split))
    query = rows_query(
        version,
        spec.split,
        warehouse.table(split, SPLIT),
        warehouse.table(dbt.this, SCORED) if run.exists else None,
    )
    if not warehouse.rows(query.select("1", append=False).limit(1)):
        say(run.node, f"version {version.number} has scored every row already")
        return prediction_schema().empty_table()
    # Read now: what is wrong with it should be said by this node, not through the stream of its rows.
    _ = version.estimator
    facts = {
        "model_name": model,
        "version": version.number,
        "scored_at": run.as_of,
        "invocation_id": run.invocation_id,
    }
    batches = score(run.node, warehouse.batches(query, SCORE_ROWS), version, facts)
    return pa.RecordBatchReader.from_batches(prediction_schema(), batches)
