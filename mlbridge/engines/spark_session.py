"""A session of Spark in the place of a Python model's: by Spark Connect, or with a driver in this process."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import sqlglot
from sqlglot import exp

from mlbridge.engines.reader import (
    Credentials,
    MissingRelationError,
    Parameters,
    QueryError,
    ReadError,
    kind_of,
    typed,
)
from mlbridge.engines.server_session import ARROW
from mlbridge.engines.spark_connect import first_line, opened, remote_of
from mlbridge.errors import listed
from mlbridge.typing import Value

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

NAME = "spark"
# What Spark calls a session that its server has ended, and what is not there.
ENDED = "INVALID_HANDLE"
MISSING = ("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "UNRESOLVED_COLUMN")

T = TypeVar("T")


class EndedError(ReadError):
    """The server has ended a session, as it does with one that is idle for long."""


class SparkWarehouse:
    """A session of Spark in the place of a Python model's, used by one thread at a time; the first query opens it."""

    def __init__(self, credentials: Credentials) -> None:
        """Take a dbt profile's credentials."""
        self._credentials = credentials
        self._spark: Any = None  # the classes of a session with a driver here and of one by Connect have no common base
        self._answer = SparkQuery(self, "")
        self._lock = Lock()

    def execute(self, query: str) -> SparkWarehouse:
        """Run a query; raises ReadError."""
        self._answer = SparkQuery(self, query)
        self._rows = self._answer.table()
        return self

    @property
    def description(self) -> Sequence[Sequence[Value]]:
        """Return name and type of each column of the query that has run."""
        return list(self._answer.described.items())

    def fetchall(self) -> Sequence[Sequence[Value]]:
        """Return its rows."""
        return list(zip(*(column.to_pylist() for column in self._rows.columns), strict=True))

    def sql(self, query: str) -> SparkQuery:
        """Return a query that runs once it is read."""
        return SparkQuery(self, query)

    def frame(self, sql: str, parameters: Parameters) -> pd.DataFrame:
        """Run a query with named parameters; returns a frame with the dtypes of `Reader`."""
        # The client takes a moment without a time zone for one of this machine's.
        in_utc = {
            name: each.replace(tzinfo=UTC) if isinstance(each, datetime) else each for name, each in parameters.items()
        }
        self.use(lambda spark: _refresh(spark, sqlglot.parse_one(sql, dialect=NAME)))
        found = SparkQuery(self, sql, in_utc)
        return typed(found.table().to_pandas(date_as_object=False), found.described)

    def append(self, table: Sequence[str], rows: pa.Table, condition: exp.Query, written: str) -> bool:
        """Append rows to a table if a query, as `written` for Spark, gives a row; returns whether it did."""

        def work(spark: Any) -> bool:
            _refresh(spark, condition)
            if not spark.sql(written).take(1):
                return False
            place = named(table)
            there = spark.table(place).columns
            other = sorted({*there} ^ {*rows.column_names})
            if other:
                raise QueryError(f"{place} and its new rows differ by {listed(other)}. Run `dbt build` first.")
            arriving = spark.createDataFrame(_in_utc(rows)).coalesce(1)
            arriving.select(*map(_identifier, there)).write.insertInto(place)
            return True

        return self.use(work)

    def places(self) -> list[tuple[str, str, str]]:
        """Return the places of all tables and views; there are no databases above schemas."""

        def work(spark: Any) -> list[tuple[str, str, str]]:
            schemas = [each.name for each in spark.catalog.listDatabases()]
            return [("", each, table.name) for each in schemas for table in spark.catalog.listTables(_identifier(each))]

        return self.use(work)

    def use(self, work: Callable[[Any], T]) -> T:
        """Do some work with the session, which is opened if it is not; raises ReadError, or SetupError.

        Work that meets a session which the server has ended meanwhile is done with another one.
        """
        with self._lock:
            was_open = self._spark is not None
            try:
                return self._tried(work)
            except EndedError:
                if not was_open:
                    raise
                return self._tried(work)

    def _tried(self, work: Callable[[Any], T]) -> T:
        if self._spark is None:
            self._spark = opened(self._credentials)
            atexit.register(self.close)  # one that is left open keeps the process from ending
        from pyspark.errors import PySparkException

        try:
            return work(self._spark)
        except PySparkException as error:
            kind = _kind_of(error)
            if kind is not MissingRelationError:
                self._forget()
            raise kind(first_line(error)) from error

    def _forget(self) -> None:
        """Give a session up that has failed: the server may be gone, and ends one that is idle for long by itself."""
        if remote_of(self._credentials):
            self._spark.release_session_on_close = False
        self._close()

    def close(self) -> None:
        """End a session of a server, which would end one that is idle for long; the next query opens another one."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._spark is not None and remote_of(self._credentials):
            self._spark.stop()
        self._spark = None
        atexit.unregister(self.close)


@dataclass(frozen=True)
class SparkQuery:
    """A query of Spark, which runs anew each time that it is read."""

    warehouse: SparkWarehouse
    query: str
    parameters: Parameters | None = None

    @property
    def described(self) -> dict[str, str]:
        """Return each column's type by name."""
        fields = self.warehouse.use(lambda spark: spark.sql(self.query, self.parameters).schema.fields)
        return {field.name: _type(field.dataType.simpleString()) for field in fields}

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return list(self.described)

    @property
    def types(self) -> Sequence[object]:
        """Return the types of the columns."""
        return list(self.described.values())

    def table(self) -> pa.Table:
        """Run the query: moments in UTC, decimals as doubles, and what is neither number nor text as text."""
        import pyarrow as pa

        def work(spark: Any) -> pa.Table:
            frame = spark.sql(self.query, self.parameters)
            fields = frame.schema.fields
            wanted = [_arrow(field.dataType.simpleString()) for field in fields]
            for field, type_ in zip(fields, wanted, strict=True):
                if type_ == "string" != field.dataType.simpleString():
                    frame = frame.withColumn(field.name, frame[_identifier(field.name)].cast("string"))
            found = frame.toArrow()
            types = [pa.type_for_alias(type_) for type_ in wanted]
            return found.cast(pa.schema(list(zip(found.column_names, types, strict=True))))

        return self.warehouse.use(work)

    def to_arrow_reader(self, batch_size: int) -> pa.RecordBatchReader:
        """Run the query and give its rows in batches of at most `batch_size` rows."""
        return self.table().to_reader(batch_size)


