"""Score: a version over the rows it has not seen and not scored, streamed in Arrow batches."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import sklearn
from joblib import cpu_count
from sqlglot import exp
from threadpoolctl import threadpool_limits

from mlbridge.frame import scoring_columns
from mlbridge.log import say, warn
from mlbridge.unscored import Unscored, count, scored_rows, sentence, why_not, words
from mlbridge.versions import Version
from mlbridge.warehouse import as_text, batched, column, refusal, subquery

if TYPE_CHECKING:
    import pyarrow as pa

    from mlbridge.spec import Spec

# Name and Arrow type of each column of `<model>_predictions`.
PREDICTIONS = {
    "model_name": "string",
    "entity": "string",
    "time": "timestamp[us]",
    "version": "int32",
    "target": "string",
    "prediction": "string",
    "prediction_value": "double",
    "probability": "double",
    "probabilities": "string",
    "scored_by": "string",
    "scored_at": "timestamp[us]",
    "invocation_id": "string",
    "not_scored_because": "string",
}
BATCH_ROWS = 50_000
SPLIT, SCORED = "split", "scored"
ENTITY, TIME = "ml entity", "ml time"


def waiting_rows(
    version: Version, now: Spec, split: exp.Expression, scored: exp.Expression | None, tells: bool = True
) -> exp.Select:
    """Select the rows of the split that neither fit nor selection of this version saw and that it has not scored yet.

    `split` and `scored` (the predictions so far) go by the aliases `SPLIT` and `SCORED`; `now` is today's
    spec. Rows without an outcome were never trained on. Of the others, today's words tell only while rows are dealt as
    they were then; by time they never do, because cut-offs move on. A row that got no prediction waits until what
    kept it from one has changed; `tells` is whether `scored` has that column yet.
    """
    moment = exp.cast(column(version.spec.time), "timestamp")
    unseen: exp.Condition = column(version.spec.target).is_(exp.null())
    if version.holdout_from is not None:
        first = exp.cast(exp.Literal.string(version.holdout_from.isoformat(sep=" ")), "timestamp")
        unseen = exp.or_(unseen, exp.GTE(this=moment, expression=first))
    elif version.same_question(now) and version.spec.split == now.split:
        unseen = column("ml_split").isin("test", "score")
    query = exp.select("*").from_(split).where(unseen)
    if scored is not None:
        same = exp.and_(
            column("entity", SCORED).eq(as_text(version.spec.entity, SPLIT)),
            column("time", SCORED).eq(exp.cast(column(version.spec.time, SPLIT), "timestamp")),
            column("version", SCORED).eq(exp.Literal.number(version.number)),
        )
        known = exp.not_(column("prediction", SCORED).is_(exp.null()))
        query = query.where(exp.not_(exp.Exists(this=exp.select("1").from_(scored).where(same, known))))
        if tells:
            still = column("not_scored_because", SCORED).eq(why_not(version.features, SPLIT))
            query = query.where(exp.not_(exp.Exists(this=exp.select("1").from_(scored).where(same.copy(), still))))
    return query


def scored_columns(version: Version) -> dict[str, exp.Expression]:
    """Give what scoring in Python reads of a row of the split: its key, its moment, the features, what is odd."""
    return {**_key(version), **scoring_columns(version.features), **words(version.features)}


def keyed_rows(version: Version, rows: exp.Select) -> exp.Select:
    """Add key and moment to rows of the split, as a version's SELECT expects them beside the columns that it reads."""
    return rows.select(*(exp.alias_(value, name, quoted=True) for name, value in _key(version).items()))


def _key(version: Version) -> dict[str, exp.Expression]:
    return {ENTITY: as_text(version.spec.entity), TIME: exp.cast(column(version.spec.time), "timestamp")}


def odd_query(version: Version, rows: exp.Select) -> exp.Select:
    """Ask whether there is something in any of the rows that may keep it from a prediction."""
    named = exp.select(exp.alias_(why_not(version.features, SPLIT), "why")).from_(subquery(rows, SPLIT))
    return exp.select(exp.alias_(exp.Count(this=exp.column("why")), "odd")).from_(subquery(named, SCORED))


def answer_columns(version: Version, facts: Mapping[str, Any]) -> dict[str, exp.Expression]:
    """Give the columns of `<model>_predictions` over what a version's SELECT gives; no prediction is an error."""
    types = {"string": "text", "timestamp[us]": "timestamp", "int32": "int", "double": "double"}
    same = {**facts, "version": version.number, "target": version.spec.target, "scored_by": "sql"}
    refused = refusal(f"version {version.number} gives no prediction for some rows. Pin another.")
    found: dict[str, exp.Expression] = {}
    for name, type_ in PREDICTIONS.items():
        value: exp.Expression = exp.null() if name == "not_scored_because" else column(name)
        if name in same:
            value = exp.Literal.string(str(same[name]))
        value = exp.Coalesce(this=value, expressions=[refused]) if name == "prediction" else value
        found[name] = exp.cast(value, types[type_])
    return found


