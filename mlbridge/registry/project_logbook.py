"""Where a project has the logbook of a model, its training node's table."""

from __future__ import annotations

from sqlglot import exp

from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import SetupError
from mlbridge.project.project import Project, place_of
from mlbridge.typing import Document


def training_node(project: Project, model: str) -> Document:
    """Return the manifest's entry of a model's training node; raises SetupError before dbt has parsed one."""
    named = [each for each in project.manifest["nodes"].values() if each["name"] == f"{model}_training"]
    if not named:
        raise SetupError(f"dbt has not parsed a node '{model}_training' yet. Run `dbt build` first.")
    found: Document = named[0]
    return found


def logbook_of(project: Project, warehouse: Warehouse, model: str) -> exp.Table:
    """Return the table of a model's logbook; raises SetupError where it is not built yet."""
    database, schema, name = place_of(training_node(project, model))
    if not warehouse.columns_of(database, schema, name):
        raise SetupError(f"the warehouse has no table '{schema}.{name}' yet. Run `dbt build` first.")
    return exp.table_(name, db=schema, catalog=database, quoted=True)
