"""The lineage of a dbt project as it stands: its manifest, its compiled SQL, and the columns of its warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

from sqlglot.dialects.dialect import Dialect

from mlbridge.engines.opening import server_columns
from mlbridge.engines.warehouse import Place
from mlbridge.errors import MlbridgeError, SetupError, listed, nearest
from mlbridge.lineage.cache import Cache
from mlbridge.lineage.graph import EVERY, Lineage, Relation
from mlbridge.lineage.models import Columns, MlModel, models_of
from mlbridge.lineage.nodes import relations, title, uncompiled
from mlbridge.lineage.trace import trace
from mlbridge.project.dbt import invoke
from mlbridge.project.manifest import is_old
from mlbridge.project.project import Project
from mlbridge.typing import Document

CACHE = "mlbridge_lineage.json"  # the file in dbt's target folder that keeps what was read
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
    def nodes(self) -> Mapping[str, Document]:
        """The nodes and sources of the manifest that are relations, by id."""
        every = {**self.manifest["nodes"], **self.manifest["sources"]}
        return {each.id: every[each.id] for each in self.relations}

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """What a person calls each node, by id; a table function by its call."""
        return {**{id_: id_ for id_ in self.lineage.columns}, **{id_: title(node) for id_, node in self.nodes.items()}}

    @cached_property
    def models(self) -> tuple[MlModel, ...]:
        """The ML models, with their features."""
        columns = {id_: dict.fromkeys(names, "") for id_, names in self.lineage.columns.items()}
        return tuple(models_of(self.nodes, columns))

    @cached_property
    def _by_id(self) -> Mapping[str, Relation]:
        return {each.id: each for each in self.relations}

    def relation(self, node: str) -> Relation:
        """Return the relation of an id."""
        return self._by_id[node]

    def name(self, node: str, column: str) -> str:
        """Return what a person calls a column."""
        return f"{self.titles[node]}.{column}"

    def find(self, name: str) -> str:
        """Return the id of the node that a person names; raises SetupError with the nearest name."""
        found = [id_ for id_, titled in self.titles.items() if name and name in (titled, id_, titled.partition(".")[2])]
        if len(found) == 1:
            return found[0]
        if found:
            raise SetupError(f"'{name}' is the name of several nodes: {listed(found)}. Name one of these.")
        near = nearest(name, self.titles.values())
        raise SetupError(f"the project has no model, seed, snapshot or source '{name}'.{near}")

    def find_column(self, written: str) -> tuple[str, str]:
        """Return node and column of `node.column`, of `model.feature`, or of a column that only one node has.

        A column without a node is a feature where a model has one of this name. Raises SetupError with the nearest
        names.
        """
        name, dot, column = written.rpartition(".")
        if not dot:
            return self._only(column)
        of_model = {each.name: each.nodes["features"] or each.nodes["split"] for each in self.models}
        node = of_model.get(name) or self.find(name)
        for each in self.lineage.columns[node]:
            if each.lower() == column.lower():
                return node, each
        raise SetupError(
            f"'{self.titles[node]}' has no column '{column}'.{nearest(column, self.lineage.columns[node])} "
            f"Its columns: {listed(self.lineage.columns[node], 60)}."
        )

    def _only(self, column: str) -> tuple[str, str]:
        """Return the one node with a column, first among those that have the features of a model."""
        of_models = [node for each in self.models if (node := each.nodes["features"] or each.nodes["split"])]
        for nodes in (of_models, list(self.titles)):
            found = [
                (node, name)
                for node in nodes
                for name in self.lineage.columns.get(node, ())
                if name.lower() == column.lower()
            ]
            if len(found) == 1:
                return found[0]
            if found:
                raise SetupError(
                    f"several nodes have a column '{column}': {listed(self.name(*each) for each in found)}. Say which."
                )
        every = {name for names in self.lineage.columns.values() for name in names}
        raise SetupError(f"no node of the project has a column '{column}'.{nearest(column, every)}")


def project_lineage(project: Project) -> ProjectLineage:
    """Trace a project. Where the manifest lacks compiled code, `dbt compile` is run first.

    Raises SetupError where the project does not compile.
    """
    stored, why = stored_columns(project)  # before dbt runs here, which may keep the warehouse open
    manifest = compiled_manifest(project)
    return traced(manifest, stored, why, Cache(project.target_folder / CACHE))


def traced(
    manifest: Document,
    stored: Mapping[Place, Columns],
    without_warehouse: str | None = None,
    cache: Cache | None = None,
) -> ProjectLineage:
    """Trace a manifest; `stored` is what the warehouse has, as in `relations`, `cache` what earlier traces found."""
    dialect = dialect_of(manifest)
    found = relations(manifest, stored)
    lineage = trace(found, dialect, cache)
    if any(
        origin == EVERY for each in found for name, of in each.declared.items() if name != EVERY for _, origin in of
    ):
        # A split that is not built: which of its columns are features is known once its SQL has been read.
        found = relations(manifest, stored, lineage.columns)
        lineage = trace(found, dialect, cache)
    return ProjectLineage(manifest, tuple(found), lineage, without_warehouse)


def dialect_of(manifest: Document) -> str:
    """Return the dialect that the SQL of a manifest is in; sqlglot's own where it has none of the adapter's name."""
    adapter = str(manifest["metadata"].get("adapter_type") or "")
    return adapter if Dialect.get(adapter) is not None else ""


def compiled_manifest(project: Project) -> Document:
    """Return the manifest with the compiled code of every SQL model, as the files are now.

    Runs `dbt compile` where it lacks some, or where a file of the project is newer than it. Raises SetupError with
    dbt's message where that fails.
    """
    if not is_old(project):
        manifest = project.manifest
        if not any(uncompiled(manifest)):
            return manifest
    done, errors = invoke(project, ["compile"], project.target_folder / LOGS)
    if not done.success:
        why = " ".join(errors) or str(done.exception or "")
        raise SetupError(f"the project does not compile, so its lineage cannot be read: {why} Try `dbt compile`.")
    return Project(project.path, project.profiles, project.target).manifest


def stored_columns(project: Project) -> tuple[dict[Place, dict[str, str]], str | None]:
    """Return the columns that the warehouse has, by place; where it cannot be read, none and the reason."""
    try:
        if project.warehouse_file is None:
            return server_columns(project.credentials), None
        with closing(project.connect()) as warehouse:
            return warehouse.every_column(), None
    except MlbridgeError as error:
        return {}, str(error)
