"""Columns that come from the same source columns as the target, row by row, and are known only with the outcome."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from mlbridge.engines.warehouse import column
from mlbridge.errors import listed
from mlbridge.lineage.graph import AGGREGATED, CERTAIN, EVERY, Lineage, Way
from mlbridge.lineage.nodes import relations, title, uncompiled
from mlbridge.lineage.project_lineage import dialect_of
from mlbridge.lineage.trace import trace
from mlbridge.project.project import is_built, place_of
from mlbridge.readiness.assessment import Requirement, scored
from mlbridge.readiness.examined import Examined
from mlbridge.readiness.relations import ancestors_of
from mlbridge.readiness.source import Source
from mlbridge.typing import Document

# With fewer rows without an outcome, whether a column has values there says nothing.
MIN_ROWS_UNKNOWN = 20
# A column with values in this share of the rows without an outcome is known without it.
KNOWN_WITHOUT = 0.5


def shared_sources(manifest: Document, source: Source, found: Examined) -> tuple[dict[str, str], Requirement]:
    """Return the columns that share a source column with the target, each with the reason, and the requirement.

    Ways through aggregates, windows and conditions on moments do not count: those give values of earlier rows. Nor do
    source columns that time and entity come from, and columns that have values where the outcome is not known.
    """
    code, node = "no_leak_by_lineage", found.relation.node
    above = ancestors_of(node, manifest)
    part = {key: {id_: each for id_, each in manifest[key].items() if id_ in above} for key in ("nodes", "sources")}
    missing = list(uncompiled({**manifest, **part}))
    if missing:
        return {}, scored(
            code, None, f"the manifest has no compiled SQL of {listed(missing, 5)}: run `dbt compile` first"
        )
    places = [place_of(each) for each in part["nodes"].values() if is_built(each)]
    stored = {(place[0].lower(), place[1].lower(), place[2].lower()): source.columns(place) for place in places}
    lineage = trace(relations({**manifest, **part}, stored), dialect_of(manifest))
    if node in lineage.unread:
        return {}, scored(code, None, f"the SQL of '{found.relation.name}' cannot be read: {lineage.unread[node]}")
    keys = (*found.settled.entity.columns, found.settled.time.one)
    own = _sources(lineage, node, found.settled.target.one)
    outcome = {at: way for at, way in own.items() if not any(at in _sources(lineage, node, key) for key in keys)}
    suspected = {}
    for name in found.features:
        shared = [at for at in _sources(lineage, node, name) if at in outcome]
        if shared and not _known_without_outcome(found, name):
            origin, its = shared[0]
            named = title({**manifest["nodes"], **manifest["sources"]}[origin])
            suspected[name] = f"it comes from {named}.{its}, as '{found.settled.target.one}' does"
    said = "; ".join(f"'{name}': {reason}" for name, reason in suspected.items())
    share = 1 - len(suspected) / len(found.features) if found.features else 1.0
    none = f"none of {len(found.features):,} columns, read off the SQL of {len(above) + 1:,} relations"
    return suspected, scored(code, share, said or none, columns=listed(suspected))


def _sources(lineage: Lineage, node: str, name: str) -> Mapping[tuple[str, str], Way]:
    """Return the columns at the end of a column's ways whose values are of the same row; itself without any."""
    ways = {(way.node, way.column): way for way in lineage.upstream(node, name) if _of_same_row(way)}
    return ways if ways or lineage.above.get((node, name)) else {(node, name): Way(node, name, ())}


def _of_same_row(way: Way) -> bool:
    """Return whether a value comes from the row itself, for all that the SQL says."""
    earlier = any(edge.how == AGGREGATED or edge.conditions for edge in way.path)
    return way.certainty == CERTAIN and way.column != EVERY and not earlier


def _known_without_outcome(found: Examined, name: str) -> bool:
    """Return whether a column has values in most rows of which the outcome is not known."""
    if name not in found.sample.types:
        return False
    unknown = column(found.settled.target.one).is_(exp.null())
    counted: dict[str, exp.Expression] = {
        "rows": exp.CountIf(this=unknown),
        "known": exp.Count(this=exp.Case(ifs=[exp.If(this=unknown.copy(), true=column(name))])),
    }
    rows = found.sample.row(counted)
    return bool(rows["rows"] >= MIN_ROWS_UNKNOWN and rows["known"] >= KNOWN_WITHOUT * rows["rows"])
