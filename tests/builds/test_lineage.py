"""The tables of what happened: the graph, the decisions and the runs, against what dbt itself wrote down."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt_host import Host, copy_of_host
from hosts import two_models
from warm import Warm

MODELS = ("basket", "amount")
STAGES = {"features": "features", "split": "split", "training": "train", "predictions": "score"}
OF_PACKAGE = {
    "ml_versions": "register", "ml_champions": "register", "ml_decisions": "register", "ml_metrics": "train",
    "ml_importances": "train", "ml_profiles": "train", "ml_predictions": "score", "ml_predictions_latest": "score",
    "ml_windows": "monitor", "ml_distributions": "monitor", "ml_drift": "monitor", "ml_realized": "monitor",
    "ml_performance": "monitor", "ml_alerts": "monitor", "ml_incidents": "monitor", "ml_health": "monitor",
    "ml_requests": "monitor", "ml_runs": "monitor", "ml_nodes": "monitor",
    "ml_thresholds": "monitor", "ml_leaks": "register", "ml_lineage": "register", "ml_access": "monitor",
}  # fmt: skip


def dicts(host: Host, sql: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(host.database), read_only=True) as connection:
        found: list[dict[str, Any]] = connection.sql(sql).to_arrow_table().to_pylist()
        return found


def above(manifest: dict[str, Any], node: str) -> set[str]:
    """Give what a node reads by dbt's own map of parents, through what is ephemeral."""
    found = set()
    for parent in manifest["parent_map"][node]:
        known = manifest["nodes"].get(parent, {})
        found |= above(manifest, parent) if known.get("config", {}).get("materialized") == "ephemeral" else {parent}
    return found


def assert_lineage(host: Host, models: tuple[str, ...], schema: str) -> dict[str, dict[str, Any]]:
    """Assert that `ml_nodes` is the part of the manifest that leads to the branch and the package; give it by id."""
    manifest, rows = host.manifest, dicts(host, f"from {schema}.ml_nodes")
    nodes = {**manifest["nodes"], **manifest["sources"]}
    wanted = {f"model.mlbridge.{name}" for name in OF_PACKAGE if name != "ml_thresholds"}
    branch = {f"{model}_{stage}" for model in models for stage in STAGES}
    wanted |= {id_ for id_, node in nodes.items() if node["name"] in branch}
    while more := set().union(*(above(manifest, id_) for id_ in wanted)) - wanted:
        wanted |= more
    found = {row["node"]: row for row in rows}
    assert len(found) == len(rows)
    assert set(found) == wanted
    for id_, row in found.items():
        node = nodes[id_]
        assert set(json.loads(row["parents"])) == above(manifest, id_), id_
        assert (row["kind"], row["package"]) == (node["resource_type"], node["package_name"])
        assert row["materialized"] == node["config"].get("materialized")
        assert row["description"] == (node["description"] or None)
    return found


def test_ml_nodes_is_what_leads_to_the_branch(aged_shop: Host) -> None:
    found = assert_lineage(aged_shop, MODELS, "main_insight")
    places = {row["name"]: (row["model"], row["stage"]) for row in found.values()}
    assert places == {
        "till.orders": (None, "source"),
        "stg_orders": (None, "host"),
        "weeks": (None, "host"),
        **{f"{model}_{name}": (model, stage) for model in MODELS for name, stage in STAGES.items()},
        **{name: (None, stage) for name, stage in OF_PACKAGE.items()},
    }


GRAPH = {
    "packages.yml": "packages:\n  - local: {root}\n  - local: other\n",
    "other/dbt_project.yml": "name: other\nversion: 1.0.0\n",
    "other/models/places.sql": "select 1 as place",
    "seeds/regions.csv": "region\n1\n",
    "snapshots/history.yml": "snapshots:\n  - name: history\n    relation: source('raw', 'visits')\n"
    "    config: {unique_key: id, strategy: check, check_cols: all}\n",
    "models/raw.yml": "sources:\n  - name: raw\n"
    "    tables: [{name: visits, description: 'It''s \"raw\".\n\nAs it came.'}]\n",
    "models/typed.sql": "{{ config(materialized='ephemeral') }} select * from {{ source('raw', 'visits') }}",
    "models/cleaned.sql": "{{ config(materialized='ephemeral') }} "
    "select t.* from {{ ref('typed') }} as t, {{ ref('regions') }} as r",
    "models/visits.sql": "select c.* from {{ ref('cleaned') }} as c, {{ ref('other', 'places') }} as p",
    "models/people_v1.sql": "select 1 as id from {{ ref('visits') }}",
    "models/people_v2.sql": "select 1 as id, 2 as age from {{ ref('cleaned') }}, {{ ref('history') }}",
    "models/people.yml": "models:\n  - {name: people, latest_version: 2, versions: [{v: 1}, {v: 2}]}\n",
    "models/report.sql": "select * from {{ ref('visits') }}",
    "models/spent_joined.sql": "select * from {{ ref('people', v=1) }} as one, {{ ref('people') }} as two",
}  # fmt: skip


