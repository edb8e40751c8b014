"""The queries of the leak search by lineage: whether a moment lies after the prediction, and where columns are NULL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlglot import exp

from mlbridge.engines.adapters import PYTHON_ENGINE
from mlbridge.engines.reader import ReadError, message_of
from mlbridge.engines.warehouse import Place as TablePlace
from mlbridge.engines.warehouse import column, parse_type, select, subquery
from mlbridge.features.columns import TEMPORAL
from mlbridge.leaks.column_sets import Place, copies
from mlbridge.lineage.graph import Lineage
from mlbridge.log import warn
from mlbridge.scoring.rows import SPLIT
from mlbridge.spec.specification import Spec
from mlbridge.typing import Row

OTHER = "ml_other"
QUERY_ERRORS = (PYTHON_ENGINE.error, ReadError)


class Rows(Protocol):
    """A warehouse as the search asks it: that of a Python model, or one that is assessed."""

    def row(self, query: exp.Select) -> Row:
        """Run a query that returns exactly one row."""
        ...

    def names(self, table: exp.Expression) -> list[str]:
        """Return the column names of a table or subquery."""
        ...

    def every_column(self) -> dict[TablePlace, dict[str, str]]:
        """Return the columns of every table and view, with their types as the engine of Python models writes them."""
        ...


@dataclass
class RowQueries:
    """Asks the warehouse about rows: each question is asked once.

    `tables` are the nodes that are there as tables, views or files, by id, `types` the types of their columns; `node`
    is the node of the rows of a model, which has the columns of `spec`; `split` is the table to read them from.
    """

    warehouse: Rows
    lineage: Lineage
    spec: Spec
    node: str
    split: exp.Expression
    tables: Mapping[str, exp.Expression]
    types: Mapping[str, Mapping[str, str]]
    _unique: dict[tuple[str, ...], bool] = field(default_factory=dict)
    _one_moment: dict[tuple[frozenset[Place], Place], bool | None] = field(default_factory=dict)
    _later: dict[tuple[tuple[Place, ...], Place], bool | None] = field(default_factory=dict)
    _counts: dict[tuple[Place, bool], Row | None] = field(default_factory=dict)

    def share_later(self, place: Place, of_entity: bool = False) -> float | None:
        """Return in what share of the model's rows a moment lies after the prediction's time.

        It is compared with the row itself if that has a copy of the moment; else with the row of the same key in a
        table that has one: of entity and time, or of an entity that has only one row there. With `of_entity` the
        moments of all rows of the entity count. None where no table has both, no such row has a moment, or a table
        cannot be read.
        """
        return self._share("later", place, of_entity)

    def share_other(self, place: Place) -> float | None:
        """Return in what share of the model's rows a moment is another one than the prediction's time, compared so."""
        return self._share("other", place)

    def _share(self, what: str, place: Place, of_entity: bool = False) -> float | None:
        if (place, of_entity) not in self._counts:
            query = next(self._comparisons(place, of_entity), None)
            self._counts[place, of_entity] = None if query is None else self._row(query)
        found = self._counts[place, of_entity]
        return found[what] / found["rows"] if found and found["rows"] else None

    def is_unique(self, names: tuple[str, ...]) -> bool:
        """Return whether no two rows of the model have the same in some columns; asked once, False where one lacks."""
        if names not in self._unique:
            there = set(names) <= set(self.warehouse.names(self.split))
            self._unique[names] = there and self._has_no_repeated(self.split, names)
        return self._unique[names]

    def is_one_moment(self, alike: frozenset[Place], time: Place) -> bool | None:
        """Return whether the rows of a node that are alike in some columns have the same time; asked once.

        None where the node is no table, or cannot be read.
        """
        if (alike, time) not in self._one_moment:
            self._one_moment[alike, time] = self._has_one_moment(time, sorted(name for _, name in alike))
        return self._one_moment[alike, time]

    def has_later(self, keys: tuple[Place, ...], time: Place) -> bool | None:
        """Return whether rows of a node that have the key of a row of the model have a later time; asked once.

        `keys` are the node's columns of the entity's. None where the node is no table, or no such row can be read.
        """
        if (keys, time) not in self._later:
            node, name = time
            there = node in self.tables
            found = self._row(self._of_key(node, [each for _, each in keys], name)) if there else None
            self._later[keys, time] = found["later"] > 0 if found and found["rows"] else None
        return self._later[keys, time]

    def _of_key(self, node: str, keys: Sequence[str], moment: str, time: str | None = None) -> exp.Select:
        """Compare a moment of a node's rows with the time of the model's row of the same key, and `time` if given."""
        other = subquery(exp.select("*").from_(self.tables[node].copy()), OTHER)
        pairs = [*zip(self.spec.entity, keys, strict=True), *([(self.spec.time, time)] if time is not None else ())]
        on = exp.and_(*(column(mine, SPLIT).eq(column(its, OTHER)) for mine, its in pairs))
        joined = exp.select().from_(self.split).join(other, on=on)
        return _later(column(moment, OTHER), column(self.spec.time, SPLIT), joined)

    def _has_one_moment(self, time: Place, names: Sequence[str]) -> bool | None:
        node, moment = time
        if node not in self.tables:
            return None
        several = exp.LT(this=exp.Min(this=column(moment)), expression=exp.Max(this=column(moment)))
        return self._has_no_group(self.tables[node], names, several)

    def _row(self, query: exp.Select) -> Row | None:
        """Return the one row of a query; None where a table above the model cannot be read, which a warning says."""
        try:
            return self.warehouse.row(query)
        except QUERY_ERRORS as error:
            warn(
                self.node.rpartition(".")[2],
                f"the search for leaks by lineage cannot read a table: {message_of(error)}",
            )
            return None

    def _comparisons(self, place: Place, of_entity: bool) -> Iterator[exp.Select]:
        same = [each for each in sorted(copies(self.lineage, place, of_branches=False)) if self._is_moment(*each)]
        there = set(self.warehouse.names(self.split))
        for node, name in same:
            if node == self.node and name in there:
                yield _later(column(name, SPLIT), column(self.spec.time, SPLIT), exp.select().from_(self.split))
        for node, name in same:
            keys = [self._key(node, each) for each in self.spec.entity]
            if node in self.tables and None not in keys:
                names, time = [str(each) for each in keys], self._key(node, self.spec.time)
                if time is not None or of_entity or self._is_unique(node, names):
                    yield self._of_key(node, names, name, time)

    def _is_unique(self, node: str, keys: Sequence[str]) -> bool:
        return self._has_no_repeated(self.tables[node], keys)

    def _has_no_repeated(self, table: exp.Expression, keys: Sequence[str]) -> bool:
        """Return whether no two rows of a table have the same key; those without one are no row's."""
        return bool(self._has_no_group(table, keys, exp.Count(this=exp.Star()) > 1))

    def _has_no_group(self, table: exp.Expression, keys: Sequence[str], having: exp.Expression) -> bool | None:
        """Return whether no rows that are alike in some columns are such; None where the table cannot be read."""
        counted = select({"n": exp.Count(this=exp.Star())}, table.copy())
        counted = counted.where(*(exp.not_(column(each).is_(exp.null())) for each in keys))
        groups = counted.group_by(*map(column, keys)).having(having)
        found = self._row(select({"n": exp.Count(this=exp.Star())}, subquery(groups, "groups")))
        return None if found is None else not found["n"]

    def _is_moment(self, node: str, name: str) -> bool:
        type_ = self.types.get(node, {}).get(name, "")
        return bool(type_) and parse_type(type_).is_type(*TEMPORAL)

    def _key(self, node: str, entity: str) -> str | None:
        """Return the column of a node that is a copy of a key column."""
        return next((name for other, name in sorted(copies(self.lineage, (self.node, entity))) if other == node), None)

    def null_shares(self, node: str, names: Sequence[str]) -> dict[str, float] | None:
        """Return of the rows of a node in which any of some columns is NULL, in what share each is.

        None where the node is no table, or no such row is there.
        """
        if node not in self.tables:
            return None
        nulls = {name: column(name).is_(exp.null()) for name in names}
        counted: dict[str, exp.Expression] = {f"n_{at}": _count(null) for at, null in enumerate(nulls.values())}
        query = select({"rows": exp.Count(this=exp.Star()), **counted}, self.tables[node].copy())
        found = self._row(query.where(exp.or_(*(null.copy() for null in nulls.values()))))
        if not found or not found["rows"]:
            return None
        return {name: (found[f"n_{at}"] or 0) / found["rows"] for at, name in enumerate(names)}


def _later(moment: exp.Expression, time: exp.Expression, rows: exp.Select) -> exp.Select:
    """Count the rows with a moment, and those of them in which it lies after the prediction, or is another one."""
    moment, time = (exp.cast(each, "timestamp") for each in (moment, time))
    compared = {"later": exp.GT(this=moment, expression=time), "other": exp.NEQ(this=moment, expression=time)}
    counts = {name: exp.Coalesce(this=_count(each), expressions=[_number(0)]) for name, each in compared.items()}
    counted = {"rows": exp.Count(this=exp.Star()), **counts}
    chosen = [exp.alias_(value, name, quoted=True) for name, value in counted.items()]
    return rows.select(*chosen, append=False).where(exp.not_(moment.copy().is_(exp.null())))


def _count(condition: exp.Expr) -> exp.Expression:
    return exp.cast(exp.Sum(this=exp.Case(ifs=[exp.If(this=condition, true=_number(1))], default=_number(0))), "bigint")


def _number(value: int) -> exp.Expression:
    return exp.Literal.number(value)
