"""A model taken away again: what of a project changes, and what remains, worked out before anything is."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlbridge.errors import GraftError, listed, nearest
from mlbridge.grafting.changes import Change, changed, difference, read, write
from mlbridge.grafting.merging import merged
from mlbridge.grafting.names import exposure_of, nodes_of
from mlbridge.grafting.record import FILE, Record, digest
from mlbridge.grafting.shared import PROJECT_FILE, declared_in
from mlbridge.grafting.yaml_edits import YamlFile
from mlbridge.project.manifest import read_or_make
from mlbridge.project.project import Project


@dataclass(frozen=True)
class Ungraft:
    """What taking a model away changes.

    `edited` are files that the user has changed since they were grafted: they stay, unless that is forced. `readers`
    are nodes and exposures of the project's own that read the model. `last`: no model is left, so the package goes too.
    """

    model: str
    changes: tuple[Change, ...]
    edited: tuple[str, ...]
    readers: tuple[str, ...]
    folders: tuple[str, ...]
    last: bool
    written: bool = False

    def apply(self, project: Path) -> Ungraft:
        """Write all of it, or nothing; raises GraftError if that cannot be."""
        write(project, self.changes, self.folders)
        return replace(self, written=True)


def ungraft(project: Project, model: str, force: bool) -> Ungraft:
    """Work out what taking a model away changes; nothing is written.

    `force`: files that were edited since go as well. Raises GraftError if the model was not grafted, or a shared file
    was edited where the branch stands.
    """
    folder = project.path
    record = Record.of(folder)
    grafted = [] if record is None else [*record.files]
    if record is None or model not in record.files:
        raise GraftError(
            f"'{FILE}' says nothing of a model '{model}'.{nearest(model, grafted)} Grafted: {listed(grafted)}. What "
            "was written by hand is taken away by hand, as docs/removing.md says."
        )
    now = {name: read(folder, name) for name in record.shared.files}
    declared = declared_in(YamlFile(PROJECT_FILE, now[PROJECT_FILE] or ""))
    after = _without(record, model, now, declared)
    own = {path: text for path in record.files[model] if (text := read(folder, path)) is not None}
    edited = tuple(path for path, text in own.items() if digest(text) != record.files[model][path])
    gone = {path: None for path in own if force or path not in edited}
    left = record.without_model(model, record.without_branch(now, declared))
    changes = [
        *changed(own, gone),
        *changed(now, after),
        Change(FILE, read(folder, FILE), None if left is None else left.text),
    ]
    kept = () if force else edited
    last = not [each for each in declared if each != model]
    return Ungraft(model, tuple(changes), kept, _readers(project, model, record.files[model]), record.folders, last)


def _without(record: Record, model: str, now: dict[str, str | None], declared: Sequence[str]) -> dict[str, str | None]:
    """Return the shared files without a model; raises GraftError where the user has edited the lines of the branch."""
    with_it = record.shared.with_models(record.originals, declared)
    without = record.shared.with_models(record.originals, [each for each in declared if each != model])
    found = {}
    for name, text in now.items():
        possible, found[name] = merged(with_it[name], text, without[name])
        if not possible:
            raise GraftError(
                f"'{name}' has been edited in the lines that the branch has there. Take these out of it yourself, and "
                f"run the command again:\n\n{difference(name, with_it[name], without[name])}"
            )
    return found


def _readers(project: Project, model: str, files: Container[str]) -> tuple[str, ...]:
    """Return the names of what else in the project reads the model's nodes; `files` are those that go with it."""
    manifest = read_or_make(project)
    own = {*nodes_of(model), exposure_of(model)}
    package = str(project.config.project_name)
    every = {**manifest["nodes"], **manifest.get("exposures", {}), **manifest.get("metrics", {})}
    for kind in ("semantic_models", "saved_queries", "unit_tests"):
        every |= manifest.get(kind, {})
    ids = {name for name, node in manifest["nodes"].items() if node["name"] in own and node["package_name"] == package}
    return tuple(
        str(node["name"])
        for node in every.values()
        if node["package_name"] != "mlbridge"
        and node["name"] not in own
        and node["original_file_path"] not in files
        and ids & {*node.get("depends_on", {}).get("nodes", [])}
    )
