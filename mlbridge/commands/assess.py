"""`mlbridge assess`: whether an ML branch can grow on a relation of a dbt project, before anything is built."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from mlbridge.errors import SetupError
from mlbridge.readiness.assessment import Assessment
from mlbridge.readiness.page import html_page
from mlbridge.typing import Document


def document(found: Assessment) -> Document:
    """Return an assessment as plain JSON types: its fields, and what follows from them."""
    given = asdict(found)
    for each, fields in zip(found.requirements, given["requirements"], strict=True):
        fields |= {"group": each.group, "level": each.level, "threshold": each.threshold, "met": each.met}
    return {"verdict": found.verdict, "exit_code": found.exit_code, "spec": found.spec, **given}


def page(found: Assessment, file: Path) -> None:
    """Write an assessment as an HTML page; raises SetupError if the file cannot be written."""
    try:
        file.write_text(html_page(found), encoding="utf-8")
    except OSError as error:
        raise SetupError(f"'{file}' cannot be written: {error.strerror}. Name another file.") from error
