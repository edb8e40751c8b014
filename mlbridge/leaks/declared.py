"""What a project's YAML says of its columns: when they are known, and which are personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mlbridge.errors import SetupError, nearest
from mlbridge.leaks.column_sets import Place, sole_origins
from mlbridge.leaks.time_conditions import Late
from mlbridge.lineage.graph import Edge, Lineage
from mlbridge.typing import Document, Json


@dataclass(frozen=True)
class Declared:
    """The columns that are known later, by place, and those that hold personal data."""

    late: Mapping[Place, Late] = field(default_factory=dict)
    pii: frozenset[Place] = frozenset()


def declared(manifest: Document, lineage: Lineage) -> Declared:
    """Read `meta.mlbridge.known_at` of columns and nodes, and `meta.pii` of columns.

    A source column that alone makes up a column with `known_at` is known at the same moment. Raises SetupError where
    `known_at` names no column of its node.
    """
    late: dict[Place, Late] = {}
    pii: set[Place] = set()
    for id_, node in {**manifest["nodes"], **manifest["sources"]}.items():
        columns = lineage.columns.get(id_, ())
        for place, moment, _ in late_places(id_, node, columns, lineage):
            late.setdefault(place, Late(*place, frozenset({moment})))
        for name, meta in _metas(node):
            if meta.get("pii") is True:
                place = (id_, _as_known(name, columns))
                pii |= {place, *sole_origins(lineage, place)}
    return Declared(late, frozenset(pii))


def late_places(
    id_: str, node: Document, columns: tuple[str, ...], lineage: Lineage
) -> Iterator[tuple[Place, Place, bool]]:
    """Yield what a node's YAML says to be known later, with the column that says when, and whether a column's own does.

    That are its columns, what alone makes up one with `known_at` of its own, and the moments themselves.
    """
    for column, known_at, is_own in _late_columns(node, columns):
        moment = (id_, known_at)
        for place in ((id_, column), *(sole_origins(lineage, (id_, column)) if is_own else ()), moment):
            yield place, moment, is_own


def _as_known(name: str, columns: tuple[str, ...]) -> str:
    """Return a column's name as the warehouse writes it; YAML may write it in another case."""
    return next((column for column in columns if column.lower() == name.lower()), name)


def _late_columns(node: Document, columns: tuple[str, ...]) -> Iterator[tuple[str, str, bool]]:
    """Yield each column with the column that says when it is known, and whether its own meta says so."""
    of_columns = {name: found for name, meta in _metas(node) if (found := _known_at(meta)) is not None}
    of_node = _known_at(_meta(node))
    known = {column.lower(): column for column in (*columns, *(node.get("columns") or {}))}
    for named in (*of_columns.values(), of_node):
        if named is not None and (not isinstance(named, str) or named.lower() not in known):
            raise SetupError(
                f"{node['name']}: `mlbridge.known_at` names the column {named!r}, which the node does not have."
                f"{nearest(str(named), known.values())} Name the column that says when the value is known."
            )
    for name, found in of_columns.items():
        yield known.get(name.lower(), name), known[str(found).lower()], True
    if of_node is not None:
        moment = known[str(of_node).lower()]
        for column in columns:
            if column.lower() not in {name.lower() for name in of_columns}:
                yield column, moment, False


def says_when(node: Document) -> bool:
    """Return whether the YAML of a node says when it, or one of its columns, is known."""
    return any(_known_at(meta) is not None for meta in (_meta(node), *(each for _, each in _metas(node))))


def _known_at(meta: Mapping[str, Json]) -> Json:
    of_mlbridge = meta.get("mlbridge")
    return of_mlbridge.get("known_at") if isinstance(of_mlbridge, Mapping) else None


def _metas(node: Document) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for column in (node.get("columns") or {}).values():
        yield str(column["name"]), _meta(column)


def _meta(of: Document) -> Mapping[str, Json]:
    """Return the meta of a node or column: below `config`, or beside it as before dbt 1.10."""
    return {**(of.get("meta") or {}), **((of.get("config") or {}).get("meta") or {})}


def personal(lineage: Lineage, places: frozenset[Place], column: Place) -> tuple[Edge, ...] | None:
    """Return the way on which personal data comes into a column, the nearest edge first; None where none does."""
    if column in places:
        return ()
    return next((way.path for way in lineage.ancestors(*column) if (way.node, way.column) in places), None)
