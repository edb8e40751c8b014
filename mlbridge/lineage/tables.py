"""The columns and rows of a query or relation, as one that reads it finds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from mlbridge.lineage.flows import EMPTY, NOTHING, Column, Flow, Flows, column_of, united
from mlbridge.lineage.graph import VALUES


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
    `correlated`: it names a column of a query around it. `asked` is what its WHERE asks of the rows.
    """

    outputs: list[Output]
    rows: Flows = NOTHING
    unknown: tuple[str | Column, ...] = ()
    relation: str | None = None
    width: int = 0
    print: str = ""
    correlated: bool = False
    asked: Column = EMPTY
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


def beside(tables: Iterable[Table], rows: Flows) -> Table:
    """Return the columns of several tables as one table."""
    every = list(tables)
    outputs = [output for each in every for output in each.outputs]
    return Table(outputs, rows, tuple(unknown for each in every for unknown in each.unknown))


def of_branches(branches: Sequence[Column]) -> Column:
    """Return the column whose rows are those of several branches; of one branch, that branch's."""
    return branches[0] if len(branches) == 1 else united(branches)
