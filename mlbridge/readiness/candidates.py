"""Which relations of a project may hold what is to be predicted, the likeliest first."""

from __future__ import annotations

from mlbridge.features.columns import TEMPORAL
from mlbridge.project.project import STAGES, Project, is_built, place_of
from mlbridge.readiness.assessment import Relation
from mlbridge.readiness.sample import parsed, table_of
from mlbridge.readiness.source import Source
from mlbridge.typing import Document

MOST = 5
FACTS = ("fct_", "fact_")
NO_FACTS = ("dim_", "stg_", "base_", "int_", "ml_")


def candidates_of(project: Project, manifest: Document, source: Source) -> list[tuple[Relation, str]]:
    """Return the project's own built models that have a moment, at most `MOST`, each with the reason.

    Facts come before others by their names, then those with the most columns; the nodes of ML models are left out.
    """
    branch = {f"{model}_{stage}" for model in project.models for stage in STAGES}
    found = []
    for node in manifest["nodes"].values():
        name = str(node["name"])
        if not is_built(node) or node["package_name"] != project.config.project_name or name in branch:
            continue
        relation = Relation(name, str(node["unique_id"]), *place_of(node))
        types = source.columns(relation.place)
        moments = [each for each in types if parsed(types[each], source.dialect).is_type(*TEMPORAL)]
        if moments:
            rank = (name.startswith(NO_FACTS), not name.startswith(FACTS), -len(types))
            found.append((rank, relation, len(types), moments))
    return [
        (relation, f"{source.count(table_of(relation)):,} rows, {columns} columns, {len(moments)} of them moments")
        for _, relation, columns, moments in sorted(found, key=lambda each: each[0])[:MOST]
    ]
