"""The SQL of a model's features over sources that are cut at a moment: what was not known by then is not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mlbridge.engines.warehouse import column, parse_type, subquery
from mlbridge.errors import SetupError
from mlbridge.leaks.column_sets import Place
from mlbridge.leaks.declared import late_places, says_when
from mlbridge.lineage.graph import COPIED, Lineage
from mlbridge.lineage.models import meta_of
from mlbridge.lineage.nodes import KINDS, place, title
from mlbridge.typing import Document

REBUILT = "ml_rebuilt_"  # how the common table expression of a rebuilt node begins
# A node that is kept otherwise holds rows of earlier builds, which its SQL alone does not give.
REBUILDABLE = ("table", "view")


@dataclass(frozen=True)
class Cut:
    """What is said of when a node is known: a moment of whole rows, and moments of single columns, by their names."""

    rows: str | None
    columns: Mapping[str, str]

    def of(self, query: exp.Query, types: Mapping[str, str], at: datetime) -> exp.Select:
        """Return the rows of a query, of columns with these types, as they were known at a moment (UTC).

        A row is left out, and a value is NULL, whose moment is later or NULL; so is that moment itself.
        """
        late = self.late
        columns = [
            exp.alias_(exp.Case().when(up_to(late[name], types[late[name]], at), column(name)), name, quoted=True)
            if name in late
            else column(name)
            for name in types
        ]
        found = exp.select(*columns).from_(subquery(query, "known"))
        return found.where(up_to(self.rows, types[self.rows], at)) if self.rows else found

    @property
    def late(self) -> Mapping[str, str]:
        """The columns that are NULL until they are known, each with its moment."""
        return {**self.columns, **{each: each for each in self.columns.values()}}


def up_to(name: str, type_: str, at: datetime) -> exp.Expression:
    """Return whether a column of moments lies up to one in UTC, whatever the zone of the session.

    A column without a zone holds UTC.
    """
    zoned = parse_type(type_).is_type(exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ)
    written = exp.Literal.string(at.isoformat(sep=" ") + ("+00:00" if zoned else ""))
    return exp.LTE(this=column(name), expression=exp.cast(written, "timestamptz" if zoned else "timestamp"))


@dataclass(frozen=True)
class Chain:
    """The nodes from which the features of a model come, as a manifest has them.

    `types` gives the columns of a relation in the warehouse with their types; `lineage` is that of the manifest, and
    `dialect` that of the compiled SQL.
    """

    manifest: Document
    features: str
    dialect: str
    types: Callable[[exp.Table], Mapping[str, str]]
    lineage: Lineage

    @cached_property
    def nodes(self) -> Mapping[str, Document]:
        """The features and all that they come from, by id, each after its parents."""
        every = {**self.manifest["nodes"], **self.manifest["sources"]}
        found: dict[str, Document] = {}

        def add(id_: str) -> None:
            if id_ in found or id_ not in every or every[id_]["resource_type"] not in KINDS:
                return
            for parent in (every[id_].get("depends_on") or {}).get("nodes", ()):
                add(parent)
            found[id_] = every[id_]

        add(self.features)
        return found

    @cached_property
    def cuts(self) -> Mapping[str, Cut]:
        """The nodes above the features of which something says when it is known, by id.

        So is a column of a node further up that alone makes up one with `known_at`, where that moment is copied from
        the same node. Raises SetupError where there is none, or where a moment is no column of its node.
        """
        rows: dict[str, str] = {}
        columns: dict[str, dict[str, str]] = {}
        for id_, node in self.nodes.items():
            if not _says_when(node):
                continue
            names = tuple(self._types(id_))
            for (of, name), moment, is_own in late_places(id_, node, names, self.lineage):
                at = self._beside(of, moment) if is_own else None
                if at is not None:
                    columns.setdefault(of, {}).setdefault(name, at)
            if id_ != self.features and (said := _moment_of_rows(node)) is not None:
                by = next((each for each in names if each.lower() == said.lower()), None)
                if by is not None:
                    rows[id_] = by
                elif not _is_inlined(node):
                    raise SetupError(f"{node['name']}: `mlbridge.time` names the column '{said}', which is not there.")
        found = {
            id_: Cut(rows.get(id_), columns.get(id_, {}))
            for id_, node in self.nodes.items()
            if (id_ in rows or id_ in columns) and id_ != self.features and not _is_inlined(node)
        }
        if not found:
            raise SetupError(
                f"nothing that '{self.nodes[self.features]['name']}' comes from says when it is known. Declare it in "
                "the YAML: `config: {meta: {mlbridge: {known_at: arrived_at}}}` of a column or a model, or `entity` "
                "and `time` of a feature view."
            )
        return found

    @cached_property
    def uncut(self) -> tuple[str, ...]:
        """The names of sources, seeds and the like that reach the features by a way on which nothing is cut."""
        reached, queue = {self.features}, [self.features]
        for id_ in queue:
            parents = {each for each in self._parents(id_) if each not in self.cuts}
            queue += parents - reached
            reached |= parents
        return tuple(title(node) for id_, node in self.nodes.items() if id_ in reached and not self._parents(id_))

    def is_looked_at(self, feature: str) -> bool:
        """Return whether the values of a feature, or the rows that it counts, come from anything that is cut."""
        ways = self.lineage.ancestors(self.features, feature)
        return any(
            (cut := self.cuts.get(way.node)) is not None and (cut.rows is not None or way.column in cut.late)
            for way in ways or self.lineage.ancestors(self.features, feature, influences=True)
        )

    @cached_property
    def rebuilt(self) -> tuple[str, ...]:
        """The ids of the nodes that are made anew: what comes from a cut one, and the features."""
        made = (id_ for id_, node in self.nodes.items() if id_ in self._from_cuts and not _is_inlined(node))
        return tuple(id_ for id_ in made if not self._is_kept(id_))

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The names of nodes that no cut reaches: those that come from a cut one and are read as they are stored, and
        ephemeral ones that say when something is known, which only the SQL of others has."""
        return tuple(
            title(node)
            for id_, node in self.nodes.items()
            if (id_ in self._from_cuts and not _is_inlined(node) and self._is_kept(id_))
            or (_is_inlined(node) and _says_when(node))
        )

    def query(self, at: datetime | None) -> exp.Query:
        """Return the SELECT of the features over sources cut at a moment; without one, over whole sources.

        Raises SetupError where a node cannot be made anew by SQL.
        """
        steps: list[tuple[str, exp.Query]] = []
        for id_ in self.nodes:
            if id_ in self.rebuilt or id_ in self.cuts:
                made = self._sql(id_) if id_ in self.rebuilt else exp.select("*").from_(_table(self.nodes[id_]))
                if at is not None and id_ in self.cuts:
                    made = self.cuts[id_].of(made, self._types(id_), at)
                steps.append((self._name(id_), made))
        *before, (_, features) = steps
        whole = exp.select("*").from_(subquery(features, "features"))
        for name, step in before:
            whole = whole.with_(name, as_=step)
        return whole

    @cached_property
    def _from_cuts(self) -> frozenset[str]:
        """The nodes below a cut one; each stands after its parents."""
        found: set[str] = set()
        for id_ in self.nodes:
            if any(each in self.cuts or each in found for each in self._parents(id_)):
                found.add(id_)
        return frozenset(found)

    def _parents(self, id_: str) -> tuple[str, ...]:
        parents = (self.nodes[id_].get("depends_on") or {}).get("nodes", ())
        return tuple(each for each in parents if each in self.nodes)

    def _types(self, id_: str) -> Mapping[str, str]:
        node = self.nodes[id_]
        return dict.fromkeys(self.lineage.columns.get(id_, ()), "") if _is_inlined(node) else self.types(_table(node))

    def _beside(self, id_: str, moment: Place) -> str | None:
        """Return the column of a node that a moment is, or is a copy of."""
        at = moment
        while at[0] != id_:
            edges = {(each.from_node, each.from_column): each.how for each in self.lineage.edges_of(*at)}
            if len(edges) != 1 or set(edges.values()) != {COPIED}:
                return None
            (at,) = edges
        return at[1]

    def _is_kept(self, id_: str) -> bool:
        node = self.nodes[id_]
        is_sql = node["resource_type"] == "model" and node.get("language", "sql") == "sql"
        can_be_made = is_sql and node["config"].get("materialized") in REBUILDABLE and node.get("compiled_code")
        if id_ == self.features and not can_be_made:
            raise SetupError(
                f"'{node['name']}' is no table or view that SQL makes, so its rows cannot be rebuilt here. Audit what "
                "it reads, or make it one."
            )
        return not can_be_made

    def _name(self, id_: str) -> str:
        return f"{REBUILT}{list(self.nodes).index(id_)}"

    def _sql(self, id_: str) -> exp.Query:
        """Return the SQL of a node over what is rebuilt or cut in place of its parents."""
        node = self.nodes[id_]
        try:
            query = sqlglot.parse_one(str(node["compiled_code"]), dialect=self.dialect)
        except SqlglotError as error:
            raise SetupError(
                f"the SQL of '{node['name']}' cannot be read, so it cannot be made anew: {error}"
            ) from error
        if not isinstance(query, exp.Query):
            raise SetupError(f"the SQL of '{node['name']}' is no SELECT, so it cannot be made anew.")
        changed = [(place(self.nodes[each]), each) for each in (*self.rebuilt, *self.cuts) if each != id_]
        for table in list(query.find_all(exp.Table)):
            of = next((each for where, each in changed if _is_at(table, *where)), None)
            if of is not None:
                table.replace(_renamed(table, self._name(of)))
        return query


