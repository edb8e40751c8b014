"""Online tables, published for `mlbridge serve` in a build's folder: the values of a key, found without a database.

    online.json        what is there: the tables by view, and which features of each model they give
    <view>.online      a table as a file of SQLite, by its key as text

A table that has not changed since the build before is taken over from there. Moments are microseconds since 1970 (UTC).
A view is named by its id in dbt, with what a file name cannot have escaped as in an address.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from urllib.parse import quote

from sqlglot import exp

from mlbridge.engines.adapters import PYTHON_ENGINE
from mlbridge.engines.warehouse import Warehouse, column, parse_type, select
from mlbridge.log import info
from mlbridge.publication.versions import taken_over
from mlbridge.typing import Document

INDEX, FORMAT = "online.json", 1
# The table in a file, its columns before those of the view, and how many rows are written at a time.
TABLE, KEY, HAPPENED, KNOWN, ROWS = "online", "ml_key", "ml_happened_at", "ml_known_at", 20_000
# An infinite moment, which is before or after any other, as a whole number.
INFINITE = 2**62
Type = exp.DataType.Type
# Whole numbers that SQLite has, too; others become doubles, as which every feature is read.
WHOLE = (Type.TINYINT, Type.SMALLINT, Type.INT, Type.BIGINT, Type.UTINYINT, Type.USMALLINT, Type.UINT)
MOMENTS = tuple(exp.DataType.TEMPORAL_TYPES - {Type.TIME, Type.TIMETZ, Type.DATE, Type.DATE32})


@dataclass(frozen=True)
class View:
    """A feature view with an online table: what its YAML says, and where the table is (database, schema, name)."""

    name: str
    table: Sequence[str]
    entity: Sequence[str]
    time: str
    known_at: str | None


@dataclass(frozen=True)
class OnlineFeatures:
    """What one view gives a model at a key: columns of the view by feature, and the limits as the call says them.

    `key` gives for each column of the view's entity the name by which a request names it: that of the split's column
    which is a copy of it, else of the spine's.
    """

    view: str
    key: Mapping[str, str]
    columns: Mapping[str, str]
    embargo: str | None = None
    max_staleness: str | None = None
    look_back: str | None = None


def publish_online(
    warehouse: Warehouse,
    views: Mapping[str, View],
    features: Mapping[str, Sequence[OnlineFeatures]],
    place: Path,
    former: Path | None,
) -> None:
    """Write the online tables that `features`, by model, come from into a build's new folder.

    `former` is that of the build before.

    A table that cannot be read or written is left out, with the reason in the index and in the log; so is a feature
    whose column its table does not have, with the reason in the log.
    """
    before, _ = read_former(former)
    tables: dict[str, Document] = {}
    for id_, view in views.items():
        wanted = {
            column for each in features.values() for one in each if one.view == id_ for column in one.columns.values()
        }
        if wanted:
            try:
                tables[id_] = _published(warehouse, id_, view, sorted(wanted), place, former, before.get(id_, {}))
            except (warehouse.error, LookupError, sqlite3.Error, OSError) as error:
                file_of(place, id_).unlink(missing_ok=True)
                tables[id_] = {"name": view.name, "failed": str(error)}
                info("publish", f"the online table of {view.name} is not published: {error}")
    listed = {model: [asdict(one) for one in _there(model, each, tables)] for model, each in features.items()}
    (place / INDEX).write_text(json.dumps({"format": FORMAT, "tables": tables, "models": listed}), encoding="utf-8")


def _there(model: str, features: Sequence[OnlineFeatures], tables: Mapping[str, Document]) -> list[OnlineFeatures]:
    """Leave out the features whose columns their tables do not have; of a table that failed nothing is known."""
    found = []
    for each in features:
        table = tables[each.view]
        there = each.columns.values() if "failed" in table else table["columns"]
        gone = [name for name, column in each.columns.items() if column not in there]
        for name in gone:
            info(
                "publish",
                f"'{name}' of {model} is not found by key: the online table of {table['name']} has no column "
                f"'{each.columns[name]}'.",
            )
        columns = {name: column for name, column in each.columns.items() if name not in gone}
        if columns:
            found.append(replace(each, columns=columns))
    return found


def read_index(place: Path) -> tuple[dict[str, Document], dict[str, list[OnlineFeatures]]]:
    """Return what is known of the tables by view, and of the features by model; both empty where none are published.

    Raises OSError or ValueError for a file of another format or a damaged one.
    """
    file = place / INDEX
    if not file.is_file():
        return {}, {}
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{INDEX} is of another format than {FORMAT}, which this mlbridge reads and writes.")
    try:
        tables = {view: dict(entry) for view, entry in found["tables"].items()}
        return tables, {model: [OnlineFeatures(**one) for one in each] for model, each in found["models"].items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{INDEX} is damaged: {error!r}.") from None


def read_former(former: Path | None) -> tuple[dict[str, Document], dict[str, list[OnlineFeatures]]]:
    """Return what `read_index` does of the build before; what is damaged there is written anew by this one."""
    try:
        return ({}, {}) if former is None else read_index(former)
    except (OSError, ValueError):
        return {}, {}


def file_of(place: Path, view: str) -> Path:
    """Return the file of a view's online table in a build's folder."""
    return place / f"{quote(view, safe='')}.online"


def key_text(parts: Sequence[str]) -> str:
    """Write the texts of a key's columns as one, of which no two keys have the same. `_key` is the same in SQL."""
    return "".join(f"{len(each)}:{each}" for each in parts)


