"""Reads tables as pandas frames: constant SQL with bound values, the same dtypes on every engine, read-only."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import sqlglot
from sqlglot import exp

from mlbridge.errors import MlbridgeError
from mlbridge.typing import Value

if TYPE_CHECKING:
    import pandas as pd
    from dbt.adapters.sql.connections import SQLConnectionManager

# The dtype of a column by substrings of the engine's name of its type; everything else is text.
TYPES = {
    ("BOOL",): "bool",
    ("TIMESTAMP", "DATE"): "datetime64[us]",
    ("INTEGER", "BIGINT", "SMALLINT", "TINYINT", "HUGEINT"): "int64",
    ("DOUBLE", "FLOAT", "DECIMAL", "NUMERIC", "REAL"): "float64",
}
# SQLSTATE codes of a missing schema, table and column: the standard's, and PostgreSQL's refinements of them.
MISSING_STATES = ("3F000", "42P01", "42703", "42S02", "42S22")
# SQLSTATE codes of a lock that was not granted in time, and of a deadlock that the server ended.
BUSY_STATES = ("55P03", "40P01")
PAUSES = (0.2, 0.4, 0.8)  # seconds before each retry of a query that met a lock
LONGEST_MESSAGE = 400  # characters


# The connection settings of a dbt profile: each adapter has its own class.
Credentials: TypeAlias = Any
# The values of a query's placeholders, of types that every driver accepts.
Parameters: TypeAlias = dict[str, object]


T = TypeVar("T")


class Cursor(Protocol):
    """A cursor as Python's database interface (PEP 249) has it."""

    description: Sequence[Sequence[Value]]

    def execute(self, sql: str, parameters: Parameters = ...) -> object:
        """Run a statement."""
        ...

    def copy_expert(self, sql: str, file: IO[bytes]) -> object:
        """Run a statement that copies rows from or to a file, where the driver has that."""
        ...

    def fetchall(self) -> list[Sequence[Value]]:
        """Return the rows."""
        ...

    def close(self) -> None:
        """Release the cursor's resources on the server."""
        ...