def _moment_of_rows(node: Document) -> str | None:
    """Return the column that says when a whole row is known: `known_at` of the node, or `time` of a feature view."""
    meta = meta_of(node)
    view = meta.get("time") if meta.get("entity") and "target" not in meta else None
    found = meta.get("known_at") or view
    return None if found is None else str(found)


def _says_when(node: Document) -> bool:
    return says_when(node) or _moment_of_rows(node) is not None


def _is_inlined(node: Document) -> bool:
    return bool((node.get("config") or {}).get("materialized") == "ephemeral")


def _table(node: Document) -> exp.Table:
    database, schema, name = place(node)
    return exp.table_(name, db=schema, catalog=database, quoted=True)


def _is_at(table: exp.Table, database: str | None, schema: str | None, name: str) -> bool:
    """Return whether SQL names a place so; it may leave out the database, and both of a file."""
    if schema is None:
        return not table.db and table.name == name
    same = (table.db.lower(), table.name.lower()) == (schema.lower(), name.lower())
    return same and table.catalog.lower() in ("", (database or "").lower())


def _renamed(table: exp.Table, name: str) -> exp.Table:
    """Return another table in the place of one, with its alias and its joins, under which columns find it."""
    found = table.copy()
    found.set("alias", found.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
    found.set("this", exp.to_identifier(name))
    found.set("db", None)
    found.set("catalog", None)
    return found
