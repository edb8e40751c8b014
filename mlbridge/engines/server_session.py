"""A server in the place of a Python model's session: it runs queries that are written in the server's own dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlbridge.engines.reader import ServerConnection, kind_of
from mlbridge.engines.session import Relation
from mlbridge.typing import Value

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = {"int64": "int64", "float64": "double", "bool": "bool", "datetime64[us]": "timestamp[us]"}
# A row must fit into two of the blocks in which a file is read.
BLOCK_BYTES = 16 * 2**20
# Writes the result of a query to a file of comma-separated values without a header, as `_read` takes it.
Export = Callable[[ServerConnection, str, Path], None]


class ServerSession:
    """Runs queries that only read; `export` gives the rows of one as a file, which is much faster than row by row."""

    def __init__(self, connection: ServerConnection, export: Export) -> None:
        """Take the connection, which need not be open yet."""
        self._connection = connection
        self._export = export
        self._types: dict[str, str] = {}
        self._rows: Sequence[Sequence[Value]] = ()

    def execute(self, query: str) -> ServerSession:
        """Run a query; raises ReadError."""
        self._types, rows = self._connection.fetch(query, {})
        self._rows = [[bytes(each) if isinstance(each, memoryview) else each for each in row] for row in rows]
        return self

    @property
    def description(self) -> Sequence[Sequence[Value]]:
        """Return name and type, as the server writes it, of each column of the query that has run."""
        return list(self._types.items())

    def fetchall(self) -> Sequence[Sequence[Value]]:
        """Return its rows."""
        return self._rows

    def export(self, query: str, file: Path) -> None:
        """Write the result of a query to a new file of comma-separated values; raises ReadError."""
        self._export(self._connection, query, file)

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
        return [str(name) for name, _ in self._described()]

    @property
    def types(self) -> Sequence[object]:
        """Return the types of the columns, as the server writes them."""
        return [type_ for _, type_ in self._described()]

    def to_arrow_reader(self, batch_size: int) -> pa.RecordBatchReader:
        """Run the query and give its rows batch by batch, of at most `batch_size` rows; raises ReadError.

        The rows wait in a temporary file, so that memory does not grow with them. A decimal is read as a double.
        """
        import pyarrow as pa

        fields = [
            (str(name), pa.type_for_alias(ARROW.get(kind_of(str(type_)), "string")))
            for name, type_ in self._described()
        ]
        return pa.RecordBatchReader.from_batches(pa.schema(fields), self._batches(pa.schema(fields), batch_size))

    def _batches(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        with TemporaryDirectory(prefix="mlbridge_") as folder:
            file = Path(folder) / "rows.csv"
            self.session.export(self.query, file)
            if file.stat().st_size:
                for batch in _read(file, schema):
                    yield from (batch.slice(first, rows) for first in range(0, batch.num_rows, rows))

    def _described(self) -> Sequence[Sequence[Value]]:
        return self.session.execute(f"select * from ({self.query}) as described limit 0").description  # noqa: S608


@dataclass(frozen=True)
class KnownTypes:
    """A relation whose columns have the types that a server gives them, as Python models write those."""

    relation: Relation
    query: str
    known: Mapping[str, str]

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return list(self.known)

    @property
    def types(self) -> Sequence[object]:
        """Return the types of the columns."""
        return list(self.known.values())

    def sql_query(self) -> str:
        """Return its SELECT, in the dialect of Python models."""
        return self.query

    def to_arrow_reader(self, batch_size: int) -> pa.RecordBatchReader:
        """Run the query, batch by batch."""
        return self.relation.to_arrow_reader(batch_size)


def _read(file: Path, schema: pa.Schema) -> pa.RecordBatchReader:
    """Read comma-separated values: nothing is NULL, an empty text stands in quotes, and true and false are t and f."""
    from pyarrow import csv

    return csv.open_csv(
        file,
        csv.ReadOptions(column_names=schema.names, block_size=BLOCK_BYTES),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
