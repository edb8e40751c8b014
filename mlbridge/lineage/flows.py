"""What a query's columns come from: flows into a column, and the columns and rows of a table."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, TypeAlias

from mlbridge.lineage.graph import (
    AGGREGATED,
    BESIDE,
    COPIED,
    INFLUENCES,
    MOVES,
    TRANSFORMED,
    VALUES,
    Condition,
    Conditions,
    moves,
    one_of,
    seen,
    without,
)
from mlbridge.lineage.moments import EXACT, UNKNOWN, Shift, only
from mlbridge.lineage.rows import NOTHING_BOUNDS, OWN, Bounds, Moment, is_of_source, marked, moment, speaks_of


class Flow(NamedTuple):
    """A column of a relation of the graph, and how a column of a query comes from it; `bounds` is as in `rows.py`.

    `is_part`: only a part of the value comes along, such as the beginning of a text, so others may give the same one.
    """

    node: str
    column: str
    how: str = COPIED
    certain: bool = True
    conditions: Conditions = ()
    bounds: Bounds = OWN
    is_part: bool = False


Flows: TypeAlias = frozenset[Flow]
NULL = "NULL"  # the constant that is no value
MOST_ROWS = 4  # the rows from which a column comes into another, beyond which they are not told apart
MOST_WAYS = 8  # the flows from one column into another, beyond which they are one with all their ways
NOTHING: Flows = frozenset()


@dataclass(frozen=True, eq=False, slots=True)
class Column:
    """The flows into a column. A set operation keeps the column of each branch, a struct its fields by name.

    `print` is its fingerprint, as in `prints.py`; empty where none was asked for. `constant` is the text of a literal
    that the column is in every row, None for any other column. `shift` says how its value lies to the moment that it is
    made of, `plain` how it lies to the columns of relations that it comes from; both are unknown unless whoever makes a
    column says how.
    """

    flows: Flows = NOTHING
    branches: tuple[Column, ...] = ()
    fields: Mapping[str, Column] = field(default_factory=dict)
    print: str = ""
    constant: str | None = None
    shift: Shift = UNKNOWN
    plain: Shift = UNKNOWN

    def part(self, name: str) -> Column:
        """Return a field of a struct; where the field is not known all of it, which is not the moment that it holds."""
        return self.fields.get(name.lower()) or replace(self, shift=UNKNOWN, plain=UNKNOWN)


EMPTY = Column()


class Output(NamedTuple):
    """A column of a table: the name that it is found by, the name as it is written, and what it comes from.

    A column that the SQL gives no name has none as written; it is found by what engines call it as a rule.
    """

    key: str
    name: str
    column: Column


@dataclass
class Table:
    """The columns of a query or relation, in order, and what decides about its rows.

    `unknown` is what a column comes from that is not listed: a relation whose columns are not known, by its id, or the
    arguments of a table function. `relation` is the id of a relation of the graph that is read as it is. `width` is the
    number of branches that the rows come from, one of which each row is of; 0 where they are not told apart.
    `correlated`: it names a column of a query around it.
    """

    outputs: list[Output]
    rows: Flows = NOTHING
    unknown: tuple[str | Column, ...] = ()
    relation: str | None = None
    width: int = 0
    print: str = ""
    correlated: bool = False
    _by_key: dict[str, Column] = field(default_factory=dict)

    def find(self, key: str) -> Column | None:
        """Return the first column of a name, None where none is listed."""
        if not self._by_key:
            for output in reversed(self.outputs):
                self._by_key[output.key] = output.column
        return self._by_key.get(key)

    def guess(self, key: str) -> Column | None:
        """Return what a column comes from that is not listed, None where every column is listed."""
        if len(self.unknown) == 1 and isinstance(self.unknown[0], str):
            return column_of(self.unknown[0], key)
        flows: set[Flow] = set()
        for each in self.unknown:
            flows |= {Flow(each, key)} if isinstance(each, str) else each.flows
        return Column(frozenset(flows)) if self.unknown else None

    def renamed(self, names: Iterable[tuple[str, str]]) -> Table:
        """Return the table with its first columns under other names, each as the name to find it by and as written."""
        fresh = [Output(key, name, EMPTY) for key, name in names]
        outputs = [
            Output(fresh[index].key, fresh[index].name, each.column) if index < len(fresh) else each
            for index, each in enumerate(self.outputs)
        ]
        known = len(self.outputs)
        more = [Output(each.key, each.name, self.guess(each.key) or EMPTY) for each in fresh[known:]]
        width = 0 if more else self.width
        unknown = () if more else self.unknown
        return Table(outputs + more, self.rows, unknown, None, width, self.print, self.correlated)

    @cached_property
    def nodes(self) -> frozenset[str]:
        """The relations that values in it come from."""
        return frozenset(flow.node for each in self.outputs for flow in each.column.flows if flow.how in VALUES)

    def of_branches(self, kept: Sequence[int]) -> Table:
        """Return the table without the rows of the other branches."""
        outputs = [
            each._replace(column=of_branches([each.column.branches[at] for at in kept])) for each in self.outputs
        ]
        return Table(outputs, self.rows, self.unknown, width=len(kept) if len(kept) > 1 else 0)


def column_of(relation: str, name: str, certain: bool = True) -> Column:
    """Return a column of a relation as it is."""
    return Column(frozenset({Flow(relation, name, certain=certain)}), shift=EXACT, plain=EXACT)


def of_branches(branches: Sequence[Column]) -> Column:
    """Return the column whose rows are those of several branches; of one branch, that branch's."""
    return branches[0] if len(branches) == 1 else united(branches)


