"""Which features of a model a call of `mlbridge.point_in_time` gives as they are, read off the compiled SQL.

The macro writes what it was asked into a comment. A feature is traced from the split back to such a call: through plain
columns and stars only, so that what is computed from a view's column is never taken for it. The entity and the moment
of the row must come along the same way, through the same tables under the same names: then all three are of one row.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, build_scope

from mlbridge.engines.warehouse import Place
from mlbridge.lineage.models import Columns
from mlbridge.lineage.nodes import place
from mlbridge.lineage.upstream import Upstream
from mlbridge.publication.online import OnlineFeatures
from mlbridge.typing import Document

# The name that the macro gives the rows to be completed.
SPINE = "ml_spine"
CALL = re.compile(r"\s*mlbridge\.point_in_time (\{.*\})\s*", re.DOTALL)


@dataclass(frozen=True)
class _Origin:
    """A column of a call's result: of the view with a number, or of the spine (None); `way` leads to the call."""

    call: int
    way: tuple[str, ...]
    view: int | None
    column: str

    @property
    def row(self) -> tuple[int, tuple[str, ...]]:
        return self.call, self.way


def online_features(
    above: Upstream, stored: Mapping[Place, Columns], split: str, time: str, views: Collection[str], dialect: str
) -> list[OnlineFeatures] | None:
    """Return which columns of a split come as they are from `views` (ids of nodes), and within which limits.

    `stored` has the columns of the warehouse's tables, `time` is the column that must be the moment of the call. A way
    that is not plain gives nothing. None where the SQL of a node on the way is not known.
    """
    tracer = _Tracer(above.manifest, stored, dialect)
    origins = tracer.origins(split)
    if not tracer.without_code.isdisjoint(above.unread):
        return None
    found: list[OnlineFeatures] = []
    # Names of keys that are no columns of the split, and so say nothing of what they are but for the row of the call.
    bare: list[set[tuple[object, str]]] = []
    for row, call in tracer.calls.items():
        here = {name: each for name, every in origins.items() for each in every if each.row == row}
        copies = {each.column: name for name, each in here.items() if each.view is None}
        if copies.get(str(call["time"]).lower(), "").lower() != time.lower():
            continue
        for number, view in enumerate(call["views"]):
            columns = {name: each.column for name, each in here.items() if each.view == number}
            if view["view"] in views and columns:
                key = {mine: copies.get(of_spine.lower(), of_spine) for mine, of_spine in view["entity"].items()}
                limits = {name: view[name] for name in ("embargo", "max_staleness", "look_back")}
                found.append(OnlineFeatures(view["view"], key, columns, **limits))
                bare.append({(row, name.lower()) for name in view["entity"].values() if name.lower() not in copies})
    taken = Counter([*(name.lower() for name in origins), *(name for _, name in set().union(*bare))])
    return [each for each, names in zip(found, bare, strict=True) if all(taken[name] == 1 for _, name in names)]


