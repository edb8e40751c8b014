"""The second host with its training and prediction nodes in SQL, on DuckDB, PostgreSQL and Spark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dbt_host import Host, copy_of_host
from postgres import Postgres
from spark import Spark

MODELS = ("basket", "amount")
TRAINING = "{{{{ mlbridge.training(ref('{name}_split')) }}}}\n"
PREDICTIONS = "{{{{ mlbridge.predict(ref('{name}_split'), ref('{name}_training')) }}}}\n"
# What a build or a machine decides, not the rows: two trainings on the same rows differ in these columns only.
OF_THE_BUILD = ("trained_at", "as_of", "invocation_id", "fit_seconds", "peak_memory_mb", "scoring_cost", "lineage")
Row = dict[str, Any]


def in_sql(host: Host) -> Host:
    """Replace the Python nodes of a host by SQL ones; a candidate of its own goes with them."""
    for name in MODELS:
        folder = host.path / "models" / "ml" / name
        for stage, call in (("training", TRAINING), ("predictions", PREDICTIONS)):
            (folder / f"{name}_{stage}.py").unlink()
            (folder / f"{name}_{stage}.sql").write_text(call.format(name=name))
    return host


def on_server(empty: Host, server: Postgres, schema: str, folder: Path) -> Host:
    """Copy the second host, nodes in SQL, with its warehouse on a server and its orders in the schema `till`."""
    host = in_sql(copy_of_host(empty, folder))
    orders = duckdb.sql(f"from '{host.path / 'orders.parquet'}'")
    types = {name: str(type_) for name, type_ in zip(orders.columns, orders.types, strict=True)}
    server.load("till", "orders", types, orders.fetchall())
    profile(host, server.profile(schema))
    return host


def on_cluster(empty: Host, cluster: Spark, schema: str, folder: Path) -> Host:
    """The same on Spark."""
    host = in_sql(copy_of_host(empty, folder))
    signed = folder / "signed.parquet"
    duckdb.sql(f"select * replace (visits::int as visits) from '{host.path / 'orders.parquet'}'").write_parquet(
        str(signed)
    )
    cluster.load("till", "orders", signed)
    settings = yaml.safe_load((host.path / "dbt_project.yml").read_text())
    settings["models"]["mlbridge"]["+file_format"] = "parquet"
    (host.path / "dbt_project.yml").write_text(yaml.safe_dump(settings))
    profile(host, cluster.profile(schema))
    return host


def profile(host: Host, output: Row) -> None:
    """Give a host one target."""
    (host.path / "profiles.yml").write_text(yaml.safe_dump({"shop": {"target": "dev", "outputs": {"dev": output}}}))


def plain(row: Row) -> Row:
    """A row of a logbook without what the build decides, and its documents read."""
    found = {name: value for name, value in row.items() if name not in OF_THE_BUILD}
    for name in ("features", "metrics", "importances", "profile", "calibration", "promotion", "decision"):
        found[name] = found[name] and json.loads(found[name])
    return found


def near(value: Any, rel: float) -> Any:
    """A document whose numbers may differ a little."""
    if isinstance(value, dict):
        return {name: near(each, rel) for name, each in value.items()}
    if isinstance(value, list):
        return [near(each, rel) for each in value]
    return pytest.approx(value, rel=rel, abs=rel) if isinstance(value, float) else value
