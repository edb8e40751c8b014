"""Opens what a dbt profile names: a warehouse to query or to train on, and readers that give frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlbridge.engines.adapters import ENGINES, PYTHON_ENGINE, engine_of
from mlbridge.engines.reader import Credentials, Reader
from mlbridge.engines.warehouse import DIALECT, EVERY_COLUMN, Place, Warehouse, by_place
from mlbridge.errors import SetupError, listed


def connect(file: Path | None, credentials: Credentials | None = None) -> Warehouse:
    """Open a warehouse read-only; raises SetupError if it does not exist, or another process holds it.

    `credentials` are those of a dbt profile: what it attaches is opened as well where that is a file of the engine.
    Without a file they are those of a server; raises SetupError for one whose tables are not read so, or in memory.
    """
    if file is None:
        return _server(credentials)
    if not file.is_file():
        raise SetupError(f"there is no warehouse at '{file}' yet. Run `dbt build` first.")
    return Warehouse(PYTHON_ENGINE.connect(file, credentials))


def _server(credentials: Credentials | None) -> Warehouse:
    session = None if credentials is None else engine_of(credentials.type).server_session(credentials)
    if credentials is None or session is None:
        servers = listed(each.name for each in ENGINES.values() if each is not PYTHON_ENGINE)
        readable = f"'{DIALECT}' files" + ("" if credentials is None else f" and servers of {servers}")
        raise SetupError(f"the profile's warehouse is no file; this command reads {readable} only so far.")
    return Warehouse(session, credentials.type)


@contextmanager
def opened(credentials: Credentials) -> Iterator[Warehouse]:
    """Open the warehouse of a dbt profile for a training outside of dbt, for as long as that takes.

    A file is opened to write, as dbt does; its relative path is of the working directory. Raises SetupError if another
    process holds it, or for an engine on which mlbridge does not train.
    """
    with engine_of(credentials.type).opened(credentials) as session:
        yield Warehouse(session, credentials.type)


def read_files(files: Mapping[str, Path], memory: str = "200MB") -> Reader:
    """Open Parquet files as tables by name, using at most `memory` ('200MB'); no other file can be opened."""
    return PYTHON_ENGINE.read_files(files, memory)


def read_server(credentials: Credentials) -> Reader:
    """Open the warehouse of a dbt profile, which many can read at once; the first query connects."""
    return engine_of(credentials.type).reader(credentials)


def server_columns(credentials: Credentials) -> dict[Place, dict[str, str]]:
    """Return the columns of every table and view of a profile's database, as `every_column` does; raises ReadError."""
    rows = read_server(credentials).frame(EVERY_COLUMN, {}, {}).itertuples(index=False)
    return by_place(rows, str(credentials.type))


def file_of(credentials: Credentials) -> Path | None:
    """Return the path of the file that the warehouse of a dbt profile lives in, as the profile writes it.

    None when it is a server or in memory.
    """
    return engine_of(credentials.type).file_of(credentials)
