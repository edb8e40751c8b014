"""What a running node can know of the nodes above it: dbt's manifest, and the compiled SQL in its target folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlbridge.lineage.nodes import INLINED, is_read_off_sql
from mlbridge.typing import Document

COMPILED = "compiled"
# A reference in code that has no other Jinja, and what is left over if it has.
REFERENCE = re.compile(r"\{\{-?\s*(ref|source)\s*\(([^(){}]*)\)\s*-?\}\}")
CONFIG = re.compile(r"\{\{-?\s*config\s*\([^{}]*\)\s*-?\}\}|\{#.*?#\}", re.DOTALL)
ARGUMENT = re.compile(r"\s*(['\"])([^'\"]+)\1\s*")


@dataclass(frozen=True)
class Upstream:
    """A manifest of the nodes above one, with compiled code; `unread` says of which it is missing, and why."""

    manifest: Document
    unread: Mapping[str, str] = field(default_factory=dict)


def upstream(compiled_path: str, node: str) -> Upstream | None:
    """Read the manifest of the nodes above a running one, whose unique id is `node`; dbt writes its code to a path.

    The code of a node that this build or an earlier one compiled is taken where its file is not newer than that; else
    the node's own code, if it has no Jinja but references. None where dbt wrote no manifest, as with `--no-write-json`.
    """
    target = _target(Path(compiled_path))
    if target is None:
        return None
    try:
        whole = json.loads((target / "manifest.json").read_text())
        every = {**whole["nodes"], **whole["sources"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    found: dict[str, Document] = {}
    ahead = [node]
    for id_ in ahead:
        if id_ in every and id_ not in found:
            found[id_] = dict(every[id_])
            ahead += (every[id_].get("depends_on") or {}).get("nodes") or []
    unread = {}
    for id_, each in found.items():
        if each["resource_type"] in ("model", "snapshot") and each.get("language", "sql") == "sql":
            code = _compiled(target, each) or _without_jinja(each, found)
            each["compiled_code"] = code
            if code is None:
                unread[id_] = "it was not compiled in this target folder since it was changed; build it, too"
    nodes = {id_: each for id_, each in found.items() if each["resource_type"] != "source"}
    sources = {id_: each for id_, each in found.items() if each["resource_type"] == "source"}
    nodes.pop(node, None)
    return Upstream({"metadata": whole.get("metadata", {}), "nodes": nodes, "sources": sources}, unread)


def as_written(manifest: Document) -> Upstream:
    """Return a manifest in which models that are not compiled have their code, if it has no Jinja but references."""
    every = {**manifest["nodes"], **manifest["sources"]}
    nodes, unread = dict(manifest["nodes"]), {}
    for id_, node in manifest["nodes"].items():
        if is_read_off_sql(node) and not node.get("compiled_code"):
            code = _without_jinja(node, every)
            nodes[id_] = {**node, "compiled_code": code}
            if code is None:
                unread[id_] = "it is not compiled"
    return Upstream({**manifest, "nodes": nodes}, unread)


def _target(compiled: Path) -> Path | None:
    return next((each.parent for each in compiled.parents if each.name == COMPILED), None)


def _compiled(target: Path, node: Document) -> str | None:
    """Return the code that dbt compiled last; None where there is none, or the node's file was changed since."""
    package, path = str(node["package_name"]), str(node["original_file_path"])
    written = target / COMPILED / package / path
    if not written.is_file() and node["resource_type"] == "snapshot":
        written = written.parent / path / f"{node['name']}.sql"
    places = [Path(path), *(Path(folder) / package / path for folder in ("dbt_packages", "dbt_modules"))]
    with suppress(OSError):
        own = next((each for each in places if each.is_file()), None)
        if own is None or own.stat().st_mtime <= written.stat().st_mtime:
            return written.read_text()
    return None


def _without_jinja(node: Document, found: Mapping[str, Document]) -> str | None:
    """Return a node's own code with its references resolved; None where it has other Jinja."""
    parents = [found[id_] for id_ in (node.get("depends_on") or {}).get("nodes") or [] if id_ in found]

    def place(match: re.Match[str]) -> str:
        names = [each.group(2) for part in match.group(2).split(",") if (each := ARGUMENT.fullmatch(part))]
        named = [each for each in parents if names and each["name"] == names[-1]]
        if len(named) != 1 or len(names) != match.group(2).count(",") + 1:
            return match.group(0)
        if (named[0].get("config") or {}).get("materialized") == "ephemeral":
            return INLINED + str(named[0]["name"])
        return str(named[0]["relation_name"])

    code = REFERENCE.sub(place, CONFIG.sub("", str(node.get("raw_code") or "")))
    return None if "{{" in code or "{%" in code or not code.strip() else code
