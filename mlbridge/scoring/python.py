"""Scoring in Python: a version over rows, streamed in Arrow batches."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mlbridge.engines.warehouse import non_empty_batches
from mlbridge.log import info, warn
from mlbridge.registry.versions import Version
from mlbridge.scoring.rows import ENTITY, TIME, ConstantColumns, prediction_schema
from mlbridge.scoring.unscorable_rows import Unscored, count_unscored, scored_rows, unscored_message
from mlbridge.typing import Array, Floats, Integers

if TYPE_CHECKING:
    import pyarrow as pa


SCORING_BATCH_ROWS = 50_000
# The values of a column by row; None if all are NULL.
Values: TypeAlias = "Sequence[object] | Array | None"
Answer: TypeAlias = dict[str, Values]
# A batch, the columns of `predicted`, and the reasons of rows that were not scored, None if all were.
Scored: TypeAlias = tuple["pa.RecordBatch", Answer, list[str | None] | None]


def score(
    node: str,
    reader: pa.RecordBatchReader,
    version: Version,
    constant_columns: ConstantColumns,
    recorded: Collection[tuple[datetime, str, str]] = (),
) -> Iterator[pa.RecordBatch]:
    """Score batch by batch, and yield batches with the columns of `<model>_predictions`.

    `constant_columns` are the columns with the same value in every row. A row that cannot be scored gets NULLs and the
    reason in `not_scored_because`; a warning at the end counts such rows. Those that are `recorded` already, by time,
    entity and reason, are left out.
    """
    import pyarrow as pa
    from joblib import cpu_count

    done, unscored = 0, Unscored()
    same = {**constant_columns, "version": version.number, "target": version.spec.target, "scored_by": "python"}
    for batch, answer, reasons in score_batches(version, non_empty_batches(reader), cpu_count()):
        columns = {**same, **answer, "not_scored_because": reasons, "entity": batch[ENTITY], "time": batch[TIME]}
        arrays = [_column(columns[field.name], field.type, batch.num_rows) for field in prediction_schema()]
        rows = pa.RecordBatch.from_arrays(arrays, schema=prediction_schema())
        if reasons is not None:
            keys = list(zip(batch[TIME].to_pylist(), batch[ENTITY].to_pylist(), strict=True))
            is_new = [(*key, why) not in recorded for key, why in zip(keys, reasons, strict=True)]
            rows = rows.filter(pa.array(is_new))
            count_unscored(unscored, compress(reasons, is_new), compress(keys, is_new))
        yield rows
        done += batch.num_rows
        if done % 1_000_000 < batch.num_rows:
            info(node, f"scored {done:,} rows with version {version.number}")
    if unscored:
        warn(node, unscored_message(version.number, unscored))
    done -= sum(rows for rows, _ in unscored.values())
    info(node, f"version {version.number} scored {done:,} new rows")


def score_batches(version: Version, batches: Iterable[pa.RecordBatch], workers: int) -> Iterator[Scored]:
    """Score batches in parallel threads, each on one core; yields them in order.

    Besides the batches in work, one is read ahead. Few estimators use more than one core by themselves, and a forest
    that does sums its trees in a different order each time.
    """
    import sklearn
    from threadpoolctl import threadpool_limits

    settings = sklearn.get_config()  # each thread has its own

    def score_batch(batch: pa.RecordBatch) -> Scored:
        with sklearn.config_context(**settings):
            positions, scores, reasons = scored_rows(version, batch)
        found = predicted(scores, version.classes, version.numbers)
        if reasons is not None:
            found = {name: _scatter(values, positions, batch.num_rows) for name, values in found.items()}
        return batch, found, reasons

    waiting: deque[Future[Scored]] = deque()
    with ThreadPoolExecutor(workers, initializer=partial(threadpool_limits, 1, "openmp")) as pool:
        for batch in batches:
            waiting.append(pool.submit(score_batch, batch))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def predicted(scores: Floats, classes: Sequence[str] | None, numbers: Sequence[float] | None) -> Answer:
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
        "prediction": [classes[code] for code in best],
        "prediction_value": None if numbers is None else np.take(numbers, best),
        "probability": scores[:, 1] if two else scores.max(axis=1),
        "probabilities": None if two else [json.dumps(each) for each in scores.tolist()],
    }


def _scatter(values: Values, positions: Integers, rows: int) -> Values:
    """Return a list of `rows` entries with the values at their positions, and None elsewhere."""
    if values is None:
        return None
    every: list[object] = [None] * rows
    for position, value in zip(positions, values, strict=True):
        every[position] = value
    return every


def _column(values: Values | pa.Array | str | int | datetime, type_: pa.DataType, rows: int) -> pa.Array:
    import pyarrow as pa

    if isinstance(values, pa.Array):
        return values.cast(type_)
    if isinstance(values, (list, np.ndarray)):
        return pa.array(values, type=type_)
    return pa.repeat(pa.scalar(values, type=type_), rows)
