"""What differs by engine: each is a class with this interface, in a file of its own, by the name of its dbt adapter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlbridge.engines.reader import Credentials, Reader, ServerConnection
from mlbridge.engines.rights import Right
from mlbridge.engines.session import Relation, Session
from mlbridge.errors import SetupError
from mlbridge.typing import Document, Json, Value

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlglot import exp


class Engine:
    """A server that can be read through its dbt adapter, which is what most engines are.

    `name` is what dbt calls the adapter and sqlglot the dialect; `settings` are the statements that a reader's session
    begins with.
    """

    name: str
    settings: Sequence[str] = ()
    compresses: bool = True  # whether tables are stored by column, compressed
    trains: bool = False  # whether models can be trained on its tables
    serves: bool = False  # whether versions and online tables can be published from it
    loads: bool = False  # whether rows of files on this machine are loaded into tables, because its SQL reads no files

    def __init__(self, name: str) -> None:
        """Take the adapter's name."""
        self.name = name

    def file_of(self, credentials: Credentials) -> Path | None:
        """Return the path of the file that the warehouse of a dbt profile lives in, as the profile writes it.

        None when it is a server or in memory.
        """
        return None

    def path_of(self, credentials: Credentials, database: str) -> str | None:
        """Return the path of the file that one of the profile's databases is in; None where it is in none."""
        return None

    def reader(self, credentials: Credentials) -> Reader:
        """Open the warehouse of a dbt profile, which many can read at once; the first query connects."""
        return Reader(ServerConnection(credentials, self.settings).run, self.name)

    def rights(
        self, credentials: Credentials, reads: Sequence[tuple[str, str, str]], writes: Sequence[tuple[str, str]]
    ) -> list[Right]:
        """Try what a build does: read relations, and create, fill, read and drop a table in schemas.

        Relations are given by database, schema and name, schemas by database and name. Nothing is left behind. Empty
        for an engine that cannot be asked.
        """
        return []

    def check(self, credentials: Credentials) -> None:
        """Raise SetupError where the warehouse of a dbt profile does not open, and its client would not say so soon."""

    def rest(self, credentials: Credentials) -> None:
        """End the session that dbt has left open in this process, where one that is idle for long would be cut."""

    def published_schema(self, schema: str) -> str | None:
        """Return the schema that builds publish the tables of a schema to; None where they publish to files, or not."""
        return None

    def row_bytes_query(self, table: exp.Expr) -> exp.Query | None:
        """Return the query of one number: the bytes that a row of a table takes on average; None where none tells."""
        return None

    def written(self, query: exp.Query) -> str:
        """Write a query of the dialect of Python models for this engine."""
        return query.sql(dialect=self.name)

    @contextmanager
    def opened(self, credentials: Credentials) -> Iterator[Session]:
        """Open the warehouse of a dbt profile for a training outside of dbt; a file is opened to write, as dbt does.

        Relative paths are of the working directory. Raises SetupError if another process holds the file, or for an
        engine on which mlbridge does not train.
        """
        raise self._no_training
        yield

    def append(
        self, session: Session, credentials: Credentials, table: Sequence[str], rows: pa.Table, condition: exp.Query
    ) -> bool:
        """Append rows to a table if a query gives a row, in one transaction; returns whether it did.

        `session` is what `opened` gave for the credentials; a table is given by database, schema and name. Another call
        waits for the end of this one before its query is asked. Raises ReadError.
        """
        raise self._no_training

    def load(
        self,
        credentials: Credentials,
        table: Sequence[str],
        columns: Mapping[str, exp.DType],
        files: Sequence[str],
        read: Callable[[str], pa.Table],
    ) -> int:
        """Let a table have the rows of some files and no others, each with its `file`; returns how many files were new.

        `read` gives the rows of a file, with all `columns`. The table is made, or widened, where it is not as they are.
        All of it is one transaction, and another call waits for its end. Raises ReadError.
        """
        raise self._no_training

    def table_columns(self, session: Session, place: Sequence[str]) -> dict[str, str] | None:
        """Return each column's type of a table or view; empty where there is no such table.

        A table is given by database, schema and name. None where `information_schema` says it.
        """
        return None

    def places(self, session: Session) -> list[tuple[str, str, str]] | None:
        """Return database, schema and name of every table and view. None where `information_schema` says it."""
        return None

    def digest(self, session: Session, query: exp.Query) -> str:
        """Return a text that is the same for the same rows of a query in any order, and another one for others."""
        raise SetupError(f"'{self.name}': mlbridge does not serve from this engine yet.")

    @property
    def _no_training(self) -> SetupError:
        return SetupError(f"'{self.name}': mlbridge does not train on this engine yet.")

    def server_session(self, credentials: Credentials) -> Session | None:
        """Open the warehouse of a dbt profile for queries in the dialect of Python models; the first one connects.

        None for an engine that mlbridge does not translate those queries for.
        """
        return None