def united(branches: Sequence[Column], mark: str = "") -> Column:
    """Return the column of a set operation; `mark` is its fingerprint. What is NULL in a branch is no moment there."""
    placed = [each for each in branches if each.constant != NULL]
    shift, plain = only(each.shift for each in placed), only(each.plain for each in placed)
    if len(placed) < len(branches):
        shift, plain = (each if each == UNKNOWN else each._replace(nullable=True) for each in (shift, plain))
    # Nobody asks for the branches of a branch, which would double with each union of unions.
    own = tuple(replace(each, branches=()) if each.branches else each for each in branches)
    first, *others = (each.constant for each in branches)
    constant = first if all(each == first for each in others) else None
    return Column(merged(branches).flows, own, print=mark, constant=constant, shift=shift, plain=plain)


def beside(tables: Iterable[Table], rows: Flows) -> Table:
    """Return the columns of several tables as one table."""
    every = list(tables)
    outputs = [output for each in every for output in each.outputs]
    return Table(outputs, rows, tuple(unknown for each in every for unknown in each.unknown))


def merged(columns: Iterable[Column]) -> Column:
    """Return the column that comes from several, each as it is."""
    flows: set[Flow] = set()
    for each in columns:
        flows |= each.flows
    return Column(bundled(simplest(_in_few_rows(flows)), MOST_WAYS))


def _in_few_rows(flows: set[Flow]) -> set[Flow]:
    """Return flows in which no column comes from more than some rows: else self joins of self joins would multiply."""
    if len(flows) <= MOST_ROWS:
        return flows
    rows: defaultdict[tuple[str, str], set[Bounds]] = defaultdict(set)
    for each in flows:
        rows[each.node, each.column].add(each.bounds)
    return {
        each._replace(bounds=NOTHING_BOUNDS) if len(rows[each.node, each.column]) > MOST_ROWS else each
        for each in flows
    }


def bundled(flows: Flows, most: int) -> Flows:
    """Return flows in which a column that a value comes from on more than `most` ways has one flow for all of them.

    Else they would multiply with each window around windows over a union. Nothing is lost: see `OneOf`.
    """
    if len(flows) <= most:
        return flows
    ways: defaultdict[Flow, list[Flow]] = defaultdict(list)
    for each in flows:
        ways[each._replace(conditions=())].append(each)
    many = {flow: of for flow, of in ways.items() if len(of) > most}
    if not many:
        return flows
    fresh = {flow._replace(conditions=one_of(each.conditions for each in of)) for flow, of in many.items()}
    return flows.difference(*many.values()) | fresh


def simplest(flows: Iterable[Flow]) -> Flows:
    """Drop flows that a stronger one of the same column and conditions includes: transformed includes copied."""
    every = frozenset(flows)
    return frozenset(each for each in every if not (_weak(each) and _stronger(each, every)))


def _weak(flow: Flow) -> bool:
    return flow.how == COPIED or not flow.certain


def _stronger(flow: Flow, every: Flows) -> Iterator[bool] | bool:
    if flow.how == COPIED and flow._replace(how=TRANSFORMED) in every:
        return True
    return not flow.certain and flow._replace(certain=True) in every


def transformed(column: Column) -> Column:
    """Return a column that is computed from another."""
    return _with_how(column, TRANSFORMED, (COPIED,))


def aggregated(column: Column) -> Column:
    """Return a column that is computed over several rows of another."""
    return _with_how(column, AGGREGATED, (COPIED, TRANSFORMED))


def part_of(column: Column) -> Column:
    """Return a column that holds only a part of another's value."""
    return replace(column, flows=frozenset(each._replace(is_part=each.how in VALUES) for each in column.flows))


def influence(columns: Iterable[Column], how: str) -> Flows:
    """Return flows that decide about rows only. The influences on the columns themselves stay what they are."""
    return frozenset(
        each if each.how in INFLUENCES else each._replace(how=how) for column in columns for each in column.flows
    )


def places(column: Column) -> tuple[tuple[str, str], ...]:
    """Return the columns of relations that a column's value comes from, in a fixed order."""
    return tuple(sorted({(each.node, each.column) for each in column.flows if each.how in VALUES}))


