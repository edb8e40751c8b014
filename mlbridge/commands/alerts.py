"""`mlbridge alerts`: the current alerts with what to do about each, as the last build published them."""

from __future__ import annotations

from mlbridge.commands.status import HEALTH, of_model
from mlbridge.commands.versions import query_published
from mlbridge.project.project import Project
from mlbridge.typing import Row

ALERTS = """
select
    model, severity, what, "window", window_end, since, version, message, action, about, feature, baseline, kind, slice,
    incident
from ml_alerts
where is_current
order by model, case severity when 'act' then 1 when 'look' then 2 else 3 end, about desc, since, what
"""


def alerts(project: Project, model: str | None) -> list[Row]:
    """Return the current rows of `ml_alerts`, by model and severity; of one model if it is named.

    They are those that the last build published. Raises SetupError if there is no such model, or nothing is published.
    """
    return of_model(query_published(project, ALERTS), query_published(project, HEALTH), model)