class PythonEngine(Engine, ABC):
    """An engine that runs dbt's Python models in its own process, and whose warehouse is a file."""

    trains = True
    serves = True

    # What a Python model works with: the session that dbt hands it, and relations.

    @abstractmethod
    def columns(self, relation: Relation) -> dict[str, str]:
        """Return each column's type as the engine writes it, in the relation's order."""

    @abstractmethod
    def query_of(self, relation: object) -> str | None:
        """Return the SELECT that a `dbt.ref()` stands for; None for what renders as a table's name."""

    @abstractmethod
    def fetch(self, session: Session, sql: str) -> tuple[list[str], Sequence[Sequence[Value]]]:
        """Run a query; returns the names of the columns, and the rows."""

    @abstractmethod
    def lazy(self, session: Session, sql: str) -> Relation:
        """Return a query as a lazy relation, which dbt writes to a table without fetching its rows into Python."""

    @abstractmethod
    def stream(self, session: Session, sql: str, rows: int) -> pa.RecordBatchReader:
        """Stream a query's result in Arrow batches of about `rows` rows; the whole result is never held in memory."""

    @property
    @abstractmethod
    def error(self) -> type[Exception]:
        """The base class of what its client raises."""

    @abstractmethod
    def workspace(self, tables: Mapping[str, pa.Table]) -> Session:
        """Return a session of its own, in memory, that holds Arrow tables by name."""

    @abstractmethod
    def copied(
        self, rows: pa.RecordBatchReader, types: Mapping[str, str]
    ) -> AbstractContextManager[tuple[Session, Relation]]:
        """Hold rows of a server in a database of their own for as long as they are worked with.

        `types` are those of the columns on the server, as this engine writes them.
        """

    @abstractmethod
    def stored_bytes(self, session: Session, query: exp.Select, file: Path) -> int:
        """Write the result of a query to a new database file; returns the bytes that the rows take in it."""

    # Functions whose names differ by engine.

    @abstractmethod
    def seconds_since_epoch(self, moment: exp.Expression) -> exp.Expression:
        """Turn a timestamp into seconds since 1970 as a double; infinity into NULL."""

    @abstractmethod
    def microseconds_since_epoch(self, moment: exp.Expression) -> exp.Expression:
        """Turn a date or timestamp into microseconds since 1970 (UTC) as a whole number."""

    @abstractmethod
    def error_expression(self, message: str) -> exp.Expression:
        """Return an expression that raises an error with this message when it is evaluated for a row."""

    @abstractmethod
    def is_infinite(self, value: exp.Expression) -> exp.Expression:
        """Return a condition: a double is infinite."""

    @abstractmethod
    def json_array(self, texts: Sequence[exp.Expression]) -> exp.Expression:
        """Write texts as a JSON array."""

    # Its files.

    @abstractmethod
    def connect(self, file: Path, credentials: Credentials | None = None) -> Session:
        """Open an existing warehouse read-only; raises SetupError if another process holds it or it is unreadable.

        `credentials` are those of a dbt profile: what it attaches is opened as well where that is a file of the engine.
        """

    @abstractmethod
    def check_free(self, file: Path) -> None:
        """Open a warehouse to write for an instant; raises SetupError that says who reads or writes it."""

    @abstractmethod
    def place_of(self, session: Session, database: str) -> Path | None:
        """Return the file of a database of the session; None if it is in none, read-only, or no file may be written."""

    @abstractmethod
    def files(self, warehouse: Path) -> tuple[Path, ...]:
        """Return the paths of all files that a warehouse may consist of, whether they exist or not."""

    @abstractmethod
    def target(self, file: Path, like: Mapping[str, Json] | None = None) -> Document:
        """Return the settings of a profiles.yml target that writes to one file only; others are taken from `like`."""

    @abstractmethod
    def read_files(self, files: Mapping[str, Path], memory: str) -> Reader:
        """Open Parquet files as tables by name, using at most `memory` ('200MB'); no other file can be opened."""

    # What it publishes. A table is given by its database, schema and name.

    @abstractmethod
    def defect(self, session: Session, table: Sequence[str]) -> str | None:
        """Return why a table or view cannot be read, such as a column that is gone; None where it can."""

    @abstractmethod
    def export(self, session: Session, table: Sequence[str], file: Path) -> None:
        """Copy a table to a new Parquet file."""

    @abstractmethod
    def export_rows(self, session: Session, query: exp.Query, file: Path) -> None:
        """Copy the rows of a query to a new Parquet file."""

    @abstractmethod
    def write_views(self, file: Path, tables: Mapping[str, Path]) -> None:
        """Write a new database file that older clients read too: a view by name over each of some Parquet files."""
