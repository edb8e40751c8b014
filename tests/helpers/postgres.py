"""A PostgreSQL server of the tests' own: in a temporary folder, on a free port, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg2
import psycopg2.extras
from psycopg2 import sql

from mlbridge.engines.adapters import engine_of
from mlbridge.engines.warehouse import Warehouse

SUPERUSER = "postgres"
TYPES = {
    "BOOLEAN": "boolean",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "UBIGINT": "bigint",
    "DOUBLE": "double precision",
    "FLOAT": "real",
    "VARCHAR": "text",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "BLOB": "bytea",
}


def binaries() -> Path | None:
    """Find the server's programs: on the path, or where Debian puts them."""
    known = shutil.which("initdb")
    if known:
        return Path(known).parent
    releases = (each for each in Path("/usr/lib/postgresql").glob("*/bin") if each.parent.name.isdigit())
    return max(releases, default=None, key=lambda path: int(path.parent.name))


class Postgres:
    """The server; a context manager. `connection` is its superuser's, in autocommit."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    def __enter__(self) -> Postgres:
        self.folder = Path(tempfile.mkdtemp(prefix="mlbridge_postgres_"))
        # The server refuses to run as root.
        self.user = SUPERUSER if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.folder, pwd.getpwnam(self.user).pw_uid, -1)
        self._run("initdb", "-D", "data", "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()
        return self

    def start(self) -> None:
        """Start the server, and connect to it."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")
        self.connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=SUPERUSER, dbname="postgres", sslmode="disable"
        )
        self.connection.autocommit = True

    def stop(self) -> None:
        """End the server at once, whoever works with it."""
        self.connection.close()
        self._run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *args: str) -> None:
        with (self.folder / f"{program}.out").open("w") as out:  # a pipe would stay open as long as the server runs
            subprocess.run(
                [self.programs / program, *args], cwd=self.folder, user=self.user, stdout=out, stderr=out, check=True
            )

    def profile(self, schema: str) -> dict[str, Any]:
        """Give the server as a target of a dbt profile."""
        return {
            "type": "postgres",
            "host": "127.0.0.1",
            "port": self.port,
            "user": SUPERUSER,
            "password": "none",
            "dbname": "postgres",
            "schema": schema,
            "threads": 2,
            "sslmode": "disable",
        }

    def credentials(self, schema: str = "public") -> Any:
        """Give it as dbt loads it from a profile."""
        from dbt.adapters.factory import FACTORY

        settings = self.profile(schema)
        type_ = FACTORY.load_plugin(settings.pop("type"))
        return type_.from_dict(type_.translate_aliases(settings))

    def warehouse(self) -> Warehouse:
        """Open it as commands do, to read."""
        session = engine_of("postgres").server_session(self.credentials())
        assert session is not None
        return Warehouse(session, "postgres")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask it."""
        with self.connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def load(self, schema: str, table: str, columns: dict[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """Make a table, or fill it anew; `columns` gives DuckDB's types."""
        name = sql.Identifier(schema, table)
        defined = [
            sql.SQL("{} ").format(sql.Identifier(column)) + sql.SQL(TYPES.get(columns[column], columns[column]))
            for column in columns
        ]
        with self.connection.cursor() as cursor:
            cursor.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
            cursor.execute(sql.SQL("create table if not exists {} ({})").format(name, sql.SQL(", ").join(defined)))
            cursor.execute(sql.SQL("truncate {}").format(name))
            insert = sql.SQL("insert into {} values %s").format(name)
            psycopg2.extras.execute_values(cursor, insert, list(rows))
