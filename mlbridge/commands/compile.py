"""`mlbridge compile`: a version from the logbook as a SELECT, for any dialect."""

from __future__ import annotations

from mlbridge.commands.versions import query_tables
from mlbridge.compile.select import to_sql
from mlbridge.compile.sql.dialects import dialect_of
from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import SetupError, listed
from mlbridge.project.project import Project
from mlbridge.registry.champions import chosen, trained
from mlbridge.registry.logbook import USABLE_OUTCOMES, CandidateRow, history
from mlbridge.registry.project_logbook import logbook_of, training_node
from mlbridge.registry.versions import Version, read_version
from mlbridge.scoring.sql import column_types, title
from mlbridge.spec.reading import read_spec

CHAMPIONS = "select model, version from ml_champions"


def export(project: Project, model: str, number: int | None, dialect: str | None, relation: str | None) -> str:
    """Write a version (the champion where none is named) as a SELECT over rows of the split, or of another relation.

    The SELECT returns the entity columns and the time, then the columns of `to_sql`; `dialect` None: the warehouse's.
    Raises SetupError when there is no such model or version, or no warehouse, and CompileError when the version or the
    dialect is not covered.
    """
    dialect = str(project.credentials.type) if dialect is None else dialect
    dialect_of(dialect)
    warehouse = project.connect()
    row, version = chosen_version(project, warehouse, model, number)
    keep = [*dict.fromkeys([*version.spec.entity, version.spec.time])]
    types = column_types(version, dialect)
    relation = f"{model}_split" if relation is None else relation
    return to_sql(version.estimator, relation, dialect, keep, types, [title(model, row)])


def chosen_version(
    project: Project, warehouse: Warehouse, model: str, number: int | None
) -> tuple[CandidateRow, Version]:
    """Return the logbook row of a version that can be in use (the champion where none is named), and the version.

    Raises SetupError if there is no such model or version.
    """
    project.chosen(model)
    node = training_node(project, model)
    spec = read_spec(str(node["name"]), node["config"]["meta"].get("mlbridge"), own_candidates=None)
    logbook = logbook_of(project, warehouse, model)
    rows = history(warehouse, logbook)
    row = chosen(rows, _champion(project, warehouse, model) if number is None else number)
    if row is None:
        there = [each.version for each in trained(rows) if each.outcome in USABLE_OUTCOMES]
        wanted = "champion" if number is None else f"version {number}"
        raise SetupError(f"'{model}' has no {wanted}. Versions: {listed(there)}.")
    return row, read_version(logbook.name, warehouse, logbook, row, spec.trusted)


def _champion(project: Project, warehouse: Warehouse, model: str) -> int | None:
    versions = {row["model"]: row["version"] for row in query_tables(project, warehouse, CHAMPIONS)}
    return versions.get(model)
