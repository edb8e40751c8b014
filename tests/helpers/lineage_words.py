"""Columns with their origins, and names as an engine reads them: what random SQL is written from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from mlbridge.lineage.graph import COPIED, FILTERED, JOINED, TRANSFORMED

# A node, its column, and how.
Origins = frozenset[tuple[str, str, str]]
# Node, column, the node and the column that it comes from, and how.
Edge = tuple[str, str, str, str, str]
NONE: Origins = frozenset()


@dataclass(frozen=True)
class Col:
    """A column: its name as the engine stores it, whether it must be quoted, and what it comes from."""

    name: str
    quoted: bool
    origins: Origins


@dataclass(frozen=True)
class Query:
    """A SELECT, its columns, and what decides about its rows; of a table, `sql` is its name."""

    sql: str
    cols: tuple[Col, ...]
    rows: Origins = NONE


def changed(origins: Iterable[tuple[str, str, str]], how: str) -> Origins:
    """Give what comes out of a function or an aggregate of columns; what filters them goes on filtering."""
    weaker = (COPIED,) if how == TRANSFORMED else (COPIED, TRANSFORMED)
    return frozenset((node, name, how if was in weaker else was) for node, name, was in origins)


def deciding(cols: Iterable[Col], how: str = FILTERED) -> Origins:
    """Give the influence of columns on rows."""
    return frozenset(
        (node, name, was if was in (JOINED, FILTERED) else how) for col in cols for node, name, was in col.origins
    )


def together(cols: Iterable[Col]) -> Origins:
    """Give the origins of columns side by side."""
    return frozenset().union(*(col.origins for col in cols))


class Words:
    """Chooses and writes names."""

    def __init__(self, seed: int, dialect: str) -> None:
        """Take what the choices depend on."""
        self.rng, self.dialect, self.count = Random(f"{seed} {dialect}"), dialect, 0

    def place(self, name: str) -> str:
        """Name a table of the warehouse, as dbt does; its name is stored as the engine folds it."""
        return f'"db"."main"."{name}"' if self.dialect != "snowflake" else f"db.main.{name}"

    def col(self, text: str, node: str) -> Col:
        """Give a column of a source."""
        quoted = " " in text
        name = self.stored(text, quoted)
        return Col(name, quoted, frozenset({(node, name, COPIED)}))

    def stored(self, text: str, quoted: bool) -> str:
        """Give the name that an engine stores for one that is written."""
        if quoted or self.dialect == "duckdb":
            return text
        return text.upper() if self.dialect == "snowflake" else text.lower()

    def fresh(self, origins: Origins) -> tuple[str, Col]:
        """Give a new name as it is written, and its column."""
        self.count += 1
        quoted = self.rng.random() < 0.2
        text = f"Col {self.count}" if quoted else self.rng.choice((f"c{self.count}", f"C{self.count}"))
        return f'"{text}"' if quoted else text, Col(self.stored(text, quoted), quoted, origins)

    def ref(self, col: Col, of: str = "") -> str:
        """Write a column; an unquoted name in any case."""
        text = f'"{col.name}"' if col.quoted else self.rng.choice((col.name.lower(), col.name.upper()))
        return f"{of}.{text}" if of else text

    def some(self, query: Query, most: int = 3) -> list[Col]:
        """Choose columns."""
        return self.rng.sample(query.cols, k=min(len(query.cols), self.rng.randint(1, most)))

    def one(self, query: Query) -> Col:
        """Choose a column."""
        return self.rng.choice(query.cols)

    def written(self, col: Col) -> str:
        """Write a column's name so that it is stored as it is."""
        return f'"{col.name}"' if col.quoted else col.name
