"""Spark, by the session of dbt-spark's method `session`; its tables are Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from mlbridge.engines.duckdb import NAME as PYTHON_DIALECT
from mlbridge.engines.engine import Engine
from mlbridge.engines.reader import Credentials, MissingRelationError, Reader
from mlbridge.engines.session import Session
from mlbridge.engines.spark_connect import check_session, end_shared_session
from mlbridge.engines.spark_session import NAME, SparkWarehouse, named

if TYPE_CHECKING:
    import pyarrow as pa


class Spark(Engine):
    """Spark, whose tables are Parquet files: it has neither transactions nor locks."""

    trains = True

    def __init__(self) -> None:
        """Take its name."""
        super().__init__(NAME)

    def written(self, query: exp.Query) -> str:
        """Write a query of the dialect of Python models for Spark."""
        sql = query.sql(dialect=PYTHON_DIALECT)
        return sqlglot.parse_one(sql, dialect=PYTHON_DIALECT).transform(_replaced).sql(dialect=NAME)

    def reader(self, credentials: Credentials) -> Reader:
        """Open the warehouse of a dbt profile; the first query connects."""
        return Reader(SparkWarehouse(credentials).frame, NAME)

    def check(self, credentials: Credentials) -> None:
        """Raise SetupError where a profile is of another method than dbt's `session`, or its server does not listen."""
        check_session(credentials)

    def rest(self, credentials: Credentials) -> None:
        """End dbt's session: a server ends one that is idle for an hour, and dbt would not open another."""
        end_shared_session(credentials)

    def server_session(self, credentials: Credentials) -> SparkWarehouse:
        """Open the warehouse of a dbt profile to read it; the first query connects."""
        return SparkWarehouse(credentials)

    @contextmanager
    def opened(self, credentials: Credentials) -> Iterator[Session]:
        """Open the warehouse of a dbt profile for a training."""
        warehouse = SparkWarehouse(credentials)
        try:
            yield warehouse
        finally:
            warehouse.close()

    def append(
        self, session: Session, credentials: Credentials, table: Sequence[str], rows: pa.Table, condition: exp.Query
    ) -> bool:
        """Append rows to a table if a query gives a row; returns whether it did.

        All rows or none: they are one file, which Spark renames into the folder of the table once it is written.
        """
        return _own(session).append(table, rows, condition, self.written(condition))

    def table_columns(self, session: Session, place: Sequence[str]) -> dict[str, str]:
        """Return each column's type of a table or view; none where it is not there."""
        try:
            return _own(session).sql(f"select * from {named(place)}").described  # noqa: S608 - quoted
        except MissingRelationError:
            return {}

    def places(self, session: Session) -> list[tuple[str, str, str]]:
        """Return the places of all tables and views."""
        return _own(session).places()


def _own(session: Session) -> SparkWarehouse:
    if not isinstance(session, SparkWarehouse):
        raise TypeError(f"expected the session of `Spark.opened`, found {session!r}")
    return session


def _replaced(node: exp.Expression) -> exp.Expression:
    """Write what sqlglot leaves as it is."""
    if isinstance(node, exp.IsInf):
        return exp.paren(exp.Abs(this=node.this).eq(exp.cast(exp.Literal.string("Infinity"), "double")))
    if isinstance(node, exp.JSONArray):
        texts = exp.Anonymous(this="array", expressions=node.expressions)
        return exp.Anonymous(this="to_json", expressions=[texts])
    return node
