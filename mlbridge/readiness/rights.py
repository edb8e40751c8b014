"""What the profile's role may do: read the relation, and write the schemas that a branch is built in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import chdir
from dataclasses import replace

from mlbridge.engines.adapters import engine_of
from mlbridge.engines.rights import PUBLISH, READ, WRITE, Right
from mlbridge.project.project import STAGES, Project, is_built, place_of
from mlbridge.project.schemas import schemas_of
from mlbridge.readiness.assessment import Relation, Requirement, scored
from mlbridge.readiness.relations import ReadinessError
from mlbridge.typing import Document

CODES = {READ: "may_read", WRITE: "may_write", PUBLISH: "may_publish"}
NOT_ASKED = {PUBLISH: "builds publish to no schema on this engine"}
PACKAGE = "mlbridge"


def may_read(project: Project, relation: Relation) -> list[Right]:
    """Ask whether a relation may be read; raises ReadinessError with what lacks if it may not."""
    found = engine_of(project.credentials.type).rights(project.credentials, [relation.place], [])
    for each in found:
        if each.lacks:
            raise ReadinessError(f"'{relation.name}' cannot be read: {each.lacks}. Ask for: {' '.join(each.grants)}")
    return found


def may_write(project: Project, manifest: Document, schema: str | None) -> list[Right]:
    """Try to write the schemas of the branch's tables, and the one that builds publish to.

    `schema` is the `+schema` that the branch is to have, None to leave it to the project.
    """
    credentials, places = project.credentials, _places(project, manifest, schema)
    engine, (database, tables) = engine_of(credentials.type), places[0]
    published = engine.published_schema(tables)
    with chdir(project.start_folder):
        found = engine.rights(credentials, [], places)
        if published is not None:
            found += [replace(each, kind=PUBLISH) for each in engine.rights(credentials, [], [(database, published)])]
    return found


def _places(project: Project, manifest: Document, schema: str | None) -> list[tuple[str, str]]:
    """Return database and schema of the package's tables, first of `ml_runs`, and of the nodes of models.

    Builds publish beside `ml_runs`. Nodes that are there say it themselves; for others, and for models with a schema of
    their own, the project's rule names the schema.
    """
    built = [node for node in manifest["nodes"].values() if is_built(node)]
    package = [node for node in built if node["package_name"] == PACKAGE]
    ours = [place_of(node)[:2] for node in sorted(package, key=lambda node: node["name"] != "ml_runs")]
    nodes = {f"{model}_{stage}" for model in project.models for stage in STAGES}
    models = [place_of(node)[:2] for node in built if node["name"] in nodes and schema is None]
    of_package, of_model = schemas_of(
        project, manifest, [("ml_runs", PACKAGE, schema), ("ml_features", str(project.config.project_name), schema)]
    )
    database = str(project.credentials.database)
    return list(dict.fromkeys([*(ours or [(database, of_package)]), *(models or [(database, of_model)])]))


def rights_requirements(found: Sequence[Right]) -> Iterator[Requirement]:
    """Score what may be read and written."""
    for kind, code in CODES.items():
        asked = [each for each in found if each.kind == kind]
        lacking = [each for each in asked if each.lacks]
        if not asked:
            yield scored(code, None, NOT_ASKED.get(kind, "this engine cannot be asked"))
            continue
        said = "; ".join(f"{each.of}: {each.lacks}" for each in lacking) or ", ".join(each.of for each in asked)
        grants = " ".join(dict.fromkeys(grant for each in lacking for grant in each.grants))
        advice = f"Ask for: {grants}" if grants else "Make the warehouse writable for whoever builds."
        yield scored(code, 1 - len(lacking) / len(asked), said, grants=advice)
