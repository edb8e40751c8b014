"""What a model has outside the project's files: its tables, its rows in those of the package, and published files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlglot import exp

from mlbridge.engines.adapters import PYTHON_ENGINE, engine_of
from mlbridge.engines.warehouse import column, subquery
from mlbridge.errors import GraftError
from mlbridge.grafting.names import nodes_of
from mlbridge.grafting.ungraft import Ungraft
from mlbridge.project.dbt import invoke
from mlbridge.project.manifest import read_or_make
from mlbridge.project.project import Project, is_built, place_of
from mlbridge.readiness.source import Source, open_source
from mlbridge.typing import Document


@dataclass(frozen=True)
class Remains:
    """What is in the warehouse, and beside it: relations, the number of rows by table of the package, and a folder."""

    relations: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    published: str | None = None


@dataclass(frozen=True)
class Removal:
    """What is taken away of the files, and what is, or remains, in the warehouse; `drop`: its tables are dropped."""

    files: Ungraft
    remains: Remains
    drop: bool


def remains(project: Project, model: str, last: bool) -> Remains:
    """Look for what a model has in the warehouse; `last`: with what the package has, because no other model uses it.

    Nothing is found where there is no warehouse yet. Raises SetupError where another process holds it.
    """
    nodes = [node for node in read_or_make(project)["nodes"].values() if is_built(node)]
    own = [node for node in nodes if node["name"] in nodes_of(model) and node["package_name"] != "mlbridge"]
    ours = [node for node in nodes if node["package_name"] == "mlbridge"]
    folder, file = project.published_folder if last else None, project.warehouse_file
    if engine_of(project.credentials.type) is PYTHON_ENGINE and not (file and file.is_file()):
        return Remains()
    with open_source(project) as source:
        there = [place_of(node) for node in (own + ours if last else own) if source.columns(place_of(node))]
        rows = {} if last else _rows(source, model, ours)
    published = None if folder is None or not folder.exists() else str(folder)
    return Remains(tuple(f"{schema}.{name}" for _, schema, name in there), rows, published)


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


def drop(project: Project, model: str, last: bool) -> None:
    """Drop a model's tables, with the last model those of the package; raises GraftError if dbt cannot."""
    arguments = {"really": True} | ({} if last else {"model": model})
    options = ["--args", json.dumps(arguments), "--profiles-dir", str(project.profiles)]
    options += [] if project.target is None else ["--target", project.target]
    with TemporaryDirectory(prefix="mlbridge_") as logs:
        done, errors = invoke(project, ["run-operation", "mlbridge.drop_tables", *options], Path(logs))
    if not done.success:
        said = " ".join(" ".join(errors).split()) or str(done.exception)
        raise GraftError(f"dbt cannot drop the tables, so nothing is taken away: {said}")
