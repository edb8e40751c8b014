"""What serving needs to know of a project: the tables behind its versions and online tables, and where requests are."""

from __future__ import annotations

from collections.abc import Sequence

from mlbridge.errors import SetupError
from mlbridge.project.project import Project, place_of
from mlbridge.typing import Document


def served_branches(project: Project) -> dict[str, Document]:
    """Return what `mlbridge serve` needs of each model, as the macro of the same name does."""
    nodes = {node["name"]: node for node in _models(project)}
    both = {name: (nodes.get(f"{name}_split"), nodes.get(f"{name}_training")) for name in project.models}
    return {
        name: {"split": place_of(split), "logbook": place_of(training)}
        for name, (split, training) in both.items()
        if split is not None and training is not None
    }


def served_online(project: Project) -> Document:
    """Return what `mlbridge serve` needs to give a key its features, as the macro of the same name does.

    Raises SetupError for a view whose YAML does not say what an online table needs.
    """
    every = {**project.manifest["nodes"], **project.manifest["sources"]}
    views = {}
    for node in _models(project):
        parents = [every.get(id_, {}) for id_ in (node.get("depends_on") or {}).get("nodes") or ()]
        online = [each for each in parents if _says(each).get("online") is True]
        if "mlbridge_online" in (node["config"].get("meta") or {}) and online:
            views[online[0]["unique_id"]] = _view(online[0], node)
    nodes = {node["name"]: node for node in _models(project)}
    trainings = {name: nodes[f"{name}_training"] for name in project.models if f"{name}_training" in nodes}
    models = {
        name: {"training": node["unique_id"], "time": _says(node).get("time")} for name, node in trainings.items()
    }
    code = project.target_folder / "compiled" / "of_any_node"
    return {"views": views, "models": models, "compiled_path": str(code)}


def request_folders(project: Project) -> list[tuple[tuple[str, str, str], str]]:
    """Return the place of each model that calls `mlbridge.requests`, and the folder that it names."""
    named = {place_of(node): (node["config"].get("meta") or {}).get("mlbridge_requests") for node in _models(project)}
    return [(place, folder) for place, folder in named.items() if folder is not None]


def _models(project: Project) -> Sequence[Document]:
    return [node for node in project.manifest["nodes"].values() if node["resource_type"] == "model"]


def _view(view: Document, table: Document) -> Document:
    """Return the fields of a `View`: what its YAML says, and where its online table is."""
    says = _says(view)
    for key in ("entity", "time"):
        if not says.get(key):
            raise SetupError(
                f"{view['name']}: `mlbridge.online`: an online table has a row of each entity, so the YAML must say "
                f"`{key}`, too, as in `mlbridge: {{entity: [customer_id], time: happened_at, online: true}}`."
            )
    return {
        "name": view["name"],
        "table": place_of(table),
        "entity": [says["entity"]] if isinstance(says["entity"], str) else list(says["entity"]),
        "time": says["time"],
        "known_at": says.get("known_at"),
    }


def _says(node: Document) -> Document:
    """Return what the YAML of a node says to mlbridge."""
    for meta in ((node.get("config") or {}).get("meta"), node.get("meta")):
        found = (meta or {}).get("mlbridge")
        if isinstance(found, dict):
            return found
    return {}