class _Tracer:
    def __init__(self, manifest: Document, stored: Mapping[Place, Columns], dialect: str) -> None:
        self._manifest, self._stored, self._dialect = manifest, stored, dialect
        self._scopes: dict[str, Scope | None] = {}
        # Nodes on the way whose code is not known, or which have none.
        self.without_code: set[str] = set()
        # The calls that were met, by their place in the code and the way to them.
        self.calls: dict[tuple[int, tuple[str, ...]], Document] = {}

    def origins(self, node: str) -> dict[str, tuple[_Origin, ...]]:
        """Return for each column of a node the calls that it comes from as it is, the last one first."""
        scope, columns = self._scope(node), self._columns(self._manifest["nodes"][node]) or ()
        return {name: () if scope is None else self._origins(scope, name, ()) for name in columns}

    @cached_property
    def _by_place(self) -> Mapping[tuple[str, str], str]:
        """The nodes that are tables or views, by schema and name."""
        places = {id_: place(node) for id_, node in self._manifest["nodes"].items()}
        return {(str(schema or "").lower(), name.lower()): id_ for id_, (_, schema, name) in places.items()}

    def _scope(self, node: str) -> Scope | None:
        if node not in self._scopes:
            self._scopes[node] = None  # a node that reads itself ends here
            code = self._manifest["nodes"][node].get("compiled_code")
            if not code:
                self.without_code.add(node)
                return None
            with suppress(SqlglotError):
                self._scopes[node] = build_scope(sqlglot.parse_one(code, dialect=self._dialect))
        return self._scopes[node]

    def _columns(self, node: Document) -> Columns | None:
        key = tuple(str(node.get(each) or "").lower() for each in ("database", "schema"))
        return self._stored.get((*key, str(node.get("alias") or node["name"]).lower()))  # type: ignore[arg-type]

    def _origins(self, scope: Scope, name: str, way: tuple[str, ...]) -> tuple[_Origin, ...]:
        """Return the calls that a column of a query comes from; none where it is computed, or that is not sure.

        What a call takes over from its spine may come from another one, whose result the spine is.
        """
        query = scope.expression
        if not isinstance(query, exp.Select):
            return ()
        call = _call(query)
        if call is not None:
            return self._of_call(call, scope, name, way)
        for each in query.selects:
            if each.alias_or_name.lower() == name.lower() and not each.is_star:
                plain = each.unalias().unnest()
                if not isinstance(plain, exp.Column):
                    return ()
                sources = [plain.table] if plain.table else list(scope.selected_sources)
                return self._follow(scope, sources, plain.name, way)
        return self._follow(scope, list(_starred(scope, name)), name, way)

    def _of_call(self, call: Document, scope: Scope, name: str, way: tuple[str, ...]) -> tuple[_Origin, ...]:
        here = id(scope)  # the scopes of a node are kept
        self.calls[here, way] = call
        for number, view in enumerate(call["views"]):
            for column, output in view["columns"].items():
                if output.lower() == name.lower():
                    return (_Origin(here, way, number, column),)
        return (_Origin(here, way, None, name.lower()), *self._follow(scope, [SPINE], name, way))

    def _follow(self, scope: Scope, sources: Sequence[str], name: str, way: tuple[str, ...]) -> tuple[_Origin, ...]:
        """Go on in the one of some sources that has a column; none where it is not sure which one has."""
        known = {alias.lower(): (alias, found) for alias, (_, found) in scope.selected_sources.items()}
        there = [known[each.lower()] for each in sources if each.lower() in known]
        has = [self._has(found, name) for _, found in there]
        if len(there) != 1 and (None in has or has.count(True) != 1):
            return ()
        alias, source = there[0] if len(there) == 1 else there[has.index(True)]
        inner = source if isinstance(source, Scope) else None
        if isinstance(source, exp.Table):
            node = self._by_place.get((source.db.lower(), source.name.lower()))
            inner = None if node is None else self._scope(node)
        return () if inner is None else self._origins(inner, name, (*way, alias))

    def _has(self, source: Any, name: str) -> bool | None:
        """Return whether a source has a column; None where that is not known."""
        if isinstance(source, exp.Table):
            keys = source.catalog.lower(), source.db.lower(), source.name.lower()
            columns = self._stored.get(keys)
            return None if columns is None else name.lower() in (each.lower() for each in columns)
        query = source.expression if isinstance(source, Scope) else None
        if isinstance(query, exp.SetOperation):
            return self._has(source.union_scopes[0], name)
        if not isinstance(query, exp.Select):
            return None
        if any(each.alias_or_name.lower() == name.lower() for each in query.selects if not each.is_star):
            return True
        starred = {alias: source.selected_sources[alias][1] for alias in _starred(source, name)}
        has = [self._has(found, name) for found in starred.values()]
        return True if True in has else None if None in has else False


def _call(query: exp.Select) -> Document | None:
    """Return what a query says that the macro was asked; None for any other query."""
    for comment in query.comments or ():
        found = CALL.fullmatch(comment)
        if found is not None:
            asked: Document = json.loads(found[1])
            return asked
    return None


def _starred(scope: Scope, name: str) -> Iterator[str]:
    """Yield the sources of which a star takes a column of a name as it is."""
    for each in scope.expression.args["expressions"]:
        star = each.this if isinstance(each, exp.Column) else each
        if not isinstance(star, exp.Star):
            continue
        excluded = [part.name.lower() for key in ("except_", "except") for part in star.args.get(key) or ()]
        changed = [part.alias.lower() for part in star.args.get("replace") or ()]
        if name.lower() in (*excluded, *changed) or star.args.get("rename"):
            continue
        table = each.table if isinstance(each, exp.Column) else ""
        yield from (alias for alias in scope.selected_sources if not table or alias.lower() == table.lower())
