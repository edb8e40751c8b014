"""The same tables on DuckDB and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
from postgres import Postgres


def load_both(
    connection: duckdb.DuckDBPyConnection,
    server: Postgres,
    schema: str,
    tables: Mapping[str, tuple[dict[str, str], Sequence[Sequence[Any]]]],
) -> None:
    """Make each table on both, by its DuckDB types and rows; in the server in `schema`, where it is then looked for."""
    for name, (columns, rows) in tables.items():
        connection.execute(f"create table {name} ({', '.join(f'{key} {type_}' for key, type_ in columns.items())})")
        if rows:
            connection.executemany(f"insert into {name} values ({', '.join('?' * len(columns))})", rows)
        server.load(schema, name, columns, rows)
    server.connection.cursor().execute(f"set search_path = {schema}")
