"""The warehouse that is assessed, read-only: a file by its own client, a server through dbt's adapter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlglot import exp

from mlbridge.engines.adapters import PYTHON_ENGINE, engine_of
from mlbridge.engines.opening import read_server, server_columns
from mlbridge.engines.reader import Reader, ReadError, message_of
from mlbridge.engines.warehouse import Place, Warehouse, columns_query, select
from mlbridge.project.project import Project
from mlbridge.typing import Row

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 100_000


class Source(ABC):
    """What an assessment asks of a warehouse; `dialect` is its engine's name."""

    dialect: str

    @abstractmethod
    def table(self, query: exp.Query) -> pa.Table:
        """Run a query and return its rows as an Arrow table."""

    def rows(self, query: exp.Query) -> list[Row]:
        """Run a query whose result is small; NULL is None."""
        return list(self.table(query).to_pylist())

    def row(self, query: exp.Query) -> Row:
        """Run a query that returns exactly one row."""
        (only,) = self.rows(query)
        return only

    def names(self, table: exp.Expression) -> list[str]:
        """Return the column names of a table or subquery."""
        return list(self.table(exp.select("*").from_(table).limit(0)).column_names)

    @abstractmethod
    def every_column(self) -> dict[Place, dict[str, str]]:
        """Return the columns of every table and view with their types as the engine of Python models writes them."""

    def count(self, rows: exp.Expr) -> int:
        """Count the rows of a table or subquery."""
        return int(self.rows(select({"n": exp.Count(this=exp.Star())}, rows))[0]["n"])

    def defect(self, place: Place) -> str | None:
        """Return why a relation that is there cannot be read; None where it can, or where only a query tells."""
        return None

    def columns(self, place: Place) -> dict[str, str]:
        """Return the columns of a relation with their types; none where there is no such relation."""
        return {str(row["column_name"]): str(row["data_type"]) for row in self.rows(columns_query(*place))}


class FileSource(Source):
    """A warehouse in a file, opened read-only."""

    dialect = PYTHON_ENGINE.name

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        """Take the open warehouse, and the folder from which relative paths in its views are."""
        self._warehouse, self._folder = warehouse, folder

    def table(self, query: exp.Query) -> pa.Table:
        """Run a query and return its rows; raises ReadError."""
        try:
            with chdir(self._folder):
                return self._warehouse.batches(query, BATCH_ROWS).read_all()
        except PYTHON_ENGINE.error as error:
            raise ReadError(message_of(error)) from error

    def every_column(self) -> dict[Place, dict[str, str]]:
        """Return the columns of every table and view."""
        return self._warehouse.every_column()

    def defect(self, place: Place) -> str | None:
        """Return why a relation that is there cannot be read."""
        with chdir(self._folder):
            return self._warehouse.defect(*place)


class ServerSource(Source):
    """A server, read through dbt's adapter in a session that cannot write."""

    def __init__(self, project: Project) -> None:
        """Take the project's profile; the first query connects."""
        self.dialect = str(project.credentials.type)
        self._credentials = project.credentials
        self._reader: Reader = read_server(project.credentials)

    def table(self, query: exp.Query) -> pa.Table:
        """Run a query and return its rows."""
        import pyarrow as pa

        return pa.Table.from_pandas(self._reader.frame(query.sql(), {}, {}), preserve_index=False)

    def every_column(self) -> dict[Place, dict[str, str]]:
        """Return the columns of every table and view of the profile's database."""
        return server_columns(self._credentials)


@contextmanager
def open_source(project: Project) -> Iterator[Source]:
    """Open the project's warehouse; raises SetupError if it is a file that is not there or that a process holds."""
    if engine_of(project.credentials.type) is not PYTHON_ENGINE:
        yield ServerSource(project)
        return
    warehouse = project.connect()
    try:
        yield FileSource(warehouse, project.start_folder)
    finally:
        warehouse.close()
