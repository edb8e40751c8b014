"""`mlbridge audit`: which features of a model used what was not known at their moment."""

from __future__ import annotations

from contextlib import chdir, closing
from dataclasses import asdict

from mlbridge.auditing.audit import Audit, Report, audit
from mlbridge.auditing.rebuild import Chain
from mlbridge.errors import SetupError
from mlbridge.lineage.cache import Cache
from mlbridge.lineage.project_lineage import CACHE, compiled_manifest, dialect_of, traced
from mlbridge.project.project import Project
from mlbridge.registry.project_logbook import training_node
from mlbridge.spec.reading import read_spec
from mlbridge.typing import Document


def audited(project: Project, model: str, report: Report) -> Audit:
    """Audit the features of a declared model in the project's warehouse, which is only read.

    Raises SetupError if there is no such model, it is not built, nothing says when it is known, or the warehouse
    is one that is not read so.
    """
    project.chosen(model)
    manifest = compiled_manifest(project)
    training = training_node(project, model)
    spec = read_spec(str(training["name"]), training["config"]["meta"].get("mlbridge"), own_candidates=None)
    ids = [id_ for id_, node in manifest["nodes"].items() if node["name"] == f"{model}_features"]
    if not ids:
        raise SetupError(f"dbt has not parsed a node '{model}_features' yet. Run `dbt build` first.")
    with closing(project.connect()) as warehouse, chdir(project.start_folder):
        lineage = traced(manifest, warehouse.every_column(), cache=Cache(project.target_folder / CACHE)).lineage
        chain = Chain(manifest, ids[0], dialect_of(manifest), warehouse.types, lineage)
        try:
            return audit(chain, warehouse, spec, report)
        except warehouse.error as error:
            raise SetupError(
                f"the features of '{model}' cannot be made anew from what the warehouse has: {error}. Where the "
                "project is newer than it, run `dbt build` first."
            ) from error


def document(found: Audit) -> Document:
    """Return an audit as plain JSON types."""
    return {
        "used_the_future": list(found.used_the_future),
        "in_doubt": {verdict: list(features) for verdict, features in found.in_doubt.items()},
        "features": [asdict(each) for each in found.features],
        "cuts": [each.isoformat(sep=" ") for each in found.cuts],
        "not_cut": list(found.kept),
        "without_moment": list(found.uncut),
    }
