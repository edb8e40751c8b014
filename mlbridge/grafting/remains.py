"""What a model has outside the project's files: its tables, its rows in those of the package, and published files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlglot import exp

from mlbridge.engines.adapters import PYTHON_ENGINE, engine_of
from mlbridge.engines.warehouse import Place, column, subquery
from mlbridge.errors import GraftError
from mlbridge.grafting.names import nodes_of
from mlbridge.grafting.ungraft import Ungraft, project_nodes
from mlbridge.project.dbt import invoke
from mlbridge.project.project import Project, is_built, place_of
from mlbridge.project.schemas import folder_schema, schemas_of
from mlbridge.readiness.source import Source, open_source
from mlbridge.typing import Document


@dataclass(frozen=True)
class Remains:
    """What is in the warehouse, and beside it: relations, the number of rows by table of the package, and a folder.

    `places` are database, schema and name of what the models have, whether it is there or not.
    """

    places: tuple[Place, ...] = ()
    relations: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    published: str | None = None


@dataclass(frozen=True)
class Removal:
    """What is taken away of the files, and what is, or remains, in the warehouse; `drop`: its tables are dropped."""

    files: Ungraft
    remains: Remains
    drop: bool


def remains(project: Project, files: Ungraft) -> Remains:
    """Look for what a model has in the warehouse; with the last one, also for what the package has.

    A model whose nodes the project no longer has is looked for where they would be. Nothing is found where there is no
    warehouse yet. Raises SetupError where another process holds it.
    """
    manifest = files.manifest
    places = _places_of_models(project, files)
    ours = [node for node in manifest["nodes"].values() if is_built(node) and node["package_name"] == "mlbridge"]
    folder, file = project.served_folder if files.last else None, project.warehouse_file
    if engine_of(project.credentials.type) is PYTHON_ENGINE and not (file and file.is_file()):
        return Remains()
    looked_for = [*places, *(place_of(node) for node in ours if files.last)]
    looked_for += _copies(project, looked_for, ours)
    with open_source(project) as source:
        there = [place for place in looked_for if source.columns(place)]
        rows = {} if files.last else _rows(source, files.model, ours)
    published = None if folder is None or not folder.exists() else str(folder)
    return Remains(tuple(places), tuple(f"{schema}.{name}" for _, schema, name in there), rows, published)


def _copies(project: Project, places: Sequence[Place], ours: Sequence[Document]) -> list[Place]:
    """Return where builds publish copies of the package's tables and of a model's scores, if that is a schema."""
    (schema,) = {place_of(node)[1] for node in ours if node["name"] == "ml_runs"} or {str(project.credentials.schema)}
    published = engine_of(project.credentials.type).published_schema(schema)
    return [(place[0], published, place[2]) for place in places if published is not None and place[2].startswith("ml_")]


def _places_of_models(project: Project, files: Ungraft) -> list[Place]:
    """Return database, schema and name of each node of models, by their nodes or else by the project's rules.

    What is recorded of a node that is gone is its `+schema` on the target that it was grafted on. On another one,
    dbt_project.yml may give the folder another, so it is looked for in both.
    """
    package, database = str(project.config.project_name), str(project.credentials.database)
    nodes = project_nodes(project, files.manifest)
    names = [name for model in files.schemas for name in nodes_of(model) if name not in files.kept]
    recorded = {name: schema for schemas in files.schemas.values() for name, schema in schemas.items()}
    gone = [
        (name, package, schema)
        for name in names
        if name not in nodes
        for schema in dict.fromkeys([recorded.get(name), folder_schema(project, name) or recorded.get(name)])
    ]
    assumed = [
        (database, schema, name)
        for (name, *_), schema in zip(gone, schemas_of(project, files.manifest, gone), strict=True)
    ]
    found = [*(place_of(nodes[name]) for name in names if name in nodes), *assumed]
    return sorted(dict.fromkeys(found), key=lambda place: names.index(place[2]) if place[2] in names else -1)


def _rows(source: Source, model: str, nodes: list[Document]) -> dict[str, int]:
    """Count the rows of a model in tables that builds only add to; the others are built anew without it."""
    found = {}
    for node in nodes:
        place = place_of(node)
        if node["config"]["materialized"] == "incremental" and "model" in source.columns(place):
            database, schema, name = place
            table = exp.table_(name, db=schema, catalog=database, quoted=True)
            of_model = exp.select("*").from_(table).where(column("model").eq(exp.Literal.string(model)))
            if count := source.count(subquery(of_model, "of_model")):
                found[f"{schema}.{name}"] = count
    return found


def drop(project: Project, files: Ungraft, left: Remains) -> None:
    """Drop a model's tables, with the last model those of the package; raises GraftError if dbt cannot."""
    arguments = {"really": True, "relations": left.places, "keep": files.kept}
    arguments |= {} if files.last else {"model": files.model}
    options = ["--args", json.dumps(arguments), "--profiles-dir", str(project.profiles)]
    options += [] if project.target is None else ["--target", project.target]
    with TemporaryDirectory(prefix="mlbridge_") as logs:
        done, errors = invoke(project, ["run-operation", "mlbridge.drop_tables", *options], Path(logs))
    if not done.success:
        said = " ".join(" ".join(errors).split()) or str(done.exception)
        raise GraftError(f"dbt cannot drop the tables, so nothing is taken away: {said}")
