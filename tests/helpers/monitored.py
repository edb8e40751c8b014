"""Hosts whose rows numpy made, for the tests of what the monitor says of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from dbt_host import Host, small_host
from hosts import PREDICTIONS
from warm import Warm

TRAINING = """import mlbridge


def model(dbt, session):
    return mlbridge.train(dbt, session, dbt.ref("{name}_split"), dbt.config.meta_get("mlbridge"))
"""
BUILD = ("build", "--exclude-resource-type", "test", "--select", "+ml_alerts")

Records = list[dict[str, Any]]


def monitored_host(folder: Path, models: Mapping[str, tuple[pa.Table, dict[str, Any]]]) -> Host:
    """Write a host with the rows and the spec of each model; nothing is built."""
    host = small_host(folder, [*models])
    for name, (rows, spec) in models.items():
        write_rows(host, name, rows)
        write_spec(host, name, spec)
        host.write(
            {
                f"models/{name}/{name}_features.sql": f"select * from '{name}.parquet'\n",
                f"models/{name}/{name}_split.sql": f"{{{{ mlbridge.split(ref('{name}_features')) }}}}\n",
                f"models/{name}/{name}_training.py": TRAINING.format(name=name),
                f"models/{name}/{name}_predictions.py": PREDICTIONS.format(name=name),
            }
        )
    return host


def write_rows(host: Host, name: str, rows: pa.Table) -> None:
    """Put a model's rows in place of those it had."""
    pq.write_table(rows, host.path / f"{name}.parquet")


def write_spec(host: Host, name: str, spec: Mapping[str, Any], **nodes: Mapping[str, Any]) -> None:
    """Put a model's YAML in place of what it had; `nodes` adds to a node, by its stage. JSON is YAML."""
    materialized = {"features": "table", "split": "table", "training": "mlbridge", "predictions": "mlbridge"}
    declared: Records = [
        {"name": f"{name}_{stage}", "config": {"materialized": kind}, **nodes.get(stage, {})}
        for stage, kind in materialized.items()
    ]
    declared[2]["config"]["meta"] = {"mlbridge": dict(spec)}
    host.write({f"models/{name}/{name}.yml": json.dumps({"models": declared}, indent=1)})


def build(warm: Warm, host: Host, as_of: str, *more: str, command: Iterable[str] = BUILD) -> None:
    """Build it with the clock at a moment, from what `warm.parse` found."""
    warm.dbt(host.path, *command, *more, "--vars", json.dumps({"mlbridge_as_of": as_of}), parsed=True)


def frame(host: Host, sql: str) -> pd.DataFrame:
    """Ask the host's warehouse."""
    with duckdb.connect(str(host.database), read_only=True) as connection:
        return connection.sql(sql).df()


def document(host: Host, model: str, column: str, version: int = 1) -> Any:
    """Read a JSON document of a version from the logbook."""
    where = f"where version = {version} and outcome in ('promoted', 'rejected')"
    ((text,),) = host.rows(f"select {column} from {model}_training {where}")
    return json.loads(text)
