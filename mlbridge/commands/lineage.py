"""`mlbridge lineage`: what a column comes from, and what depends on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlbridge.lineage.graph import EVERY, Way
from mlbridge.lineage.project_lineage import ProjectLineage, project_lineage
from mlbridge.project.project import Project


@dataclass(frozen=True)
class Step:
    """A column at one end of a way: what happens on it, how sure that is, the columns passed, and what SQL asks there.

    `way` begins with the column that was asked about.
    """

    column: str
    how: str
    certainty: str
    way: tuple[str, ...]
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """A column's sources, and what depends on it: columns in the order of the way, and models with their features.

    Of what depends on it, the tables of mlbridge about all models are left out, and of a logbook all but the artifact.

    `unread` names nodes whose SQL could not be read, with the reason, `without_warehouse` says why the warehouse could
    not be read (None: it was).
    """

    column: str
    comes_from: tuple[Step, ...]
    goes_to: tuple[Step, ...]
    models: Mapping[str, tuple[str, ...]]
    unread: Mapping[str, str]
    without_warehouse: str | None


def lineage(project: Project, column: str, rows: bool) -> Answer:
    """Follow a column of a project both ways; `column` is as in `ProjectLineage.find_column`.

    With `rows`, also through joins and filters, which decide about the rows of a node but not about a value. Raises
    SetupError if there is no such column, or if the project does not compile.
    """
    return answer(project_lineage(project), column, rows)


def answer(traced: ProjectLineage, column: str, rows: bool) -> Answer:
    """Follow a column both ways, as `lineage` does, in a project that has been traced."""
    at = traced.find_column(column)
    below = traced.lineage.downstream(*at, influences=True, rows=rows)
    return Answer(
        traced.name(*at),
        _steps(traced, at, traced.lineage.upstream(*at, influences=True, rows=rows), True),
        _steps(traced, at, (way for way in below if _is_shown(traced, way)), False),
        reached_features(traced, [at, *((way.node, way.column) for way in below)]),
        {traced.titles[node]: why for node, why in traced.lineage.unread.items()},
        traced.without_warehouse,
    )


def reached_features(traced: ProjectLineage, columns: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return the models some of whose features are among columns, with these; all where the rows are."""
    among = set(columns)
    found = {}
    for model in traced.models:
        split = model.nodes["split"]
        names = [each for each in model.features if {(split, each), (split, EVERY)} & among]
        if names:
            found[model.name] = tuple(names)
    return found


def _is_shown(traced: ProjectLineage, way: Way) -> bool:
    if traced.nodes[way.node]["package_name"] == "mlbridge":
        return False
    return way.column == "artifact" or way.node not in {model.nodes["training"] for model in traced.models}


def _steps(traced: ProjectLineage, at: tuple[str, str], ways: Iterable[Way], upwards: bool) -> tuple[Step, ...]:
    found = []
    for way in ways:
        passed = [(edge.from_node, edge.from_column) if upwards else (edge.node, edge.column) for edge in way.path]
        found.append(
            Step(
                traced.name(way.node, way.column),
                way.how,
                way.certainty,
                tuple(traced.name(*each) for each in (at, *passed)),
                tuple(dict.fromkeys(edge.condition for edge in way.path if edge.condition is not None)),
            )
        )
    return tuple(found)