def _refresh(spark: Any, query: exp.Expr) -> None:
    """Forget which files the tables of a query had: others may have written to them."""
    for table in query.find_all(exp.Table):
        if table.db:  # else it is a part of the query
            spark.catalog.refreshTable(_table_name(table))


def _table_name(table: exp.Table) -> str:
    """Write the name of a table of a query, without its alias."""
    return ".".join(_identifier(each) for each in (table.db, table.name))


def _kind_of(error: Any) -> type[ReadError]:
    condition = error.getCondition() or ""
    if condition.startswith(ENDED):
        return EndedError
    return MissingRelationError if condition.startswith(MISSING) else QueryError


def _type(written: str) -> str:
    """Write a type as the standard does; a moment of a session in UTC is one without a time zone."""
    return {"int": "integer", "timestamp": "timestamp_ntz"}.get(written, written)


def _arrow(written: str) -> str:
    if written == "binary":
        return "large_binary"
    is_plain = "<" not in written and "interval" not in written
    return ARROW.get(kind_of(_type(written)), "string") if is_plain else "string"


def _in_utc(rows: pa.Table) -> pa.Table:
    """Say of moments that they are in UTC: without a zone they would be of another type there."""
    import pyarrow as pa

    zoned = pa.timestamp("us", "UTC")
    return rows.cast(
        pa.schema([each.with_type(zoned) if pa.types.is_timestamp(each.type) else each for each in rows.schema])
    )


def named(place: Sequence[str]) -> str:
    """Write a table's name; there are no databases above schemas."""
    return ".".join(_identifier(each) for each in place[1:])


def _identifier(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect=NAME)
