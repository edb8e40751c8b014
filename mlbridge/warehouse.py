"""The only module that knows which engine runs the SQL: it renders expressions, runs them, hands out Arrow.

Everything else builds sqlglot expressions; identifiers and values are quoted there, never by string formatting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from mlbridge.errors import SetupError
from mlbridge.reader import LackingError, Reader, ReadError, ServerConnection, said, typed

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


def type_in(text: str, dialect: str) -> str:
    """Write one of this engine's types as another engine does."""
    return parse_type(text).sql(dialect=dialect)


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
            query: Any = sqlglot.parse_one(relation.sql_query(), dialect=DIALECT)
        else:
            query = exp.select("*").from_(exp.to_table(str(relation), dialect=DIALECT))
        return subquery(query, alias)

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

    def generated(
        self, sql: str, name: str, relation: exp.Query, columns: Mapping[str, exp.Expression] | None = None
    ) -> Any:
        """Give the lazy answer of generated SQL that reads a relation by a name; `columns` are of its answer."""
        answer = exp.to_table("ml_generated")
        outer = exp.select("*").from_(answer) if columns is None else select(columns, answer)
        before, after = (query.sql(dialect=DIALECT) for query in (relation, outer))
        return self._session.sql(f"with {name} as ({before}), {answer.sql(DIALECT)} as (\n{sql}\n) {after}")

    def rows_of(self, sql: str, name: str, relation: exp.Query) -> list[dict[str, Any]]:
        """Run generated SQL that reads a relation by a name of its own; the answer is small."""
        found = self.generated(sql, name, relation)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

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


def refusal(message: str) -> exp.Expression:
    """Write what ends a query with an error, once a row comes to it."""
    return exp.Anonymous(this="error", expressions=[exp.Literal.string(message)])


def infinite(value: exp.Expression) -> exp.Expression:
    """Say whether a double is infinite."""
    return exp.Anonymous(this="isinf", expressions=[value])


def as_text(names: Sequence[str], table: str | None = None) -> exp.Expression:
    """Write a key as text: one column as it is, several as a JSON array of texts."""
    texts = [exp.cast(column(name, table), "text") for name in names]
    if len(texts) == 1:
        return texts[0]
    return exp.cast(exp.Anonymous(this="json_array", expressions=texts), "text")


def subquery(query: exp.Query, alias: str) -> exp.Subquery:
    """Make a query something to select from."""
    return exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(alias)))


def select(columns: Mapping[str, exp.Expression], source: exp.Expression) -> exp.Select:
    """Build `select expression as "name", ... from source`."""
    chosen = [exp.alias_(value, name, quoted=True) for name, value in columns.items()]
    return exp.select(*chosen).from_(source)


def batched(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Walk the batches that hold rows."""
    return (batch for batch in reader if batch.num_rows)


# What a reader says to a server first. A build replaces tables that views hang on: a reader that waits for a lock may
# meet the build in a deadlock, of which the server ends either. So it gives up sooner than a deadlock is looked for.
MANNERS = {"postgres": ("set lock_timeout = '300ms'", "set statement_timeout = '60s'")}


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


def read_files(files: Mapping[str, Path], memory: str = "200MB") -> Reader:
    """Open Parquet files as tables, by their names; the engine holds no more than `memory` and opens nothing else."""
    import duckdb

    settings: dict[str, Any] = {"memory_limit": memory, "threads": 2, "temp_directory": ""}
    settings |= {"autoinstall_known_extensions": False, "preserve_insertion_order": False}
    connection = duckdb.connect(":memory:", config=settings)
    connection.execute("set allowed_paths = ?", [[str(file) for file in files.values()]])
    connection.execute("set enable_external_access = false")

    def ask(sql: str, parameters: dict[str, Any]) -> pd.DataFrame:
        try:
            result = connection.cursor().execute(sql, parameters)
            types = {name: str(type_) for name, type_, *_ in result.description or []}
            return typed(result.df(), types)
        except (duckdb.CatalogException, duckdb.BinderException, duckdb.IOException) as error:
            raise LackingError(said(error)) from error
        except duckdb.Error as error:
            raise ReadError(said(error)) from error

    for name, file in files.items():
        if not file.is_file():
            raise LackingError(f"there is no file '{file}'")
        query = exp.select("*").from_(exp.func("read_parquet", exp.Literal.string(str(file)), dialect=DIALECT))
        ask(exp.Create(this=exp.to_identifier(name, quoted=True), kind="VIEW", expression=query).sql(DIALECT), {})
    connection.execute("set lock_configuration = true")
    return Reader(ask, DIALECT)


def read_server(credentials: Any) -> Reader:
    """Open the warehouse of a dbt profile, which many can read at once; the first question connects."""
    if credentials.type != DIALECT:
        return Reader(ServerConnection(credentials, MANNERS.get(credentials.type, ())).ask, credentials.type)

    def refuse(sql: str, parameters: dict[str, Any]) -> pd.DataFrame:
        raise ReadError("it is in memory, where only the process of a build can read it; give it a file")

    return Reader(refuse, DIALECT)