class Held(NamedTuple):
    """A condition, and the moment of the row that gives a value which it is about; a move is about all of the row."""

    condition: Condition
    about: Moment | None = None


Pair: TypeAlias = "tuple[tuple[str, str], tuple[str, str]]"  # two columns of relations that are equal


def moved(kind: str, text: str, same: Iterable[Pair]) -> Held:
    """Return that a row takes values from other rows, which are like it in some columns."""
    earlier, later = tuple(zip(*dict.fromkeys(same), strict=True)) or ((), ())
    return Held(Condition(text, kind, earlier, later, kind))


def alike(one: Column, other: Column) -> tuple[Pair, ...]:
    """Return the columns of relations that are the same in two rows where two columns are."""
    whole = (places(replace(each, flows=frozenset(f for f in each.flows if not f.is_part))) for each in (one, other))
    return tuple(itertools.product(*whole))


def conditioned(column: Column, conditions: Iterable[Held]) -> Column:
    """Return a column whose values come along only where conditions hold, as far as they are about its rows."""
    every = tuple(conditions)
    if not every:
        return column
    flows = frozenset(
        each._replace(conditions=_added(each, every)) if each.how in VALUES else each
        for each in bundled(column.flows, 1)
    )
    branches = tuple(conditioned(each, every) for each in column.branches)
    fields = {name: conditioned(each, every) for name, each in column.fields.items()}
    return replace(column, flows=flows, branches=branches, fields=fields)


def _added(flow: Flow, more: Iterable[Held]) -> Conditions:
    holding = (
        each.condition for each in more if each.condition.kind in (*MOVES, BESIDE) or speaks_of(each.about, flow.bounds)
    )
    return (*flow.conditions, *(each for each in holding if each not in flow.conditions))


def moves_of(columns: Iterable[Column]) -> frozenset[Condition]:
    """Return the moves on all ways into all columns that come from any."""
    every = [each.conditions for column in columns for each in column.flows if each.how in VALUES]
    return frozenset.intersection(*(frozenset(moves(each)) for each in every)) if every else frozenset()


def seen_from(column: Column, row: frozenset[Condition]) -> Column:
    """Return a column as it is seen from another row, which is found by some moves from where the column was so far."""
    if not row:
        return column
    flows = frozenset(
        each._replace(conditions=seen(each.conditions, row)) if each.how in VALUES else each for each in column.flows
    )
    branches = tuple(seen_from(each, row) for each in column.branches)
    fields = {name: seen_from(each, row) for name, each in column.fields.items()}
    return replace(column, flows=flows, branches=branches, fields=fields)


def settled(column: Column, moves: frozenset[Condition]) -> Column:
    """Return a column without moves of which it is known that they are to earlier rows."""
    if not moves:
        return column
    flows = frozenset(each._replace(conditions=without(each.conditions, moves)) for each in column.flows)
    branches = tuple(settled(each, moves) for each in column.branches)
    fields = {name: settled(each, moves) for name, each in column.fields.items()}
    return replace(column, flows=flows, branches=branches, fields=fields)


def moment_of(column: Column) -> Moment | None:
    """Return the moment that a column is, None where it is none that was read."""
    return moment({each.bounds for each in column.flows if each.how in VALUES}, places(column), column.shift)


def bounded(column: Column, by: Moment | None) -> Column:
    """Return a column over several rows, of which a moment is the last; None: nothing says which is."""
    fresh: Bounds = NOTHING_BOUNDS if by is None else frozenset({by})
    flows = (each._replace(bounds=fresh if speaks_of(by, each.bounds) else NOTHING_BOUNDS) for each in column.flows)
    return replace(column, flows=frozenset(flows))


def until(column: Column, mark: int, moments: frozenset[Moment]) -> Column:
    """Return a column in which a source of a self join has rows only until some moments of the other source's row."""
    flows = frozenset(
        each._replace(bounds=moments) if is_of_source(each.bounds, mark) else each for each in column.flows
    )
    return replace(column, flows=flows)


def of_source(column: Column, mark: int) -> Column:
    """Return a column of one source of a self join."""
    return replace(
        column,
        flows=frozenset(each._replace(bounds=marked(each.bounds, mark)) for each in column.flows),
        branches=tuple(of_source(each, mark) for each in column.branches),
        fields={name: of_source(each, mark) for name, each in column.fields.items()},
    )


def assumed(column: Column) -> Column:
    """Return a column of which the SQL does not say for sure that it comes from there."""
    return Column(frozenset(each._replace(certain=False) for each in column.flows))


def _with_how(column: Column, how: str, weaker: tuple[str, ...]) -> Column:
    if not column.flows:
        return Column(constant=column.constant)
    if not any(each.how in weaker for each in column.flows):
        return Column(column.flows)
    return Column(simplest(each._replace(how=how) if each.how in weaker else each for each in column.flows))
