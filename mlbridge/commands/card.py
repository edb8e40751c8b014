"""`mlbridge card`: the model card of a version, from the tables that the last build published."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from mlbridge.errors import SetupError
from mlbridge.model_card.card import model_card
from mlbridge.model_card.document import Section
from mlbridge.model_card.html import to_html
from mlbridge.model_card.markdown import to_markdown
from mlbridge.monitor.source import open_source
from mlbridge.project.project import Project


def _to_json(card: Section) -> str:
    return json.dumps(asdict(card), default=str, indent=2) + "\n"


FORMS: Mapping[str, Callable[[Section], str]] = {"markdown": to_markdown, "html": to_html, "json": _to_json}


def card(project: Project, model: str, version: int | None, form: str) -> str:
    """Return the model card of a version, or of the one in use, in one of `FORMS`.

    Raises MonitorError if there is no such model or version, or it has none yet, and Nothing without a build.
    """
    return FORMS[form](model_card(open_source(project).state(), model, version))


def write(text: str, file: Path) -> None:
    """Write a card to a file; raises SetupError if that cannot be written."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SetupError(
            f"the card cannot be written to '{file}': {error}. Name another file with --output."
        ) from error
