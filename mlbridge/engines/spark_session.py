"""A session of Spark in the place of a Python model's: by Spark Connect, or with a driver in this process."""

from __future__ import annotations

import atexit
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from sqlglot import exp

from mlbridge.engines.reader import (
    Credentials,
    MissingRelationError,
    Parameters,
    ReadError,
    kind_of,
    message_of,
    typed,
)
from mlbridge.engines.server_session import ARROW
from mlbridge.errors import SetupError
from mlbridge.typing import Value

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

NAME = "spark"
METHOD = "session"  # the only one of dbt-spark's methods by which rows travel as Arrow
REMOTE = "spark.remote"
PORT = 15002  # of Spark Connect, where its address names none
SECONDS = 5  # within which the server has to answer at all
RETRIES = 5  # some 20 seconds; the client itself tries for ten minutes
# Moments are in UTC, and what cannot be computed is an error, as it is with Spark's own defaults from 4.0 on.
SETTINGS = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}
MISSING = ("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "UNRESOLVED_COLUMN")

T = TypeVar("T")


class SparkWarehouse:
    """A session of Spark in the place of a Python model's; the first query opens it."""

    def __init__(self, credentials: Credentials) -> None:
        """Take a dbt profile's credentials."""
        self._credentials = credentials
        self._spark: Any = None  # the classes of a session with a driver here and of one by Connect have no common base
        self._answer = SparkQuery(self, "")

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
        found = SparkQuery(self, sql, in_utc)
        return typed(found.table().to_pandas(date_as_object=False), found.described)

    def append(self, table: Sequence[str], rows: pa.Table, read: Sequence[exp.Table], condition: str) -> bool:
        """Append rows to a table if a query, which reads some tables, gives a row; returns whether it did."""

        def work(spark: Any) -> bool:
            for each in read:
                spark.catalog.refreshTable(each.sql(dialect=NAME))  # it remembers the files that a table had
            if not spark.sql(condition).take(1):
                return False
            place = named(table)
            arriving = spark.createDataFrame(_in_utc(rows)).coalesce(1)
            arriving.select(*(_identifier(name) for name in spark.table(place).columns)).write.insertInto(place)
            return True

        return self.use(work)

    def places(self) -> list[tuple[str, str, str]]:
        """Return the places of all tables and views; there are no databases above schemas."""

        def work(spark: Any) -> list[tuple[str, str, str]]:
            schemas = [each.name for each in spark.catalog.listDatabases()]
            return [("", each, table.name) for each in schemas for table in spark.catalog.listTables(_identifier(each))]

        return self.use(work)

    def use(self, work: Callable[[Any], T]) -> T:
        """Do some work with the session, which is opened if it is not; raises ReadError, or SetupError."""
        from pyspark.errors import PySparkException

        try:
            if self._spark is None:
                self._spark = _opened(self._credentials)
                atexit.register(self.close)  # one that is left open keeps the process from ending
            return work(self._spark)
        except PySparkException as error:
            missing = any(name in str(error) for name in MISSING)
            raise (MissingRelationError if missing else ReadError)(_first_line(error)) from error

    def close(self) -> None:
        """End a session of a server, which would end one that is idle for long; the next query opens another one."""
        if self._spark is not None and _remote(self._credentials):
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


def _opened(credentials: Credentials) -> Any:
    """Open a session with the settings of a profile, as dbt does; raises SetupError where there is none to be had."""
    check_session(credentials)
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.config(map={**credentials.server_side_parameters, **SETTINGS})
    remote = _remote(credentials)
    try:
        if remote is None:
            return builder.enableHiveSupport().getOrCreate()
        session = builder.config(REMOTE, remote).create()
    except PySparkException as error:
        raise SetupError(
            f"Spark did not start: {_first_line(error)} In this process it needs Java 17 or later (`java -version`); "
            f"elsewhere, a server of Spark Connect: `server_side_parameters: {{{REMOTE}: 'sc://host:{PORT}'}}`."
        ) from error
    _give_up_sooner(session)
    return session


def check_session(credentials: Credentials) -> None:
    """Raise SetupError for another method of dbt-spark, and where no server listens: its client tries for minutes."""
    if credentials.method != METHOD:
        raise SetupError(
            f"the profile's method is '{credentials.method}'; mlbridge reads Spark by '{METHOD}', such as from a "
            f"server of Spark Connect: `server_side_parameters: {{{REMOTE}: 'sc://host:{PORT}'}}`. See docs/engines.md."
        )
    remote = _remote(credentials)
    if remote is None:
        return
    address = urlsplit(remote)
    try:
        socket.create_connection((address.hostname or "", address.port or PORT), SECONDS).close()
    except OSError as error:
        raise SetupError(
            f"no server of Spark Connect answers at '{remote}' ({error.strerror or error}). Start it, or correct "
            f"`{REMOTE}` in profiles.yml."
        ) from error


def _remote(credentials: Credentials) -> str | None:
    """Return the address of the server of Spark Connect; None for a driver in this process."""
    found = credentials.server_side_parameters.get(REMOTE) or os.environ.get("SPARK_REMOTE")
    return str(found) if found else None


def _give_up_sooner(session: Any) -> None:
    from pyspark.sql.connect.client.retries import DefaultPolicy

    session.client.set_retry_policies([DefaultPolicy(max_retries=RETRIES)])


def _first_line(error: Exception) -> str:
    """Return Spark's message without the plan and the calls that follow it."""
    return message_of(Exception(str(error).strip().split("\n")[0]))


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
