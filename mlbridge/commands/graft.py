"""`mlbridge graft`: a model written into the dbt project, shown first."""

from __future__ import annotations

from dataclasses import asdict

from mlbridge.grafting.changes import Change
from mlbridge.grafting.graft import Graft
from mlbridge.grafting.graft import graft as planned
from mlbridge.grafting.own_files import Wish
from mlbridge.project.project import Project
from mlbridge.readiness.assess import Report
from mlbridge.typing import Document


def graft(project: Project, wish: Wish, write: bool, report: Report) -> Graft:
    """Work out what grafting a model changes; the files are written only if `write` is True."""
    found = planned(project, wish, report)
    return found.apply(project.path) if write else found


def document(done: Graft) -> Document:
    """Return it as plain JSON types."""
    found = done.found
    settled = {name: getattr(found, name) for name in ("target", "entity", "time", "label_time", "task")}
    return {
        "model": done.model,
        "written": done.written,
        "from": found.relation.name,
        "spec": found.spec,
        "settled": {name: asdict(choice) for name, choice in settled.items()},
        "left_out": dict(done.left_out),
        "files": [file(change) for change in done.changes],
    }


def file(change: Change) -> Document:
    """Return a change as plain JSON types: the text of a new file, the diff of another one."""
    shown = {"text": change.after} if change.action == "create" else {"diff": change.diff}
    return {"path": change.path, "action": change.action, **shown}
