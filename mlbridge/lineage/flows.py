"""What a query's columns come from: flows into a column, and the columns and rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from mlbridge.lineage.graph import AGGREGATED, COPIED, INFLUENCES, TRANSFORMED, Condition


class Flow(NamedTuple):
    """A column of a relation of the graph, and how a column of a query comes from it."""

    node: str
    column: str
    how: str = COPIED
    certain: bool = True
    conditions: tuple[Condition, ...] = ()


Flows: TypeAlias = frozenset[Flow]
NOTHING: Flows = frozenset()


@dataclass(frozen=True, eq=False, slots=True)
class Column:
    """The flows into a column. A set operation keeps the column of each branch, a struct its fields by name.

    `print` is its fingerprint, as in `prints.py`; empty where none was asked for.
    """

    flows: Flows = NOTHING
    branches: tuple[Column, ...] = ()
    fields: Mapping[str, Column] = field(default_factory=dict)
    print: str = ""

    def part(self, name: str) -> Column:
        """Return a field of a struct; all of it where the field is not known."""
        return self.fields.get(name.lower(), self)


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
    arguments of a table function. `relation` is the id of a relation of the graph that is read as it is.
    """

    outputs: list[Output]
    rows: Flows = NOTHING
    unknown: tuple[str | Column, ...] = ()
    relation: str | None = None
    print: str = ""
    _by_key: dict[str, Column] = field(default_factory=dict)

    def find(self, key: str) -> Column | None:
        """Return the first column of a name, None where none is listed."""
        if not self._by_key:
            for output in reversed(self.outputs):
                self._by_key[output.key] = output.column
        return self._by_key.get(key)

    def guess(self, key: str) -> Column | None:
        """Return what a column comes from that is not listed, None where every column is listed."""
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
        return Table(outputs + more, self.rows, () if more else self.unknown, print=self.print)


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
    return Column(simplest(flows))


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


def influence(columns: Iterable[Column], how: str) -> Flows:
    """Return flows that decide about rows only. The influences on the columns themselves stay what they are."""
    return frozenset(
        each if each.how in INFLUENCES else each._replace(how=how) for column in columns for each in column.flows
    )


def on_condition(column: Column, condition: Condition) -> Column:
    """Return a column whose values come only from rows that meet a condition."""
    flows = (
        each if condition in each.conditions else each._replace(conditions=(*each.conditions, condition))
        for each in column.flows
    )
    return Column(frozenset(flows), print=column.print)


def assumed(column: Column) -> Column:
    """Return a column of which the SQL does not say for sure that it comes from there."""
    return Column(frozenset(each._replace(certain=False) for each in column.flows))


def origins(column: Column) -> tuple[tuple[str, str], ...]:
    """Return the relations and columns that a column's values come from, in order of their names."""
    return tuple(sorted({(each.node, each.column) for each in column.flows if each.how not in INFLUENCES}))


def _with_how(column: Column, how: str, weaker: tuple[str, ...]) -> Column:
    if not any(each.how in weaker for each in column.flows):
        return column if not column.branches else Column(column.flows)
    return Column(simplest(each._replace(how=how) if each.how in weaker else each for each in column.flows))
