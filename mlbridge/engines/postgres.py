"""PostgreSQL: its tables are read through dbt's adapter; Python models do not run there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from sqlglot import exp

from mlbridge.engines.engine import Engine
from mlbridge.engines.reader import Credentials, Cursor, message_of, opened
from mlbridge.engines.rights import READ, WRITE, Right, trial

NAME = "postgres"
# What a row takes beside its values: its header, and its place in the page.
ROW_OVERHEAD = 28
ROWS_MEASURED = 10_000


class Postgres(Engine):
    """PostgreSQL, whose tables can be read while builds run."""

    # A build replaces tables that views depend on: a reader that waits for a lock may form a deadlock with the build,
    # and the server may then end the build. So the reader gives up before the server looks for deadlocks.
    compresses = False
    settings = ("set lock_timeout = '300ms'", "set statement_timeout = '60s'")

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

    def row_bytes_query(self, table: exp.Expr) -> exp.Query | None:
        """Return the query of the bytes that a row of a table takes on average, its header included."""
        row = exp.Column(this=exp.Star(), table=exp.to_identifier("measured"))
        size = exp.Avg(this=exp.Anonymous(this="pg_column_size", expressions=[row])) + ROW_OVERHEAD
        return exp.select(exp.alias_(size, "bytes")).from_(
            exp.select("*").from_(table).limit(ROWS_MEASURED).subquery("measured")
        )


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
