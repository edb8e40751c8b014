"""Export: a version from the logbook as a SELECT, for any dialect."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from mlbridge.compile.dialects import dialect_of
from mlbridge.compile.select import to_sql
from mlbridge.errors import SetupError, listed
from mlbridge.gate import column_types, title
from mlbridge.project import Project
from mlbridge.registry import CHOSEN, champion, history
from mlbridge.versions import read_version
from mlbridge.warehouse import DIALECT, connect


def export(project: Project, model: str, number: int | None, dialect: str | None, relation: str | None) -> str:
    """Write a version (the champion where none is named) as a SELECT over rows of the split, or of another relation.

    It gives the entity's columns and the time's, then what `to_sql` gives; `dialect` None is the warehouse's own.
    Raises SetupError when there is no such model or version, or no warehouse, and CompileError when the version or the
    dialect is not covered.
    """
    dialect = dialect or DIALECT
    dialect_of(dialect)
    project.chosen(model)
    node = _training(project, model)
    spec = node["config"]["meta"]["mlbridge"]
    warehouse = connect(project.warehouse_file)
    schema, name = str(node["schema"]), str(node["alias"])
    if not warehouse.has(schema, name):
        raise SetupError(f"the warehouse has no table '{schema}.{name}' yet. Run `dbt build` first.")
    logbook = exp.table_(name, db=schema, quoted=True)
    rows = history(warehouse, logbook)
    row: Any
    if number is None:
        row = champion(name, rows, spec.get("pin"), spec.get("retire") or ())
    else:
        row = next((each for each in rows if each["version"] == number and each["outcome"] in CHOSEN), None)
    if row is None:
        there = [each["version"] for each in rows if each["outcome"] in CHOSEN]
        asked = "champion" if number is None else f"version {number}"
        raise SetupError(f"'{model}' has no {asked}. Versions: {listed(there)}.")
    version = read_version(name, warehouse, logbook, row, spec.get("trusted") or ())
    keep = [*dict.fromkeys([*version.spec.entity, version.spec.time])]
    types = column_types(version, dialect)
    return to_sql(version.estimator, relation or f"{model}_split", dialect, keep, types, [title(model, row)])


def _training(project: Project, model: str) -> dict[str, Any]:
    named = [each for each in project.manifest["nodes"].values() if each["name"] == f"{model}_training"]
    if not named:
        raise SetupError(f"dbt has not parsed a node '{model}_training' yet. Run `dbt build` first.")
    found: dict[str, Any] = named[0]
    return found
