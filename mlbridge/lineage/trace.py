"""The lineage of a whole project: each node's SQL is read with the columns of its parents at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mlbridge.lineage.flows import EMPTY, Column, Flow, Output, Table
from mlbridge.lineage.graph import ASSUMED, CERTAIN, COPIED, EVERY, TRANSFORMED, Edge, Lineage, Relation
from mlbridge.lineage.names import Names
from mlbridge.lineage.select import Queries


def trace(relations: Iterable[Relation], dialect: str) -> Lineage:
    """Return the edges between the columns of relations, read off their SQL in a dialect of sqlglot.

    SQL that cannot be read is named in the result and stops nothing: such a node's columns are assumed to come from its
    parents' columns of the same name.
    """
    return _Tracer({each.id: each for each in relations}, Names(dialect)).lineage()


class _Tracer:
    def __init__(self, relations: Mapping[str, Relation], names: Names) -> None:
        self._relations, self._names = relations, names
        self._tables: dict[str, Table] = {}
        self._columns: dict[str, tuple[str, ...]] = {}
        self._by_name: dict[str, list[Relation]] = {}
        for each in relations.values():
            self._by_name.setdefault(_plain(each.place[2]), []).append(each)

    def lineage(self) -> Lineage:
        edges: list[Edge] = []
        unread: dict[str, str] = {}
        graph = {
            id_: [each for each in node.parents if each in self._relations] for id_, node in self._relations.items()
        }
        for id_ in TopologicalSorter(graph).static_order():
            node = self._relations[id_]
            found: list[Edge] | None = None
            self._columns[id_] = tuple(node.columns) or self._declared_columns(node)
            if node.sql is not None:
                try:
                    found = self._read(node, node.sql)
                except (SqlglotError, RecursionError, NotImplementedError) as error:
                    unread[id_] = str(error).partition("\n")[0]
            edges += self._without_sql(node) if found is None else found
        return Lineage(tuple(edges), unread, self._columns)

    def _read(self, node: Relation, sql: str) -> list[Edge]:
        tree = sqlglot.parse_one(sql, dialect=self._names.dialect)
        if not isinstance(tree, exp.Query | exp.Pivot):
            raise SqlglotError(f"it is no SELECT but {tree.key.upper()}")
        queries = Queries(self._names, lambda table: self._table(node, table), lambda key: self._inlined(node, key))
        table = queries.read(tree)
        outputs = self._final(node, table)
        self._columns[node.id] = tuple(node.columns) or tuple(name for name, _ in outputs)
        edges = [edge for name, column in outputs for edge in _edges(node.id, name, column.flows)]
        return edges + list(_edges(node.id, EVERY, table.rows))

    def _final(self, node: Relation, table: Table) -> list[tuple[str, Column]]:
        """Give the node's columns the names that the warehouse knows them by, by position where the SQL names none."""
        if not node.columns:
            return [(each.name, each.column) for each in table.outputs]
        stored = {self._names.stored(name): name for name in node.columns}
        folded = {name.lower(): name for name in node.columns}
        found: dict[str, Column] = {}
        rest: list[Output] = []
        for output in table.outputs:
            name = stored.get(output.key) or folded.get(output.key.lower())
            if name is None or name in found:
                rest.append(output)
            else:
                found[name] = output.column
        if len(table.outputs) == len(node.columns):
            for output, name in zip(table.outputs, node.columns, strict=True):
                if name not in found:
                    found[name] = output.column
        elif table.unknown:
            for name in node.columns:
                if name not in found:
                    guessed = table.guess(name) or EMPTY
                    found[name] = Column(frozenset(each._replace(certain=False) for each in guessed.flows))
        else:
            found |= {each.name: each.column for each in rest if each.name and each.name not in found}
        return list(found.items())

    def _table(self, node: Relation, table: exp.Table) -> Table:
        """Find the relation that a table in a node's SQL is: one of its parents, else any."""
        name = table.name if isinstance(table.this, exp.Identifier) else table.this.sql(self._names.dialect)
        found = [each for each in self._by_name.get(_plain(name), ()) if _fits(table, each)]
        if not found:
            return Table([], unknown=(EMPTY,))
        best = min(found, key=lambda each: each.id not in node.parents)
        return Table([], unknown=(EMPTY,)) if best.id == node.id else self._of(best.id)

    def _inlined(self, node: Relation, key: str) -> Table | None:
        """Find the ephemeral model that a common table expression is."""
        for each in self._by_name.get(_plain(key), ()):
            if each.place[:2] == (None, None) and each.id != node.id:
                return self._of(each.id)
        return None

    def _of(self, id_: str) -> Table:
        """Return a relation as a table, each column as itself."""
        if id_ not in self._tables:
            columns = self._columns.get(id_) or tuple(self._relations[id_].columns)
            types = self._relations[id_].columns
            outputs = [
                Output(
                    self._names.stored(name),
                    name,
                    Column(frozenset({Flow(id_, name)}), is_cut=types.get(name, "").upper() == "DATE"),
                )
                for name in columns
            ]
            self._tables[id_] = Table(outputs, unknown=() if outputs else (id_,), relation=id_)
        return self._tables[id_]

    def _declared_columns(self, node: Relation) -> tuple[str, ...]:
        """Return the columns of a node that is not built yet, as far as its declaration tells them."""
        copied = [name for parent, _ in node.declared.get(EVERY, ()) for name in self._columns.get(parent, ())]
        return tuple(dict.fromkeys((*copied, *(name for name in node.declared if name != EVERY))))

    def _without_sql(self, node: Relation) -> Iterator[Edge]:
        """Yield edges of a node without SQL that can be read: declared ones, else from columns of the same name."""
        declared = {column: origins for column, origins in node.declared.items() if column != EVERY}
        for column, origins in declared.items():
            for parent, origin in origins:
                for each in self._columns.get(parent, ()) if origin == EVERY else (origin,):
                    yield Edge(node.id, column, parent, each, TRANSFORMED)
        copied = [parent for parent, _ in node.declared.get(EVERY, ())]
        certainty = CERTAIN if copied else ASSUMED
        for parent in copied or node.parents:
            names = {name.lower(): name for name in self._columns.get(parent, ())}
            for column in node.columns or (names.values() if copied else ()):
                if column not in declared and column.lower() in names:
                    yield Edge(node.id, column, parent, names[column.lower()], COPIED, certainty)


def _edges(node: str, column: str, flows: Iterable[Flow]) -> Iterator[Edge]:
    for each in sorted(flows, key=lambda flow: (flow.node, flow.column, flow.how, flow.certain)):
        texts = " and ".join(condition.text for condition in each.conditions) or None
        certainty = CERTAIN if each.certain else ASSUMED
        yield Edge(node, column, each.node, each.column, each.how, certainty, texts, each.conditions)


def _plain(name: str) -> str:
    """Return the name of a table for the index, in which neither case nor the spacing of a function's call counts."""
    return name.lower().replace(" ", "")


def _fits(table: exp.Table, relation: Relation) -> bool:
    database, schema, _ = relation.place
    for written, known in ((table.db, schema), (table.catalog, database)):
        if written and known and written.lower() != known.lower():
            return False
    return True
