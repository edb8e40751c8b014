"""What the names in one SELECT stand for: its sources, its own columns, and those of the queries around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from mlbridge.lineage.flows import (
    EMPTY,
    NOTHING,
    Column,
    Flows,
    Held,
    Output,
    Pair,
    Table,
    assumed,
    bounded,
    column_of,
    conditioned,
    merged,
    moment_of,
    moved,
    moves_of,
    of_source,
    seen_from,
    settled,
    transformed,
)
from mlbridge.lineage.graph import AHEAD, OTHER, Condition
from mlbridge.lineage.moments import Shift
from mlbridge.lineage.names import Names
from mlbridge.lineage.rows import Moment, unmarked

# Rows of a union of more queries are not told apart: each expression is read once for each pair of them.
MOST_BRANCHES = 12


@dataclass(frozen=True, eq=False)
class Link:
    """How rows of a source are found for a row of the query.

    `text` is the join or comparison by which they are looked for, None where they are not. `same` are pairs of columns
    that are equal, of this source and of another, `row` the moves by which those of this source were found before, and
    `via` the other columns, by name with their source, None where that is a row around; their moves count here.
    `placed`: only rows before the other's moment are found; `ahead`: only later ones. `settled` are moves that lead to
    earlier rows.
    """

    text: str | None = None
    same: tuple[Pair, ...] = ()
    row: frozenset[Condition] | None = None
    via: tuple[tuple[Source, Sequence[str]] | None, ...] = ()
    placed: bool = False
    ahead: bool = False
    settled: frozenset[Condition] = frozenset()

    @property
    def move(self) -> tuple[Held, ...]:
        """Return what takes values from other rows; nothing where they are earlier ones, or of the row itself."""
        if self.placed or (self.text is None and not self.ahead):
            return ()
        through = [moves_of(map(each[0].find_known, each[1])) if each else frozenset() for each in self.via]
        before = frozenset.intersection(*through) if through else ()
        return (moved(AHEAD if self.ahead else OTHER, self.text or "", self.same), *map(Held, sorted(before, key=repr)))


@dataclass
class Source:
    """A table in FROM under the name that its columns are qualified with; one that is not `shown` filters only.

    `conditions` must hold for a row to be used, and `link` says how it is found. `mark` is its number if another source
    may be other rows of the same relation, and `until` are moments of that one's row up to which rows are found here.
    `branch` is the branch of the table that the rows at hand are of, None where they are of any.
    """

    key: str
    table: Table
    shown: bool = True
    conditions: tuple[Held, ...] = ()
    mark: int | None = None
    branch: int | None = None
    link: Link = Link()
    until: tuple[Moment, ...] = ()

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
        return found if self.mark is None else of_source(found, self.mark)

    def hold(self, condition: Condition, moment: Column) -> None:
        """Note a condition about a moment of this source."""
        self.conditions = (*self.conditions, Held(condition, unmarked(moment_of(moment), self.mark)))

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

    def place(self, ahead: bool = False) -> None:
        """Note that only rows before another one's moment are found, or only later ones."""
        self.link = replace(self.link, ahead=True) if ahead else replace(self.link, placed=True)

    def settle(self, earlier: Column, later: Column) -> None:
        """Note that a moment of each row of this source is not later than another one of it."""
        more = moves_of([earlier]) - moves_of([later])
        self.link = replace(self.link, settled=self.link.settled | more)


