"""Small dbt projects to assess: a warehouse with made relations, and a manifest as dbt writes it, without a build."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import yaml
from dbt_host import Host

from mlbridge.project.project import Project
from mlbridge.readiness.assess import assess
from mlbridge.readiness.assessment import Assessment, Question

# dbt's own rule for the schema of a node.
SCHEMA_NAME = {
    "unique_id": "macro.dbt.generate_schema_name",
    "name": "generate_schema_name",
    "resource_type": "macro",
    "package_name": "dbt",
    "path": "generate_schema_name.sql",
    "original_file_path": "generate_schema_name.sql",
    "macro_sql": "{% macro generate_schema_name(custom_schema_name, node) -%}"
    "{{ target.schema if custom_schema_name is none else target.schema ~ '_' ~ custom_schema_name }}{%- endmacro %}",
}
# Two days after the newest row of a world.
CLOCK = datetime(2024, 12, 31)
# Orders of 300 days; what arrives late depends on the load, with noise made by hash(): the same on every machine.
ORDERS = """
select
    'o' || i as order_id,
    'c' || (i % 120) as customer_id,
    timestamp '2024-03-05' + to_seconds(cast(i * {seconds} as bigint)) as ordered_at,
    timestamp '2024-03-05' + to_seconds(cast(i * {seconds} + 86400 + 3600 * (hash(i, 3) % 20) as bigint)) as arrived_at,
    (hash(i) % 1000) / 1000.0 as load,
    cast(hash(i, 1) % 40 as integer) as items,
    ['rail', 'road', 'sea'][cast(1 + hash(i, 2) % 3 as bigint)] as carrier,
    (hash(i) % 1000) / 1000.0 + (hash('noise ' || i) % 1000) / 900.0 > 1.2 as is_late
from range({rows}) as t(i)
"""


def orders(rows: int = 3000, days: float = 300, **changes: str) -> str:
    """Write the query of orders; `changes` replace or add columns by expressions over the columns of `ORDERS`."""
    base = ORDERS.format(rows=rows, seconds=days * 86400 / rows)
    there = _columns(ORDERS.format(rows=1, seconds=1))
    replaced = ", ".join(f"{expression} as {name}" for name, expression in changes.items() if name in there)
    added = "".join(f", {expression} as {name}" for name, expression in changes.items() if name not in there)
    star = f"* replace ({replaced})" if replaced else "*"
    return f"select {star}{added} from ({base})"


def _columns(sql: str) -> list[str]:
    return duckdb.sql(sql).columns


def node(name: str, schema: str, database: str, **fields: Any) -> dict[str, Any]:
    """Return a model of a manifest."""
    return {
        "unique_id": f"model.shop.{name}",
        "name": name,
        "resource_type": "model",
        "package_name": "shop",
        "database": database,
        "schema": schema,
        "alias": name,
        "config": {"materialized": "table"},
        "depends_on": {"nodes": []},
        "columns": {},
        **fields,
    }


def unique(model: str, column: str) -> dict[str, Any]:
    """Return dbt's generic test that a column is unique."""
    return {
        "unique_id": f"test.shop.unique_{model}_{column}",
        "name": f"unique_{model}_{column}",
        "resource_type": "test",
        "package_name": "shop",
        "config": {"materialized": "test"},
        "test_metadata": {"name": "unique", "kwargs": {"column_name": column}},
        "depends_on": {"nodes": [f"model.shop.{model}"]},
    }


def shop_project(folder: Path, nodes: Sequence[Mapping[str, Any]], output: Mapping[str, Any] | None = None) -> Project:
    """Write a project `shop` that dbt has parsed to these nodes; `output` is its profile's target."""
    host = Host(folder, folder / "shop.duckdb")
    output = output or {"type": "duckdb", "path": "shop.duckdb", "threads": 1}
    manifest = {
        "metadata": {"adapter_type": output["type"]},
        "nodes": {each["unique_id"]: each for each in nodes},
        "sources": {},
        "macros": {SCHEMA_NAME["unique_id"]: SCHEMA_NAME},
    }
    host.write(
        {
            "dbt_project.yml": "name: shop\nversion: 1.0.0\nprofile: shop\n",
            "profiles.yml": yaml.safe_dump({"shop": {"target": "dev", "outputs": {"dev": dict(output)}}}),
            "target/manifest.json": json.dumps(manifest),
        }
    )
    return Project.at(folder, None, None)


def shop_of(folder: Path, tables: Mapping[str, str], *more: Mapping[str, Any]) -> Project:
    """Write a project whose warehouse has tables by the queries that fill them; `more` are further nodes."""
    project = shop_project(folder, [*(node(name, "main", "shop") for name in tables), *more])
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        for name, sql in tables.items():
            connection.execute(f"create table {name} as {sql}")
    return project


def assessed(folder: Path, sql: str, as_of: datetime = CLOCK, **question: Any) -> Assessment:
    """Assess one relation `fct_orders`, whose `order_id` dbt tests as unique."""
    project = shop_of(folder, {"fct_orders": sql}, unique("fct_orders", "order_id"))
    return assess(project, Question("fct_orders", **question), as_of)
