"""DuckDB: Python models run in its process, and its warehouse is a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sqlglot import exp

from mlbridge.engines.engine import PythonEngine
from mlbridge.engines.reader import Credentials, MissingRelationError, Parameters, Reader, ReadError, message_of, typed
from mlbridge.engines.rights import READ, WRITE, Right, trial
from mlbridge.engines.session import Relation, Session
from mlbridge.errors import SetupError
from mlbridge.memory import free_bytes
from mlbridge.typing import Document, Json, Value

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from dbt.adapters.duckdb.credentials import Attachment

NAME = "duckdb"
COPY = "ml_copied"
LEAST_MEMORY = 500 * 2**20  # what a copy may take however little is free
# The types of a server's columns that a copy of its rows has too. A decimal arrives as a double, a text as a text.
HELD = (*exp.DataType.INTEGER_TYPES, *exp.DataType.FLOAT_TYPES, exp.DType.BOOLEAN, exp.DType.DATE, exp.DType.TIMESTAMP)
READABLE_BY = "v1.0.0"  # the oldest version of DuckDB that reads the file of views
# Paths that are no local file: in-memory databases and URLs. A scheme has two letters or more, a Windows drive one.
NO_FILE = re.compile(r"$|:|[A-Za-z][A-Za-z0-9+.-]+:")


class DuckDB(PythonEngine):
    """DuckDB, by its own client."""

    def __init__(self) -> None:
        """Take its name."""
        super().__init__(NAME)

    def columns(self, relation: Relation) -> dict[str, str]:
        """Return each column's type as the engine writes it, in the relation's order."""
        return {name: str(type_) for name, type_ in zip(relation.columns, relation.types, strict=True)}

    def query_of(self, relation: object) -> str | None:
        """Return the SELECT that a `dbt.ref()` stands for; None for what renders as a table's name."""
        return str(relation.sql_query()) if hasattr(relation, "sql_query") else None

    def fetch(self, session: Session, sql: str) -> tuple[list[str], Sequence[Sequence[Value]]]:
        """Run a query; returns the names of the columns, and the rows."""
        result = session.execute(sql)
        return [described[0] for described in result.description], result.fetchall()

    def lazy(self, session: Session, sql: str) -> Relation:
        """Return a query as a lazy relation, which dbt writes to a table without fetching its rows into Python."""
        return session.sql(sql)

    def stream(self, session: Session, sql: str, rows: int) -> pa.RecordBatchReader:
        """Stream a query's result in Arrow batches of about `rows` rows; the whole result is never held in memory."""
        return session.sql(sql).to_arrow_reader(rows)

    @property
    def error(self) -> type[Exception]:
        """The base class of what its client raises."""
        import duckdb

        return duckdb.Error

    def workspace(self, tables: Mapping[str, pa.Table]) -> Session:
        """Return a session of its own, in memory, that holds Arrow tables by name."""
        import duckdb

        connection = duckdb.connect(":memory:")
        for name, table in tables.items():
            connection.register(name, table)
        return connection

    @contextmanager
    def copied(self, rows: pa.RecordBatchReader, types: Mapping[str, str]) -> Iterator[tuple[Session, Relation]]:
        """Hold rows in a database of their own, in a temporary file, for as long as they are worked with.

        It takes at most a quarter of the memory that is free, beside the training.
        """
        import duckdb

        chosen = [exp.alias_(_as_held(name, types[name]), name, quoted=True) for name in rows.schema.names]
        table = exp.Create(this=exp.to_table(COPY), kind="TABLE", expression=exp.select(*chosen).from_("arriving"))
        with TemporaryDirectory(prefix="mlbridge_") as folder:
            memory = max(LEAST_MEMORY, free_bytes() // 4) // 2**20
            connection = duckdb.connect(str(Path(folder) / f"rows.{NAME}"), config={"memory_limit": f"{memory}MiB"})
            try:
                connection.register("arriving", rows)
                connection.execute(table.sql(dialect=NAME))
                connection.unregister("arriving")
                yield connection, connection.table(COPY)
            finally:
                connection.close()

    def append(
        self, session: Session, credentials: Credentials, table: Sequence[str], rows: pa.Table, condition: exp.Query
    ) -> bool:
        """Append rows to a table if a query gives a row, in one transaction; returns whether it did."""
        session.execute("begin")
        try:
            wanted = bool(session.execute(condition.sql(dialect=NAME)).fetchall())
            if wanted:
                session.register("arriving", rows)  # type: ignore[attr-defined] # the client's own, or dbt's wrapper of it
                arriving = exp.select(*(exp.column(name, quoted=True) for name in rows.column_names)).from_("arriving")
                session.execute(exp.insert(arriving, _named(table), columns=rows.column_names).sql(dialect=NAME))
            session.execute("commit")
            return wanted
        except BaseException:
            session.execute("rollback")
            raise

    def stored_bytes(self, session: Session, query: exp.Select, file: Path) -> int:
        """Write the result of a query to a new database file; returns the bytes that the rows take in it."""
        table = exp.table_("stored_rows", db="main", catalog="stored")
        session.execute(f"attach {_literal(file)} as stored")
        try:
            sizes = []
            for rows in (query.copy().limit(0), query):
                session.execute(exp.Create(this=table, kind="TABLE", replace=True, expression=rows).sql(dialect=NAME))
                session.execute("checkpoint stored")
                sizes.append(file.stat().st_size)
            return sizes[1] - sizes[0]
        finally:
            session.execute("detach stored")

    def seconds_since_epoch(self, moment: exp.Expression) -> exp.Expression:
        """Turn a timestamp into seconds since 1970 as a double; infinity into NULL."""
        return exp.cast(exp.func("epoch", moment, dialect=NAME), "double")

    def microseconds_since_epoch(self, moment: exp.Expression) -> exp.Expression:
        """Turn a date or timestamp into microseconds since 1970 (UTC) as a whole number."""
        return exp.Anonymous(this="epoch_us", expressions=[moment])

    def digest(self, session: Session, query: exp.Query) -> str:
        """Return a text that is the same for the same rows of a query in any order, and another one for others."""
        sums = "count(*) || ' ' || bit_xor(hash(digested)) || ' ' || sum(cast(hash(digested) as hugeint))"
        _, ((found,),) = self.fetch(session, f"select {sums} from ({self.written(query)}) as digested")  # noqa: S608
        return str(found)

    def error_expression(self, message: str) -> exp.Expression:
        """Return an expression that raises an error with this message when it is evaluated for a row."""
        return exp.Anonymous(this="error", expressions=[exp.Literal.string(message)])

    def is_infinite(self, value: exp.Expression) -> exp.Expression:
        """Return a condition: a double is infinite."""
        return exp.Anonymous(this="isinf", expressions=[value])

    def json_array(self, texts: Sequence[exp.Expression]) -> exp.Expression:
        """Write texts as a JSON array."""
        return exp.Anonymous(this="json_array", expressions=list(texts))

    def file_of(self, credentials: Credentials) -> Path | None:
        """Return the path of the profile's database, as the profile writes it; None when it is in memory."""
        return None if credentials.path == ":memory:" else Path(credentials.path)

    def path_of(self, credentials: Credentials, database: str) -> str | None:
        """Return the path of one of the profile's databases, its own or one that it attaches; None without a file."""
        paths = {credentials.path_derived_database_name(credentials.path): credentials.path}
        for each in credentials.attach or []:
            paths[each.alias or credentials.path_derived_database_name(each.path)] = each.path
        path = str(paths.get(database, credentials.path))
        return None if NO_FILE.match(path) else path

    def reader(self, credentials: Credentials) -> Reader:
        """Return a reader that raises ReadError: an in-memory database cannot be read from another process.

        A database in a file is not read either: its published Parquet files are (`read_files`).
        """

        def refuse(sql: str, parameters: Parameters) -> pd.DataFrame:
            raise ReadError("the warehouse is in memory, which no other process can read; set `path` to a file")

        return Reader(refuse, NAME)

    def connect(self, file: Path, credentials: Credentials | None = None) -> Session:
        """Open an existing warehouse read-only; raises SetupError if another process holds it or it is unreadable.

        `credentials` are those of a dbt profile: what it attaches is opened as well where that is a file of the engine.
        """
        import duckdb

        try:
            connection = duckdb.connect(str(file), read_only=True)
            for each in filter(_is_file, (credentials.attach if credentials else None) or []):
                connection.execute(replace(each, read_only=True, options=_without_mode(each.options)).to_sql())
            return connection
        except duckdb.IOException as error:
            raise _refused(error, "is writing to") from error

    def check_free(self, file: Path) -> None:
        """Open a warehouse to write for an instant; raises SetupError that says who reads or writes it."""
        import duckdb

        try:
            duckdb.connect(str(file)).close()
        except duckdb.IOException as error:
            raise _refused(error, "reads or writes") from error

    @contextmanager
    def opened(self, credentials: Credentials) -> Iterator[Session]:
        """Open the warehouse of a dbt profile to write, as dbt does; relative paths are of the working directory.

        Raises SetupError if another process holds it.
        """
        import duckdb
        from dbt.adapters.duckdb.environments import create

        environment = create(credentials)
        try:
            handle = environment.handle()  # type: ignore[no-untyped-call]
        except (duckdb.IOException, duckdb.ConnectionException) as error:
            raise _refused(error, "reads or writes") from error
        try:
            yield handle.cursor()
        finally:
            environment.close()  # type: ignore[no-untyped-call]

    def rights(
        self, credentials: Credentials, reads: Sequence[tuple[str, str, str]], writes: Sequence[tuple[str, str]]
    ) -> list[Right]:
        """Try what a build does, in a transaction that is rolled back; who may open the file may read all of it."""
        found = [Right(READ, ".".join(table[1:])) for table in reads]
        file = self.file_of(credentials)
        if not writes or (file is not None and not file.exists()):  # opening it to write would make it
            return found
        try:
            with self.opened(replace(credentials, retries=None)) as session:  # nobody waits for a lock here
                return found + [
                    Right(WRITE, schema, _lacking(session, database, schema)) for database, schema in writes
                ]
        except SetupError as error:
            return found + [Right(WRITE, schema, str(error)) for _, schema in writes]

    def place_of(self, session: Session, database: str) -> Path | None:
        """Return the file of a database of the session; None if it is in none, read-only, or no file may be written."""
        query = (
            exp.select("path")
            .from_(exp.func("duckdb_databases", dialect=NAME))
            .where(
                exp.Lower(this=exp.column("database_name")).eq(exp.Literal.string(database.lower())),
                "type = 'duckdb' and path <> '' and not readonly and current_setting('enable_external_access')",
            )
        )
        _, rows = self.fetch(session, query.sql(NAME))
        return Path(rows[0][0]).absolute() if rows else None

    def files(self, warehouse: Path) -> tuple[Path, ...]:
        """Return the database file and its write-ahead log."""
        return warehouse, warehouse.with_name(f"{warehouse.name}.wal")

    def target(self, file: Path, like: Mapping[str, Json] | None = None) -> Document:
        """Return a target of profiles.yml that writes to a file only; attached databases become read-only."""
        found = {**(like or {"type": NAME}), "path": str(file), "keep_open": False}
        if isinstance(found.get("attach"), list):
            found["attach"] = [{**each, "read_only": True} for each in found["attach"]]
        return found

    def read_files(self, files: Mapping[str, Path], memory: str) -> Reader:
        """Open Parquet files as views; afterwards no other file can be opened and no setting can be changed."""
        import duckdb

        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "threads": 2,
            "temp_directory": "",
        }
        settings |= {"autoinstall_known_extensions": False, "preserve_insertion_order": False}
        connection = duckdb.connect(":memory:", config=settings)
        connection.execute("set allowed_paths = ?", [[str(file) for file in files.values()]])
        connection.execute("set enable_external_access = false")

        def run(sql: str, parameters: Parameters) -> pd.DataFrame:
            try:
                result = connection.cursor().execute(sql, parameters)
                types = {name: str(type_) for name, type_, *_ in result.description or []}
                return typed(result.df(), types)
            except (duckdb.CatalogException, duckdb.BinderException, duckdb.IOException) as error:
                raise MissingRelationError(message_of(error)) from error
            except duckdb.Error as error:
                raise ReadError(message_of(error)) from error

        for name, file in files.items():
            if not file.is_file():
                raise MissingRelationError(f"there is no file '{file}'")
            run(_view(name, file), {})
        connection.execute("set lock_configuration = true")
        return Reader(run, NAME)

    def defect(self, session: Session, table: Sequence[str]) -> str | None:
        """Return why a table or view cannot be read, such as a column that is gone; None where it can."""
        import duckdb

        try:
            session.sql(_all_of(table).sql(NAME))
        except (duckdb.CatalogException, duckdb.BinderException, duckdb.IOException) as error:
            return message_of(error)
        return None

    def export(self, session: Session, table: Sequence[str], file: Path) -> None:
        """Copy a table to a new Parquet file."""
        self.export_rows(session, _all_of(table), file)

    def export_rows(self, session: Session, query: exp.Query, file: Path) -> None:
        """Copy the rows of a query to a new Parquet file."""
        session.execute(f"copy ({self.written(query)}) to {_literal(file)} (format parquet, parquet_version v2)")

    def write_views(self, file: Path, tables: Mapping[str, Path]) -> None:
        """Write a new database file that older clients read too: a view by name over each of some Parquet files."""
        import duckdb

        with duckdb.connect() as connection:
            connection.execute(f"attach {_literal(file)} as views (storage_version '{READABLE_BY}')")
            connection.execute("use views")
            for name, each in tables.items():
                connection.execute(_view(name, each))


