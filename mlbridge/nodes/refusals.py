"""What a node refuses, as a table: a sentence that is raised in Python reaches dbt's user below a traceback.

An engine wraps the functions of a node in these (`answering_refusals` in `macros/engines`), and
`macros/nodes/refusal.sql` refuses with the sentence that it finds in the table.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from mlbridge.errors import MlbridgeError
from mlbridge.log import debug

if TYPE_CHECKING:
    import pyarrow as pa

REFUSAL = "ml_refusal"

Model: TypeAlias = Callable[[Any, Any], Any]
Materialize: TypeAlias = Callable[[Any, Any], None]


def answering_refusals(model: Model, materialize: Materialize) -> tuple[Model, Materialize]:
    """Return a node's `model(dbt, session)` and its adapter's `materialize(rows, connection)` that write refusals.

    Where either raises an MlbridgeError, also while rows are streamed, what is written is one row with the sentence in
    the column `ml_refusal`, and the traceback goes to dbt's log. Other errors are raised as they are.
    """
    refused: list[MlbridgeError] = []

    def answer(dbt: Any, session: Any) -> Any:
        import pyarrow as pa

        try:
            rows = model(dbt, session)
        except MlbridgeError as error:
            return _table(error)
        return _noting(rows, refused) if isinstance(rows, pa.RecordBatchReader) else rows

    def write(rows: Any, connection: Any) -> None:
        try:
            materialize(rows, connection)
        except Exception:  # the engine raises an error of its own for whatever ends the stream
            if not refused:
                raise
            materialize(_table(refused[0]), connection)

    return answer, write


def _noting(rows: pa.RecordBatchReader, refused: list[MlbridgeError]) -> pa.RecordBatchReader:
    """Note an error of a stream, of which the engine that reads it would keep the text only."""
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from rows
        except MlbridgeError as error:
            refused.append(error)
            raise

    return pa.RecordBatchReader.from_batches(rows.schema, batches())


def _table(error: MlbridgeError) -> pa.Table:
    import pyarrow as pa

    debug("".join(traceback.format_exception(error)))
    return pa.table({REFUSAL: [str(error)]})
