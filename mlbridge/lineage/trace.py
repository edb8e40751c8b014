"""The lineage of a whole project: each node's SQL is read with the columns of its parents at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from graphlib import TopologicalSorter

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mlbridge.lineage.cache import Cache
from mlbridge.lineage.flows import EMPTY, Column, Flow, assumed, is_copied, places
from mlbridge.lineage.graph import ASSUMED, CERTAIN, COPIED, EVERY, TRANSFORMED, Edge, Lineage, Relation, text_of
from mlbridge.lineage.moments import DATE, EXACT, UNKNOWN, UNSEEN, Shift
from mlbridge.lineage.names import Names
from mlbridge.lineage.prints import print_of
from mlbridge.lineage.reading import Reading, bounds_of, stored_bounds
from mlbridge.lineage.rows import OWN
from mlbridge.lineage.select import Queries
from mlbridge.lineage.tables import Output, Table


def trace(relations: Iterable[Relation], dialect: str, cache: Cache | None = None) -> Lineage:
    """Return the edges between the columns of relations, read off their SQL in a dialect of sqlglot.

    SQL that cannot be read is named in the result and stops nothing: such a node's columns are assumed to come from its
    parents' columns of the same name. With a `cache`, only nodes that changed are read.
    """
    return _Tracer({each.id: each for each in relations}, Names(dialect), {}).lineage(cache or Cache())


def fingerprints(
    relations: Iterable[Relation], dialect: str, lineage: Lineage, nodes: Iterable[str]
) -> dict[str, dict[str, str]]:
    """Return a fingerprint of each column of some nodes of a lineage, and of their rows as `*`.

    It is equal for two texts of a node if the column is computed in the same way from the same columns of the parents.
    A node whose SQL cannot be read has none.
    """
    tracer = _Tracer({each.id: each for each in relations}, Names(dialect), dict(lineage.columns))
    found = {}
    for id_ in nodes:
        if id_ not in lineage.unread:
            with suppress(Exception):
                found[id_] = tracer.prints(id_)
    return found


class _Tracer:
    def __init__(self, relations: Mapping[str, Relation], names: Names, columns: dict[str, tuple[str, ...]]) -> None:
        self._relations, self._names, self._columns = relations, names, columns
        self._tables: dict[str, Table] = {}
        self._readings: dict[str, Reading] = {}
        # The relations that the node which is read is expected to name, and whether it names another.
        self._known: list[str] = []
        self._elsewhere = False
        self._by_name: dict[str, list[Relation]] = {}
        for each in relations.values():
            self._by_name.setdefault(_plain(each.place[2]), []).append(each)

    def lineage(self, cache: Cache) -> Lineage:
        edges: list[Edge] = []
        unread: dict[str, str] = {}
        graph = {id_: self._parents(node) for id_, node in self._relations.items()}
        for id_ in TopologicalSorter(graph).static_order():
            node = self._relations[id_]
            found: list[Edge] | None = None
            self._columns[id_] = tuple(node.columns) or self._declared_columns(node)
            if node.sql is not None:
                try:
                    found = self._cached(node, node.sql, cache).edges
                except Exception as error:  # a tree in a shape that nothing here expects is SQL that cannot be read
                    unread[id_] = str(error).partition("\n")[0] or type(error).__name__
            edges += self._without_sql(node) if found is None else found
        cache.save()
        computed = {(each.node, each.column) for each in edges if each.is_value and each.how != COPIED}
        every = ((id_, name) for id_, names in self._columns.items() for name in names)
        untold = frozenset(each for each in every if not self._is_told(*each, each in computed))
        branches = {id_: each.branches for id_, each in self._readings.items() if each.branches}
        return Lineage(tuple(edges), unread, {**self._columns, **self._outside(edges)}, untold, branches)

    def _is_told(self, id_: str, name: str, is_computed: bool) -> bool:
        """Return whether SQL says how a column lies to the moment that it is made of; a number is made of several."""
        shift = self._reading_of(id_).shifts.get(name, UNKNOWN)
        return shift != UNKNOWN and not (is_computed and shift.rank is not None)

    def _outside(self, edges: Iterable[Edge]) -> dict[str, tuple[str, ...]]:
        """Return the table functions that SQL reads as sources, each with the columns that are taken of it."""
        found: dict[str, dict[str, None]] = {}
        for each in edges:
            if each.from_node not in self._relations:
                found.setdefault(each.from_node, {})[each.from_column] = None
        return {name: tuple(columns) for name, columns in found.items()}

    def prints(self, id_: str) -> dict[str, str]:
        node = self._relations[id_]
        if node.sql is None:
            return {}
        table = self._query(node, node.sql, printed=True)
        return {name: print_of(column) for name, column in self._final(node, table)} | {EVERY: table.print}

    def _parents(self, node: Relation) -> list[str]:
        return [each for each in node.parents if each in self._relations]

    def _near(self, node: Relation) -> list[str]:
        """Return the relations that a node's SQL names as a rule: its parents, and those of ephemeral ones."""
        found = dict.fromkeys(self._parents(node))
        for id_ in (queue := list(found)):
            parent = self._relations[id_]
            if parent.sql is not None and parent.place[:2] == (None, None):
                more = [each for each in self._parents(parent) if each not in found]
                found |= dict.fromkeys(more)
                queue += more
        return list(found)

    def _cached(self, node: Relation, sql: str, cache: Cache) -> Reading:
        self._known = self._near(node)
        parents = [(self._relations[each], self._reading_of(each)) for each in self._known]
        key = cache.key(node, self._names.dialect, parents)
        reading = cache.get(key)
        if reading is None:
            reading = self._read(node, sql)
            if not self._elsewhere:
                cache.put(key, reading)
        self._columns[node.id], self._readings[node.id] = reading.columns, reading
        return reading

    def _read(self, node: Relation, sql: str) -> Reading:
        table = self._query(node, sql)
        outputs = self._final(node, table)
        columns = tuple(dict.fromkeys((*node.columns, *(name for name, _ in outputs))))
        # What comes from no column, such as the days of a calendar, is a moment of its own, as those of a source are.
        shifts = {name: column.shift if places(column) else EXACT for name, column in outputs}
        shifts = {name: _stored(shift, node.id, outputs) for name, shift in shifts.items() if shift != UNKNOWN}
        united = [(name, column) for name, column in outputs if len(column.branches) == table.width]
        branches = tuple({name: places(each.branches[at]) for name, each in united} for at in range(table.width))
        edges = [edge for name, column in outputs for edge in _edges(node.id, name, column.flows)]
        every = [*edges, *_edges(node.id, EVERY, table.rows)]
        return Reading(every, columns, shifts, branches, stored_bounds(outputs))

    def _query(self, node: Relation, sql: str, printed: bool = False) -> Table:
        tree = sqlglot.parse_one(sql, dialect=self._names.dialect)
        if not isinstance(tree, exp.Query | exp.Pivot):
            raise SqlglotError(f"it is no SELECT but {tree.key.upper()}")
        self._elsewhere = False
        found, inlined = (lambda table: self._table(node, table)), (lambda key: self._inlined(node, key))
        return Queries(self._names, found, inlined, printed).read(tree)

    def _final(self, node: Relation, table: Table) -> list[tuple[str, Column]]:
        """Give the node's columns the names that the warehouse knows them by, by position where the SQL names none."""
        if not node.columns:
            return [(each.name or each.key, each.column) for each in table.outputs]
        stored = {self._names.stored(name): name for name in node.columns}
        folded = {name.lower(): name for name in node.columns}
        in_order = tuple(node.columns) if len(table.outputs) == len(node.columns) else ()
        found: dict[str, Column] = {}
        for index, output in enumerate(table.outputs):
            name = stored.get(output.key) or folded.get(output.key.lower())
            if name is None or name in found:
                name = in_order[index] if in_order and not output.name else output.name or output.key
            found.setdefault(name, output.column)
        if table.unknown:
            sure = len(table.unknown) == 1 and isinstance(table.unknown[0], str)
            for name in node.columns:
                guessed = table.guess(name) or EMPTY
                found.setdefault(name, guessed if sure else assumed(guessed))
        return list(found.items())

    def _table(self, node: Relation, table: exp.Table) -> Table:
        """Find the relation that a table in a node's SQL is: one of its parents, else any.

        A parent may stand elsewhere in the warehouse than the manifest says, such as one that dbt defers to another
        target's.
        """
        name = table.name if isinstance(table.this, exp.Identifier) else table.this.sql(self._names.dialect)
        named = self._by_name.get(_plain(name), ())
        found = [each for each in named if _fits(table, each)] or [
            each for each in named if each.id in self._near(node)
        ]
        if not found:
            is_file = not table.db and isinstance(table.this, exp.Identifier) and not name.isidentifier()
            return Table([], unknown=(self._names.outside(table.this) if is_file else EMPTY,))
        best = min(found, key=lambda each: each.id not in node.parents)
        self._elsewhere |= best.id not in self._known
        return Table([], unknown=(EMPTY,)) if best.id == node.id else self._of(best.id)

    def _inlined(self, node: Relation, key: str) -> Table | None:
        """Find the ephemeral model that a common table expression is."""
        for each in self._by_name.get(_plain(key), ()):
            if each.place[:2] == (None, None) and each.id != node.id:
                self._elsewhere |= each.id not in self._known
                return self._of(each.id)
        return None

    def _of(self, id_: str) -> Table:
        """Return a relation as a table, each column as itself."""
        if id_ not in self._tables:
            columns = self._columns.get(id_) or tuple(self._relations[id_].columns)
            outputs = [Output(self._names.stored(name), name, self._column(id_, name)) for name in columns]
            known = bool(outputs) and (bool(self._relations[id_].columns) or self._relations[id_].sql is not None)
            self._tables[id_] = Table(outputs, unknown=() if known else (id_,), relation=id_)
        return self._tables[id_]

    def _column(self, id_: str, name: str) -> Column:
        reading = self._reading_of(id_)
        shift = reading.shifts.get(name, EXACT)
        plain = self._plain_shift(id_, name) if shift.rank is None else shift
        return Column(frozenset({Flow(id_, name, bounds=bounds_of(id_, name, reading))}), shift=shift, plain=plain)

    def _reading_of(self, id_: str) -> Reading:
        """Return what is known of a relation's columns.

        The columns of sources and seeds are moments as they are. What a Python node computes cannot be read. A column
        that was not read counts further on as a moment of its own, and is named in the lineage as `untold`.
        """
        if id_ in self._readings:
            return self._readings[id_]
        node, columns = self._relations[id_], self._columns.get(id_, ())
        is_computed = bool(node.parents) or node.sql is not None
        return Reading([], columns, {} if is_computed else {name: self._plain_shift(id_, name) for name in columns})

    def _plain_shift(self, id_: str, name: str) -> Shift:
        return DATE if self._relations[id_].columns.get(name, "").upper() == "DATE" else EXACT

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


