"""What the names in one SELECT stand for: its sources, its own columns, and those of the queries around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from mlbridge.lineage.flows import EMPTY, NOTHING, Column, Flows, assumed, column_of, merged, transformed
from mlbridge.lineage.held import bounded
from mlbridge.lineage.links import Source
from mlbridge.lineage.moments import Shift
from mlbridge.lineage.names import Names
from mlbridge.lineage.tables import Table

# Rows of a union of more queries are not told apart: each expression is read once for each pair of them.
MOST_BRANCHES = 12


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
