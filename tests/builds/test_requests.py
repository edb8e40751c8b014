"""What a server has answered, as rows of the predictions: in the drift, in the performance, and once each."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from asking import get, serving
from dbt_host import Host, copy_of_host, once
from hosts import CHURNED, two_models
from sklearn.metrics import roc_auc_score
from warm import Warm

SERVED = '{{ config(materialized="view") }} {{ mlbridge.requests("requests") }}'
TRAINED, ASKED = 2000, 2600
FEATURES = ("visits", "age", "basket")


@pytest.fixture(scope="module")
def trained(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host whose classification takes in requests, by a Python node, and whose regression does so in SQL; built once."""

    def build(folder: Path) -> Host:
        host = two_models(folder / "host")
        own = host.path / "models" / "churned" / "churned_predictions.py"
        changed = own.read_text().replace('_training"))', '_training"), dbt.ref("served"))')
        host.write(
            {
                "models/served.sql": SERVED,
                "models/churned/churned_predictions.py": changed,
            }
        )
        warm.dbt(host.path, "deps")
        warm.dbt(host.path, "build")
        return host

    return once(tmp_path_factory, "requests", build)


def shoppers(first: int, last: int) -> list[dict[str, Any]]:
    """Give the rows of the host's features by the same formulas, 5 older each, as JSON has them."""
    query = (
        "select i as customer_id, strftime(timestamp '2024-01-01' + interval (i) hour, '%Y-%m-%dT%H:%M:%S') as at, "
        "(hash(i) % 1000) / 1000.0 as visits, (hash(i + 1000000) % 100) / 10.0 + 5 as age, "
        f"case when i % 13 = 0 then null else (hash(i + 2000000) % 7) end as basket from range({first}, {last}) t(i)"
    )
    relation = duckdb.sql(query)
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def ask(host: Host, bodies: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Serve, ask for the rows of `churned`, and wait until the answers are recorded; returns them."""
    found = []
    with serving(host, "--requests", str(host.path / "requests")) as (address, process):
        for rows in bodies:
            status, answer = get(f"{address}/predict/churned", {"rows": rows})
            assert status == 200, answer
            found.extend(answer["predictions"])
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    return found


def table(host: Host, query: str) -> pd.DataFrame:
    with duckdb.connect(str(host.database), read_only=True) as connection:
        return connection.sql(query).df()


def test_requests_are_predictions_that_are_monitored(trained: Host, warm: Warm, tmp_path: Path) -> None:
    host = copy_of_host(trained, tmp_path)
    asked = shoppers(TRAINED, ASKED - 100)
    no_key = [{name: value for name, value in row.items() if name in FEATURES} for row in asked[:7]]
    again = [{**row, "age": 1.0} for row in asked[:5]]
    old = shoppers(10, 13)  # trained on
    answers = ask(host, [asked[:250], asked[250:], no_key, again, old])
    warm.dbt(host.path, "build")
    found = table(host, "select * from ml_predictions where scored_by = 'request' order by time")
    assert list(found["entity"]) == [str(row["customer_id"]) for row in asked]
    assert list(found["prediction"]) == [each["prediction"] for each in answers[: len(asked)]]
    assert list(found["probability"]) == [each["probability"] for each in answers[: len(asked)]]
    assert found["actual"].isna().all()
