"""A PostgreSQL server for the demo, in the folder `dbt_project/postgres`, with the raw tables in its schema `raw`.

    python postgres.py start    makes the server where there is none, starts it, and loads the tables
    python postgres.py stop     ends it; its folder keeps the tables

It listens on 127.0.0.1 only, on the port PGPORT, and asks the user `flights` for no password. Its superuser comes in by
a socket in its folder.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg2

DATA = Path(__file__).resolve().parent
FOLDER = DATA.parent / "postgres"
PORT = os.environ.get("PGPORT", "54329")
NAME = "flights"  # of the user and of the database
ACCESS = f"local all all peer\nhost {NAME} {NAME} 127.0.0.1/32 trust\n"
TABLES = ("airlines", "airports", "planes", "weather", "flights")
TYPES = {"VARCHAR": "text", "DOUBLE": "float8", "TINYINT": "smallint"}  # those that PostgreSQL calls otherwise
# The server refuses to run as root.
USER = "postgres" if os.geteuid() == 0 else None


def start() -> None:
    """Make the server where there is none, start it, and load the tables."""
    import psycopg2

    is_running = runs()
    if not is_running and is_taken(PORT):
        sys.exit(f"Another program listens on port {PORT}: choose one, as in `make demo TARGET=postgres PGPORT=54330`.")
    if not FOLDER.exists():
        make()
    (FOLDER / "pg_hba.conf").write_text(ACCESS)
    if not is_running:
        options = f"-p {PORT} -k '{FOLDER}' -c listen_addresses=127.0.0.1"
        run("pg_ctl", "-D", FOLDER, "-w", "-l", FOLDER / "log", "-o", options, "start")
    elif (own := (FOLDER / "postmaster.pid").read_text().splitlines()[3]) != PORT:
        sys.exit(f"The server of {FOLDER} listens on port {own}: end it by `make demo-stop`, or give PGPORT={own}.")
    try:
        connection = connect()
    except psycopg2.OperationalError:
        run("createuser", "-h", FOLDER, "-p", PORT, NAME, check=False)
        run("createdb", "-h", FOLDER, "-p", PORT, "-O", NAME, NAME)
        connection = connect()
    load(connection, DATA)
    connection.close()


def make() -> None:
    """Make the server in a folder beside its own, which it gets once it is whole: `initdb` may be killed."""
    half = FOLDER.with_name("postgres.new")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    if USER:
        try:
            shutil.chown(half, USER)
        except LookupError:
            sys.exit(f"PostgreSQL does not run as root, and there is no user '{USER}' as whom it could.")
        if run("test", "-x", half, check=False):
            sys.exit(
                f"The server's user '{USER}' may not enter {half.parent}: put the project where it may, as in /srv."
            )
    run("initdb", "-D", half, "-E", "UTF8", "--locale=C", "-A", "peer")
    half.rename(FOLDER)


def stop() -> None:
    """End the server."""
    if not runs():
        sys.stdout.write(f"No server runs in {FOLDER}.\n")
        return
    run("pg_ctl", "-D", FOLDER, "-m", "fast", "stop")


def runs() -> bool:
    """Return whether the server is running."""
    return FOLDER.exists() and not run("pg_ctl", "-D", FOLDER, "status", check=False)


def is_taken(port: str) -> bool:
    """Return whether somebody listens on a port."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", int(port))) == 0


def connect() -> psycopg2.extensions.connection:
    """Connect as dbt does."""
    import psycopg2

    return psycopg2.connect(host="127.0.0.1", port=PORT, user=NAME, dbname=NAME)


def load(connection: psycopg2.extensions.connection, data: Path) -> None:
    """Copy Parquet files into tables of the schema `raw` that are not there yet, in one transaction."""
    import duckdb
    from psycopg2 import sql

    with connection, connection.cursor() as cursor:
        cursor.execute("create schema if not exists raw")
        for name in TABLES:
            cursor.execute("select to_regclass(%s)", [f"raw.{name}"])
            if cursor.fetchone() != (None,):
                continue
            rows = duckdb.read_parquet(str(data / f"{name}.parquet"))
            types = (TYPES.get(str(each), str(each)) for each in rows.types)
            columns = [
                sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(type_))
                for column, type_ in zip(rows.columns, types, strict=True)
            ]
            table = sql.Identifier("raw", name)
            cursor.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(", ").join(columns)))
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, f"{name}.csv")
                rows.write_csv(str(file), header=False)
                with file.open("rb") as lines:
                    cursor.copy_expert(sql.SQL("copy {} from stdin (format csv)").format(table), lines)
        cursor.execute("analyze raw.flights, raw.weather")


def run(program: str, *args: object, check: bool = True) -> int:
    """Run one of the server's programs, which stand on the path or where Debian puts them; return its exit code."""
    releases = (each for each in Path("/usr/lib/postgresql").glob("*/bin") if each.parent.name.isdigit())
    debian = max(releases, default=None, key=lambda path: int(path.parent.name))
    found = shutil.which(program) or (debian and debian / program)
    if not found:
        sys.exit(f"{program} is not there: install PostgreSQL (Debian's package `postgresql`).")
    # Not a pipe: the server would keep it open.
    command = [found, *map(str, args)]
    done = subprocess.run(command, cwd=DATA.parent, user=USER, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - constants
    if check and done.returncode:
        sys.exit(f"{program} has failed; {FOLDER / 'log'} may say more.")
    return done.returncode


if __name__ == "__main__":
    commands = {"start": start, "stop": stop}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    # Whatever server they name for the client library, this one is meant.
    for variable in [each for each in os.environ if each.startswith("PG")]:
        del os.environ[variable]
    commands[sys.argv[1]]()