def _lacking(session: Session, database: str, schema: str) -> str | None:
    """Create, fill, read and drop a table in a schema, and roll it back; returns the error, None without one."""
    import duckdb

    there = (
        exp.select("*")
        .from_("duckdb_schemas()")
        .where(
            exp.Lower(this=exp.column("database_name")).eq(exp.Literal.string(database.lower())),
            exp.Lower(this=exp.column("schema_name")).eq(exp.Literal.string(schema.lower())),
        )
    )
    session.execute("pragma disable_checkpoint_on_shutdown")  # so that not even a log that was left is written back
    session.execute("begin")
    try:
        create_schema = not session.execute(there.sql(dialect=NAME)).fetchall()
        for statement in trial(database, schema, NAME, create_schema):
            session.execute(statement)
    except duckdb.Error as error:
        return message_of(error)
    finally:
        session.execute("rollback")
    return None


def _refused(error: Exception, does: str) -> SetupError:
    """Return the error of a warehouse that cannot be opened; `does` is what another process does that holds it."""
    found = message_of(error).split(" See also")[0]
    if "lock" not in found.lower() and "already open" not in found.lower():
        return SetupError(f"the warehouse cannot be opened: {found}")
    return SetupError(f"another process {does} the warehouse: {found} Wait for its end, or end it.")


