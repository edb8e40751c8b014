"""`mlbridge status`: the verdict on each model, as the last build published it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from mlbridge.commands.versions import query_published
from mlbridge.errors import SetupError, listed, nearest
from mlbridge.project.project import Project
from mlbridge.typing import Row

HEALTH = "select * from ml_health order by model"
INCIDENTS = """
select incident, severity, models, about, since, message, action, alerts
from ml_incidents
order by case severity when 'act' then 1 when 'look' then 2 else 3 end, since, incident
"""
WORST_FIRST = ("act", "look", "cannot tell", "fine")


def health(project: Project, model: str | None) -> list[Row]:
    """Return the rows of `ml_health`, the worst verdict first; of one model if it is named.

    They are those that the last build published. Raises SetupError if there is no such model, or nothing is published.
    """
    rows = query_published(project, HEALTH)
    return sorted(of_model(rows, rows, model), key=lambda row: WORST_FIRST.index(str(row["verdict"])))


def incidents(project: Project, model: str | None) -> list[Row]:
    """Return the rows of `ml_incidents`, the most severe first, `models` as a list; of one model if it is named."""
    rows = query_published(project, INCIDENTS)
    found = [{**row, "models": str(row["models"]).split(", ")} for row in rows]
    return [row for row in found if model is None or model in row["models"]]


def overdue(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of `ml_health` whose next build was expected before now.

    Whether a build is overdue depends on the time at which one asks, so no table can say it.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    return [row for row in rows if row["next_build_expected_by"] is not None and row["next_build_expected_by"] < now]


def of_model(rows: list[Row], declared: list[Row], model: str | None) -> list[Row]:
    """Return the rows of a model, or all; raises SetupError if no row of `declared` has its name."""
    names = sorted(str(row["model"]) for row in declared)
    if model is not None and model not in names:
        raise SetupError(f"there is no model '{model}'.{nearest(model, names)} Declared models: {listed(names)}.")
    return [row for row in rows if model in (None, row["model"])]
