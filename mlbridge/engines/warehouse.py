"""The warehouse of a Python model, queried by sqlglot expressions that its engine renders and runs.

Names and values are quoted by sqlglot, never by string formatting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import sqlglot
from sqlglot import exp

from mlbridge.engines.adapters import PYTHON_ENGINE, Relation, Session, engine_of
from mlbridge.engines.reader import Credentials, QueryError
from mlbridge.engines.server_copy import copied
from mlbridge.engines.server_session import KnownTypes
from mlbridge.errors import SetupError
from mlbridge.typing import Row, Value

if TYPE_CHECKING:
    import pyarrow as pa

DIALECT = PYTHON_ENGINE.name
# Types as sqlglot writes them, and as the engine's own catalogue does, which the logbook has.
CATALOGUE = {"INT": "INTEGER", "TEXT": "VARCHAR", "REAL": "FLOAT"}
# What a dbt relation is called in the queries that macros write for Python.
RELATION = "ml_split_relation"
EVERY_COLUMN = """
select table_catalog, table_schema, table_name, column_name, data_type
from information_schema.columns
order by table_catalog, table_schema, table_name, ordinal_position
"""
Place: TypeAlias = tuple[str, str, str]  # database, schema and name of a table
error_expression, is_infinite = PYTHON_ENGINE.error_expression, PYTHON_ENGINE.is_infinite


def column(name: str, table: str | None = None) -> exp.Column:
    """Name a column, quoted, whatever it is called."""
    return exp.column(exp.to_identifier(name, quoted=True), table=table)


def parse_type(text: str) -> exp.DataType:
    """Read a type as this engine writes it."""
    return exp.DataType.build(text, dialect=DIALECT, udt=True)


def type_in(text: str, dialect: str) -> str:
    """Write one of this engine's types as another engine does."""
    return parse_type(text).sql(dialect=dialect)


def in_utc(name: str, type_: str) -> exp.Expression:
    """Return a column to be read, a moment of any time zone as one in UTC."""
    zoned = parse_type(type_).is_type(exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ)
    return exp.AtTimeZone(this=column(name), zone=exp.Literal.string("UTC")) if zoned else column(name)


@cache
def _type_of(text: str, dialect: str) -> str:
    """Write a type of another engine as this engine does."""
    if dialect == DIALECT:
        return text
    written = exp.DataType.build(text, dialect=dialect, udt=True).sql(dialect=DIALECT)
    return CATALOGUE.get(written, written)


