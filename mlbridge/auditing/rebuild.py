"""The SQL of a model's features over sources that are cut at a moment: what was not known by then is not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import sqlglot
from sqlglot import exp

from mlbridge.engines.warehouse import column, subquery
from mlbridge.errors import SetupError
from mlbridge.leaks.declared import late_columns, says_when
from mlbridge.lineage.models import meta_of
from mlbridge.lineage.nodes import KINDS, place, title
from mlbridge.typing import Document

REBUILT = "ml_rebuilt_"  # how the common table expression of a rebuilt node begins
# A node that is kept otherwise holds rows of earlier builds, which its SQL alone does not give.
REBUILDABLE = ("table", "view")


@dataclass(frozen=True)
class Cut:
    """What a node says of when it is known: a moment of whole rows, and moments of single columns, by their names."""

    rows: str | None
    columns: Mapping[str, str]

    def of(self, query: exp.Query, names: Sequence[str], at: datetime) -> exp.Select:
        """Return the rows of a query, of columns `names`, as they were known at a moment.

        A row is left out, and a value is NULL, whose moment is later or NULL; so is that moment itself.
        """
        moment = exp.cast(exp.Literal.string(at.isoformat(sep=" ")), "timestamp")
        late = {**self.columns, **{each: each for each in self.columns.values()}}
        columns = [
            exp.alias_(
                exp.Case().when(exp.LTE(this=column(late[name]), expression=moment.copy()), column(name)),
                name,
                quoted=True,
            )
            if name in late
            else column(name)
            for name in names
        ]
        found = exp.select(*columns).from_(subquery(query, "known"))
        return found.where(exp.LTE(this=column(self.rows), expression=moment.copy())) if self.rows else found


@dataclass(frozen=True)
class Chain:
    """The nodes from which the features of a model come, as a manifest has them.

    `names` gives the columns of a relation in the warehouse; `dialect` is that of the compiled SQL.
    """

    manifest: Document
    features: str
    dialect: str
    names: Callable[[exp.Table], Sequence[str]]

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
        """The nodes above the features that say when something of them is known, by id.

        Raises SetupError where none does, or where a moment is no column of its node.
        """
        found = {id_: cut for id_, node in self.nodes.items() if id_ != self.features and (cut := self._cut(node))}
        if not found:
            raise SetupError(
                f"nothing that '{self.nodes[self.features]['name']}' comes from says when it is known. Declare it in "
                "the YAML: `config: {meta: {mlbridge: {known_at: arrived_at}}}` of a column or a model, or `entity` "
                "and `time` of a feature view."
            )
        return found

    @cached_property
    def rebuilt(self) -> tuple[str, ...]:
        """The ids of the nodes that are made anew: what comes from a cut one, and the features."""
        made = (id_ for id_, node in self.nodes.items() if self._comes_from_cut(id_) and not _is_inlined(node))
        return tuple(id_ for id_ in made if not self._is_kept(id_))

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The names of nodes that no cut reaches: those that come from a cut one and are read as they are stored, and
        ephemeral ones that say when something is known, which only the SQL of others has."""
        return tuple(
            title(node)
            for id_, node in self.nodes.items()
            if (self._comes_from_cut(id_) and self._is_kept(id_) and not _is_inlined(node))
            or (_is_inlined(node) and says_when(node))
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
                    made = self.cuts[id_].of(made, self.names(_table(self.nodes[id_])), at)
                steps.append((self._name(id_), made))
        *before, (_, features) = steps
        whole = exp.select("*").from_(subquery(features, "features"))
        for name, step in before:
            whole = whole.with_(name, as_=step)
        return whole

    def _cut(self, node: Document) -> Cut | None:
        meta = meta_of(node)
        view = meta.get("time") if meta.get("entity") and "target" not in meta else None
        rows = meta.get("known_at") or view
        if (not rows and not says_when(node)) or _is_inlined(node):
            return None
        names = self.names(_table(node))
        own = {each: moment for each, moment, is_own in late_columns(node, tuple(names)) if is_own}
        return Cut(None if rows is None else str(rows), own)

    def _comes_from_cut(self, id_: str) -> bool:
        parents = (self.nodes[id_].get("depends_on") or {}).get("nodes", ())
        return any(each in self.cuts or (each in self.nodes and self._comes_from_cut(each)) for each in parents)

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
        query = sqlglot.parse_one(str(node["compiled_code"]), into=exp.Select, dialect=self.dialect)
        changed = [(place(self.nodes[each]), each) for each in (*self.rebuilt, *self.cuts) if each != id_]
        for table in list(query.find_all(exp.Table)):
            of = next((each for where, each in changed if _is_at(table, *where)), None)
            if of is not None:
                table.replace(_renamed(table, self._name(of)))
        return query


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
