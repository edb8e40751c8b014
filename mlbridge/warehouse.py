"""The only module that knows which engine runs the SQL: it renders expressions, runs them, hands out Arrow.

Everything else builds sqlglot expressions; identifiers and values are quoted there, never by string formatting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from mlbridge.errors import MlbridgeError, SetupError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DIALECT = "duckdb"


def column(name: str, table: str | None = None) -> exp.Column:
    """Name a column, quoted, whatever it is called."""
    return exp.column(exp.to_identifier(name, quoted=True), table=table)


def parse_type(text: str) -> exp.DataType:
    """Read a type as this engine writes it."""
    return exp.DataType.build(text, dialect=DIALECT, udt=True)


class Warehouse:
    """A dbt Python model's `session`, asked in sqlglot expressions."""

    def __init__(self, session: Any) -> None:
        """Take the session that dbt hands to `model(dbt, session)`."""
        self._session = session

    @staticmethod
    def columns(relation: Any) -> dict[str, str]:
        """Give each column's type as the engine writes it, in the relation's order."""
        return {name: str(type_) for name, type_ in zip(relation.columns, relation.types, strict=True)}

    @staticmethod
    def table(relation: Any, alias: str) -> exp.Subquery:
        """Make a `dbt.ref()` or `dbt.this` something to select from."""
        if hasattr(relation, "sql_query"):
            query = sqlglot.parse_one(relation.sql_query(), dialect=DIALECT)
        else:
            query = exp.select("*").from_(exp.to_table(str(relation), dialect=DIALECT))
        return exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(alias)))

    def rows(self, query: exp.Query) -> list[dict[str, Any]]:
        """Run a query whose answer is small."""
        result = self._session.execute(query.sql(dialect=DIALECT))
        names = [described[0] for described in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def names(self, table: exp.Expression) -> list[str]:
        """Name the columns of something to select from."""
        result = self._session.execute(exp.select("*").from_(table).limit(0).sql(dialect=DIALECT))
        return [described[0] for described in result.description]

    def row(self, query: exp.Query) -> dict[str, Any]:
        """Run a query that answers with exactly one row."""
        (only,) = self.rows(query)
        return only

    def has(self, schema: str, name: str) -> bool:
        """Say whether there is such a table or view."""
        query = (
            exp.select("1")
            .from_("information_schema.tables")
            .where(
                exp.column("table_schema").eq(exp.Literal.string(schema)),
                exp.column("table_name").eq(exp.Literal.string(name)),
            )
        )
        return bool(self.rows(query))

    def batches(self, query: exp.Query, rows: int) -> pa.RecordBatchReader:
        """Stream a query's answer in Arrow batches of about `rows` rows; nothing is held back in memory."""
        return self._session.sql(query.sql(dialect=DIALECT)).to_arrow_reader(rows)


def seconds_since_epoch(value: exp.Expression, with_zone: bool = False) -> exp.Expression:
    """Turn a date or timestamp (UTC) into seconds since 1970 as a double; infinity into NULL.

    A timestamp with time zone is a moment already: a cast would make it the session's local time.
    """
    moment = value if with_zone else exp.cast(value, "timestamp")
    return exp.cast(exp.func("epoch", moment, dialect=DIALECT), "double")


def as_text(names: Sequence[str], table: str | None = None) -> exp.Expression:
    """Write a key as text: one column as it is, several as a JSON array of texts."""
    texts = [exp.cast(column(name, table), "text") for name in names]
    if len(texts) == 1:
        return texts[0]
    return exp.cast(exp.Anonymous(this="json_array", expressions=texts), "text")


def select(columns: Mapping[str, exp.Expression], source: exp.Expression) -> exp.Select:
    """Build `select expression as "name", ... from source`."""
    chosen = [exp.alias_(value, name, quoted=True) for name, value in columns.items()]
    return exp.select(*chosen).from_(source)


def batched(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Walk the batches that hold rows."""
    return (batch for batch in reader if batch.num_rows)


def file_of(credentials: Any) -> Path | None:
    """Give the path of the file that the warehouse of a dbt profile lives in, as the profile writes it.

    None when it is a server or in memory.
    """
    if credentials.type != DIALECT or credentials.path == ":memory:":
        return None
    return Path(credentials.path)


def connect(file: Path | None) -> Warehouse:
    """Open a warehouse for reading; raises SetupError when it is no file, not there or not free."""
    import duckdb

    if file is None:
        raise SetupError(f"the profile's warehouse is no file; this command reads '{DIALECT}' files only so far.")
    if not file.is_file():
        raise SetupError(f"there is no warehouse at '{file}' yet. Run `dbt build` first.")
    try:
        return Warehouse(duckdb.connect(str(file), read_only=True))
    except duckdb.IOException as error:
        if "lock" not in str(error).lower():
            raise SetupError(f"the warehouse cannot be read: {error}") from error
        raise SetupError(
            f"another process is writing to the warehouse: {error}. Wait for its end, or end it."
        ) from error


class ReadError(MlbridgeError):
    """What was asked cannot be answered from the tables as they are; the engine's own words."""


class Reader:
    """Constant SQL in sqlglot's own dialect, with `:name` placeholders that are always bound; answers are frames.

    Nothing can be written through it.
    """

    def __init__(self, ask: Callable[[str, dict[str, Any]], pd.DataFrame], dialect: str) -> None:
        """Take what runs a text with its parameters, and the engine's name."""
        self._ask = ask
        self._dialect = dialect

    def frame(self, sql: str, parameters: Mapping[str, Any], tables: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
        """Ask; `tables` gives schema and name of those that the text mentions. Raises ReadError."""
        query: Any = sqlglot.parse_one(sql)
        for table in list(query.find_all(exp.Table)):
            if table.name in tables:
                schema, name = tables[table.name]
                table.replace(exp.table_(name, db=schema or None, quoted=True, alias=table.alias_or_name))
        bound = {each.name: parameters[each.name] for each in query.find_all(exp.Placeholder)}
        return self._ask(query.sql(dialect=self._dialect), bound)


def read_files(files: Mapping[str, Path], memory: str = "300MB") -> Reader:
    """Open Parquet files as tables, by their names; the engine holds no more than `memory` and opens nothing else."""
    import duckdb

    connection = duckdb.connect(":memory:", config={"memory_limit": memory, "threads": 2, "temp_directory": ""})
    folders = sorted({str(file.parent) for file in files.values()})
    connection.execute("set allowed_directories = ?", [folders])
    connection.execute("set enable_external_access = false")
    try:
        for name, file in files.items():
            query = exp.select("*").from_(exp.func("read_parquet", exp.Literal.string(str(file)), dialect=DIALECT))
            created = exp.Create(this=exp.to_identifier(name, quoted=True), kind="VIEW", expression=query)
            connection.execute(created.sql(dialect=DIALECT))
    except duckdb.Error as error:
        raise ReadError(str(error)) from error
    connection.execute("set lock_configuration = true")

    def ask(sql: str, parameters: dict[str, Any]) -> pd.DataFrame:
        try:
            return connection.cursor().execute(sql, parameters).df()
        except duckdb.Error as error:
            raise ReadError(str(error)) from error

    return Reader(ask, DIALECT)


def read_server(credentials: Any) -> Reader:
    """Open the warehouse of a dbt profile for reading, through dbt's own adapter.

    A connection that the server has closed meanwhile is opened again by the next question.
    """
    return Reader(_Server(credentials).ask, credentials.type)


class _Server:
    """One connection of dbt's adapter; one thread asks at a time."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._handle: Any = None
        self._turn = Lock()

    def ask(self, sql: str, parameters: dict[str, Any]) -> pd.DataFrame:
        with self._turn:
            try:
                self._handle = self._handle or self._opened()
                with self._handle.cursor() as cursor:
                    cursor.execute(sql, parameters)
                    return _as_frame([each[0] for each in cursor.description], cursor.fetchall())
            except Exception as error:  # the drivers share no root
                self._handle = None
                raise ReadError(str(error).strip()) from error

    def _opened(self) -> Any:
        from dbt.adapters.contracts.connection import Connection, Identifier
        from dbt.adapters.factory import FACTORY

        kind = self._credentials.type
        made = Connection(type=Identifier(kind), name="mlbridge", credentials=self._credentials)
        handle = FACTORY.get_adapter_class_by_name(kind).ConnectionManager.open(made).handle
        if hasattr(handle, "set_session"):
            handle.set_session(readonly=True, autocommit=True)
        return handle


def _as_frame(names: list[str], rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Give a server's rows the types that a frame of the embedded engine has."""
    import pandas as pd

    found = pd.DataFrame(rows, columns=names)
    for name in names:
        kinds = {type(value) for value in found[name] if value is not None}
        if Decimal in kinds or (kinds and kinds <= {int, float, Decimal} and found[name].dtype == object):
            found[name] = found[name].astype("float64")
        elif kinds == {str}:
            found[name] = found[name].astype("str")
        elif kinds == {datetime}:
            found[name] = found[name].astype("datetime64[us]")
    return found