class Warehouse:
    """A dbt Python model's `session`, or a server in its place, queried by sqlglot expressions.

    `dialect` is the name of the engine: what its catalogue, dbt's compiled code and a version's SELECT are written in.
    """

    def __init__(self, session: Session, dialect: str = DIALECT) -> None:
        """Take the session that dbt hands to `model(dbt, session)`, or that of a server of another engine."""
        self._session = session
        self.dialect = dialect

    @property
    def error(self) -> type[Exception]:
        """The base class of what a query raises that the warehouse refuses, and not one that was lost on its way."""
        return PYTHON_ENGINE.error if self.dialect == DIALECT else QueryError

    def _written(self, query: exp.Query) -> str:
        return engine_of(self.dialect).written(query)

    @staticmethod
    def columns(relation: Relation) -> dict[str, str]:
        """Return each column's type as the engine writes it, in the relation's order."""
        return PYTHON_ENGINE.columns(relation)

    @staticmethod
    def table(relation: object, alias: str) -> exp.Subquery:
        """Return a `dbt.ref()` or `dbt.this` as a subquery with an alias."""
        sql = PYTHON_ENGINE.query_of(relation)
        if sql is None:
            return subquery(exp.select("*").from_(exp.to_table(str(relation), dialect=DIALECT)), alias)
        return subquery(parse_query(sql), alias)

    def relation(self, place: Place) -> Relation:
        """Return a table as `dbt.ref()` gives it; raises SetupError where there is none."""
        types = self.columns_of(*place)
        if not types:
            raise SetupError(f"the warehouse has no table '{place[1]}.{place[2]}'. Run `dbt build` first.")
        table = exp.table_(place[2], db=place[1], catalog=place[0], quoted=True)
        query = exp.select("*").from_(table).sql(dialect=DIALECT)
        if self.dialect == DIALECT:
            return PYTHON_ENGINE.lazy(self._session, query)
        rows = self._written(select({name: in_utc(name, type_) for name, type_ in types.items()}, table.copy()))
        return KnownTypes(PYTHON_ENGINE.lazy(self._session, rows), query, types)

    def where(self, relation: Relation, condition: exp.Expression) -> Relation:
        """Return the rows of a relation on this machine that meet a condition."""
        query = exp.select("*").from_(self.table(relation, "every_row")).where(condition).sql(dialect=DIALECT)
        return KnownTypes(PYTHON_ENGINE.lazy(self._session, query), query, self.columns(relation))

    @contextmanager
    def at_hand(self, relation: Relation) -> Iterator[tuple[Warehouse, Relation]]:
        """Give a warehouse that runs queries over a relation's rows on this machine, and the relation there.

        They are this warehouse and the relation, or a copy of a server's rows. A training asks much of its rows, and
        what it asks of a copy has the same answer, to the last bit, whatever engine the rows come from.
        """
        if self.dialect == DIALECT:
            yield self, relation
            return
        types = self.columns(relation)
        with copied(relation, types, self.table(relation, "every_row"), self.row) as (session, copy):
            yield Warehouse(session), KnownTypes(copy, str(PYTHON_ENGINE.query_of(copy)), types)

    def append(self, credentials: Credentials, place: Place, rows: pa.Table, condition: exp.Query) -> bool:
        """Append rows to a table if a query gives a row, in one transaction; returns whether it did.

        Another call waits for the end of this one before its query is asked. Raises ReadError or the engine's error.
        """
        return engine_of(self.dialect).append(self._session, credentials, place, rows, condition)

    def written(self, sql: str, relation: object) -> exp.Select:
        """Read a select that a macro of the package wrote; it reads `relation`, a `dbt.ref()`, as `RELATION`."""
        query = sqlglot.parse_one(sql, into=exp.Select, dialect=self.dialect)
        return query.with_(RELATION, as_=self.table(relation, RELATION).this)

    def rows(self, query: exp.Query) -> list[Row]:
        """Run a query whose result is small; returns the rows as dicts."""
        names, rows = PYTHON_ENGINE.fetch(self._session, self._written(query))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def rows_made(self, query: exp.Query) -> list[Row]:
        """Run a query that holds compiled SQL of the warehouse's own dialect, whose result is small."""
        names, rows = PYTHON_ENGINE.fetch(self._session, query.sql(dialect=self.dialect))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def names(self, table: exp.Expression) -> list[str]:
        """Return the column names of a table or subquery."""
        return PYTHON_ENGINE.fetch(self._session, self._written(exp.select("*").from_(table).limit(0)))[0]

    def types(self, table: exp.Table) -> dict[str, str]:
        """Return each column's type of a table, or of a file that a source names, in its order.

        Raises SetupError, or on this machine the engine's error, where there is none.
        """
        if self.dialect == DIALECT:
            return self.columns(PYTHON_ENGINE.lazy(self._session, self._written(exp.select("*").from_(table))))
        return self.columns(self.relation((table.catalog, table.db, table.name)))

    def row(self, query: exp.Query) -> Row:
        """Run a query that returns exactly one row."""
        (only,) = self.rows(query)
        return only

    def generated(
        self, sql: str, name: str, relation: exp.Query, columns: Mapping[str, exp.Expression] | None = None
    ) -> Relation:
        """Return the lazy result of a SELECT in the warehouse's dialect that reads `relation` under `name`.

        `columns` gives expressions by name over that result; None: its columns as they are.
        """
        return PYTHON_ENGINE.lazy(self._session, self._generated(sql, name, relation, columns))

    def _generated(
        self, sql: str, name: str, relation: exp.Query, columns: Mapping[str, exp.Expression] | None = None
    ) -> str:
        answer = exp.to_table("ml_generated")
        outer = exp.select("*").from_(answer) if columns is None else select(columns, answer)
        before, after = map(self._written, (relation, outer))
        return f"with {name} as ({before}), {answer.sql(DIALECT)} as (\n{sql}\n) {after}"

    def rows_of(
        self, sql: str, name: str, relation: exp.Query, columns: Mapping[str, exp.Expression] | None = None
    ) -> list[Row]:
        """Run generated SQL that reads `relation` as `name`; returns its few rows, or `columns` of them."""
        names, rows = PYTHON_ENGINE.fetch(self._session, self._generated(sql, name, relation, columns))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def lazy(self, query: exp.Query) -> Relation:
        """Return a query that the engine runs once dbt writes its rows to a table."""
        return PYTHON_ENGINE.lazy(self._session, self._written(query))

    def columns_of(self, database: str, schema: str, name: str) -> dict[str, str]:
        """Return each column's type as the engine writes it, by name; none where there is no such table or view.

        The case of its name does not count.
        """
        found = engine_of(self.dialect).table_columns(self._session, (database, schema, name))
        if found is None:
            rows = self.rows(columns_query(database, schema, name))
            found = {str(row["column_name"]): str(row["data_type"]) for row in rows}
        return {name: _type_of(each, self.dialect) for name, each in found.items()}

    def defect(self, database: str, schema: str, name: str) -> str | None:
        """Return why a table or view cannot be read, such as a column that is gone; None where it can."""
        return PYTHON_ENGINE.defect(self._session, (database, schema, name))

    def digest(self, query: exp.Query) -> str:
        """Return a text that is the same for the same rows of a query in any order, and another one for others."""
        return engine_of(self.dialect).digest(self._session, query)

    def export_rows(self, query: exp.Query, file: Path) -> None:
        """Copy the few rows of a query to a new Parquet file."""
        if self.dialect == DIALECT:
            PYTHON_ENGINE.export_rows(self._session, query, file)
            return
        import pyarrow as pa
        from pyarrow import parquet

        names, rows = PYTHON_ENGINE.fetch(self._session, self._written(query))
        values = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        parquet.write_table(pa.table(values), file)

    def rest(self) -> None:
        """Let go of the connection to a server until the next query, because one that is idle for long may be cut."""
        if self.dialect != DIALECT:
            self._session.close()

    def close(self) -> None:
        """End the session, so that others can open a warehouse that is a file."""
        self._session.close()

    def every_column(self) -> dict[Place, dict[str, str]]:
        """Return the columns of every table and view with this engine's types, in order, by place in lower case."""
        places = engine_of(self.dialect).places(self._session)
        if places is not None:
            return {lowered(*each): self.columns_of(*each) for each in places}
        return by_place((tuple(row.values()) for row in self.rows(parse_query(EVERY_COLUMN))), self.dialect)

    def every_table(self) -> set[Place]:
        """Return the places of all tables and views, in lower case."""
        query = exp.select("table_catalog", "table_schema", "table_name").from_("information_schema.tables")
        return {lowered(*row.values()) for row in self.rows(query)}

    def batches(self, query: exp.Query, rows: int) -> pa.RecordBatchReader:
        """Stream a query's result in Arrow batches of about `rows` rows; the whole result is never held in memory."""
        return PYTHON_ENGINE.stream(self._session, self._written(query), rows)


