"""A second host, unlike the first in every respect, with the branch grafted on: what its owner may expect."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt_host import Host, copy_of_host, specify
from warm import Warm

MODELS = ("basket", "amount")
TABLES = {
    "ml_versions", "ml_champions", "ml_metrics", "ml_importances", "ml_profiles", "ml_predictions",
    "ml_predictions_latest", "ml_windows", "ml_distributions", "ml_drift", "ml_realized", "ml_performance", "ml_alerts",
    "ml_incidents", "ml_health", "ml_requests",
    "ml_runs", "ml_decisions", "ml_nodes", "ml_leaks", "ml_lineage", "ml_access",
}  # fmt: skip
STAGES = ("features", "split", "training", "predictions")
WITHOUT_TESTS = ("build", "--exclude-resource-type", "test")
REGISTER = ("run", "--select", "+ml_versions", "+ml_champions", "+ml_predictions_latest")  # all but the monitor


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Host], Host]:
    """Copy a host, for one test to change."""
    numbers = count()
    return lambda host: copy_of_host(host, tmp_path / str(next(numbers)))


def branch(host: Host) -> dict[str, list[tuple[Any, ...]]]:
    """Read what a build may only add to: the logbooks and the predictions."""
    kept = [f"{name}_{stage}" for name in MODELS for stage in ("training", "predictions")]
    return {name: host.rows(f"from main_lab.{name} order by all") for name in kept}


def tables(host: Host) -> list[tuple[Any, ...]]:
    return host.rows("select table_schema, table_name, table_type from information_schema.tables order by all")


def champions(host: Host) -> dict[str, tuple[int, bool]]:
    return {
        name: (version, pinned)
        for name, version, pinned in host.rows("select model, version, pinned from main_insight.ml_champions")
    }


def node(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    """Find a model in a manifest, whatever package it is in."""
    (found,) = (
        each for each in manifest["nodes"].values() if each["name"] == name and each["resource_type"] == "model"
    )
    return found


# --- the first build ---------------------------------------------------------------------------------------


def test_the_tables_are_where_the_host_says(shop: Host) -> None:
    found = {(schema, name) for schema, name, _ in tables(shop)}
    assert {("main_insight", name) for name in TABLES} <= found
    assert {("main_lab", f"{model}_{stage}") for model in MODELS for stage in STAGES} <= found
    assert {schema for schema, name in found if name in ("weeks", "stg_orders")} == {"main"}


def test_every_row_that_no_fit_saw_is_predicted_once(shop: Host) -> None:
    for model, key in (
        ("basket", "json_array(shop, customer_id::varchar)::varchar"),
        ("amount", "customer"),
    ):
        rows = shop.rows(f"""
            select {key}, week_from from main_lab.{model}_split where ml_split in ('test', 'score') order by all
        """)
        predicted = f"select entity, time from main_insight.ml_predictions where model = '{model}' order by all"
        assert shop.rows(predicted) == rows
        assert len(rows) > 500


def test_three_classes_in_words_with_the_probability_of_the_predicted_one(shop: Host) -> None:
    of_basket = "from main_insight.ml_predictions where model = 'basket'"
    assert shop.rows(f"select distinct prediction {of_basket} order by all") == [("large",), ("middle",), ("small",)]
    ((low, high, numbers),) = shop.rows(
        f"select min(probability), max(probability), count(prediction_value) {of_basket}"
    )
    assert 1 / 3 <= low < high <= 1
    assert numbers == 0
    ((right,),) = shop.rows(f"select avg((prediction = actual)::int) {of_basket} and actual is not null")
    assert right > 0.5


def test_outcomes_are_null_until_they_are_known(shop: Host) -> None:
    unknown = shop.rows("select distinct time from main_insight.ml_predictions where actual is null")
    assert unknown == [(datetime(2024, 6, 24),)]


def test_a_household_is_in_one_part_only(shop: Host) -> None:
    parts = "select household from main_lab.basket_split where ml_split <> 'score' group by 1"
    assert shop.rows(f"{parts} having count(distinct ml_split) > 1") == []
    assert len(shop.rows("select distinct ml_split from main_lab.basket_split")) == 4


def test_the_candidate_of_the_user_is_judged_like_the_others(shop: Host) -> None:
    rows = shop.rows("select candidate, outcome from main_insight.ml_versions where model = 'basket' order by all")
    assert [candidate for candidate, _ in rows] == ["logistic_regression", "our_tree"]
    assert sorted(outcome for _, outcome in rows) == ["promoted", "runner_up"]
    measured = "select count(*) from main_insight.ml_metrics where model = 'basket' and candidate = "
    assert shop.rows(f"{measured} 'our_tree'") == shop.rows(f"{measured} 'logistic_regression'")
    slices = "select distinct slice from main_insight.ml_metrics where model = 'basket' and slice <> 'all' order by 1"
    assert [name for (name,) in shop.rows(slices)] == [
        f"favourite={value}" for value in ("bread", "fish", "fruit", 'o\'clock "tea"')
    ]


def test_ml_runs_has_a_row_for_each_node_of_the_branch(shop: Host) -> None:
    rows = shop.rows("select node, model, stage, status, seconds, rows, rows_per_second from main_insight.ml_runs")
    nodes = {row[0]: row for row in rows}
    assert len(nodes) == len(rows)
    ahead = {"stg_orders", "weeks", "ml_thresholds"}
    assert set(nodes) == TABLES | ahead | {f"{model}_{stage}" for model in MODELS for stage in STAGES}
    assert {name: nodes[name][1:3] for name in ("stg_orders", "weeks")} == dict.fromkeys(
        ("stg_orders", "weeks"), (None, "host")
    )
    assert {row[3] for row in rows} == {"success"}
    for model in MODELS:
        for stage in STAGES:
            name = f"{model}_{stage}"
            _, of_model, of_stage, _, seconds, written, rate = nodes[name]
            assert (of_model, of_stage) == (model, {"training": "train", "predictions": "score"}.get(stage, stage))
            if name == "basket_split":  # a view
                assert written is None
                continue
            ((there,),) = shop.rows(f"select count(*) from main_lab.{name}")
            assert written == there
            assert rate == pytest.approx(written / seconds)


def test_what_leads_to_the_features_under_the_models_name_is_of_the_branch(
    shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(shop)
    features = "models/ml/amount/amount_features.sql"
    host.write(
        {
            features: (host.path / features).read_text().replace("ref('weeks')", "ref('amount_joined')"),
            "models/ml/amount/amount_joined.sql": "from {{ ref('amount_weeks') }}\n",
            "models/ml/amount/amount_weeks.sql": "from {{ ref('weeks') }}\n",
            "models/ml/amount/amount_report.sql": "from {{ ref('ml_predictions') }}\n",
        }
    )
    known = {row[0] for row in host.rows("select node from main_insight.ml_runs")}
    warm.dbt(host.path, "run", "--select", "weeks+")
    runs = host.rows("select node, model, stage, status from main_insight.ml_runs")
    assert {row for row in runs if row[0] not in known} == {
        ("amount_joined", "amount", "features", "success"),
        ("amount_weeks", "amount", "features", "success"),
    }


# --- what the manifest says --------------------------------------------------------------------------------


def test_the_published_tables_are_public_in_a_group_with_a_contract(shop: Host) -> None:
    for name in TABLES:
        found = node(shop.manifest, name)
        assert (found["access"], found["group"]) == ("public", "mlbridge"), name
        assert found["contract"]["enforced"], name
        assert found["config"]["grants"] == {}, name
        assert found["config"]["schema"] == "insight", name


def converted(host: Host) -> list[str]:
    """Name the tables and views of the package whose SELECT has not the types of their contract.

    DuckDB would convert it, and no build compares the two there (`made_by_contract`).
    """
    columns = "select column_name, column_type from (describe {}) order by all"

    def columns_of_select(name: str) -> list[tuple[Any, ...]]:
        (compiled,) = (host.path / "target" / "compiled" / "mlbridge").rglob(f"{name}.sql")
        return host.rows(columns.format(compiled.read_text()))

    return [
        name
        for name in sorted(TABLES)
        if columns_of_select(name) != host.rows(columns.format(node(host.manifest, name)["relation_name"]))
    ]


def test_what_is_selected_for_a_table_has_the_types_of_its_contract(shop: Host) -> None:
    assert converted(shop) == []


def test_what_is_added_to_a_table_has_the_types_of_its_contract(
    aged_shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    """A regression with a challenger in shadow beside three classes of a key of two columns, both with two versions."""
    host = copied(aged_shop)
    specify(host, "amount", pin=1, shadow=True)
    warm.dbt(host.path, "compile", "--select", "package:mlbridge")
    assert converted(host) == []


def test_grants_reach_the_published_tables_and_no_other(
    empty_shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(empty_shop)
    warm.dbt(host.path, "parse", "--vars", "{mlbridge_grant_select: [analysts, boss]}")
    granted = {
        each["name"]: each["config"]["grants"]
        for each in host.manifest["nodes"].values()
        if each["resource_type"] == "model" and each["config"]["grants"]
    }
    assert granted == {name: {"select": ["analysts", "boss"]} for name in TABLES}


def test_grants_that_the_host_configures_win_over_the_var(
    empty_shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(empty_shop)
    project = host.path / "dbt_project.yml"
    project.write_text(project.read_text().replace("schema: insight}", "schema: insight, +grants: {select: [boss]}}"))
    warm.dbt(host.path, "parse", "--vars", "{mlbridge_grant_select: analysts}")
    assert [node(host.manifest, name)["config"]["grants"] for name in TABLES] == [{"select": ["boss"]}] * len(TABLES)


def test_the_lineage_goes_from_the_till_to_the_dashboard(
    shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(shop)
    warm.dbt(host.path, "docs", "generate")
    children = host.manifest["child_map"]
    for model in MODELS:
        way = [
            "source.shop.till.orders",
            "model.shop.stg_orders",
            "model.shop.weeks",
            *(f"model.shop.{model}_{stage}" for stage in STAGES),
            "model.mlbridge.ml_predictions",
            "model.mlbridge.ml_predictions_latest",
            "exposure.mlbridge.ml_dashboard",
        ]
        for one, next_one in pairwise(way):
            assert next_one in children[one]
    assert "exposure.mlbridge.ml_monitor" in children["model.mlbridge.ml_champions"]
    catalog = json.loads((host.path / "target" / "catalog.json").read_text())["nodes"]
    for name in TABLES:
        described = node(host.manifest, name)["columns"]
        assert set(catalog[f"model.mlbridge.{name}"]["columns"]) == set(described)
        assert all(column["description"] for column in described.values())


# --- builds after the first --------------------------------------------------------------------------------


def test_building_again_adds_one_skipped_row_and_nothing_else(
    shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(shop)
    before = branch(host)
    warm.dbt(host.path, *WITHOUT_TESTS)
    after = branch(host)
    assert tables(host) == tables(shop)
    for model in MODELS:
        assert after[f"{model}_predictions"] == before[f"{model}_predictions"]
        logbook = after[f"{model}_training"]
        (new,) = [row for row in logbook if row not in before[f"{model}_training"]]
        assert len(logbook) == len(before[f"{model}_training"]) + 1
        assert new[:4] == (model, None, None, "skipped")
    assert champions(host) == champions(shop)


def test_a_full_refresh_loses_nothing(shop: Host, warm: Warm, copied: Callable[[Host], Host]) -> None:
    host = copied(shop)
    before, runs = branch(host), host.rows("from main_insight.ml_runs")
    warm.dbt(host.path, *WITHOUT_TESTS, "--full-refresh")
    after = branch(host)
    for name, rows in before.items():
        assert [row for row in rows if row not in after[name]] == [], name
    assert set(runs) < set(host.rows("from main_insight.ml_runs"))


def test_a_version_is_made_on_request_and_a_pin_rolls_forth_and_back(
    shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(shop)
    spec = host.path / "models" / "ml" / "amount" / "amount.yml"
    unpinned = spec.read_text()
    predicted = "select version, count(*) from main_insight.ml_predictions where model = 'amount' group by 1 order by 1"
    rows = shop.rows(predicted)[0][1]

    warm.dbt(host.path, *REGISTER, "--vars", "{mlbridge_retrain: true}")
    made = "select version, outcome from main_insight.ml_versions where model = 'amount' order by 1"
    assert host.rows(made) == [(1, "promoted"), (2, "rejected")], "the same rows gave a better model"
    assert champions(host)["amount"] == (1, False)
    assert host.rows(predicted) == [(1, rows)]

    spec.write_text(unpinned.replace("candidates: [ridge]", "candidates: [ridge]\n          pin: 2"))
    warm.dbt(host.path, *REGISTER)
    assert host.rows(made) == [(1, "promoted"), (2, "rejected")], "a pin is no reason to train"
    assert champions(host)["amount"] == (2, True)
    assert host.rows(predicted) == [(1, rows), (2, rows)]

    spec.write_text(unpinned)
    warm.dbt(host.path, *REGISTER)
    assert champions(host)["amount"] == (1, False)
    assert host.rows(predicted) == [(1, rows), (2, rows)]
    latest = (
        "select count(*), count(distinct (entity, time)) from main_insight.ml_predictions_latest where model = 'amount'"
    )
    assert host.rows(latest) == [(rows, rows)]

    spec.write_text(unpinned.replace("candidates: [ridge]", "candidates: [ridge]\n          pin: 9"))
    output = warm.dbt(host.path, *REGISTER, ok=False)
    assert "there is no version 9" in output
    assert [version for version, _ in host.rows(made)] == [1, 2]


# --- the past ----------------------------------------------------------------------------------------------


def test_a_past_day_is_built_from_what_was_known_on_it(
    empty_shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host, as_of = copied(empty_shop), datetime(2024, 4, 17, 12)
    warm.dbt(host.path, "seed")
    warm.dbt(host.path, *REGISTER, "--vars", "{mlbridge_as_of: '2024-04-17 12:00:00'}")
    for moment, train_to, holdout_from in host.rows(
        "select as_of, train_to, holdout_from from main_insight.ml_versions"
    ):
        assert moment == as_of
        assert train_to < as_of
        assert holdout_from is None or train_to < holdout_from < as_of
    predictions = host.rows("select time, actual, scored_at from main_insight.ml_predictions")
    assert {scored_at for *_, scored_at in predictions} == {as_of}
    assert max(time for time, *_ in predictions) == datetime(2024, 4, 15)
    # A week's outcome is known when the next week starts.
    assert {time for time, actual, _ in predictions if actual is None} == {datetime(2024, 4, 15)}

    before = branch(host)
    warm.dbt(host.path, *REGISTER, "--vars", "{mlbridge_as_of: '2024-05-01'}")
    after = branch(host)
    for name, rows in before.items():
        assert [row for row in rows if row not in after[name]] == [], name
    known = host.rows("select max(time) filter (actual is not null), max(time) from main_insight.ml_predictions")
    assert known == [(datetime(2024, 4, 22), datetime(2024, 4, 29))]


def test_the_past_does_not_depend_on_what_came_later(
    empty_shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    """The same day built from the orders of that day and from all orders gives the same models and predictions."""
    found = []
    for orders in ("all", "known"):
        host = copied(empty_shop)
        if orders == "known":
            file = host.path / "orders.parquet"
            kept = duckdb.sql(f"from '{file}' where week_from + 7 <= date '2024-04-17'").to_arrow_table()
            duckdb.from_arrow(kept).write_parquet(str(file))
        command = ("run", "--select", "+amount_predictions", "--vars", "{mlbridge_as_of: '2024-04-14'}")
        warm.dbt(host.path, *command)
        logbook = "select candidate, data_hash, metrics, params from main_lab.amount_training"
        predictions = "select entity, time, prediction from main_lab.amount_predictions"
        found.append((host.rows(logbook), sorted(host.rows(predictions))))
    assert found[0] == found[1]


# --- what may go wrong -------------------------------------------------------------------------------------


def test_a_failing_node_is_recorded_as_such(shop: Host, failed_shop: Host) -> None:
    host = failed_shop
    before = branch(shop)
    (invocation,) = {row[0] for row in host.rows("select invocation_id from main_insight.ml_runs")} - {
        row[0] for row in shop.rows("select invocation_id from main_insight.ml_runs")
    }
    runs = f"select node, status, message, rows from main_insight.ml_runs where invocation_id = '{invocation}'"
    status = {name: (status, message, rows) for name, status, message, rows in host.rows(runs)}
    assert status["amount_features"][0] == "error"
    assert "the till is closed" in status["amount_features"][1]
    assert status["amount_features"][2] is None
    assert {status[f"amount_{stage}"][0] for stage in STAGES[1:]} == {"skipped"}
    assert status["basket_predictions"][0] == "success"
    assert status["ml_predictions"][0] == "skipped"
    after = branch(host)
    assert all(after[name] == rows for name, rows in before.items() if name.startswith("amount"))


@pytest.mark.parametrize("selected", ["staging", "+weeks", "+amount_features"])
def test_a_part_of_the_host_builds_on_an_empty_database(
    selected: str, empty_shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(empty_shop)
    warm.dbt(host.path, "build", "--select", selected)
    assert host.rows("from information_schema.tables where table_name = 'ml_runs'") == []


def test_without_models_the_published_tables_are_empty(
    empty_shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(empty_shop)
    shutil.rmtree(host.path / "models" / "ml")
    warm.dbt(host.path, "build", "--vars", "{mlbridge_models: []}")
    for name in TABLES - {"ml_runs", "ml_nodes"}:
        described = list(node(host.manifest, name)["columns"])
        with duckdb.connect(str(host.database), read_only=True) as connection:
            relation = connection.sql(f"from main_insight.{name}")
            assert (relation.columns, relation.fetchall()) == (described, [])