class Handle(Protocol):
    """A connection as Python's database interface has it."""

    def cursor(self) -> Cursor:
        """Open a cursor."""
        ...

    def commit(self) -> None:
        """Keep what the transaction has done."""
        ...

    def rollback(self) -> None:
        """Undo what the transaction has done."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


class ReadError(MlbridgeError):
    """A query has no answer, of which the server may know nothing; the message is the engine's or the driver's own."""


class QueryError(ReadError):
    """A server has answered that a query failed."""


class MissingRelationError(QueryError):
    """A table, a column or a file that a query reads does not exist or is incomplete."""


class BusyError(QueryError):
    """A table that a query reads is locked by a build."""


class Reader:
    """Runs constant SELECTs in sqlglot's own dialect, with bound `:name` placeholders; results are pandas frames.

    Nothing can be written through it. Columns have the same dtypes on every engine: int64 (float64 if there are NULLs),
    float64, bool (object if there are NULLs), str, and datetime64[us].
    """

    def __init__(self, run: Callable[[str, Parameters], pd.DataFrame], dialect: str) -> None:
        """Take the function that runs a query with its parameters, and the engine's name."""
        self._run = run
        self._dialect = dialect

    def frame(self, sql: str, parameters: Mapping[str, object], tables: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
        """Run a query; `tables` gives schema and name of the tables that it names. Raises ReadError."""
        query = sqlglot.parse_one(sql)
        if not isinstance(query, exp.Query):
            raise ReadError(f"expected a SELECT, found: {sql}")
        for table in list(query.find_all(exp.Table)):
            if table.name in tables:
                schema, name = tables[table.name]
                table.replace(exp.table_(name, db=schema or None, quoted=True, alias=table.alias_or_name))
        bound = {each.name: _plain(parameters[each.name]) for each in query.find_all(exp.Placeholder)}
        return self._run(query.sql(dialect=self._dialect), bound)


class ServerConnection:
    """One connection of dbt's adapter, used by one thread at a time."""

    def __init__(self, credentials: Credentials, settings: Sequence[str] = ()) -> None:
        """Take a dbt profile's credentials and the statements that a session begins with; nothing is opened yet."""
        self._credentials = credentials
        self._settings = settings
        self._handle: Handle | None = None
        self._lock = Lock()

    def run(self, sql: str, parameters: Parameters) -> pd.DataFrame:
        """Run a query in the server's own dialect; returns a frame with the dtypes of `Reader`. Raises ReadError."""
        import pandas as pd

        types, rows = self.fetch(sql, parameters)
        return typed(pd.DataFrame(rows, columns=list(types), dtype=object), types)

    def fetch(self, sql: str, parameters: Parameters) -> tuple[dict[str, str], list[Sequence[Value]]]:
        """Run a query in the server's own dialect; returns each column's type by name, and the driver's own values.

        The next query opens a lost connection again. A query that meets a lock of a build is repeated a few times.
        """
        for pause in PAUSES:
            try:
                return self._answer(sql, parameters)
            except BusyError:
                time.sleep(pause)
        return self._answer(sql, parameters)

    def _answer(self, sql: str, parameters: Parameters) -> tuple[dict[str, str], list[Sequence[Value]]]:
        def answer(cursor: Cursor) -> tuple[dict[str, str], list[Sequence[Value]]]:
            # `%` begins a placeholder, in literals as well.
            cursor.execute(re.sub(r"%(?!\(\w+\)s)" if parameters else "%", "%%", sql), parameters)
            name_of = _manager_of(self._credentials).data_type_code_to_name
            return {name: name_of(code) for name, code, *_ in cursor.description}, cursor.fetchall()

        return self.use(answer)

    def use(self, work: Callable[[Cursor], T]) -> T:
        """Do some work with a cursor of the connection, which is opened if it is not; raises ReadError."""
        with self._lock:
            try:
                self._handle = self._handle or self._opened()
                with closing(self._handle.cursor()) as cursor:
                    return work(cursor)
            except Exception as error:  # the drivers have no common base class
                kind, self._handle = error_of(error, self._handle), None
                raise kind(message_of(error)) from error

    def close(self) -> None:
        """End the connection; the next query opens another one."""
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None

    def _opened(self) -> Handle:
        handle = opened(self._credentials)
        if hasattr(handle, "set_session"):
            handle.set_session(readonly=True, autocommit=True)
        with closing(handle.cursor()) as cursor:
            for statement in self._settings:
                cursor.execute(statement)
        return handle


def opened(credentials: Credentials) -> Handle:
    """Open a connection of a dbt profile as dbt does; whoever opens it closes it."""
    from dbt.adapters.contracts.connection import Connection, Identifier

    kind = Identifier(credentials.type)
    connection = Connection(type=kind, name="mlbridge", credentials=credentials)
    handle: Handle = _manager_of(credentials).open(connection).handle
    return handle


def _manager_of(credentials: Credentials) -> type[SQLConnectionManager]:
    from dbt.adapters.factory import FACTORY

    return FACTORY.get_adapter_class_by_name(credentials.type).ConnectionManager


def error_of(error: Exception, handle: Handle | None) -> type[ReadError]:
    """Return the class of a driver's error, by its SQLSTATE; without a connection that is open nobody has answered."""
    if handle is None or getattr(handle, "closed", False):
        return ReadError
    state = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
    if state in MISSING_STATES:
        return MissingRelationError
    return BusyError if state in BUSY_STATES else QueryError


def message_of(error: Exception) -> str:
    """Return an engine's error message on one line, without the statement that it quotes."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    kept = itertools.takewhile(lambda line: line and not line.startswith("LINE "), lines)
    return " ".join(kept)[:LONGEST_MESSAGE]


def kind_of(type_: str) -> str:
    """Return the dtype of an engine's type as if no value were NULL."""
    written = type_.upper()
    if written.endswith(("ARRAY", "[]")):
        return "str"
    return next((kind for names, kind in TYPES.items() if any(name in written for name in names)), "str")


def typed(found: pd.DataFrame, types: Mapping[str, str]) -> pd.DataFrame:
    """Cast each column to the dtype of its engine type: NULLs turn int64 into float64, and bool into object."""
    wanted: dict[str, str] = {}
    for name, type_ in types.items():
        kind = kind_of(type_)
        if kind in ("int64", "bool") and found[name].isna().any():
            kind = "float64" if kind == "int64" else "object"
        if found[name].dtype != kind:
            wanted[name] = kind
    return found.astype(wanted)


def _plain(value: Value) -> object:
    """Convert a parameter from pandas or numpy to a plain Python value, which every driver accepts."""
    import numpy as np
    import pandas as pd

    if pd.isna(value):
        return None
    if isinstance(value, (pd.Timestamp, np.datetime64)):
        return pd.Timestamp(value).to_pydatetime()
    return value.item() if hasattr(value, "item") else value
