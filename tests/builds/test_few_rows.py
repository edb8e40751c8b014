"""A branch whose rows do not suffice for a training yet: the build is green, every table is there, and all say so."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from dbt_host import Host
from hosts import SHOPPERS, two_models
from warm import Warm

from mlbridge.cli import main

NAMED = (
    "case when i % 11 <> 0 then case when (hash(i) % 1000) / 1000.0 + (hash('noise ' || i) % 1000) / 1000.0 > 1.1 "
    "then 'went' else 'stays' end end"
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """Two models on forty rows, one of them with classes that are texts; built with all tests, a warning no failure."""
    host = two_models(tmp_path_factory.mktemp("few"))
    host.write({"models/churned/churned_features.sql": SHOPPERS.format(name="churned", target=NAMED)})
    warm.dbt(host.path, "deps")
    host.write({"first.txt": warm.dbt(host.path, "build", "--vars", "rows: 40")})
    return host


@pytest.fixture
def run(host: Host) -> Callable[..., Result]:
    return lambda *args: CliRunner().invoke(main, [*args, "--project-dir", str(host.path)])


def test_the_build_is_green_and_warns(host: Host) -> None:
    output = (host.path / "first.txt").read_text()
    assert " ERROR=0 " in output
    assert "churned_training: no version yet; not trained, because the rows do not suffice yet: train has " in output
    assert "churned_predictions: churned has no champion yet, so nothing is scored; see `ml_decisions`" in output


def test_every_table_is_there_and_empty_where_nothing_is_known(host: Host) -> None:
    own = [node for name, node in host.manifest["nodes"].items() if name.startswith("model.mlbridge.ml_")]
    named = {node["alias"] for node in own if node["config"]["materialized"] != "ephemeral"}
    assert len(named) > 10
    assert named <= {name for (name,) in host.rows("select table_name from information_schema.tables")}
    for name in ("ml_versions", "ml_champions", "ml_metrics", "ml_predictions", "ml_drift", "ml_performance"):
        assert host.rows(f"select count(*) from {name}") == [(0,)]
    assert host.rows("select count(*) from churned_predictions") == [(0,)]


def test_the_decision_is_a_row_with_its_numbers(host: Host) -> None:
    found = host.rows("select model, outcome, version, decision from ml_decisions order by model")
    assert [row[:3] for row in found] == [("churned", "not_trained", None), ("spent", "not_trained", None)]
    for *_, decision in found:
        figures = json.loads(decision)
        assert 0 < figures["rows_train"] < figures["rows_train_needed"] == 50


def test_versions_and_doctor_say_what_the_build_said(host: Host, run: Callable[..., Result]) -> None:
    (reason,) = (row[0] for row in host.rows("select reason from ml_decisions where model = 'churned'"))
    shown = run("versions", "churned")
    assert shown.exit_code == 0, shown.output
    assert f"churned not trained: {reason}" in shown.output
    (row,) = json.loads(run("versions", "churned", "--format", "json").stdout)
    assert (row["outcome"], row["version"], row["reason"], row["champion"]) == ("not_trained", None, reason, False)
    findings = {row["check"]: row for row in json.loads(run("doctor", "--format", "json").stdout)}
    assert f"churned: {reason}." in findings["trained"]["finding"]
    assert findings["trained"]["fine"] == "ok"


def test_the_rows_come_and_the_model_is_trained(host: Host, warm: Warm, run: Callable[..., Result]) -> None:
    warm.dbt(host.path, "build", "--exclude-resource-type", "test", "--vars", "rows: 2000")
    assert host.rows("select model, version from ml_champions order by model") == [("churned", 1), ("spent", 1)]
    shown = run("versions").output
    assert "not trained" not in shown
    assert " of the way from baseline to perfect, ROC AUC " in shown
    strengths = {row["model"]: row["strength"] for row in json.loads(run("versions", "--format", "json").stdout)
                 if row["champion"]}  # fmt: skip
    assert all(each["word"] in ("weak", "moderate", "strong") for each in strengths.values())
    assert host.rows("select distinct baseline_name is not null from ml_metrics") == [(True,)]
    assert "no model waits for rows" in run("doctor").output
    # And when they go again, the champion stays and says why no other comes.
    warm.dbt(host.path, "build", "--vars", "{rows: 40, mlbridge_retrain: true}")
    shown = run("versions", "spent").output
    assert "spent not trained: requested by mlbridge_retrain; not trained, because" in shown
    assert "spent version 1 promoted: " in shown
