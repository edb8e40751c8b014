"""A server in the place of a Python model's session: it runs queries in that engine's dialect, translated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbridge.engines.reader import ServerConnection, kind_of
from mlbridge.typing import Value

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = {"int64": "int64", "float64": "double", "bool": "bool", "datetime64[us]": "timestamp[us]"}


class ServerSession:
    """Runs queries that only read; `translate` turns one from the dialect of Python models into the server's."""

    def __init__(self, connection: ServerConnection, translate: Callable[[str], str]) -> None:
        """Take the connection, which need not be open yet."""
        self._connection = connection
        self._translate = translate
        self._types: dict[str, str] = {}
        self._rows: Sequence[Sequence[Value]] = ()

    def execute(self, query: str) -> ServerSession:
        """Run a query; raises ReadError."""
        self._types, rows = self._connection.fetch(self._translate(query), {})
        self._rows = [[bytes(each) if isinstance(each, memoryview) else each for each in row] for row in rows]
        return self

    @property
    def description(self) -> Sequence[Sequence[Value]]:
        """Return name and type, as the server writes it, of each column of the query that has run."""
        return list(self._types.items())

    def fetchall(self) -> Sequence[Sequence[Value]]:
        """Return its rows."""
        return self._rows

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def sql(self, query: str) -> ServerQuery:
        """Return a query that runs once it is read."""
        return ServerQuery(self, query)


@dataclass(frozen=True)
class ServerQuery:
    """A query of a server, which runs anew each time that something of it is read."""

    session: ServerSession
    query: str

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return [str(name) for name, _ in self.session.execute(self.query).description]

    @property
    def types(self) -> Sequence[object]:
        """Return the types of the columns, as the server writes them."""
        return [type_ for _, type_ in self.session.execute(self.query).description]

    def to_arrow_reader(self, batch_size: int) -> pa.RecordBatchReader:
        """Run the query; all of its rows are in memory, so it is for results of a few thousand rows."""
        import pyarrow as pa

        done = self.session.execute(self.query)
        fields = [
            (str(name), pa.type_for_alias(ARROW.get(kind_of(type_), "string"))) for name, type_ in done.description
        ]
        names = [name for name, _ in fields]
        rows = [dict(zip(names, row, strict=True)) for row in done.fetchall()]
        return pa.Table.from_pylist(rows, schema=pa.schema(fields)).to_reader(max_chunksize=batch_size)
