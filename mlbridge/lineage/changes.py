"""What differs between two manifests of a project, column by column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlbridge.lineage.graph import EVERY
from mlbridge.lineage.models import meta_of
from mlbridge.lineage.project_lineage import ProjectLineage, dialect_of
from mlbridge.lineage.trace import fingerprints

OF_PACKAGE = "macro.mlbridge."


@dataclass(frozen=True)
class Change:
    """A node that differs: `kind` is added, removed or changed, `columns` are those that are computed otherwise.

    `rows` says whether what decides about its rows differs. `why` is SQL, code, columns, data or lineage.
    """

    node: str
    kind: str
    columns: tuple[str, ...]
    rows: bool
    why: str


def changes(before: ProjectLineage, now: ProjectLineage) -> list[Change]:
    """Return the nodes that differ, in the order of the newer manifest, removed ones last."""
    found = [
        Change(id_, "added", now.lineage.columns[id_], True, _text(now, id_))
        for id_ in now.nodes
        if id_ not in before.nodes
    ]
    for id_ in now.nodes:
        if id_ in before.nodes:
            found += _changed(before, now, id_)
    gone = [id_ for id_ in before.nodes if id_ not in now.nodes]
    return found + [Change(id_, "removed", before.lineage.columns[id_], True, _text(before, id_)) for id_ in gone]


def _changed(before: ProjectLineage, now: ProjectLineage, id_: str) -> Iterator[Change]:
    old, new = before.nodes[id_], now.nodes[id_]
    columns = tuple(dict.fromkeys((*now.lineage.columns[id_], *before.lineage.columns[id_])))
    moved = [name for name in columns if (name in now.lineage.columns[id_]) != (name in before.lineage.columns[id_])]
    if now.relation(id_).sql is None or before.relation(id_).sql is None:
        if _code(old) != _code(new):
            yield Change(id_, "changed", columns, True, _text(now, id_))
        elif meta_of(old).get("lineage") != meta_of(new).get("lineage"):
            yield Change(id_, "changed", columns, False, "lineage")
        elif moved:
            yield Change(id_, "changed", tuple(moved), False, "columns")
        return
    if _same(old, new):
        return
    known = [
        fingerprints(each.relations, dialect_of(each.manifest), each.lineage, [id_]).get(id_) for each in (before, now)
    ]
    if known[0] is None or known[1] is None:  # SQL that cannot be read may change anything
        yield Change(id_, "changed", columns, True, "SQL")
        return
    differing = tuple(name for name in columns if known[0].get(name) != known[1].get(name))
    rows = known[0].get(EVERY) != known[1].get(EVERY)
    if differing or rows:
        yield Change(id_, "changed", differing, rows, "SQL")


def _same(old: dict[str, object], new: dict[str, object]) -> bool:
    """Return whether a node's SQL is the same.

    What the package's macros write holds the moment of the build, so it is compared as it is written, not compiled.
    """
    if str(old.get("compiled_code")).strip() == str(new.get("compiled_code")).strip():
        return True
    macros = (new.get("depends_on") or {}).get("macros") or ()  # type: ignore[attr-defined] # a node of the manifest
    written_by_package = any(str(each).startswith(OF_PACKAGE) for each in macros)
    return written_by_package and str(old.get("raw_code")).strip() == str(new.get("raw_code")).strip()


def _code(node: dict[str, object]) -> tuple[object, object]:
    """Return what says that a node without SQL changed: its code, and the rows of a seed."""
    return str(node.get("raw_code") or "").strip(), node.get("checksum") if node["resource_type"] == "seed" else None


def _text(project: ProjectLineage, id_: str) -> str:
    """Return what the content of a node is called."""
    if project.relation(id_).sql is not None:
        return "SQL"
    return {"seed": "data", "source": "columns"}.get(str(project.nodes[id_]["resource_type"]), "code")
