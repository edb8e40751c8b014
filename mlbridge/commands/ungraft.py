"""`mlbridge ungraft`: a model taken away from the dbt project, shown first."""

from __future__ import annotations

from mlbridge.commands.graft import file
from mlbridge.errors import GraftError, listed
from mlbridge.grafting.remains import Removal, drop, remains
from mlbridge.grafting.ungraft import ungraft as planned
from mlbridge.project.project import Project
from mlbridge.typing import Document


def ungraft(project: Project, model: str, force: bool, drop_tables: bool, write: bool) -> Removal:
    """Work out what taking a model away changes; only if `write` is True is it done, the tables first.

    Raises GraftError if something else of the project reads the model and that is not forced.
    """
    found = planned(project, model, force)
    left = remains(project, found)
    if write and found.readers and not force:
        raise GraftError(
            f"{listed(found.readers)} of the project read '{model}'. Have them read something else first, or say "
            "--force."
        )
    if write and drop_tables and left.relations:
        drop(project, found, left)
    elsewhere = found.gone and not left.relations
    if elsewhere or (left.relations and not drop_tables):
        found = found.remembered()
    return Removal(found.apply(project.path) if write else found, left, drop_tables)


def document(done: Removal) -> Document:
    """Return it as plain JSON types."""
    files = done.files
    return {
        "model": files.model,
        "written": files.written,
        "last": files.last,
        "files": [file(change) for change in files.changes],
        "edited": list(files.edited),
        "readers": list(files.readers),
        "drop": done.drop,
        "kept": list(files.kept),
        "relations": list(done.remains.relations),
        "rows": dict(done.remains.rows),
        "published": done.remains.published,
    }
