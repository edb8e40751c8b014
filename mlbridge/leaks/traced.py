"""The nodes above a model, traced once: the edges between their columns, and the tables that hold their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlglot import exp

from mlbridge.engines.warehouse import DIALECT
from mlbridge.engines.warehouse import Place as TablePlace
from mlbridge.leaks.declared import declared
from mlbridge.leaks.lineage_queries import QUERY_ERRORS, RowQueries, Rows
from mlbridge.leaks.lineage_search import LineageContext
from mlbridge.lineage.graph import Lineage, Relation
from mlbridge.lineage.models import Columns
from mlbridge.lineage.nodes import place, relations, title
from mlbridge.lineage.trace import trace
from mlbridge.lineage.upstream import Upstream
from mlbridge.spec.specification import Spec
from mlbridge.typing import Document


@dataclass(frozen=True)
class Traced:
    """A manifest with compiled code, its relations, and how their columns depend on each other.

    `stored` gives the columns of the tables in the warehouse, `titles` what people call each node, and `unread` says of
    which nodes the SQL is not known.
    """

    manifest: Document
    relations: Sequence[Relation]
    lineage: Lineage
    stored: Mapping[TablePlace, Columns]
    titles: Mapping[str, str]
    unread: Mapping[str, str]

    def context(
        self, rows: Rows, spec: Spec, node: str, split: exp.Expression, features: Sequence[str]
    ) -> LineageContext:
        """Return what the search for leaks works on: the columns of a node, and a table with the rows of the model.

        Raises SetupError where `known_at` in YAML names what is not there.
        """
        lineage = self._of_nodes
        tables = {each.id: self._table(each) for each in self.relations if self._is_table(each)}
        types = {each.id: each.columns for each in self.relations}
        queries = RowQueries(rows, lineage, spec, node, split, tables, types)
        says = declared(self.manifest, lineage)
        return LineageContext(lineage, spec, node, features, says, queries, self.titles, self.unread)

    @property
    def _of_nodes(self) -> Lineage:
        """The lineage without table functions: one that counts would be what everything comes from."""
        ids = {each.id for each in self.relations}
        return replace(self.lineage, edges=tuple(each for each in self.lineage.edges if each.from_node in ids))

    def _table(self, relation: Relation) -> exp.Expression:
        """Return what a relation is read from."""
        database, schema, name = relation.place
        if schema is None and relation.id in self.manifest["sources"]:
            return exp.to_table(str(self.manifest["sources"][relation.id]["relation_name"]), dialect=DIALECT)
        return exp.table_(name, db=schema, catalog=database, quoted=True)

    def _is_table(self, relation: Relation) -> bool:
        """Return whether a relation can be read, as a table, a view or a file; an ephemeral model cannot."""
        database, schema, name = relation.place
        if schema is None:
            return relation.id.startswith("source.")
        return ((database or "").lower(), schema.lower(), name.lower()) in self.stored


def trace_above(above: Upstream, rows: Rows, dialect: str) -> Traced:
    """Trace a manifest in a dialect of sqlglot. Raises SetupError where it declares a lineage that is not there."""
    manifest = above.manifest
    stored = _stored(rows, manifest)
    found = relations(manifest, stored)
    lineage = trace(found, dialect)
    every = {**manifest["nodes"], **manifest["sources"]}
    titles = {id_: id_ for id_ in lineage.columns} | {id_: _name(each, manifest) for id_, each in every.items()}
    return Traced(manifest, found, lineage, stored, titles, {**above.unread, **lineage.unread})


def _stored(rows: Rows, manifest: Document) -> dict[TablePlace, Columns]:
    """Return the columns of the tables in the warehouse, and of sources that are files or functions."""
    stored: dict[TablePlace, Columns] = dict(rows.every_column())
    for node in manifest["sources"].values():
        written = str(node.get("relation_name") or "")
        if place(node)[:2] == (None, None):
            database, schema, name = (str(node.get(key) or "").lower() for key in ("database", "schema", "identifier"))
            with suppress(*QUERY_ERRORS):  # the training need not read it; what YAML says of its columns stays
                names = rows.names(exp.to_table(written, dialect=DIALECT))
                stored[database, schema, name] = dict.fromkeys(names, "")
    return stored


def _name(node: Document, manifest: Document) -> str:
    """Return a node's name in `ml_nodes`: see `name_of` in the macros."""
    version, package = node.get("version"), str(node["package_name"])
    name = title(node) if version is None else f"{title(node)}.v{version}"
    is_own = node["resource_type"] == "source" or package in ("mlbridge", manifest["metadata"].get("project_name"))
    return name if is_own else f"{package}.{name}"