def _published(
    warehouse: Warehouse,
    id_: str,
    view: View,
    wanted: Sequence[str],
    place: Path,
    former: Path | None,
    before: Document,
) -> Document:
    database, schema, name = view.table
    types = warehouse.columns_of(database, schema, name)
    known_at = view.known_at or view.time
    missing = [each for each in (*view.entity, view.time, known_at) if each not in types]
    if missing:
        raise LookupError(f"its table has no column '{missing[0]}'; build it again" if types else "it is not built yet")
    table = exp.table_(name, db=schema, catalog=database, quoted=True)
    there = [each for each in wanted if each in types]
    columns = {
        KEY: _key(view.entity),
        HAPPENED: _microseconds(column(view.time)),
        KNOWN: _microseconds(column(known_at)),
    } | {each: _value(each, types[each]) for each in there}
    query = select(columns, table)
    entry: Document = {
        "name": view.name,
        "entity": {each: types[each] for each in view.entity},
        "columns": {each: types[each] for each in there},
        "known_at": warehouse.row(select({"newest": exp.Max(this=_microseconds(column(known_at)))}, table.copy()))[
            "newest"
        ],
        "digest": warehouse.digest(query),
    }
    file = file_of(place, id_)
    if former is not None and before == entry and file_of(former, id_).is_file():
        taken_over(file_of(former, id_), file)
    else:
        _write(warehouse, query.order_by(column(KEY)), list(columns), file)
    return entry


def _key(entity: Sequence[str]) -> exp.Expression:
    parts: list[exp.Expression] = []
    for each in entity:
        text = exp.cast(column(each), "text")
        parts += [exp.cast(exp.Length(this=text), "text"), exp.Literal.string(":"), text.copy()]
    return exp.Concat(expressions=parts, safe=False, coalesce=False)


def _microseconds(moment: exp.Expression) -> exp.Expression:
    epoch = exp.cast(exp.Literal.string("1970-01-01"), "timestamp")
    infinite = exp.case().when(moment.copy() > epoch, exp.Literal.number(INFINITE))
    infinite = infinite.when(moment.copy() < epoch.copy(), exp.Neg(this=exp.Literal.number(INFINITE)))
    # An infinite moment has no microseconds, and is known by its side of 1970.
    return exp.Coalesce(this=PYTHON_ENGINE.microseconds_since_epoch(moment), expressions=[infinite])


def _value(name: str, type_: str) -> exp.Expression:
    """Return a column of a view as it is kept: numbers, texts, moments as microseconds, and NaN as NULL."""
    parsed = parse_type(type_)
    if parsed.is_type(*WHOLE):
        return column(name)
    if parsed.is_type(Type.BOOLEAN):
        return exp.cast(column(name), "tinyint")
    if parsed.is_type(*MOMENTS):
        return _microseconds(column(name))
    if parsed.is_type(*(exp.DataType.NUMERIC_TYPES - {Type.BIT})):
        double = exp.cast(column(name), "double")
        return exp.Case(ifs=[exp.If(this=exp.not_(exp.IsNan(this=double)), true=double.copy())])
    return exp.cast(column(name), "text")


def _write(warehouse: Warehouse, query: exp.Select, names: Sequence[str], file: Path) -> None:
    """Write a table in the order of its keys, some rows at a time, without a journal: nobody reads it yet."""
    listed = ", ".join(map(_quoted, names))
    reader = warehouse.batches(query, ROWS)
    with closing(sqlite3.connect(file, isolation_level=None)) as table:
        table.execute("pragma journal_mode = off")
        table.execute("pragma synchronous = off")
        table.execute("begin")
        table.execute(f"create table {TABLE} ({listed}, primary key ({KEY})) without rowid")
        insert = f"insert into {TABLE} values ({', '.join('?' * len(names))})"  # noqa: S608
        for batch in reader:
            table.executemany(insert, zip(*(each.to_pylist() for each in batch.columns), strict=True))
        table.execute("commit")


@cache
def selecting(columns: tuple[str, ...]) -> str:
    """Write the query of SQLite for some columns of a key."""
    return f"select {', '.join(map(_quoted, columns))} from {TABLE} where {KEY} = ?"  # noqa: S608


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="sqlite")
