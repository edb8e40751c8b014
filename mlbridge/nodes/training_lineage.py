"""The lineage of what a training reads: traced once, searched for leaks and personal data, and kept in the logbook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlglot import exp

from mlbridge.engines.adapters import Relation as Table
from mlbridge.engines.warehouse import DIALECT, Warehouse
from mlbridge.engines.warehouse import Place as TablePlace
from mlbridge.errors import FeatureError
from mlbridge.leaks.catalogue import LINEAGE_CHECKS, NONE, WITHHOLD, Suspicion
from mlbridge.leaks.declared import declared, personal
from mlbridge.leaks.lineage_queries import RowQueries
from mlbridge.leaks.lineage_search import LineageContext, search_lineage, unread
from mlbridge.leaks.time_conditions import Place, descendants, in_words
from mlbridge.lineage.graph import Edge, Lineage, Relation
from mlbridge.lineage.models import Columns
from mlbridge.lineage.nodes import relations, title
from mlbridge.lineage.trace import trace
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
    manifest = above.manifest
    stored = _stored(warehouse, manifest)
    found = relations(manifest, stored)
    lineage = trace(found, warehouse.dialect)
    titles = {id_: _name(each, manifest) for id_, each in _every(manifest).items()}
    lacking = {**above.unread, **lineage.unread}
    if lacking:
        listed = "; ".join(f"{titles[id_]}: {why}" for id_, why in lacking.items())
        warn(node, f"the search for leaks by lineage did not read everything: {listed}")
    start = _start(node, manifest, lineage, [*features, spec.target, spec.time, *spec.entity])
    if start is None:
        return _unknown(node, features, f"dbt's manifest has no split for '{node}'", "Run `dbt parse`.")
    says = declared(manifest, lineage)
    tables = {each.id: _table(each, manifest) for each in found if _is_table(each, stored)}
    types = {each.id: each.columns for each in found}
    queries = RowQueries(warehouse, lineage, spec, start, split, tables, types)
    context = LineageContext(lineage, spec, start, features, says, queries, titles, lacking)
    suspicions = [*search_lineage(context), *_personal(node, context)]
    starts = [(start, name) for name in lineage.columns[start] if name in (*features, *spec.role_columns())]
    return TrainingLineage(suspicions, lineage_records(lineage, starts, says.pii, titles))


def _unknown(node: str, features: Sequence[str], lacking: str, remedy: str) -> TrainingLineage:
    """Return that nothing could be decided, and warn of it."""
    warn(node, f"{lacking}. {remedy}")
    return TrainingLineage(
        [Suspicion(name, check, NONE, f"not decidable: {lacking}") for name in features for check in LINEAGE_CHECKS]
    )


def _every(manifest: Document) -> Mapping[str, Document]:
    return {**manifest["nodes"], **manifest["sources"]}


def _stored(warehouse: Warehouse, manifest: Document) -> dict[TablePlace, Columns]:
    """Return the columns of the tables in the warehouse, and of sources that are files and can be read."""
    stored: dict[TablePlace, Columns] = dict(warehouse.every_column())
    for node in manifest["sources"].values():
        written = str(node.get("relation_name") or "")
        if written.startswith("'"):
            database, schema, name = (str(node.get(key) or "").lower() for key in ("database", "schema", "identifier"))
            with suppress(warehouse.error):  # the training need not read it; what YAML says of its columns stays
                names = warehouse.names(exp.to_table(written, dialect=DIALECT))
                stored[database, schema, name] = dict.fromkeys(names, "")
    return stored


def _table(relation: Relation, manifest: Document) -> exp.Expression:
    """Return what a relation is read from."""
    database, schema, name = relation.place
    if database is None and relation.id in manifest["sources"]:
        return exp.to_table(str(manifest["sources"][relation.id]["relation_name"]), dialect=DIALECT)
    return exp.table_(name, db=schema, catalog=database, quoted=True)


def _is_table(relation: Relation, stored: Mapping[TablePlace, Columns]) -> bool:
    """Return whether a relation can be read, as a table, a view or a file; an ephemeral model cannot."""
    database, schema, name = relation.place
    if database is None or schema is None:
        return relation.id.startswith("source.")
    return (database.lower(), schema.lower(), name.lower()) in stored


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


def _name(node: Document, manifest: Document) -> str:
    """Return a node's name in `ml_nodes`: see `name_of` in the macros."""
    version, package = node.get("version"), str(node["package_name"])
    name = title(node) if version is None else f"{title(node)}.v{version}"
    is_own = node["resource_type"] == "source" or package in ("mlbridge", manifest["metadata"].get("project_name"))
    return name if is_own else f"{package}.{name}"


def _personal(node: str, context: LineageContext) -> list[Suspicion]:
    """Return a suspicion for each feature; raises FeatureError for personal data that the spec does not allow."""
    found = []
    for feature in context.features:
        way = personal(context.lineage, context.declared.pii, (context.node, feature))
        if way is None:
            found.append(Suspicion(feature, "pii", NONE, f"no column with `pii: true` comes into it{unread(context)}"))
            continue
        origin = (way[-1].from_node, way[-1].from_column) if way else (context.node, feature)
        evidence = f"it comes from {context.named(origin)}, which is personal data"
        evidence += f": {in_words(way, context.titles)}" if way else ""
        reason = context.spec.allow_pii.get(feature)
        if reason is None:
            raise FeatureError(
                f"{node}: the feature '{feature}' must not be trained on: {evidence}. Exclude it (`features: "
                f"{{exclude: [{feature}]}}`), or say in `allow_pii` why it may be used."
            )
        found.append(Suspicion(feature, "pii", WITHHOLD, evidence, reason))
    return found


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
