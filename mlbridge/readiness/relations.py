"""The relation that is assessed: found by its name among the project's models, seeds, snapshots and sources."""

from __future__ import annotations

from collections.abc import Mapping

from mlbridge.errors import MlbridgeError, listed, nearest
from mlbridge.project.project import place_of
from mlbridge.readiness.assessment import Relation
from mlbridge.readiness.source import Source
from mlbridge.typing import Document

KINDS = ("model", "seed", "snapshot")


class ReadinessError(MlbridgeError):
    """What is to be assessed does not exist, is not built, or cannot be what the question says it is."""


def relations_of(manifest: Document) -> dict[str, Document]:
    """Return the models, seeds, snapshots and sources of a manifest by name, those of mlbridge left out.

    A source is called by its name and its table's, `raw.orders`. Of several of one name, the project's own is found
    before those of packages, and the latest version before others, as `ref` does.
    """
    found = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] in KINDS and node["package_name"] != "mlbridge"
    ]
    own = manifest.get("metadata", {}).get("project_name")
    found.sort(key=lambda node: (node["package_name"] == own, node.get("version") == node.get("latest_version")))
    nodes = {str(node["name"]): node for node in found}
    sources = {f"{each['source_name']}.{each['name']}": each for each in manifest.get("sources", {}).values()}
    return {**sources, **nodes}


def relation_of(name: str, manifest: Document) -> Relation:
    """Return a relation by its name; raises ReadinessError if the project has none of it, or it is no relation."""
    known = relations_of(manifest)
    if name not in known:
        raise ReadinessError(
            f"the project has no model, seed, snapshot or source '{name}'.{nearest(name, known)} It has "
            f"{listed(sorted(known), 40)}."
        )
    node = known[name]
    if node["resource_type"] == "source":
        return Relation(name, node["unique_id"], str(node["database"]), str(node["schema"]), str(node["identifier"]))
    if node["config"]["materialized"] == "ephemeral":
        raise ReadinessError(
            f"'{name}' is ephemeral, so the warehouse has no relation of it. Materialize it as a view or a table, and "
            "build it."
        )
    return Relation(name, node["unique_id"], *place_of(node))


def columns_of(relation: Relation, source: Source) -> Mapping[str, str]:
    """Return the columns with their types; raises ReadinessError if the warehouse has no such relation."""
    found = source.columns(relation.place)
    if not found:
        raise ReadinessError(
            f"'{relation.name}' is not in the warehouse, where it would be {relation.schema}.{relation.identifier}. "
            f"Build it first: `dbt build --select +{relation.name}`."
        )
    defect = source.defect(relation.place)
    if defect is not None:
        raise ReadinessError(f"'{relation.name}' cannot be read: {defect} Build it anew.")
    return found


def ancestors_of(node: str, manifest: Document) -> set[str]:
    """Return the unique ids of a node and of all that it comes from."""
    above, waiting = {node}, [node]
    while waiting:
        parents = manifest["nodes"].get(waiting.pop(), {}).get("depends_on", {}).get("nodes", [])
        waiting += [each for each in parents if each not in above]
        above |= set(parents)
    return above


def snapshots_of(relation: Relation, manifest: Document) -> list[str]:
    """Return the snapshots among what a relation comes from, and of what it comes from."""
    above = ancestors_of(relation.node, manifest)
    return sorted(
        str(node["name"])
        for node in manifest["nodes"].values()
        if node["resource_type"] == "snapshot" and {node["unique_id"], *node["depends_on"]["nodes"]} & above
    )


def check_column(key: str, name: str, relation: Relation, columns: Mapping[str, str]) -> None:
    """Raise ReadinessError if a relation has no column of this name."""
    if name not in columns:
        raise ReadinessError(
            f"--{key}: '{relation.name}' has no column '{name}'.{nearest(name, columns)} Its columns: "
            f"{listed(columns, 60)}."
        )
