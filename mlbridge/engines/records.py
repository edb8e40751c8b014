"""Tables that Python writes, as dataclasses: a field is a column, and its annotation says how the column is stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, TypeVar, get_args, get_type_hints

from sqlglot import exp

from mlbridge.errors import RegistryError
from mlbridge.typing import Json, Value

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import DataclassInstance

T = TypeVar("T")
# What SQL calls the Arrow types of columns.
SQL_TYPES = {
    "string": exp.DType.TEXT,
    "int64": exp.DType.BIGINT,
    "int32": exp.DType.INT,
    "double": exp.DType.DOUBLE,
    "timestamp[us]": exp.DType.TIMESTAMP,
    "large_binary": exp.DType.BLOB,
}


@dataclass(frozen=True)
class Column:
    """How a column is stored: its Arrow type; a `document` as JSON text; a `deferred` one is read only on request."""

    type: str
    document: bool = False
    deferred: bool = False


Text = Annotated[str, Column("string")]
DeferredText = Annotated[str, Column("string", deferred=True)]
Whole = Annotated[int, Column("int64")]
ShortWhole = Annotated[int, Column("int32")]
Number = Annotated[float, Column("double")]
Moment = Annotated[datetime, Column("timestamp[us]")]  # UTC
DeferredBytes = Annotated[bytes, Column("large_binary", deferred=True)]
AsJson = Annotated[T, Column("string", document=True)]
DeferredJson = Annotated[T, Column("string", document=True, deferred=True)]


@cache
def columns_of(record: type[DataclassInstance]) -> dict[str, Column]:
    """Return how each column of a table is stored, in the table's order."""
    hints = get_type_hints(record, include_extras=True)
    return {field.name: _column(hints[field.name]) for field in fields(record)}


def _column(hint: object) -> Column:
    """Find the annotation of a column's type, or of the one beside None."""
    (found,) = (each for part in (hint, *get_args(hint)) for each in getattr(part, "__metadata__", ()))
    if not isinstance(found, Column):
        raise TypeError(f"expected a Column, found {found!r}")
    return found


def schema_of(record: type[DataclassInstance]) -> pa.Schema:
    """Return the Arrow schema of a table."""
    import pyarrow as pa

    return pa.schema([(name, pa.type_for_alias(each.type)) for name, each in columns_of(record).items()])


def as_table(record: type[DataclassInstance], rows: Iterable[DataclassInstance]) -> pa.Table:
    """Return the rows to append as an Arrow table with all columns, in their order; None is NULL."""
    import pyarrow as pa

    columns = columns_of(record)
    ready = [{name: _written(getattr(row, name), each) for name, each in columns.items()} for row in rows]
    return pa.Table.from_pylist(ready, schema=schema_of(record))


def as_query(record: type[DataclassInstance], row: DataclassInstance | None) -> exp.Select:
    """Return a row as a SELECT of literals with all columns, in their order; of None, one without rows.

    For what a build with nothing to do appends: pyarrow imports pandas to make a table, which takes longer than such a
    build works on a model. The row has no bytes.
    """
    chosen = []
    for name, each in columns_of(record).items():
        value = None if row is None else _written(getattr(row, name), each)
        literal = exp.convert(value.isoformat(sep=" ") if isinstance(value, datetime) else value)
        chosen.append(exp.alias_(exp.cast(literal, SQL_TYPES[each.type]), name, quoted=True))
    query = exp.select(*chosen)
    return query.where(exp.false()) if row is None else query


def _written(value: object, column: Column) -> object:
    if value is None or not column.document:
        return value
    return json.dumps(value, allow_nan=False, sort_keys=True, default=str)


def read_values(record: type[DataclassInstance], row: Mapping[str, Value], where: str) -> dict[str, Value]:
    """Return the values of a table's row by column, documents parsed; NULL is None.

    Raises RegistryError for a document that is no JSON; `where` names the row in it.
    """
    columns = columns_of(record)
    return {
        name: read_document(value, f"{where}: `{name}`") if columns[name].document and value is not None else value
        for name, value in row.items()
    }


def read_document(text: str, where: str) -> Json:
    """Parse a stored document; raises RegistryError if it is no JSON; `where` names it in the error."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise RegistryError(f"{where} is no JSON ({error}). Restore the row from a backup.") from error
