"""The rows that an assessment looks at one by one: all of a relation, or those of which the key has a low hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlglot import exp

from mlbridge.engines.adapters import PYTHON_ENGINE, Session
from mlbridge.engines.warehouse import Warehouse, column, select
from mlbridge.features.columns import FAMILIES, NUMBERS, TEMPORAL, TEXTS, WITH_ZONE
from mlbridge.features.row_sample import low_hash
from mlbridge.readiness.assessment import Relation
from mlbridge.readiness.source import Source
from mlbridge.typing import Array, Row

MOST_ROWS = 100_000
ROWS = "assessed_rows"
# What the sample holds a column as, by the family of its type in the warehouse.
HELD_AS = {"integer": "bigint", "float": "double", "decimal": "double", "text": "text"}


def parsed(type_: str, dialect: str) -> exp.DataType:
    """Read a type as the warehouse's engine writes it."""
    return exp.DataType.build(type_, dialect=dialect, udt=True)


def readable(type_: str, dialect: str) -> bool:
    """Return whether a column of this type can be a feature: a number, a boolean, a text, a date or a timestamp."""
    return parsed(type_, dialect).is_type(*NUMBERS, *TEXTS, *TEMPORAL)


def everything(table: str) -> str:
    """Write the query of all rows of a table in memory."""
    return exp.select("*").from_(exp.to_table(table)).sql(dialect=PYTHON_ENGINE.name)


def table_of(relation: Relation) -> exp.Table:
    """Name a relation in a query."""
    return exp.table_(relation.identifier, db=relation.schema, catalog=relation.database, quoted=True)


def held(name: str, type_: str, dialect: str) -> exp.Expression:
    """Return the expression of a column in the sample; a moment with a time zone is in UTC without one."""
    found, named = parsed(type_, dialect), column(name)
    for family, types in FAMILIES.items():
        if found.is_type(*types):
            return exp.cast(named, HELD_AS[family])
    if found.is_type(*WITH_ZONE):
        return exp.cast(exp.AtTimeZone(this=named, zone=exp.Literal.string("UTC")), "timestamp")
    if found.is_type(*TEMPORAL):
        return exp.cast(named, "timestamp")
    return named if found.is_type(*NUMBERS) else exp.cast(named, "text")


@dataclass(frozen=True)
class ColumnFacts:
    """A column of the sample: its values that are not NULL, how many of them are distinct, and the ends."""

    name: str
    type: str
    rows: int
    known: int
    distinct: int
    low: object
    high: object

    @property
    def null_share(self) -> float:
        """Return the share of NULLs."""
        return 1 - self.known / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Sample:
    """Rows of a relation in memory, as the table `ROWS`; `total` is the number of the relation's rows.

    `types` gives the columns that the sample holds, with their types in the warehouse.
    """

    session: Session
    types: Mapping[str, str]
    total: int
    dialect: str

    @cached_property
    def warehouse(self) -> Warehouse:
        """Return what runs queries over the sample."""
        return Warehouse(self.session)

    @cached_property
    def count(self) -> int:
        """Return the number of rows of the sample."""
        return int(self.row({"rows": exp.Count(this=exp.Star())})["rows"])

    @property
    def limited(self) -> int | None:
        """Return the number of rows if they are not all."""
        return None if self.count == self.total else self.count

    def row(self, columns: Mapping[str, exp.Expression]) -> Row:
        """Compute aggregates over the sample."""
        return self.warehouse.row(select(columns, self.table))

    @cached_property
    def held_types(self) -> dict[str, str]:
        """Return the types with which the sample holds its columns, as the engine of Python models writes them."""
        return PYTHON_ENGINE.columns(PYTHON_ENGINE.lazy(self.session, everything(ROWS)))

    @property
    def table(self) -> exp.Table:
        """Name the sample in a query over it."""
        return exp.to_table(ROWS)

    def arrays(self, columns: Mapping[str, exp.Expression]) -> dict[str, Array]:
        """Return an array per expression, with an entry per row; NULL is NaN or NaT."""
        table = self.warehouse.batches(select(columns, self.table), self.count or 1).read_all()
        return {name: table[name].to_numpy() for name in columns}

    def is_a(self, name: str, *types: exp.DType) -> bool:
        """Return whether a column has one of some types in the warehouse."""
        return parsed(self.types[name], self.dialect).is_type(*types)

    @cached_property
    def facts(self) -> Mapping[str, ColumnFacts]:
        """Return the facts of every column by its name."""
        aggregates: dict[str, exp.Expression] = {}
        for index, name in enumerate(self.types):
            value = column(name)
            aggregates |= {
                f"n_{index}": exp.Count(this=value),
                f"distinct_{index}": exp.Count(this=exp.Distinct(expressions=[value.copy()])),
                f"low_{index}": exp.Min(this=value.copy()),
                f"high_{index}": exp.Max(this=value.copy()),
            }
        found = self.row(aggregates)
        return {
            name: ColumnFacts(
                name, type_, self.count, *(found[f"{part}_{index}"] for part in ("n", "distinct", "low", "high"))
            )
            for index, (name, type_) in enumerate(self.types.items())
        }

    def share(self, condition: exp.Expr) -> float:
        """Return the share of the sample's rows in which a condition holds; 0 where there are none."""
        counted = exp.CountIf(this=condition)
        return int(self.row({"rows": counted})["rows"]) / self.count if self.count else 0.0


def take(
    source: Source,
    relation: Relation,
    columns: Mapping[str, str],
    entity: Sequence[str],
    total: int,
    most: int = MOST_ROWS,
) -> Sample:
    """Read the sample: all rows, or about `most` of them, those of which entity and moments have a low MD5."""
    types = {name: type_ for name, type_ in columns.items() if readable(type_, source.dialect) or name in entity}
    query = select({name: held(name, type_, source.dialect) for name, type_ in types.items()}, table_of(relation))
    if total > most:
        moments = [name for name in types if parsed(types[name], source.dialect).is_type(*TEMPORAL)]
        query = query.where(low_hash(dict.fromkeys((*entity, *moments)), most / total))
    session = PYTHON_ENGINE.workspace({ROWS: source.table(query)})
    return Sample(session, types, total, source.dialect)
