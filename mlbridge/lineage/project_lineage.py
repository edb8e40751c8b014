"""The lineage of a dbt project as it stands: its manifest, its compiled SQL, and the columns of its warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sqlglot.dialects.dialect import Dialect

from mlbridge.errors import MlbridgeError, SetupError, listed, nearest
from mlbridge.lineage.graph import Lineage, Relation
from mlbridge.lineage.nodes import Columns, Place, relations, title, uncompiled
from mlbridge.lineage.trace import trace
from mlbridge.project.dbt import invoke
from mlbridge.project.project import Project
from mlbridge.typing import Document

LOGS = "lineage"  # the folder in dbt's log folder for what `dbt compile` prints


@dataclass(frozen=True)
class ProjectLineage:
    """A manifest with compiled code, the relations in it, and how their columns depend on each other.

    `without_warehouse` says why the columns of the warehouse could not be read; None where they were.
    """

    manifest: Document
    relations: tuple[Relation, ...]
    lineage: Lineage
    without_warehouse: str | None = None

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """What a person calls each node, by id."""
        nodes = {**self.manifest["nodes"], **self.manifest["sources"]}
        return {each.id: title(nodes[each.id]) for each in self.relations}

    def find(self, name: str) -> str:
        """Return the id of the node that a person names; raises SetupError with the nearest name."""
        found = [id_ for id_, titled in self.titles.items() if name in (titled, id_, titled.partition(".")[2])]
        if len(found) == 1:
            return found[0]
        if found:
            raise SetupError(f"'{name}' is the name of several nodes: {listed(found)}. Name one of these.")
        raise SetupError(f"the project has no model, seed, snapshot or source '{name}'.{nearest(name, self._names)}")

    @property
    def _names(self) -> list[str]:
        return list(self.titles.values())


def project_lineage(project: Project) -> ProjectLineage:
    """Trace a project. Where the manifest lacks compiled code, `dbt compile` is run first.

    Raises SetupError where the project does not compile.
    """
    manifest = compiled_manifest(project)
    stored, why = stored_columns(project)
    return traced(manifest, stored, why)


def traced(manifest: Document, stored: Mapping[Place, Columns], without_warehouse: str | None = None) -> ProjectLineage:
    """Trace a manifest; `stored` is what the warehouse has, as in `relations`."""
    found = relations(manifest, stored)
    return ProjectLineage(manifest, tuple(found), trace(found, dialect_of(manifest)), without_warehouse)


def dialect_of(manifest: Document) -> str:
    """Return the dialect that the SQL of a manifest is in; sqlglot's own where it has none of the adapter's name."""
    adapter = str(manifest["metadata"].get("adapter_type") or "")
    return adapter if Dialect.get(adapter) is not None else ""


def compiled_manifest(project: Project) -> Document:
    """Return the manifest with the compiled code of every SQL model; runs `dbt compile` where it lacks some."""
    try:
        manifest = project.manifest
        if not any(uncompiled(manifest)):
            return manifest
    except SetupError:
        pass  # there is none yet
    done, errors = invoke(project, ["compile"], project.target_folder / LOGS)
    if not done.success:
        why = " ".join(errors) or str(done.exception or "")
        raise SetupError(f"the project does not compile, so its lineage cannot be read: {why} Try `dbt compile`.")
    project.__dict__.pop("manifest", None)  # read it anew
    return project.manifest


def stored_columns(project: Project) -> tuple[dict[Place, dict[str, str]], str | None]:
    """Return the columns that the warehouse has, by place; where it cannot be read, none and the reason."""
    try:
        return project.connect().every_column(), None
    except MlbridgeError as error:
        return {}, str(error)