def test_ml_nodes_of_seeds_snapshots_versions_packages_and_what_is_ephemeral(tmp_path: Path, warm: Warm) -> None:
    host = two_models(tmp_path / "host")
    packages = (host.path / "packages.yml").read_text()
    host.write({name: text.replace("{root}", packages.split()[-1]) for name, text in GRAPH.items()})
    features = host.path / "models" / "spent" / "spent_features.sql"
    features.write_text(features.read_text() + "-- depends_on: {{ ref('spent_joined') }}\n")
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, "run", "--select", "ml_nodes")
    found = assert_lineage(host, ("churned", "spent"), "main")
    names = {row["name"]: row for row in found.values() if row["package"] != "mlbridge" and row["stage"] != "source"}
    ahead = {name: (row["kind"], row["model"], row["stage"]) for name, row in names.items() if row["stage"] == "host"}
    assert ahead == {
        "regions": ("seed", None, "host"),
        "history": ("snapshot", None, "host"),
        "visits": ("model", None, "host"),
        "people.v1": ("model", None, "host"),
        "people.v2": ("model", None, "host"),
        "other.places": ("model", None, "host"),
    }
    assert names["spent_joined"]["model"] == "spent"
    assert names["spent_joined"]["stage"] == "features"
    assert found["source.small.raw.visits"]["name"] == "raw.visits"
    assert set(json.loads(names["visits"]["parents"])) == {
        "source.small.raw.visits", "seed.small.regions", "model.other.places",
    }  # fmt: skip


def test_ml_decisions_is_what_the_logbooks_say(aged_shop: Host) -> None:
    columns = ("invocation_id", "trained_at", "as_of", "outcome", "version", "reason", "decision")
    expected = [
        (model, *(row[name] for name in columns))
        for model in MODELS
        for row in dicts(aged_shop, f"from main_lab.{model}_training")
        if row["outcome"] != "runner_up"
    ]
    columns_sql = ", ".join(("model", *columns)).replace("trained_at", "decided_at")
    found = aged_shop.rows(f"select {columns_sql} from main_insight.ml_decisions")
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert {(model, outcome) for model, _, _, _, outcome, *_ in found} >= {
        (model, outcome) for model in MODELS for outcome in ("promoted", "skipped")
    }
    assert all((version is None) == (outcome == "skipped") for *_, outcome, version, _, _ in found)


# --- runs --------------------------------------------------------------------------------------------------

TESTS = {
    "models/marts/marts.yml": """
models:
  - name: weeks
    columns:
      - {name: customer_id, data_tests: [not_null]}
      - {name: next_amount, data_tests: [{not_null: {config: {severity: warn}}}]}
      - {name: household, data_tests: [unique]}
unit_tests:
  - name: one_week
    model: weeks
    given:
      - {input: ref('stg_orders'), rows: [{shop: a, customer_id: 1, amount: 2}]}
    expect: {rows: [{customer_id: 1, amount_of_four_weeks: 2}]}
""",
    "tests/orders_are_of_weeks.sql": "select 1 from {{ ref('stg_orders') }}, {{ ref('weeks') }} where 1 = 0",
    "tests/nonsense.sql": "select cast('x' as integer) from {{ ref('weeks') }}",
}
WORDS = {"pass": "passed", "warn": "warned", "fail": "failed", "error": "failed"}


def node_of(manifest: dict[str, Any], test: str) -> str:
    if test.startswith("unit_test."):
        return str(manifest["unit_tests"][test]["depends_on"]["nodes"][0])
    node = manifest["nodes"][test]
    return str(node.get("attached_node") or node["depends_on"]["nodes"][0])


