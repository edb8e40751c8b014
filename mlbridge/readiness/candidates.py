"""Which relations of a project may hold what is to be predicted, the likeliest first."""

from __future__ import annotations

from mlbridge.features.columns import TEMPORAL
from mlbridge.project.project import STAGES, Project, is_built, place_of
from mlbridge.readiness.assessment import Relation
from mlbridge.readiness.sample import parsed, table_of
from mlbridge.readiness.source import Source
from mlbridge.typing import Document

MOST, MOST_LOOKED_AT = 5, 40
FACTS = ("fct_", "fact_")
NO_FACTS = ("dim_", "stg_", "base_", "int_", "ml_")


def candidates_of(project: Project, manifest: Document, source: Source) -> list[tuple[Relation, str]]:
    """Return the project's own built models that have a moment, at most `MOST`, each with the reason.

    Facts come before others by their names, then those with the most columns; the nodes of ML models are left out.
    """
    branch = {f"{model}_{stage}" for model in project.models for stage in STAGES}
    own = [
        Relation(str(node["name"]), str(node["unique_id"]), *place_of(node))
        for node in manifest["nodes"].values()
        if is_built(node) and node["package_name"] == project.config.project_name and node["name"] not in branch
    ]
    found = []
    for relation in sorted(own, key=_likeliness)[:MOST_LOOKED_AT]:
        types = source.columns(relation.place)
        moments = [each for each in types if parsed(types[each], source.dialect).is_type(*TEMPORAL)]
        if moments and source.defect(relation.place) is None:
            found.append((relation, len(types), len(moments)))
    found.sort(key=lambda each: (*_likeliness(each[0]), -each[1]))
    return [
        (relation, f"{source.count(table_of(relation)):,} rows, {columns} columns, {moments} of them moments")
        for relation, columns, moments in found[:MOST]
    ]


def _likeliness(relation: Relation) -> tuple[bool, bool]:
    """Return a key by which the names of facts sort first, and those of other layers last."""
    return relation.name.startswith(NO_FACTS), not relation.name.startswith(FACTS)
