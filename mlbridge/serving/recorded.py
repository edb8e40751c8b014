"""Recorded requests in a table of a server, whose SQL reads no files of this machine; `mlbridge.requests` reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlbridge.engines.adapters import engine_of
from mlbridge.engines.reader import Credentials, MissingRelationError, QueryError, ReadError
from mlbridge.engines.records import SQL_TYPES, columns_of, schema_of
from mlbridge.errors import SetupError
from mlbridge.log import info
from mlbridge.serving.recorder import RequestRow

if TYPE_CHECKING:
    import pyarrow as pa

# The table beside the model that calls `mlbridge.requests`, as in `macros/engines/postgres.sql`.
ENDING = "_recorded"
# A character that JSON may escape and that no text of a server has, and what takes its place.
NUL, ESCAPED, REPLACEMENT = "\0", "\\u0000", "\ufffd"


def load_recorded(credentials: Credentials, model: Sequence[str], folder: Path) -> None:
    """Let the table beside a model have the rows of the files in its folder, each once and no others.

    A model is given by database, schema and name. Where there is no folder, as on another machine, nothing is changed.
    Raises SetupError for a file that is damaged and for a role that may not fill the table, and MissingRelationError
    where the model's schema is not there.
    """
    if not folder.is_dir():
        info("requests", f"no requests are loaded for {model[2]}: there is no folder '{folder}' on this machine")
        return
    database, schema, name = model
    columns = {column: SQL_TYPES[each.type] for column, each in columns_of(RequestRow).items()}
    files = sorted(each.name for each in folder.glob("*.parquet"))
    table = (database, schema, name + ENDING)
    try:
        new = engine_of(credentials.type).load(credentials, table, columns, files, lambda file: _rows(folder / file))
    except MissingRelationError:
        raise
    except QueryError as error:
        raise SetupError(
            f"the requests in '{folder}' are not loaded: {error}. Whoever loads them creates and owns the table "
            f"'{schema}.{table[2]}'; load them as the role that builds, or give it to this one."
        ) from error
    except ReadError as error:
        raise SetupError(f"the requests in '{folder}' are not loaded, as the server did not answer: {error}") from error
    if new:
        info("requests", f"{new:,} new file(s) of requests are loaded for {name}, of {len(files):,} in '{folder}'")


def _rows(file: Path) -> pa.Table:
    """Read a file; a column that an earlier mlbridge did not write is NULL."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        found = parquet.read_table(file)
        schema = schema_of(RequestRow)
        columns = [
            found[each.name].cast(each.type) if each.name in found.column_names else pa.nulls(len(found), each.type)
            for each in schema
        ]
    except (OSError, pa.ArrowException) as error:
        raise SetupError(f"'{file}' is no file of requests: {error}. Move it out of the folder.") from error
    rows = pa.table(columns, schema=schema)
    for name in ("key", "features"):
        texts = [_without_nul(each) for each in rows[name].to_pylist()]
        rows = rows.set_column(schema.get_field_index(name), schema.field(name), pa.array(texts, pa.string()))
    return rows


def _without_nul(document: str | None) -> str | None:
    if document is None or ESCAPED not in document:
        return document
    return json.dumps({_replaced(name): _replaced(value) for name, value in json.loads(document).items()})


def _replaced(value: object) -> object:
    return value.replace(NUL, REPLACEMENT) if isinstance(value, str) else value
