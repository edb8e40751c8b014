"""Leaderboard, importances, decisions, runs and pipeline of real builds, against the logbooks and the manifest."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from dbt_host import Host

from mlbridge.model_card.card import markdown_card
from mlbridge.monitor import State, open_folder
from mlbridge.monitor.pipeline import pipeline
from mlbridge.monitor.runs import invocations, runs
from mlbridge.monitor.version_changes import changes
from mlbridge.monitor.versions import decisions, importances, leaderboard

MODELS = ("basket", "amount")


@pytest.fixture(scope="module")
def state(aged_shop: Host) -> State:
    return open_folder(aged_shop.published).state()


def logbook(host: Host, model: str) -> list[dict[str, Any]]:
    """Read a model's logbook, oldest first; documents read."""
    names = ("version", "candidate", "outcome", "reason", "metrics", "importances", "rows_test", "library_versions")
    found = host.rows(f"select {', '.join(names)} from main_lab.{model}_training order by as_of, version, candidate")
    return [
        {
            name: json.loads(value) if value and name in ("metrics", "importances") else value
            for name, value in zip(names, row, strict=True)
        }
        for row in found
    ]


@pytest.mark.parametrize("model", MODELS)
def test_the_leaderboard_is_the_logbook(aged_shop: Host, state: State, model: str) -> None:
    fitted = [row for row in logbook(aged_shop, model) if row["outcome"] != "skipped"]
    expected = {
        (row["version"], row["candidate"], each["metric"], each["split"]): (
            each["value"], each["low"], each["high"], each["baseline"], each["n"], row["outcome"], row["reason"],
            # the second version is pinned, and was not promoted
            row["version"] == 2 and row["outcome"] == "rejected",
        )
        for row in fitted
        for each in row["metrics"]
        if each["slice"] == "all"
    }  # fmt: skip
    found = leaderboard(state, model).set_index(["version", "candidate", "metric", "split"])
    columns = ["value", "low", "high", "baseline", "n", "outcome", "reason", "in_use"]
    assert {key: tuple(row) for key, *row in found[columns].itertuples(name=None)} == expected
    assert found.index.get_level_values("version").tolist() == [2] * (len(found) // 2) + [1] * (len(found) // 2)
    assert {"promoted", "rejected"} <= set(found["outcome"])


@pytest.mark.parametrize("model", MODELS)
def test_importances_are_those_of_the_logbook(aged_shop: Host, state: State, model: str) -> None:
    expected = {
        (each["feature"], row["version"]): (each["mean"], each["std"], each["n"])
        for row in logbook(aged_shop, model)
        for each in row["importances"] or []
    }
    found = importances(state, model, [1, 2])
    assert {(each.feature, each.version): (each.mean, each.std, each.n) for each in found.itertuples()} == expected
    largest = found.groupby("feature", sort=False)["mean"].max()
    assert largest.tolist() == sorted(largest, reverse=True)


@pytest.mark.parametrize("model", MODELS)
def test_every_build_that_asked_whether_to_train_is_a_decision(aged_shop: Host, state: State, model: str) -> None:
    expected = [
        (row["outcome"], row["version"], row["reason"])
        for row in reversed(logbook(aged_shop, model))
        if row["outcome"] != "runner_up"
    ]
    found = decisions(state, model)
    assert [
        (each.outcome, None if pd.isna(each.version) else each.version, each.reason) for each in found.itertuples()
    ] == expected
    assert [outcome for outcome, *_ in expected] == ["skipped", "rejected", "promoted"]
    assert found["decided_at"].is_monotonic_decreasing


def test_two_versions_of_one_spec_differ_by_their_rows(aged_shop: Host, state: State) -> None:
    found = changes(state, "basket", 1, 2)
    assert set(found["what"]) == {"data"}
    rows = found.set_index("key")
    first, _, second, *_ = (row["rows_test"] for row in logbook(aged_shop, "basket"))
    assert rows.loc["rows_test", ["before", "after"]].tolist() == [f"{first:,}", f"{second:,}"]
    assert rows.loc["as_of", ["before", "after"]].tolist() == ["2024-05-15 00:00:00", "2024-06-12 00:00:00"]


@pytest.mark.parametrize("model", MODELS)
def test_every_version_has_a_card(state: State, model: str) -> None:
    for version, status in ((1, "not in use any more"), (2, "in use, pinned by the spec")):
        found = markdown_card(state, model, version)
        assert f"# Model card: {model}, version {version}" in found
        assert f"- **Status**: {status}\n" in found
    assert "The split is by a hash of household" in markdown_card(state, "basket", 1)
    assert "with a gap of 1 day" in markdown_card(state, "amount", 1)


# --- runs and pipeline -----------------------------------------------------------------------------------------


def test_the_last_build_is_the_newest_invocation(aged_shop: Host, state: State) -> None:
    every = aged_shop.rows("select invocation_id, started_at, seconds, status from main_insight.ml_runs")
    newest = [row for row in every if row[0] == state.build.id]
    found = invocations(state).iloc[0]
    assert found["invocation_id"] == state.build.id
    assert found["nodes"] == len(newest) > 20
    begin = min(started for _, started, *_ in newest)
    end = max(started + pd.Timedelta(seconds=seconds) for _, started, seconds, _ in newest)
    assert found["started_at"] == begin
    assert found["seconds"] == pytest.approx((end - begin).total_seconds(), abs=1e-5)
    assert (found["failed"], found["tests_failed"]) == (0, 0)
    assert len(runs(state)) == len(every)
    assert set(runs(state, stage="train", model="amount")["node"]) == {"amount_training"}


def test_the_pipeline_is_the_manifest(aged_shop: Host, state: State) -> None:
    manifest = aged_shop.manifest
    known = {**manifest["nodes"], **manifest["sources"]}
    nodes, edges = pipeline(state)
    assert {"source.shop.till.orders", "model.shop.stg_orders", "model.shop.basket_training"} <= set(nodes["node"])
    ephemeral = {id_ for id_, node in known.items() if node["config"].get("materialized") == "ephemeral"}
    assert not ephemeral & set(nodes["node"])
    for node in nodes.itertuples():
        expected = known[node.node].get("depends_on", {}).get("nodes", [])
        direct = {parent for parent in expected if parent not in ephemeral and parent in known}
        assert direct <= set(edges.loc[edges["child"] == node.node, "parent"])
    ran = nodes[nodes["kind"] != "source"]
    assert set(ran["status"]) == {"success"}
    assert set(ran["invocation_id"]) == {state.build.id}
    assert set(nodes.loc[nodes["kind"] == "source", "status"]) == {"never"}


def test_the_pipeline_of_a_model_leaves_out_the_other(state: State) -> None:
    nodes, edges = pipeline(state, "basket")
    assert set(nodes["model"].dropna()) == {"basket"}
    assert {"source.shop.till.orders", "model.mlbridge.ml_predictions"} <= set(nodes["node"])
    # Whatever is shown leads to the model, or comes from it.
    assert set(edges["parent"]) | set(edges["child"]) == set(nodes["node"])