def _stored(shift: Shift, id_: str, outputs: Iterable[tuple[str, Column]]) -> Shift:
    """Return a shift as it is stored; the columns in which numbered rows are alike are then those of the node."""
    if shift.rank is None:
        return shift
    own = {places(column): (id_, name) for name, column in outputs if is_copied(column)}
    order, within = (tuple(own.get((each,), UNSEEN) for each in of) for of in shift.rank[:2])
    return shift._replace(rank=shift.rank._replace(order=order, within=within))


def _edges(node: str, column: str, flows: Iterable[Flow]) -> Iterator[Edge]:
    own = {each._replace(bounds=OWN) for each in flows}
    every = {each for each in own if not each.is_part or each._replace(is_part=False) not in own}
    texts = {each: text_of(each.conditions) for each in every}
    for each in sorted(every, key=lambda flow: (flow.node, flow.column, flow.how, flow.certain, texts[flow] or "")):
        certainty = CERTAIN if each.certain else ASSUMED
        yield Edge(
            node, column, each.node, each.column, each.how, certainty, texts[each], each.conditions, each.is_part
        )


def _plain(name: str) -> str:
    """Return the name of a table for the index, in which neither case nor the spacing of a function's call counts."""
    return name.lower().replace(" ", "")


def _fits(table: exp.Table, relation: Relation) -> bool:
    database, schema, _ = relation.place
    for written, known in ((table.db, schema), (table.catalog, database)):
        if written and known and written.lower() != known.lower():
            return False
    return True
