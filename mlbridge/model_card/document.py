"""The structure of a model card: sections of paragraphs, facts, lists, tables and code. All texts are plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from mlbridge.monitor.markdown import count, interval, moment, number


@dataclass(frozen=True)
class Interval:
    """A 95 % interval; an end that cannot be stated is None."""

    low: float | None
    high: float | None


Cell: TypeAlias = str | bool | int | float | datetime | Interval | None


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Facts, each by its name."""

    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    points: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Rows of cells below named columns; the first cell of a row says what the row is about."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def is_number(self, column: int) -> bool:
        """Return whether a column, by its index, holds nothing but numbers and intervals of them."""
        cells = [row[column] for row in self.rows if row[column] is not None]
        return bool(cells) and all(
            isinstance(cell, int | float | Interval) and not isinstance(cell, bool) for cell in cells
        )


@dataclass(frozen=True)
class Code:
    """Lines of a language, such as `sql` or `shell`."""

    language: str
    lines: Sequence[str]


Block: TypeAlias = Paragraph | Facts | Points | Table | Code


@dataclass(frozen=True)
class Section:
    """What stands below a heading: blocks, then further sections."""

    title: str
    blocks: Sequence[Block]
    parts: Sequence[Section] = ()


def written(cell: Cell) -> str:
    """Write a cell for people: numbers with four significant digits, moments in UTC to the minute, a dash for None."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, Interval):
        return interval(cell.low, cell.high)
    if isinstance(cell, datetime):
        return moment(cell)
    return count(cell) if isinstance(cell, int) else number(cell)
