"""What SQL decides before a Python node runs, or without one: the package's own macros on real tables, without dbt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import Any, NoReturn

import duckdb
from rendering import Answer, Column, Relation
from simulated import Package
from sqlglot import exp

import mlbridge.nodes.predictions
from mlbridge import MlbridgeError
from mlbridge.log import logger

Ask = Callable[[str], tuple[Sequence[str], Sequence[tuple[Any, ...]]]]
"""Gives the names of the columns of a query's answer, and the rows."""


class RefusedError(MlbridgeError):
    """What a macro refuses, which dbt reports as a compilation error."""


class Decided(Package):
    """The macros for one model, whose tables are in one schema of a warehouse."""

    ask: Ask

    def __init__(self, engine: str = "duckdb", database: str = "memory", schema: str = "main") -> None:
        super().__init__(engine)
        self.location = {"database": database, "schema": schema}

    def of(self, ask: Ask, node: str, as_of: datetime | None, raw: Any) -> Decided:
        """Turn to a node in a warehouse, as a build at `as_of` (UTC) sees it; `raw` is the model's spec in YAML."""
        self.ask = ask
        name = node.removesuffix("_training").removesuffix("_predictions")
        nodes = {each: self._node(each, raw) for each in (f"{name}_split", f"{name}_training", f"{name}_predictions")}
        self.names["graph"].nodes = nodes
        variables = {"mlbridge_as_of": as_of and as_of.isoformat(sep=" "), "mlbridge_models": [name]}
        self.names.update(
            model=SimpleNamespace(
                name=node, depends_on=SimpleNamespace(nodes=[f"model.host.{each}" for each in nodes])
            ),
            ref=self.table,
            run_started_at=datetime.max,
            this=self.table(node),
            var=lambda each, default=None: variables.get(each, default),
        )
        return self

    def table(self, name: str) -> Relation:
        """Name a table of the warehouse."""
        return self._relation(**self.location, identifier=name)

    def call(self, macro: str, *args: Any) -> Any:
        """Give what a macro returns."""
        return self.packages["mlbridge"][macro](*args)

    def facts(self, exists: bool) -> dict[str, Any]:
        """Give what the materialization passes to the node."""
        found = SimpleNamespace()
        exec(self.sql("with_run", "", exists), {"dbtObj": found})
        facts: dict[str, Any] = found.mlbridge
        return facts

    def _node(self, name: str, raw: Any) -> dict[str, Any]:
        meta = {"mlbridge": raw} if name.endswith("_training") else {}
        return {
            "resource_type": "model", "name": name, "alias": name, "config": SimpleNamespace(meta=meta), **self.location
        }  # fmt: skip

    def _context(self) -> dict[str, Any]:
        context = super()._context()
        context["adapter"].get_relation = lambda _database, _schema, name: self._there(name)
        context["exceptions"] = SimpleNamespace(raise_compiler_error=_refuse, warn=_warn)
        return {
            **context,
            "graph": SimpleNamespace(nodes={}, sources={}),
            "load_cached_relation": lambda relation: self._there(relation.identifier),
            "log": lambda text, info=False: logger().info(text),
        }

    def _there(self, name: str) -> Relation | None:
        return self.table(name) if self._described(name) else None

    def _run_query(self, query: str) -> Answer:
        return Answer(*self.ask(query))

    def _columns(self, relation: Relation) -> list[Column]:
        described = self._described(relation.identifier)
        return [Column(name, type_, exp.DataType.build(type_, dialect=self.engine.name)) for name, type_ in described]

    def _described(self, name: str) -> Sequence[Any]:
        query = (
            "select column_name, case when data_type = 'numeric' and numeric_precision is not null "
            "then 'numeric(' || numeric_precision || ',' || numeric_scale || ')' else data_type end "
            "from information_schema.columns "
            f"where table_schema = '{self.location['schema']}' and table_name = '{name}' order by ordinal_position"
        )
        return self.ask(query)[1]


def _refuse(message: str) -> NoReturn:
    raise RefusedError(message)


def _warn(message: str) -> str:
    node, text = message.split(": ", 1)
    mlbridge.nodes.predictions.warn(node, text)
    return ""


def ask_of(connection: duckdb.DuckDBPyConnection) -> Ask:
    """Ask a DuckDB, beside whatever its connection still holds open."""

    def ask(query: str) -> tuple[Sequence[str], Sequence[tuple[Any, ...]]]:
        result = connection.cursor().execute(query)
        return [described[0] for described in result.description], result.fetchall()

    return ask


@cache
def _nodes() -> Decided:
    package = Decided()
    # The drift is what a test says of it.
    package.names["mlbridge"].drift_facts = lambda *_: None
    return package


def decided(
    connection: duckdb.DuckDBPyConnection, node: str, as_of: datetime, raw: Any, exists: bool
) -> Mapping[str, Any]:
    """Give what a build at `as_of` (UTC) passes to a node in a DuckDB; raises RefusedError as dbt ends the node."""
    return _nodes().of(ask_of(connection), node, as_of, raw).facts(exists)
