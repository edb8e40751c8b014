"""Reading tables as frames: constant SQL with bound values, the same types whatever the engine, and nothing written."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from mlbridge.errors import MlbridgeError

if TYPE_CHECKING:
    import pandas as pd

# What a column is in a frame, by the words in the engine's name of its type; everything else is text.
TYPES = {
    ("BOOL",): "bool",
    ("TIMESTAMP", "DATE"): "datetime64[us]",
    ("INTEGER", "BIGINT", "SMALLINT", "TINYINT", "HUGEINT"): "int64",
    ("DOUBLE", "FLOAT", "DECIMAL", "NUMERIC", "REAL"): "float64",
}
# What SQL calls a missing schema, table and column: the standard's classes, as PostgreSQL refines them.
LACKING_STATES = ("3F000", "42P01", "42703", "42S02", "42S22")
# A lock that was not to be had in time, and a deadlock that the server ended.
BUSY_STATES = ("55P03", "40P01")
PAUSES = (0.2, 0.4, 0.8)  # seconds
MOST_SAID = 400  # characters


class ReadError(MlbridgeError):
    """What was asked of the tables has no answer; the engine's own words."""


class LackingError(ReadError):
    """A table, a column or a file that was asked for is not there, or not whole."""


class BusyError(ReadError):
    """What was asked for is held by a build."""


class Reader:
    """Constant SQL in sqlglot's own dialect, with `:name` placeholders that are always bound; answers are frames.

    Nothing can be written through it. Columns have the same types on every engine: int64, float64 (also whole numbers
    with a NULL among them), bool, str, and datetime64[us].
    """

    def __init__(self, ask: Callable[[str, dict[str, Any]], pd.DataFrame], dialect: str) -> None:
        """Take what runs a text with its parameters, and the engine's name."""
        self._ask = ask
        self._dialect = dialect

    def frame(self, sql: str, parameters: Mapping[str, Any], tables: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
        """Ask; `tables` gives schema and name of those that the text mentions. Raises ReadError."""
        query = sqlglot.parse_one(sql)
        if not isinstance(query, exp.Query):
            raise ReadError(f"expected a SELECT, found: {sql}")
        for table in list(query.find_all(exp.Table)):
            if table.name in tables:
                schema, name = tables[table.name]
                table.replace(exp.table_(name, db=schema or None, quoted=True, alias=table.alias_or_name))
        bound = {each.name: _plain(parameters[each.name]) for each in query.find_all(exp.Placeholder)}
        return self._ask(query.sql(dialect=self._dialect), bound)


class ServerConnection:
    """One connection of dbt's adapter; one thread asks at a time."""

    def __init__(self, credentials: Any, manners: Sequence[str] = ()) -> None:
        """Take what a dbt profile says of the server, and what is said to it first; nothing is opened yet."""
        self._credentials = credentials
        self._manners = manners
        self._handle: Any = None
        self._turn = Lock()

    def ask(self, sql: str, parameters: dict[str, Any]) -> pd.DataFrame:
        """Run a text in the server's own dialect; a connection that was lost is opened again by the next question.

        Where a build holds what is asked for, it is asked again a few times.
        """
        for pause in PAUSES:
            try:
                return self._answer(sql, parameters)
            except BusyError:
                time.sleep(pause)
        return self._answer(sql, parameters)

    def _answer(self, sql: str, parameters: dict[str, Any]) -> pd.DataFrame:
        import pandas as pd

        with self._turn:
            try:
                self._handle = self._handle or self._opened()
                with closing(self._handle.cursor()) as cursor:
                    # `%` begins a placeholder, in literals as well.
                    cursor.execute(re.sub(r"%(?!\(\w+\)s)", "%%", sql), parameters)
                    types = {name: self._manager.data_type_code_to_name(code) for name, code, *_ in cursor.description}
                    return typed(pd.DataFrame(cursor.fetchall(), columns=list(types), dtype=object), types)
            except Exception as error:  # the drivers share no root
                self._handle = None
                state = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
                kind = LackingError if state in LACKING_STATES else BusyError if state in BUSY_STATES else ReadError
                raise kind(said(error)) from error

    @property
    def _manager(self) -> Any:
        from dbt.adapters.factory import FACTORY

        return FACTORY.get_adapter_class_by_name(self._credentials.type).ConnectionManager

    def _opened(self) -> Any:
        from dbt.adapters.contracts.connection import Connection, Identifier

        kind = Identifier(self._credentials.type)
        handle = self._manager.open(Connection(type=kind, name="mlbridge", credentials=self._credentials)).handle
        if hasattr(handle, "set_session"):
            handle.set_session(readonly=True, autocommit=True)
        with closing(handle.cursor()) as cursor:
            for statement in self._manners:
                cursor.execute(statement)
        return handle


def said(error: Exception) -> str:
    """Give what an engine says on one line, without the statement that it points into."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    words = itertools.takewhile(lambda line: line and not line.startswith("LINE "), lines)
    return " ".join(words)[:MOST_SAID]


def typed(found: pd.DataFrame, types: Mapping[str, str]) -> pd.DataFrame:
    """Give each column the type of a frame that stands for what the engine calls its own."""
    for name, type_ in types.items():
        wanted: Any = next(
            (kind for words, kind in TYPES.items() if any(word in type_.upper() for word in words)), "str"
        )
        if wanted in ("int64", "bool") and found[name].isna().any():
            wanted = "float64" if wanted == "int64" else "object"
        if found[name].dtype != wanted:
            found[name] = found[name].astype(wanted)
    return found


def _plain(value: Any) -> Any:
    """Turn a parameter of pandas or numpy into what every driver knows."""
    import numpy as np
    import pandas as pd

    if pd.isna(value):
        return None
    if isinstance(value, (pd.Timestamp, np.datetime64)):
        return pd.Timestamp(value).to_pydatetime()
    return value.item() if hasattr(value, "item") else value