def lowered(database: str, schema: str, name: str) -> Place:
    """Return a place in lower case, because the case of its names does not count."""
    return database.lower(), schema.lower(), name.lower()


def columns_query(database: str, schema: str, name: str) -> exp.Select:
    """Select `column_name` and `data_type` of a table or view, in its order; the case of its name does not count."""
    parts = {"table_catalog": database, "table_schema": schema, "table_name": name}
    same = [exp.Lower(this=exp.column(part)).eq(exp.Literal.string(each.lower())) for part, each in parts.items()]
    query = exp.select("column_name", "data_type").from_("information_schema.columns").where(*same)
    return query.order_by("ordinal_position")


def seconds_since_epoch(value: exp.Expression, with_zone: bool = False) -> exp.Expression:
    """Turn a date or timestamp (UTC) into seconds since 1970 as a double; infinity into NULL.

    A timestamp with time zone is a moment already: a cast would make it the session's local time.
    """
    moment = value if with_zone else exp.cast(value, "timestamp")
    return PYTHON_ENGINE.seconds_since_epoch(moment)


def as_text(names: Sequence[str], table: str | None = None) -> exp.Expression:
    """Write a key as text: one column as it is, several as a JSON array of texts."""
    texts = [exp.cast(column(name, table), "text") for name in names]
    if len(texts) == 1:
        return texts[0]
    return exp.cast(PYTHON_ENGINE.json_array(texts), "text")


def parse_query(sql: str) -> exp.Query:
    """Read a SELECT of this engine; raises ValueError for anything else."""
    found = sqlglot.parse_one(sql, dialect=DIALECT)
    if not isinstance(found, exp.Query):
        raise ValueError(f"expected a SELECT, found: {sql}")
    return found


def subquery(query: exp.Query, alias: str) -> exp.Subquery:
    """Return a query as a subquery with an alias."""
    return exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(alias)))


def select(columns: Mapping[str, exp.Expression], source: exp.Expr) -> exp.Select:
    """Build `select expression as "name", ... from source`."""
    chosen = [exp.alias_(value, name, quoted=True) for name, value in columns.items()]
    return exp.select(*chosen).from_(source)


def non_empty_batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Iterate over the batches that have rows."""
    return (batch for batch in reader if batch.num_rows)


def by_place(rows: Iterable[Sequence[Value]], types: str) -> dict[Place, dict[str, str]]:
    """Return columns and their types by place from the rows of `EVERY_COLUMN`; `types` names the engine they are of."""
    found: dict[Place, dict[str, str]] = {}
    for row in rows:
        database, schema, table, name, type_ = map(str, row)
        found.setdefault(lowered(database, schema, table), {})[name] = _type_of(type_, types)
    return found
