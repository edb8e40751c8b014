"""A model taken away again: what of a project changes, and what remains, worked out before anything is."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

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
    `schemas` are the models whose tables nothing needs any more, each with the `+schema` of its nodes: this one, and
    with the last one those that were taken away before, but not dropped. `kept` are names of their nodes that the
    project keeps, because their file was edited, or has again, since they were taken away: these tables are not theirs.
    `gone`: the project lacks nodes of the model, so it is only assumed where their tables are. `record` is what stays
    recorded, `manifest` is the project's.
    """

    model: str
    changes: tuple[Change, ...]
    edited: tuple[str, ...]
    readers: tuple[str, ...]
    folders: tuple[str, ...]
    last: bool
    schemas: Mapping[str, Mapping[str, str | None]]
    kept: tuple[str, ...]
    gone: bool
    record: Record = field(repr=False)
    manifest: Document = field(repr=False)
    written: bool = False

    def remembered(self) -> Ungraft:
        """Return it with the model named in the record, if models remain, so that its tables can be dropped later."""
        *others, now = self.changes
        record = self.record.with_model(self.model, {}, (), self.schemas[self.model])
        after = changed({FILE: now.before}, {FILE: record.text_if_needed(self.last)})
        return replace(self, changes=(*others, *after), record=record)

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
    changed_since = (path for path, text in own.items() if digest(text) != record.files[model][path])
    edited = () if force else tuple(changed_since)
    gone = {path: None for path in own if path not in edited}
    left = record.without_model(model, record.without_branch(now, declared))
    last = not [each for each in declared if each != model]
    changes = [
        *changed(own, gone),
        *changed(now, after),
        Change(FILE, read(folder, FILE), left.text_if_needed(last)),
    ]
    before = [name for name, files in record.files.items() if not files and (last or name == model)]
    manifest = _manifest(project)
    stay = [name for name in nodes_of(model) if name in {PurePosixPath(path).stem for path in edited}]
    kept = tuple(dict.fromkeys([*stay, *_kept(project, manifest, before)]))
    nodes = {name: node for name, node in project_nodes(project, manifest).items() if name not in kept}
    schemas = {name: _schemas(record, name, nodes) for name in dict.fromkeys([model, *before])}
    return Ungraft(
        model,
        tuple(changes),
        edited=edited,
        readers=_readers(manifest, model, record.files[model], nodes),
        folders=record.folders,
        last=last,
        schemas=schemas,
        kept=kept,
        gone=not {*nodes_of(model)} <= {*nodes, *kept},
        record=left,
        manifest=manifest,
    )


def project_nodes(project: Project, manifest: Document) -> dict[str, Document]:
    """Return the nodes of the project's own in a manifest, by name."""
    package = str(project.config.project_name)
    return {str(node["name"]): node for node in manifest["nodes"].values() if node["package_name"] == package}


def _kept(project: Project, manifest: Document, models: Sequence[str]) -> tuple[str, ...]:
    """Return names of nodes of models that were taken away before, if the project has a node or table of that name.

    Their case does not count, as on some engines. A node of the project's own whose file is gone is only what the last
    parse has left.
    """
    package = str(project.config.project_name)
    there = {
        str(name).lower()
        for node in manifest["nodes"].values()
        if node["package_name"] != package or (project.path / node["original_file_path"]).is_file()
        for name in (node["name"], node["alias"])
    }
    return tuple(name for model in models for name in nodes_of(model) if name.lower() in there)


def _schemas(record: Record, model: str, nodes: Mapping[str, Document]) -> dict[str, str | None]:
    """Return the `+schema` of a model's nodes: as dbt has parsed it, else as it is recorded."""
    parsed = {name: nodes[name]["config"].get("schema") for name in nodes_of(model) if name in nodes}
    return {**record.schemas.get(model, {}), **parsed}


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


def _readers(manifest: Document, model: str, files: Container[str], nodes: Mapping[str, Document]) -> tuple[str, ...]:
    """Return the names of what else in the project reads the model's nodes, which are among `nodes`.

    `files` are those that go with it.
    """
    own = {*nodes_of(model), exposure_of(model)}
    every = {**manifest["nodes"], **manifest.get("exposures", {}), **manifest.get("metrics", {})}
    for kind in ("semantic_models", "saved_queries", "unit_tests"):
        every |= manifest.get(kind, {})
    ids = {node["unique_id"] for name, node in nodes.items() if name in own}
    return tuple(
        str(node["name"])
        for node in every.values()
        if node["package_name"] != "mlbridge"
        and node["name"] not in own
        and node["original_file_path"] not in files
        and ids & {*node.get("depends_on", {}).get("nodes", [])}
    )
