"""What a Python model works with: the session that dbt hands it, and what `dbt.ref()` gives; servers have the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from mlbridge.typing import Value

if TYPE_CHECKING:
    import pyarrow as pa


class Relation(Protocol):
    """A query that has not run yet: a relation of DuckDB's client, which `dbt.ref()` returns."""

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns."""
        ...

    @property
    def types(self) -> Sequence[object]:
        """Return the types of the columns, which render as the engine writes them."""
        ...

    def to_arrow_reader(self, batch_size: int) -> pa.RecordBatchReader:
        """Run the query, batch by batch."""
        ...


class Session(Protocol):
    """A connection: the client's own, or dbt's wrapper of it."""

    def execute(self, query: str) -> Session:
        """Run a query."""
        ...

    @property
    def description(self) -> Sequence[Sequence[Value]]:
        """Return name, type and more of each column of the query that has run."""
        ...

    def fetchall(self) -> Sequence[Sequence[Value]]:
        """Return its rows."""
        ...

    def sql(self, query: str) -> Relation:
        """Return a query that runs once it is read."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...
