"""The column-level lineage of a dbt project: its relations, the edges between their columns, and ways along them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias
from weakref import WeakValueDictionary

# How a column comes from another: as a value ...
COPIED, TRANSFORMED, AGGREGATED = "copied", "transformed", "aggregated"
VALUES = (COPIED, TRANSFORMED, AGGREGATED)
# ... or by deciding which rows there are, or which rows a value was computed over.
JOINED, FILTERED = "joined on", "filtered by"
INFLUENCES = (JOINED, FILTERED)
CERTAIN, ASSUMED = "certain", "assumed"
# How far the moment of the row that gives a value lies before that of the row that receives it.
GAP, BEFORE, UNTIL, AFTER, ANY = "gap", "before", "until", "after", "any"
# That the row which receives a value takes it from other rows: from later ones, or from some of any time.
AHEAD, OTHER = MOVES = ("ahead", "other")
# How the columns are compared in which a move's rows are the same: as they are or whole, by a part of them only, or
# where one of them is computed over several rows, such as the key of the row before.
WHOLE, PART, OVER_ROWS = "whole", "part", "over rows"
# That of one row two moments stand beside each other, of which the first is not later.
BESIDE = "beside"
# The column of an edge that holds for every column of its node: its condition decides which rows the node has.
EVERY = "*"


@dataclass(frozen=True)
class Relation:
    """A node of a dbt graph: a model, seed, snapshot or source.

    `place` is its database, schema and name in the warehouse; of an ephemeral model, the name of the CTE that dbt
    writes it as. A source that is no table, such as a file, has the text that stands for it as its name. `sql` is the
    compiled SELECT, None for sources, seeds and Python nodes. `columns` gives each column's type as the warehouse or
    YAML knows it, in the relation's order, and is empty where it is unknown. `parents` are the ids of the nodes that it
    refers to. `declared` gives columns of a Python node with the parents' columns that they come from.
    """

    id: str
    place: tuple[str | None, str | None, str]
    sql: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    declared: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Condition:
    """What must hold between two moments or numbers for a value to come along an edge.

    `earlier` are the parents' columns that the row which gives the value is placed by, `later` those of the row which
    receives it; in a window both are what orders it, in the branch of a union that the row is of. `kind` says how far
    the first lies before the second: `gap` (by a span at least), `before`, `until` (or at the same moment), `after`
    (the other way round), or `any`. Columns that are cut off to their day or shifted, here or in a parent's SQL, stand
    in it for the moments that they were made of; `plain` says it of the parents' columns as they are. `same_row`: both
    may be of one row. `text` is the condition as the SQL says it: the window with its frame, or a comparison.

    Of a move (`ahead`, `other`) `earlier` and `later` are the columns in which both rows are the same, pair by pair,
    and `compared` says of each pair how: `whole`, by a `part` of them, or where one is made `over rows`.
    `beside` compares two moments of the row as it is, whatever rows its values are of.
    """

    text: str
    kind: str
    earlier: tuple[tuple[str, str], ...] = ()
    later: tuple[tuple[str, str], ...] = ()
    plain: str = ANY
    same_row: bool = False
    compared: tuple[str, ...] = ()

    def __hash__(self) -> int:
        """Hash the text alone, which tells most conditions apart: they are hashed a thousand times."""
        return hash(self.text)


@dataclass(frozen=True, eq=False)
class OneOf:
    """Several ways on which a value may come: of one of them all conditions hold. Made by `one_of`, so never twice."""

    ways: tuple[Conditions, ...]

    @cached_property
    def text(self) -> str:
        """The conditions of the way with the shortest text."""
        return min((text_of(each) or "" for each in self.ways), key=lambda text: (len(text), text))

    @cached_property
    def moves(self) -> frozenset[Condition]:
        """The moves on any of the ways."""
        return frozenset(move for way in self.ways for move in moves(way))


Conditions: TypeAlias = "tuple[Condition | OneOf, ...]"
_MADE: WeakValueDictionary[frozenset[Conditions], OneOf] = WeakValueDictionary()


def one_of(ways: Iterable[Conditions]) -> Conditions:
    """Return that all conditions of one of several ways hold: none where one way has none."""
    every = tuple(dict.fromkeys(ways))
    if len(every) == 1 or (() in every and not any(map(_moves, every))):
        return () if () in every else every[0]
    return (_MADE.setdefault(frozenset(every), OneOf(every)),)


def _moves(conditions: Conditions) -> bool:
    return next(moves(conditions), None) is not None


def moves(conditions: Conditions) -> Iterator[Condition]:
    """Yield the moves among conditions, on any of the ways."""
    for each in conditions:
        if isinstance(each, OneOf):
            yield from each.moves
        elif each.kind in MOVES:
            yield each


def without(conditions: Conditions, left_out: frozenset[Condition]) -> Conditions:
    """Return conditions without some, on any of the ways."""
    found: list[Condition | OneOf] = []
    for each in conditions:
        if isinstance(each, OneOf):
            found += one_of(without(way, left_out) for way in each.ways) if each.moves & left_out else (each,)
        elif each not in left_out:
            found.append(each)
    return tuple(found)


def seen(conditions: Conditions, row: frozenset[Condition]) -> Conditions:
    """Return the conditions of a value as they are seen from a row that is found by some moves.

    Where only the row is found by one, the value is of another row.
    """
    if not row:
        return conditions
    missing = sorted((each for each in row.difference(moves(conditions)) if each.kind == OTHER), key=repr)
    return (*without(conditions, row), *missing)


def text_of(conditions: Conditions, moves: bool = False) -> str | None:
    """Write conditions as SQL, with `moves` also what takes values from other rows; None where there are none."""
    hidden = (BESIDE,) if moves else (*MOVES, BESIDE)
    shown = (each.text for each in conditions if isinstance(each, OneOf) or each.kind not in hidden)
    return " and ".join(dict.fromkeys(filter(None, shown))) or None


@dataclass(frozen=True)
class Edge:
    """A column of a node, and a column of a direct parent that it comes from.

    `how` is copied, transformed or aggregated where the value comes from there; joined on or filtered by where only the
    rows do. An edge of the column `*` holds for every column of the node. `certainty` is assumed where the SQL does not
    say it, such as for a Python node's column of the same name. `condition` is the SQL of the windows and comparisons
    that decide which rows of the parent a value comes from, None where there is none; `conditions` are its parts, with
    the other ways on which a value may come. `is_part`: different values there may give the same one here.
    """

    node: str
    column: str
    from_node: str
    from_column: str
    how: str
    certainty: str = CERTAIN
    condition: str | None = None
    conditions: Conditions = ()
    is_part: bool = False

    @property
    def is_value(self) -> bool:
        """Return whether a value comes along this edge, not only rows."""
        return self.how in VALUES


@dataclass(frozen=True)
class Way:
    """A column at the far end, and the edges that lead there, the nearest first; one of the shortest ways."""

    node: str
    column: str
    path: tuple[Edge, ...]

    @property
    def how(self) -> str:
        """Return what happened on the way: an influence if one step is no value, else the strongest of its steps."""
        steps = [edge.how for edge in self.path]
        influence = next((step for step in steps if step in INFLUENCES), None)
        return max(steps, key=VALUES.index, default=COPIED) if influence is None else influence

    @property
    def certainty(self) -> str:
        """Return `assumed` if one step is."""
        return ASSUMED if any(edge.certainty == ASSUMED for edge in self.path) else CERTAIN


# The columns of parents that each column's values come from, in one branch of a union after the other.
Branches: TypeAlias = "tuple[Mapping[str, tuple[tuple[str, str], ...]], ...]"


@dataclass(frozen=True)
class Lineage:
    """All edges of a project, and the nodes whose SQL could not be read, with the reason.

    `columns` gives each node's columns, in their order, as the warehouse knows them or else as its SQL names them. A
    table function that SQL reads, such as one for files, is a node whose id is its call, with the columns taken of it.
    `untold` are columns of which no SQL says, or not of each row, how they lie to the moments that they are made of.
    `branches` gives of a node whose rows are a union what the columns come from in each branch.
    """

    edges: tuple[Edge, ...]
    unread: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    untold: frozenset[tuple[str, str]] = frozenset()
    branches: Mapping[str, Branches] = field(default_factory=dict)

    def is_told(self, node: str, column: str) -> bool:
        """Return whether SQL says how a column lies, in each row, to the moment that it is made of."""
        return (node, column) not in self.untold

    @cached_property
    def above(self) -> Mapping[tuple[str, str], tuple[Edge, ...]]:
        """The edges of each column; those of the rows are under `*`."""
        return _grouped(((edge.node, edge.column), edge) for edge in self.edges)

    @cached_property
    def below(self) -> Mapping[tuple[str, str], tuple[Edge, ...]]:
        """The edges that come from each column."""
        return _grouped(((edge.from_node, edge.from_column), edge) for edge in self.edges)

    def edges_of(self, node: str, column: str, influences: bool = False, rows: bool = True) -> Iterator[Edge]:
        """Yield the edges of a column: its values, with `influences` also what decides which rows they are of.

        These are the influences on the column, such as what orders its window, and with `rows` those on the node.
        """
        for edge in self.above.get((node, column), ()):
            if influences or edge.is_value:
                yield edge
        if influences and rows and column != EVERY:
            yield from self.above.get((node, EVERY), ())

    def upstream(self, node: str, column: str, influences: bool = False, rows: bool = True) -> list[Way]:
        """Return the columns that a column comes from in the end: those that come from no other, with one way each.

        Values only; with `influences` also through joins and filters, as in `edges_of`.
        """
        found = self.ancestors(node, column, influences, rows)
        return [way for way in found if not any(self.edges_of(way.node, way.column, influences, rows))]

    def ancestors(self, node: str, column: str, influences: bool = False, rows: bool = True) -> list[Way]:
        """Return every column that a column comes from, with one way each: the nearest first, and values first."""
        return _ways(
            (node, column),
            lambda at, all_: ((edge, (edge.from_node, edge.from_column)) for edge in self.edges_of(*at, all_, rows)),
            influences,
        )

    def downstream(self, node: str, column: str, influences: bool = False, rows: bool = True) -> list[Way]:
        """Return every column that depends on a column, with one way each: the nearest first, and values first.

        With `influences` and `rows`, a node whose rows depend on it is there as the column `*`.
        """
        return _ways(
            (node, column),
            lambda at, all_: ((edge, (edge.node, edge.column)) for edge in self._edges_below(*at, all_, rows)),
            influences,
        )

    def path(self, node: str, column: str, origin: str, origin_column: str) -> tuple[Edge, ...] | None:
        """Return a shortest way of values from a column back to another; None where there is none."""
        ways = self.ancestors(node, column)
        return next((way.path for way in ways if (way.node, way.column) == (origin, origin_column)), None)

    def _edges_below(self, node: str, column: str, influences: bool, rows: bool) -> Iterator[Edge]:
        if column == EVERY:  # whoever takes a value of this node has its rows
            for each in self.columns.get(node, ()):
                yield from (edge for edge in self.below.get((node, each), ()) if edge.is_value)
        for edge in self.below.get((node, column), ()):
            if edge.is_value or (influences and (rows or edge.column != EVERY)):
                yield edge


Step: TypeAlias = tuple[Edge, tuple[str, str]]


def _ways(
    start: tuple[str, str], steps: Callable[[tuple[str, str], bool], Iterable[Step]], influences: bool
) -> list[Way]:
    """Search breadth first: along values as far as they go, then, if wanted, along all edges from what was found."""
    found: dict[tuple[str, str], tuple[Edge, ...]] = {start: ()}
    for along_all in (False, True) if influences else (False,):
        queue = list(found)
        for at in queue:
            for edge, target in steps(at, along_all):
                if target not in found:
                    found[target] = (*found[at], edge)
                    queue.append(target)
    return [Way(*target, path) for target, path in found.items() if path]


def _grouped(pairs: Iterable[tuple[tuple[str, str], Edge]]) -> Mapping[tuple[str, str], tuple[Edge, ...]]:
    found: defaultdict[tuple[str, str], list[Edge]] = defaultdict(list)
    for key, edge in pairs:
        found[key].append(edge)
    return {key: tuple(each) for key, each in found.items()}
