"""PostgreSQL, through dbt's adapter: no Python models run there; a training takes rows out and puts versions in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from mlbridge.engines.duckdb import NAME as PYTHON_DIALECT
from mlbridge.engines.engine import Engine
from mlbridge.engines.reader import Credentials, Cursor, ServerConnection, error_of, message_of, opened
from mlbridge.engines.rights import READ, WRITE, Right, trial
from mlbridge.engines.server_session import ServerSession
from mlbridge.engines.session import Session
from mlbridge.errors import MlbridgeError

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "postgres"
# What a row takes beside its values: its header, and its place in the page.
ROW_OVERHEAD = 28
ROWS_MEASURED = 10_000
# Rows travel as texts, which these settings make exact and unambiguous.
OF_TEXTS = ("set extra_float_digits = 1", "set datestyle = iso", "set timezone = 'UTC'")


class Postgres(Engine):
    """PostgreSQL, whose tables can be read while builds run."""

    compresses = False
    trains = True
    serves = True
    loads = True
    # A build replaces tables that views depend on: a reader that waits for a lock may form a deadlock with the build,
    # and the server may then end the build. So the reader gives up before the server looks for deadlocks.
    settings = ("set lock_timeout = '300ms'", "set statement_timeout = '60s'", *OF_TEXTS)
    # A training waits as long as it takes. To compile the SELECT of a forest takes the server longer than to run it.
    training_settings = ("set jit = off", *OF_TEXTS)

    def __init__(self) -> None:
        """Take its name."""
        super().__init__(NAME)

    def rights(
        self, credentials: Credentials, reads: Sequence[tuple[str, str, str]], writes: Sequence[tuple[str, str]]
    ) -> list[Right]:
        """Ask the server for what the role may, and try it in a transaction that is rolled back."""
        handle = opened(credentials)
        try:
            with closing(handle.cursor()) as cursor:
                cursor.execute("select current_user")
                role = _identifier(str(cursor.fetchall()[0][0]))
                found = [_readable(cursor, role, schema, name) for _, schema, name in reads]
                for database, schema in writes:
                    found.append(_writable(cursor, role, database, schema))
                    handle.rollback()
                return found
        finally:
            handle.rollback()
            handle.close()

    def published_schema(self, schema: str) -> str:
        """Return the schema that builds publish to, as `postgres__published_schema` does."""
        return f"{schema}_published"

    def row_bytes_query(self, table: exp.Expr) -> exp.Query | None:
        """Return the query of the bytes that a row of a table takes on average, its header included."""
        row = exp.Column(this=exp.Star(), table=exp.to_identifier("measured"))
        size = exp.Avg(this=exp.Anonymous(this="pg_column_size", expressions=[row])) + ROW_OVERHEAD
        return exp.select(exp.alias_(size, "bytes")).from_(
            exp.select("*").from_(table).limit(ROWS_MEASURED).subquery("measured")
        )

    def written(self, query: exp.Query) -> str:
        """Write a query of the dialect of Python models for PostgreSQL."""
        return translated(query.sql(dialect=PYTHON_DIALECT))

    def server_session(self, credentials: Credentials) -> ServerSession:
        """Open the warehouse of a dbt profile to read it; the first query connects."""
        return ServerSession(ServerConnection(credentials, self.settings), _export)

    def digest(self, session: Session, query: exp.Query) -> str:
        """Return a text that is the same for the same rows of a query in any order, and another one for others."""
        hashed = "hashtextextended(cast(digested as text), 0)"
        sums = f"count(*) || ' ' || coalesce(sum({hashed}), 0)"
        ((found,),) = session.execute(f"select {sums} from ({self.written(query)}) as digested").fetchall()  # noqa: S608
        return str(found)

    @contextmanager
    def opened(self, credentials: Credentials) -> Iterator[Session]:
        """Open the warehouse of a dbt profile for a training: a session that only reads, for as long as it takes."""
        session = ServerSession(ServerConnection(credentials, self.training_settings), _export)
        try:
            yield session
        finally:
            session.close()

    def append(
        self, session: Session, credentials: Credentials, table: Sequence[str], rows: pa.Table, condition: exp.Query
    ) -> bool:
        """Append rows to a table if a query gives a row, in one transaction; returns whether it did."""
        _, schema, name = table
        place = f"{_identifier(schema)}.{_identifier(name)}"
        with _transaction(credentials) as cursor:
            cursor.execute(f"lock table {place} in share row exclusive mode")
            cursor.execute(self.written(condition))
            wanted = bool(cursor.fetchall())
            if wanted:
                _copy(cursor, place, rows)
            return wanted

    def load(
        self,
        credentials: Credentials,
        table: Sequence[str],
        columns: Mapping[str, exp.DType],
        files: Sequence[str],
        read: Callable[[str], pa.Table],
    ) -> int:
        """Let a table have the rows of some files and no others, each with its `file`; returns how many were new."""
        _, schema, name = table
        place, file = f"{_identifier(schema)}.{_identifier(name)}", _identifier("file")
        types = {each: exp.DataType(this=type_).sql(dialect=NAME) for each, type_ in columns.items()}
        with _transaction(credentials) as cursor:
            # Not the table's own lock: of two that make it at once, one would fail.
            cursor.execute("select pg_advisory_xact_lock(hashtextextended(%(place)s, 0))", {"place": place})
            cursor.execute(f"create table if not exists {place} ({file} text)")
            for each, type_ in types.items():
                cursor.execute(f"alter table {place} add column if not exists {_identifier(each)} {type_}")
            cursor.execute(f"delete from {place} where {file} <> all(%(files)s)", {"files": list(files)})  # noqa: S608
            cursor.execute(f"select distinct {file} from {place}")  # noqa: S608
            there = {row[0] for row in cursor.fetchall()}
            new = [each for each in files if each not in there]
            for each in new:
                rows = read(each)
                _copy(cursor, place, rows.append_column("file", [[each] * rows.num_rows]))
            return len(new)


@contextmanager
def _transaction(credentials: Credentials) -> Iterator[Cursor]:
    """Open a connection of its own for one transaction; raises ReadError."""
    handle = None
    try:
        handle = opened(credentials)
        if hasattr(handle, "set_session"):
            handle.set_session(autocommit=False)  # a profile may ask for it
        with closing(handle.cursor()) as cursor:
            yield cursor
        handle.commit()
    except MlbridgeError:
        raise
    except Exception as error:  # the driver's classes are known to dbt's adapter only
        raise error_of(error, handle)(message_of(error)) from error
    finally:
        if handle is not None:
            handle.close()


def _copy(cursor: Cursor, place: str, rows: pa.Table) -> None:
    columns = ", ".join(map(_identifier, rows.column_names))
    cursor.copy_expert(f"copy {place} ({columns}) from stdin (format csv, encoding 'UTF8')", _as_csv(rows))


def _export(connection: ServerConnection, query: str, file: Path) -> None:
    """Write the result of a query to a file: COPY takes a tenth of the time of a cursor that gives row by row."""
    with file.open("wb") as out:
        connection.use(
            lambda cursor: cursor.copy_expert(f"copy ({query}) to stdout (format csv, encoding 'UTF8')", out)
        )


def _as_csv(rows: pa.Table) -> BytesIO:
    """Write rows as COPY reads them: bytes as hexadecimal digits."""
    import pyarrow as pa
    from pyarrow import csv

    for place, field in enumerate(rows.schema):
        if pa.types.is_large_binary(field.type):
            texts = [None if each is None else "\\x" + each.hex() for each in rows[field.name].to_pylist()]
            rows = rows.set_column(place, field.name, pa.array(texts, pa.large_string()))
    out = BytesIO()
    csv.write_csv(rows, out, csv.WriteOptions(include_header=False))
    out.seek(0)
    return out


def _readable(cursor: Cursor, role: str, schema: str, name: str) -> Right:
    """Ask whether the role may read a relation; one that does not exist lacks nothing."""
    table, place = f"{_identifier(schema)}.{_identifier(name)}", _identifier(schema)
    rights = {
        f"grant usage on schema {place} to {role};": "has_schema_privilege(n.oid, 'usage')",
        f"grant select on {table} to {role};": "has_table_privilege(c.oid, 'select')",
    }
    cursor.execute(
        f"select {', '.join(rights.values())} from pg_class c join pg_namespace n on n.oid = c.relnamespace "  # noqa: S608 - constants
        "where n.nspname = %(schema)s and c.relname = %(name)s",
        {"schema": schema, "name": name},
    )
    rows = cursor.fetchall()
    grants = tuple(grant for grant, has in zip(rights, rows[0], strict=True) if not has) if rows else ()
    return Right(READ, f"{schema}.{name}", f"{role} may not read it" if grants else None, grants)


def _writable(cursor: Cursor, role: str, database: str, schema: str) -> Right:
    """Create, fill, read and drop a table in a schema, which is created where it is not there."""
    cursor.execute("select count(*) from pg_namespace where nspname = %(schema)s", {"schema": schema})
    exists = bool(cursor.fetchall()[0][0])
    try:
        for statement in trial(None, schema, NAME, not exists):
            cursor.execute(statement)
    except Exception as error:
        on = f"schema {_identifier(schema)}" if exists else f"database {_identifier(database)}"
        grant = f"grant {'usage, create' if exists else 'create'} on {on} to {role};"
        return Right(WRITE, schema, message_of(error), (grant,))
    return Right(WRITE, schema)


def _identifier(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect=NAME)


def translated(sql: str) -> str:
    """Write a query of the dialect of Python models for PostgreSQL, with what sqlglot leaves as it is."""
    return sqlglot.parse_one(sql, dialect=PYTHON_DIALECT).transform(_replaced).sql(dialect=NAME)


def _replaced(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.IsNan):
        return exp.paren(node.this.eq(exp.cast(exp.Literal.string("NaN"), "double")))
    if isinstance(node, exp.IsInf):
        return exp.paren(exp.Abs(this=node.this).eq(exp.cast(exp.Literal.string("Infinity"), "double")))
    if isinstance(node, exp.JSONArray):
        return _json_array(node.expressions)
    if isinstance(node, exp.Anonymous) and node.name.lower() == "epoch_us":
        return _microseconds(*node.expressions)
    if isinstance(node, exp.Levenshtein):
        return _differing_from_the_start(node.this, node.expression)
    if isinstance(node, exp.Cast) and node.is_type(exp.DataType.Type.TINYINT):
        return exp.cast(node.this, "int")  # a boolean can be cast to no narrower one
    return node


def _microseconds(moment: exp.Expression) -> exp.Expression:
    """Turn a date or timestamp into microseconds since 1970 as a whole number, infinity into NULL."""
    seconds = exp.Extract(this=exp.var("epoch"), expression=moment.copy())
    number = exp.cast(exp.paren(seconds) * exp.Literal.number(1_000_000), "bigint")
    return exp.Case(ifs=[exp.If(this=exp.Anonymous(this="isfinite", expressions=[moment]), true=number)])


def _json_array(texts: list[exp.Expression]) -> exp.Expression:
    """Write texts as a JSON array without spaces, as `json_array` in `macros/engines/default.sql` does."""
    items = [exp.cast(exp.Anonymous(this="to_json", expressions=[each]), "text") for each in texts]
    commas = itertools.chain.from_iterable((exp.Literal.string(","), each) for each in items)
    parts = [exp.Literal.string("["), *itertools.islice(commas, 1, None), exp.Literal.string("]")]
    return exp.paren(_summed(exp.DPipe, parts))


def _differing_from_the_start(text: exp.Expression, wanted: exp.Expression) -> exp.Expression:
    """Count the characters of `wanted`, a literal, from the first on that differs: a distance between keys.

    The Levenshtein distance itself is part of an extension that a server need not have.
    """
    lengths = range(1, len(wanted.name) + 1)
    starts = [exp.Literal.string(wanted.name[:length]) for length in lengths]
    differs = [
        exp.Case(
            ifs=[exp.If(this=exp.Left(this=text.copy(), expression=exp.Literal.number(length)).eq(start), true="0")],
            default=exp.Literal.number(1),
        )
        for length, start in zip(lengths, starts, strict=True)
    ]
    return exp.paren(_summed(exp.Add, [exp.Literal.number(0), *differs]))


def _summed(operator: type[exp.Binary], parts: Sequence[exp.Expr]) -> exp.Expr:
    whole = parts[0]
    for each in parts[1:]:
        whole = operator(this=whole, expression=each)
    return whole
