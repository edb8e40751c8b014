"""A model taken away again: what of a project changes, and what remains, worked out before anything is."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlbridge.errors import GraftError, SetupError, listed, nearest
from mlbridge.grafting.changes import Change, changed, difference, read, write
from mlbridge.grafting.merging import merged
from mlbridge.grafting.names import exposure_of, nodes_of
from mlbridge.grafting.record import FILE, Record, digest
from mlbridge.grafting.shared import PROJECT_FILE, declared_in
from mlbridge.grafting.yaml_edits import YamlFile
from mlbridge.project.manifest import read_or_make
from mlbridge.project.project import Project
from mlbridge.typing import Document


@dataclass(frozen=True)
class Ungraft:
    """What taking a model away changes.

    `edited` are files that the user has changed since they were grafted: they stay, unless that is forced. `readers`
    are nodes and exposures of the project's own that read the model. `last`: no model is left, so the package goes too.
    `manifest` is the project's. `schemas` are the models whose tables nothing needs any more, each with its own
    `+schema` or None: this one, and with the last one those that were taken away before, but not dropped.
    """

    model: str
    changes: tuple[Change, ...]
    edited: tuple[str, ...]
    readers: tuple[str, ...]
    folders: tuple[str, ...]
    last: bool
    schemas: Mapping[str, str | None]
    manifest: Document = field(repr=False)
    written: bool = False

    def remembered(self) -> Ungraft:
        """Return it with the model named in the record, if that stays, so that its tables can be dropped later."""
        *others, record = self.changes
        if record.after is None:
            return self
        kept = Record.of_text(record.after).with_model(self.model, {}, (), self.schemas[self.model]).text
        return replace(self, changes=(*others, *changed({FILE: record.before}, {FILE: kept})))

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
    unneeded = [model, *(name for name, files in record.files.items() if last and not files and name != model)]
    schemas = {name: record.schemas.get(name) for name in unneeded}
    manifest = _manifest(project)
    readers = _readers(project, manifest, model, record.files[model])
    return Ungraft(model, tuple(changes), kept, readers, record.folders, last, schemas, manifest)


def _manifest(project: Project) -> Document:
    """Return the manifest; that of the last parse where dbt cannot parse yet, because `dbt deps` has not run since."""
    try:
        return read_or_make(project)
    except SetupError:
        if project.package_version is not None or not (project.target_folder / "manifest.json").is_file():
            raise
        return project.manifest


def _without(record: Record, model: str, now: dict[str, str | None], declared: Sequence[str]) -> dict[str, str | None]:
    """Return the shared files without a model; raises GraftError where the user has edited the lines of the branch."""
    others = [each for each in declared if each != model]
    with_it = record.shared.with_models(record.originals, declared if others else [model])
    without = record.shared.with_models(record.originals, others)
    found = {}
    for name, text in now.items():
        possible, found[name] = merged(with_it[name], text, without[name])
        if not possible:
            raise GraftError(
                f"'{name}' has been edited in the lines that the branch has there. Take these out of it yourself, and "
                f"run the command again:\n\n{difference(name, with_it[name], without[name])}"
            )
    return found


def _readers(project: Project, manifest: Document, model: str, files: Container[str]) -> tuple[str, ...]:
    """Return the names of what else in the project reads the model's nodes; `files` are those that go with it."""
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