@dataclass
class Scope:
    """One SELECT. `tables` are the common table expressions that it can name.

    `query` reads a query within a scope, `relation` finds what a table of the warehouse is. If `printed`, columns and
    rows get fingerprints, which takes as long as reading the SQL.
    """

    names: Names
    query: Callable[[exp.Expr, Scope | None, Mapping[str, Table]], Table]
    relation: Callable[[exp.Table], Table]
    tables: Mapping[str, Table]
    outer: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    # Columns that `using` makes one of several sources, with these sources.
    shared: dict[str, tuple[Column, tuple[Source, ...]]] = field(default_factory=dict)
    aliases: dict[str, Column] = field(default_factory=dict)
    windows: dict[str, exp.Window] = field(default_factory=dict)
    # Names that mean no column, such as the parameter of a lambda.
    bound: frozenset[str] = frozenset()
    rows: Flows = NOTHING
    printed: bool = False
    # Whether it names a column of a query around it.
    correlated: bool = False

    def add(self, source: Source) -> None:
        """Add a source to FROM; the rows of those that read the same relation are told apart."""
        for index, other in enumerate(self.sources):
            if source.table.nodes & other.table.nodes:
                other.mark, source.mark = index, len(self.sources)
        self.sources.append(source)

    def inside(self, bound: Sequence[str] = ()) -> Scope:
        """Return a scope within this one, in which some names mean no column."""
        return Scope(
            self.names, self.query, self.relation, self.tables, self, bound=frozenset(bound), printed=self.printed
        )

    def each_branch(self, placed_by: exp.Expr | None = None) -> Iterator[int | None]:
        """Have the rows at hand of one branch after the other, if they come from a union; else once as they are.

        Of several unions that is the one whose columns alone an expression has, else the first.
        """
        source = self._united_in(placed_by) or self.united()
        if source is None:
            yield None
            return
        before = source.branch
        try:
            for branch in range(source.table.width):
                source.branch = branch
                yield branch
        finally:
            source.branch = before

    def united(self) -> Source | None:
        """Return the first source whose rows are of branches of a union, None where there is none."""
        return next((each for each in self.sources if 1 < each.table.width <= MOST_BRANCHES), None)

    def _united_in(self, node: exp.Expr | None) -> Source | None:
        """Return the source among those here that all columns of an expression are of, if it is a union."""
        found = [] if node is None else [self.holder(each.parts) for each in node.find_all(exp.Column)]
        source = found[0] if found else None
        is_union = source is not None and 1 < source.table.width <= MOST_BRANCHES
        is_here = all(each is source for each in found) and any(each is source for each in self.sources)
        return source if is_union and is_here else None

    def source(self, key: str) -> Source | None:
        """Return the source of a name, of this SELECT only."""
        return next((each for each in self.sources if each.key == key), None)

    def column(self, parts: Sequence[exp.Expr]) -> Column:
        """Return what a column comes from, given by the parts of its name: source, column and fields of a struct."""
        keys = [self.names.key(part) for part in parts]
        for index in range(len(keys) - 1):
            scope, source = self._around(keys[index])
            if source is not None:
                self._reach(scope)
                found = self._of_source(source, keys[index + 1])
                return _part(found if scope is self else bounded(found, None), parts[index + 2 :])
        return _part(self.named(keys[0]), parts[1:])

    def shift_of(self, column: exp.Column) -> Shift:
        """Return how a column lies to the moment that it is made of."""
        return self.column(column.parts).shift

    def plain_of(self, column: exp.Column) -> Shift:
        """Return how a column lies to the columns of relations that it comes from."""
        return self.column(column.parts).plain

    def named(self, key: str) -> Column:
        """Return what an unqualified name comes from: a column of a source here or around, else of an unknown table."""
        for scope in self._outwards():
            if key in scope.bound:
                return EMPTY
            found = scope.listed(key)
            if found is not None:  # a row around is none of the rows here
                self._reach(scope)
                return found if scope is self else bounded(found, None)
        for scope in self._outwards():
            guessed = scope.guess(key)
            if guessed is not None:
                return guessed
        return EMPTY

    def listed(self, key: str) -> Column | None:
        """Return what a name comes from if a source, or the SELECT list so far, has it."""
        if key in self.shared:
            return self.shared[key][0]
        shown = [source for source in self.sources if source.shown]
        found = [(source, column) for source in shown if (column := source.table.find(key)) is not None]
        if found:
            source, column = found[0]
            at_hand = source.find(key) or EMPTY
            ambiguous = any(each is not column for _, each in found)
            return assumed(at_hand) if ambiguous else at_hand
        if key in self.aliases:
            return self.aliases[key]
        row = self.source(key)
        if row is None:
            return None
        if not row.table.outputs and row.table.unknown:  # the one column of a table function
            return row.table.guess(key)
        return transformed(merged(output.column for output in row.outputs))

    def holder(self, parts: Sequence[exp.Expr]) -> Source | None:
        """Return the source, here or around, that a column is of; None where that is not known."""
        keys = [self.names.key(part) for part in parts]
        if len(keys) > 1:
            return self._around(keys[-2])[1]
        listing = (each for scope in self._outwards() for each in scope.sources if each.table.find(keys[0]) is not None)
        return next(listing, None)

    def guess(self, key: str) -> Column | None:
        """Return what a name may come from that no source lists."""
        unknown = [source.table for source in self.sources if source.shown and source.table.unknown]
        found = [column for table in unknown if (column := table.guess(key)) is not None]
        sure = len(unknown) == 1 and len(unknown[0].unknown) == 1
        if found:
            if sure:
                return found[0]
            return assumed(Column(frozenset(flow for column in found for flow in column.flows)))
        relations = [id_ for source in self.sources if (id_ := source.table.relation) is not None]
        if len(relations) == 1 == len(self.sources):
            return column_of(relations[0], key, certain=False)
        return None

    def _reach(self, to: Scope) -> None:
        """Note that this query, and those between, name a column of one around them."""
        for scope in self._outwards():
            if scope is to:
                return
            scope.correlated = True

    def _of_source(self, source: Source, key: str) -> Column:
        found = source.find(key)
        if found is None:
            found = source.table.guess(key)
        if found is None and source.table.relation is not None:
            found = column_of(source.table.relation, key, certain=False)
        return EMPTY if found is None else found

    def _around(self, key: str) -> tuple[Scope, Source | None]:
        """Return the source of a name, here or around, with the scope that has it."""
        for scope in self._outwards():
            if key in scope.bound:
                break
            found = scope.source(key)
            if found is not None:
                return scope, found
        return self, None

    def _outwards(self) -> Iterator[Scope]:
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer


def _part(column: Column, path: Sequence[exp.Expr]) -> Column:
    for each in path:
        column = column.part(each.name)
    return column