def _is_file(attachment: Attachment) -> bool:
    """Return whether what a profile attaches is a file of this engine that is there."""
    kind = str(attachment.type or (attachment.options or {}).get("type") or NAME).lower()
    return kind == NAME and not NO_FILE.match(attachment.path) and Path(attachment.path).is_file()


def _without_mode(options: Mapping[str, object] | None) -> dict[str, object]:
    """Return the options of an ATTACH without the one that says whether it may write."""
    return {name: value for name, value in (options or {}).items() if name.lower() != "read_only"}


def _named(table: Sequence[str]) -> exp.Table:
    database, schema, name = table
    return exp.table_(name, db=schema, catalog=database, quoted=True)


def _all_of(table: Sequence[str]) -> exp.Select:
    return exp.select("*").from_(_named(table))


def _as_held(name: str, type_: str) -> exp.Expression:
    """Return a column that arrives from a server in the type that it has there, if such a value can have it."""
    column, wanted = exp.column(exp.to_identifier(name, quoted=True)), exp.DataType.build(type_, NAME, udt=True)
    return exp.cast(column, wanted) if wanted.is_type(*HELD) else column


def _literal(file: Path) -> str:
    return exp.Literal.string(str(file)).sql(NAME)


def _view(name: str, file: Path) -> str:
    """Write the statement that makes a view over a Parquet file, whatever its path has in it."""
    query = exp.select("*").from_(exp.func("read_parquet", exp.Literal.string(str(file)), dialect=NAME))
    return exp.Create(this=exp.to_identifier(name, quoted=True), kind="VIEW", expression=query).sql(NAME)
