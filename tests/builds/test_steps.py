"""The steps of the monitor: their unit tests (tests/expected/steps.yml), and what keeping them as views changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from dbt_host import ROOT, Host, copy_of_host
from warm import Warm

KEPT = json.dumps({"mlbridge_keep_steps": True})
STEPS = {path.stem for path in (ROOT / "models" / "monitor" / "steps").glob("*.sql")}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """The package as a project of its own, without a model: its tables are there, and empty."""
    path = tmp_path_factory.mktemp("package")
    for folder in ("macros", "models", "seeds"):
        shutil.copytree(ROOT / folder, path / folder)
    shutil.copy(ROOT / "tests" / "expected" / "steps.yml", path / "models" / "monitor" / "steps" / "unit_tests.yml")
    declared = (ROOT / "dbt_project.yml").read_text()
    host = Host(path, path / "package.duckdb")
    outputs = f"{{dev: {{type: duckdb, threads: 1, path: {host.database.name}}}}}"
    host.write(
        {
            "dbt_project.yml": f"{declared}profile: package\nflags: {{send_anonymous_usage_stats: false}}\n",
            "profiles.yml": f"package: {{target: dev, outputs: {outputs}}}\n",
        }
    )
    warm.dbt(host.path, "build", "--exclude-resource-type", "test", "unit_test", "--vars", KEPT)
    return host


def test_the_unit_tests_of_the_steps_pass(package: Host, warm: Warm) -> None:
    warm.dbt(package.path, "test", "--select", "test_type:unit", "--vars", KEPT)
    results = json.loads((package.path / "target" / "run_results.json").read_text())["results"]
    tested = [each["unique_id"] for each in results if each["unique_id"].startswith("unit_test.")]
    assert len(tested) >= 34
    assert {each["status"] for each in results if each["unique_id"] in tested} == {"pass"}


def test_each_step_and_its_columns_are_described(package: Host) -> None:
    nodes = package.manifest["nodes"]
    for name in STEPS:
        node = nodes[f"model.mlbridge.{name}"]
        found = package.rows(f"select column_name from (describe {name})")
        assert node["description"], name
        assert {column for (column,) in found} == set(node["columns"]), name
        assert all(column["description"] for column in node["columns"].values()), name


def test_steps_that_are_kept_change_nothing_else(shop: Host, warm: Warm, tmp_path: Path) -> None:
    """They are views in the package's schema; figures, the graph and what is published stay as they were."""
    host = copy_of_host(shop, tmp_path)
    graph = "select * exclude (description) from main_insight.ml_nodes order by all"
    alerts = "select * from main_insight.ml_alerts order by all"
    before = host.rows(graph), host.rows(alerts)
    chosen = ("run", "--select", "ml_drift", "ml_performance", "ml_alerts", "ml_nodes", "package:mlbridge,int_ml_*")
    as_of = str(host.rows("select max(as_of) from main_insight.ml_runs")[0][0])
    warm.dbt(host.path, *chosen, "--vars", json.dumps({"mlbridge_keep_steps": True, "mlbridge_as_of": as_of}))
    kept = host.rows("select table_name from information_schema.views where table_schema = 'main_insight'")
    assert {name for (name,) in kept} >= STEPS
    assert (host.rows(graph), host.rows(alerts)) == before
    published = {path.stem for path in (host.published / "current").glob("*.parquet")}
    assert not published & STEPS
    assert not host.rows("select node from main_insight.ml_runs where node like 'int!_ml!_%' escape '!'")