def score(
    node: str, reader: pa.RecordBatchReader, version: Version, facts: Mapping[str, Any]
) -> Iterator[pa.RecordBatch]:
    """Score batch by batch; `facts` are the columns that are the same in every row.

    Rows that cannot be scored get no prediction and are warned of in the end.
    """
    import pyarrow as pa

    done, unscored = 0, Unscored()
    same = {**facts, "version": version.number, "target": version.spec.target, "scored_by": "python"}
    for batch, answer in answers(version, batched(reader), cpu_count()):
        columns = {**same, **answer, "entity": batch[ENTITY], "time": batch[TIME]}
        arrays = [_column(columns[field.name], field.type, batch.num_rows) for field in prediction_schema()]
        if answer["not_scored_because"] is not None:
            keys = zip(batch[TIME].to_pylist(), batch[ENTITY].to_pylist(), strict=True)
            count(unscored, answer["not_scored_because"], keys)
        yield pa.RecordBatch.from_arrays(arrays, schema=prediction_schema())
        done += batch.num_rows
        if done % 1_000_000 < batch.num_rows:
            say(node, f"scored {done:,} rows with version {version.number}")
    if unscored:
        warn(node, sentence(version.number, unscored))
    done -= sum(rows for rows, _ in unscored.values())
    say(node, f"version {version.number} scored {done:,} new rows")


def answers(
    version: Version, batches: Iterable[pa.RecordBatch], workers: int
) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
    """Score batches side by side, each on one core, and give them in their order with what `predicted` says of them.

    One batch beside those at work is read ahead. Left to themselves few estimators use more than one core, and a
    forest that does adds its trees up in another order each time.
    """

    settings = sklearn.get_config()  # each thread has its own

    def answer(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, dict[str, Any]]:
        with sklearn.config_context(**settings):
            places, scores, said = scored_rows(version, batch)
        found = predicted(scores, version.classes, version.numbers)
        if said is not None:
            found = {name: _spread(values, places, batch.num_rows) for name, values in found.items()}
        return batch, {**found, "not_scored_because": said}

    waiting: deque[Future[tuple[pa.RecordBatch, dict[str, Any]]]] = deque()
    with ThreadPoolExecutor(workers, initializer=partial(threadpool_limits, 1, "openmp")) as pool:
        for batch in batches:
            waiting.append(pool.submit(answer, batch))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def predicted(
    scores: np.ndarray[Any, Any], classes: Sequence[str] | None, numbers: Sequence[float] | None
) -> dict[str, Any]:
    """Turn scores into `prediction`, `prediction_value`, `probability` and `probabilities`.

    Two classes: the probability is that of the positive (second) one; many: of the predicted one, which is the
    most probable, the first on ties, and `probabilities` are those of all classes in their order, as a JSON array.
    `numbers` are the classes as numbers, None where they are texts.
    """
    if classes is None:
        return {
            "prediction": [repr(float(each)) for each in scores],
            "prediction_value": scores,
            "probability": None,
            "probabilities": None,
        }
    best = scores.argmax(axis=1)
    two = len(classes) == 2
    return {
        "prediction": [classes[place] for place in best],
        "prediction_value": None if numbers is None else np.take(numbers, best),
        "probability": scores[:, 1] if two else scores.max(axis=1),
        "probabilities": None if two else [json.dumps(each) for each in scores.tolist()],
    }


def _spread(values: Any, places: np.ndarray[Any, Any], rows: int) -> list[Any] | None:
    """Put the values of some of the rows into their places; the others have None."""
    if values is None:
        return None
    every: list[Any] = [None] * rows
    for place, value in zip(places, values, strict=True):
        every[place] = value
    return every


def prediction_schema() -> pa.Schema:
    """Give the Arrow schema of `<model>_predictions`."""
    import pyarrow as pa

    types = {"timestamp[us]": pa.timestamp("us")}
    return pa.schema([(name, types.get(type_) or pa.type_for_alias(type_)) for name, type_ in PREDICTIONS.items()])


def _column(values: Any, type_: pa.DataType, rows: int) -> pa.Array:
    import pyarrow as pa

    if isinstance(values, pa.Array):
        return values.cast(type_)
    if isinstance(values, (list, np.ndarray)):
        return pa.array(values, type=type_)
    return pa.repeat(pa.scalar(values, type=type_), rows)