def test_ml_runs_is_what_dbt_wrote_down(shop: Host, warm: Warm, tmp_path: Path) -> None:
    """Tests that pass, warn, fail and cannot be run, of nodes that then keep others from being built."""
    host = copy_of_host(shop, tmp_path)
    host.write(TESTS)
    warm.dbt(host.path, "build", ok=False)
    written = json.loads((host.path / "target" / "run_results.json").read_text())
    manifest, counts = host.manifest, Counter[tuple[str, str]]()
    expected, messages = {}, dict[str, list[str]]()
    for result in written["results"]:
        id_ = result["unique_id"]
        if id_.startswith(("test.", "unit_test.")) and result["status"] in WORDS:
            counts[node_of(manifest, id_), WORDS[result["status"]]] += 1
            if WORDS[result["status"]] == "failed":
                messages.setdefault(node_of(manifest, id_), []).append(f"{id_.split('.')[2]}: {result['message']}")
    for result in written["results"]:
        id_ = result["unique_id"]
        if id_.startswith(("model.", "seed.")):
            numbers = [counts[id_, state] for state in ("passed", "warned", "failed")]
            message = (
                "\n".join(messages[id_])
                if id_ in messages
                else None
                if result["status"] == "success"
                else result["message"]
            )
            expected[manifest["nodes"][id_]["name"]] = (result["status"], result["execution_time"], *numbers, message)
    found = host.rows(f"""
        select node, status, seconds, tests_passed, tests_warned, tests_failed, message
        from main_insight.ml_runs where invocation_id = '{written["metadata"]["invocation_id"]}'
    """)
    assert len(found) == len(expected)
    assert {name: facts for name, *facts in found} == {
        name: [status, pytest.approx(seconds), *numbers] for name, (status, seconds, *numbers) in expected.items()
    }
    assert [facts[2:5] for facts in (expected["weeks"], expected["stg_orders"])] == [(2, 1, 2), (1, 0, 0)]
    assert "results, configured to fail if" in expected["weeks"][5]
    assert {facts[0] for facts in expected.values()} == {"success", "skipped"}


def test_a_failed_test_of_our_tables_says_what_is_wrong(shop: Host, warm: Warm, tmp_path: Path) -> None:
    host = copy_of_host(shop, tmp_path)
    with duckdb.connect(str(host.database)) as connection:
        connection.execute(
            "update main_lab.basket_training set reason = null, outcome = 'lost' where outcome = 'promoted'"
        )
    test = "valid_rows_of_ml_versions"
    wrong = [
        "outcome is none of promoted, rejected, runner_up, withheld in 1 row(s), such as lost",
        "reason is NULL in 1 row(s)",
    ]
    output = warm.dbt(host.path, "build", "--select", "ml_versions", ok=False)
    assert all(f"{test}: {each}\n" in output for each in wrong)
    ((message,),) = host.rows("select message from main_insight.ml_runs order by started_at desc limit 1")
    assert sorted(message.removeprefix(f"{test}: ").split("; ")) == wrong
    output = warm.dbt(host.path, "test", "--select", "ml_versions", ok=False)
    assert all(f"{test}: {each}\n" in output for each in wrong)


def test_a_table_of_an_earlier_mlbridge_gets_what_it_has_columns_for(shop: Host, warm: Warm, tmp_path: Path) -> None:
    host = copy_of_host(shop, tmp_path)
    added = ("tests_passed", "tests_warned", "tests_failed")
    with duckdb.connect(str(host.database)) as connection:
        for name in added:
            connection.execute(f"alter table main_insight.ml_runs drop column {name}")
    before = host.rows("from main_insight.ml_runs")
    warm.dbt(host.path, "build", "--select", "weeks")
    after = host.rows("from main_insight.ml_runs")
    (row,) = [row for row in after if row not in before]
    assert row[1:5] == ("weeks", None, "host", "success")

    warm.dbt(host.path, "run", "--select", "weeks", "ml_runs")
    found = host.rows(f"select node, {', '.join(added)} from main_insight.ml_runs order by started_at desc limit 2")
    assert set(found) == {("weeks", 0, 0, 0), ("ml_runs", 0, 0, 0)}
    kept = host.rows(f"select * exclude ({', '.join(added)}) from main_insight.ml_runs where tests_passed is null")
    assert sorted(kept, key=str) == sorted(after, key=str)
