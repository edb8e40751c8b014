"""What the profile's role may do: read the relation, and write the schemas that a branch is built in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import chdir

from mlbridge.engines.adapters import engine_of
from mlbridge.engines.rights import READ, WRITE, Right
from mlbridge.project.project import Project, is_built, place_of
from mlbridge.readiness.assessment import Relation, Requirement, scored
from mlbridge.readiness.relations import ReadinessError
from mlbridge.typing import Document

CODES = {READ: "may_read", WRITE: "may_write"}


def may_read(project: Project, relation: Relation) -> list[Right]:
    """Ask whether a relation may be read; raises ReadinessError with what lacks if it may not."""
    found = engine_of(project.credentials.type).rights(project.credentials, [relation.place], [])
    for each in found:
        if each.lacks:
            raise ReadinessError(f"'{relation.name}' cannot be read: {each.lacks}. Ask for: {' '.join(each.grants)}")
    return found


def may_write(project: Project, manifest: Document) -> list[Right]:
    """Try to write the schemas of the branch's tables; where the project has none yet, that of the profile."""
    credentials = project.credentials
    branch = [
        place_of(node)[:2]
        for node in manifest["nodes"].values()
        if is_built(node) and node["package_name"] == "mlbridge"
    ]
    schemas = list(dict.fromkeys(branch)) or [(str(credentials.database), str(credentials.schema))]
    with chdir(project.start_folder):
        return engine_of(credentials.type).rights(credentials, [], schemas)


def rights_requirements(found: Sequence[Right]) -> Iterator[Requirement]:
    """Score what may be read and written."""
    for kind, code in CODES.items():
        asked = [each for each in found if each.kind == kind]
        lacking = [each for each in asked if each.lacks]
        if not asked:
            yield scored(code, None, "this engine cannot be asked")
            continue
        said = "; ".join(f"{each.of}: {each.lacks}" for each in lacking) or ", ".join(each.of for each in asked)
        grants = " ".join(grant for each in lacking for grant in each.grants)
        advice = f"Ask for: {grants}" if grants else "Make the warehouse writable for whoever builds."
        yield scored(code, 1 - len(lacking) / len(asked), said, grants=advice)
