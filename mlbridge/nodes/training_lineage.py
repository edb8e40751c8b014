"""The lineage of what a training reads: traced once, searched for leaks and personal data, and kept in the logbook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from mlbridge.engines.adapters import Relation as Table
from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import FeatureError
from mlbridge.leaks.catalogue import LINEAGE_CHECKS, NONE, UNDECIDED, Suspicion
from mlbridge.leaks.column_sets import Place, descendants
from mlbridge.leaks.lineage_search import search_lineage
from mlbridge.leaks.traced import trace_above
from mlbridge.lineage.graph import Edge, Lineage
from mlbridge.lineage.upstream import Upstream, upstream
from mlbridge.log import warn
from mlbridge.registry.documents import LineageRecord
from mlbridge.scoring.rows import SPLIT
from mlbridge.spec.run import Run
from mlbridge.spec.specification import Spec
from mlbridge.typing import Document


@dataclass(frozen=True)
class TrainingLineage:
    """What the lineage of a training says: suspicions, and the edges from its columns back to the sources."""

    suspicions: Sequence[Suspicion] = ()
    records: Sequence[LineageRecord] | None = None


def training_lineage(
    run: Run, warehouse: Warehouse, split: Table, spec: Spec, features: Sequence[str]
) -> TrainingLineage:
    """Trace the split's columns back to the sources and search them for leaks.

    Raises FeatureError where a feature comes from personal data that the spec does not allow, SetupError for a
    `known_at` or `lineage` in YAML that names what is not there. SQL that is not known is named in a warning. A node
    that dbt does not run has no lineage.
    """
    if run.compiled_path is None:
        return TrainingLineage()
    above = upstream(run.compiled_path, run.unique_id)
    if above is None:
        lacking = "dbt wrote no manifest into its target folder, so the lineage of the features is not known"
        return _unknown(run.node, features, lacking, "Leave out `--no-write-json`.")
    return search_manifest(run.node, above, warehouse, warehouse.table(split, SPLIT), spec, features)


def search_manifest(
    node: str, above: Upstream, warehouse: Warehouse, split: exp.Expression, spec: Spec, features: Sequence[str]
) -> TrainingLineage:
    """Trace what stands above a training node, `<model>_training`, as in `training_lineage`."""
    found = trace_above(above, warehouse, warehouse.dialect)
    lineage, titles = found.lineage, found.titles
    if found.unread:
        listed = "; ".join(f"{titles[id_]}: {why}" for id_, why in found.unread.items())
        warn(node, f"the search for leaks by lineage did not read everything: {listed}")
    start = _start(node, above.manifest, lineage, [*features, spec.target, spec.time, *spec.entity])
    if start is None:
        return _unknown(node, features, f"dbt's manifest has no split for '{node}'", "Run `dbt parse`.")
    context = found.context(warehouse, spec, start, split, features)
    suspicions = search_lineage(context)
    _refuse_personal(node, suspicions)
    starts = [(start, name) for name in lineage.columns[start] if name in (*features, *spec.role_columns())]
    return TrainingLineage(suspicions, lineage_records(lineage, starts, context.declared.pii, titles))


def _unknown(node: str, features: Sequence[str], lacking: str, remedy: str) -> TrainingLineage:
    """Return that nothing could be decided, and warn of it."""
    warn(node, f"{lacking}. {remedy}")
    return TrainingLineage(
        [Suspicion(name, check, NONE, f"{UNDECIDED}{lacking}") for name in features for check in LINEAGE_CHECKS]
    )


def _start(node: str, manifest: Document, lineage: Lineage, names: Iterable[str]) -> str | None:
    """Return the node whose columns are traced: the one that the split is made of, else the split itself."""
    wanted = f"{node.removesuffix('_training')}_split"
    split = next((id_ for id_, each in manifest["nodes"].items() if each["name"] == wanted), None)
    if split is None:
        return None
    parents = manifest["nodes"][split]["depends_on"]["nodes"]
    if len(parents) == 1 and set(names) <= set(lineage.columns.get(parents[0], ())):
        return str(parents[0])
    return str(split)


def _refuse_personal(node: str, found: Iterable[Suspicion]) -> None:
    """Raise FeatureError for a feature that comes from personal data which the spec does not allow."""
    for each in found:
        if each.check == "pii" and each.withholds:
            raise FeatureError(
                f"{node}: the feature '{each.feature}' must not be trained on: {each.evidence}. Exclude it (`features: "
                f"{{exclude: [{each.feature}]}}`), or say in `allow_pii` why it may be used."
            )


def lineage_records(
    lineage: Lineage, starts: Iterable[Place], pii: frozenset[Place], titles: Mapping[str, str]
) -> list[LineageRecord]:
    """Return the edges above some columns, those of joins and filters included; each pair of columns and `how` once."""
    queue = list(dict.fromkeys(starts))
    seen = set(queue)
    edges: dict[tuple[str, ...], Edge] = {}
    for at in queue:
        for edge in lineage.edges_of(*at, influences=True):
            edges.setdefault((edge.node, edge.column, edge.from_node, edge.from_column, edge.how), edge)
            place = (edge.from_node, edge.from_column)
            if place not in seen and edge.is_value:
                seen.add(place)
                queue.append(place)
    of_pii = descendants(lineage, pii)
    return [_record(edge, of_pii, titles) for edge in edges.values()]


def _record(edge: Edge, of_pii: frozenset[Place], titles: Mapping[str, str]) -> LineageRecord:
    return {
        "node": titles[edge.node],
        "column_name": edge.column,
        "from_node": titles[edge.from_node],
        "from_column": edge.from_column,
        "how": edge.how,
        "certainty": edge.certainty,
        "condition": edge.condition,
        "is_pii": int((edge.node, edge.column) in of_pii),
    }
