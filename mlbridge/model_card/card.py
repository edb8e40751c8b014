"""The model card of a version, by the headings of Mitchell et al., *Model Cards for Model Reporting* (FAT* 2019)."""

from __future__ import annotations

from mlbridge.model_card.data import CardData, card_data, champion
from mlbridge.model_card.details import details
from mlbridge.model_card.document import Facts, Section
from mlbridge.model_card.limits import caveats, ethics
from mlbridge.model_card.markdown import to_markdown
from mlbridge.model_card.purpose import factors, metrics, use
from mlbridge.model_card.quantities import quantities
from mlbridge.model_card.rows import evaluation_data, training_data
from mlbridge.model_card.since import decisions, since_training
from mlbridge.monitor.markdown import moment
from mlbridge.monitor.source import State

STATUS = {
    "promoted": "not in use any more",
    "rejected": "not in use: it was not promoted",
    "withheld": "not in use: something looks like a leak",
}
# The headings of Mitchell et al. in their order, and beside them what a version in use adds: decisions and monitoring.
SECTIONS = (
    details, use, factors, metrics, evaluation_data, training_data, quantities, since_training, decisions, ethics,
    caveats,
)  # fmt: skip


def model_card(state: State, model: str, version: int | None = None) -> Section:
    """Return the model card of a version, of the one in use if none is named, from the tables of a published build.

    Figures have 95 % intervals, numbers of rows and the naive baseline; what the tables do not hold is said to be not
    measured. Raises MonitorError if there is no such model or version, or the model has none yet.
    """
    found = card_data(state, model, champion(state, model) if version is None else version)
    parts = [write(found) for write in SECTIONS]
    return Section(f"Model card: {model}, version {found.version}", [_status(found)], parts)


def markdown_card(state: State, model: str, version: int) -> str:
    """Return the model card of a version as Markdown; raises MonitorError if there is no such model or version."""
    return to_markdown(model_card(state, model, version))


def _status(found: CardData) -> Facts:
    used = "in use, pinned by the spec" if found.row["pinned"] else "in use"
    status = used if found.is_used else STATUS[found.row["outcome"]]
    retired = ", retired by the spec" if found.version in found.retired else ""
    build = found.build
    return Facts(
        [
            ("Status", f"{status}{retired}"),
            ("Task", f"{found.spec.task} of {found.spec.target}"),
            ("As of", f"{moment(build.as_of)} UTC, by the build published {moment(build.published_at)} UTC"),
        ]
    )
