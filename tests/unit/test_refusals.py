"""What a node refuses becomes a table, whether it is raised at once or while the rows are streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from mlbridge.errors import ScoringError
from mlbridge.nodes.refusals import answering_refusals

SCHEMA = pa.schema({"x": pa.int64()})


def _materialize(rows: Any, connection: Any) -> None:
    """Write as dbt-duckdb does."""
    connection.register("found", rows)
    connection.execute("create table answer as select * from found")
    connection.unregister("found")


def _answered(model: Any) -> tuple[list[str], list[Any]]:
    run, write = answering_refusals(model, _materialize)
    with duckdb.connect() as connection:
        write(run(None, connection), connection)
        table = connection.table("answer")
        return table.columns, table.fetchall()


def _stream(error: Exception | None) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"x": [1, 2]}, schema=SCHEMA)
        if error is not None:
            raise error

    return pa.RecordBatchReader.from_batches(SCHEMA, batches())


def test_rows_are_written_as_they_are() -> None:
    assert _answered(lambda *_: pa.table({"x": [1]})) == (["x"], [(1,)])
    assert _answered(lambda *_: _stream(None)) == (["x"], [(1,), (2,)])
    assert _answered(lambda _, connection: connection.sql("select 3 as x")) == (["x"], [(3,)])


def test_a_refusal_is_one_row() -> None:
    def refuse(*_: Any) -> Any:
        raise ScoringError("late_predictions: no")

    assert _answered(refuse) == (["ml_refusal"], [("late_predictions: no",)])


def test_a_refusal_in_a_stream_is_one_row_and_nothing_of_the_stream() -> None:
    assert _answered(lambda *_: _stream(ScoringError("late: 'no'"))) == (["ml_refusal"], [("late: 'no'",)])


def test_another_error_is_raised_as_it_is() -> None:
    def fail(*_: Any) -> Any:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        _answered(fail)
    with pytest.raises(duckdb.Error, match="out of ink"):
        _answered(lambda *_: _stream(ValueError("out of ink")))
