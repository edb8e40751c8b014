"""A source in FROM, and how its rows are found for a row of the query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mlbridge.lineage.flows import EMPTY, Column, moment_of
from mlbridge.lineage.graph import AHEAD, ANY, OTHER, Condition
from mlbridge.lineage.held import Held, Pair, also_bounded, conditioned, moved, moves_of, of_source, seen_from, settled
from mlbridge.lineage.rows import Moment, unmarked
from mlbridge.lineage.tables import Output, Table


@dataclass(frozen=True, eq=False)
class Link:
    """How rows of a source are found for a row of the query.

    `text` is the join or comparison by which they are looked for, None where they are not. `same` are pairs of columns
    that are equal, of this source and of another, `row` the moves by which those of this source were found before, and
    `via` the other columns, by name with their source, None where that is a row around; their moves count here.
    `is_earlier`: only rows before the other's moment are found; `is_ahead`: only later ones. `settled` are moves that
    lead to earlier rows.
    """

    text: str | None = None
    same: tuple[Pair, ...] = ()
    row: frozenset[Condition] | None = None
    via: tuple[tuple[Source, Sequence[str]] | None, ...] = ()
    is_earlier: bool = False
    is_ahead: bool = False
    settled: frozenset[Condition] = frozenset()

    @property
    def move(self) -> tuple[Held, ...]:
        """Return what takes values from other rows; nothing where they are earlier ones, or of the row itself."""
        if self.is_earlier or (self.text is None and not self.is_ahead):
            return ()
        through = [moves_of(map(each[0].find_known, each[1])) if each else frozenset() for each in self.via]
        before = frozenset.intersection(*through) if through else ()
        kind = AHEAD if self.is_ahead else OTHER
        return (moved(kind, self.text or "", self.same), *map(Held, sorted(before, key=repr)))


@dataclass
class Source:
    """A table in FROM under the name that its columns are qualified with; one that is not `shown` filters only.

    `conditions` must hold for a row to be used, and `link` says how it is found. `mark` is its number if another source
    may be other rows of the same relation, and `until` are moments of that one's row up to which rows are found here.
    `branch` is the branch of the table that the rows at hand are of, None where they are of any. `before` are
    pairs of a moment of this source and one of another source which it is not later than.
    """

    key: str
    table: Table
    shown: bool = True
    conditions: tuple[Held, ...] = ()
    mark: int | None = None
    branch: int | None = None
    link: Link = Link()
    until: tuple[Moment, ...] = ()
    before: tuple[tuple[Moment, Moment], ...] = ()

    def find(self, key: str) -> Column | None:
        """Return the first column of a name as the rows at hand have it, None where none is listed."""
        found = self.table.find(key)
        return None if found is None else self._at_hand(found)

    def find_known(self, key: str) -> Column:
        """Return the same, without flows where none is listed."""
        return self.find(key) or EMPTY

    @property
    def outputs(self) -> list[Output]:
        """Return the columns, in order, as the rows at hand have them."""
        return [each._replace(column=self._at_hand(each.column)) for each in self.table.outputs]

    def _at_hand(self, column: Column) -> Column:
        found = column if self.branch is None else column.branches[self.branch]
        found = settled(seen_from(found, self.link.row or frozenset()), self.link.settled)
        found = conditioned(found, (*self.conditions, *self.link.move))
        found = found if self.mark is None else of_source(found, self.mark)
        return also_bounded(found, self.before)

    def hold(self, condition: Condition, moment: Column) -> None:
        """Note a condition about a moment of this source; of what is no moment of a row, only that it is compared."""
        about = unmarked(moment_of(moment), self.mark)
        held = Held(Condition(condition.text, ANY)) if about is None else Held(condition, about)
        self.conditions = (*self.conditions, held)

    def note(self, condition: Condition) -> None:
        """Note a condition about each row of this source as it is."""
        self.conditions = (*self.conditions, Held(condition))

    def join(self, text: str) -> None:
        """Note that rows of this source are looked for, by a condition."""
        self.link = replace(self.link, text=self.link.text or text)

    def equal(
        self, keys: Iterable[str], same: Iterable[Pair], via: Sequence[tuple[Source, Sequence[str]] | None]
    ) -> None:
        """Note that columns of this source, given by name, are equal to another one's; `via` is as in `Link`.

        It is empty where the other one comes after this source, whose rows are found without it.
        """
        row = moves_of(column for key in keys if (column := self.table.find(key)) is not None) if keys else None
        if row is None or self.link.row is None:
            row = self.link.row if row is None else row
        else:
            row &= self.link.row
        link = replace(self.link, row=row)
        self.link = replace(link, same=(*link.same, *same), via=(*link.via, *via)) if via else link

    def look_back(self) -> None:
        """Note that only rows before another one's moment are found."""
        self.link = replace(self.link, is_earlier=True)

    def precede(self, own: Column, other: Column) -> None:
        """Note that a moment of this source is not later than another source's, which so bounds the same rows."""
        mine, its = moment_of(own), moment_of(other)
        if mine is not None and its is not None:
            self.before = (*self.before, (mine, its))

    def look_ahead(self) -> None:
        """Note that only rows after another one's moment are found."""
        self.link = replace(self.link, is_ahead=True)

    def settle(self, earlier: Column, later: Column) -> None:
        """Note that a moment of each row of this source is not later than another one of it."""
        more = moves_of([earlier]) - moves_of([later])
        self.link = replace(self.link, settled=self.link.settled | more)
