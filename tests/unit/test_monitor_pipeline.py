"""Runs and the pipeline, on tables made by hand."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from handmade import published
from handmade_versions import version

from mlbridge.app import column_graph
from mlbridge.app.graph import LIGHT
from mlbridge.monitor import MonitorError, State
from mlbridge.monitor.column_lineage import column_lineage, traced_columns
from mlbridge.monitor.pipeline import pipeline
from mlbridge.monitor.runs import invocations, runs

START = datetime(2024, 6, 1, 4)
PARENTS = {
    "source.shop.raw.orders": [],
    "seed.shop.regions": [],
    "model.shop.stg_orders": ["source.shop.raw.orders"],
    "model.shop.weeks": ["model.shop.stg_orders", "seed.shop.regions"],
    "model.shop.basket_features": ["model.shop.weeks", "model.shop.weeks"],
    "model.shop.basket_split": ["model.shop.basket_features"],
    "model.shop.basket_training": ["model.shop.basket_split"],
    "model.shop.basket_predictions": ["model.shop.basket_split", "model.shop.basket_training"],
    "model.shop.amount_features": ["model.shop.basket_features", "model.shop.stg_orders"],
    "model.shop.amount_split": ["model.shop.amount_features"],
    "model.shop.amount_training": ["model.shop.amount_split"],
    "model.shop.amount_predictions": ["model.shop.amount_split", "model.shop.amount_training"],
    "model.mlbridge.ml_versions": ["model.shop.amount_training", "model.shop.basket_training"],
    "model.mlbridge.ml_predictions": ["model.shop.amount_predictions", "model.shop.basket_predictions"],
    "model.mlbridge.ml_runs": [],
}  # fmt: skip


def node(id_: str) -> dict[str, Any]:
    kind, package, *rest = id_.split(".")
    name = ".".join(rest)
    owner, _, stage = name.partition("_")
    model = owner if owner in ("basket", "amount") else None
    return {
        "node": id_, "name": name, "kind": kind, "package": package, "model": model,
        "stage": "monitor" if package == "mlbridge" else stage if model else "source" if kind == "source" else "host",
        "materialized": None if kind == "source" else "table", "description": f"<b>{name}</b>",
        "parents": json.dumps(PARENTS[id_]),
    }  # fmt: skip


def run(invocation: str, name: str, minutes: float | None, seconds: float, status: str = "success", **more: Any) -> Any:
    owner, _, stage = name.partition("_")
    model = owner if owner in ("basket", "amount") else None
    begun = None if minutes is None else START + timedelta(minutes=minutes)
    return {
        "invocation_id": invocation, "node": name, "model": model, "stage": stage if model else "monitor",
        "status": status, "started_at": begun, "seconds": seconds, "rows": None, "rows_per_second": None,
        "as_of": START, "message": None, "tests_passed": 2, "tests_warned": 0, "tests_failed": 0, **more,
    }  # fmt: skip


RUNS = [
    run("first", "basket_split", 0, 30, rows=600, rows_per_second=20.0),
    run("first", "basket_training", 0.5, 90, rows=3),
    run("first", "amount_training", 0.25, 15),
    run("first", "ml_predictions", 3, 1),
    # without counts of tests, as an earlier mlbridge noted it
    run("old", "basket_split", -60, 5, tests_passed=None, tests_warned=None, tests_failed=None),
    run("second", "basket_split", 60, 20, rows=700, rows_per_second=35.0, tests_failed=1),
    run("second", "basket_training", 61, 4, "error", message="KeyError: '<script>'"),
    run("second", "basket_predictions", None, 0, "skipped"),
    # never started, so that only its clock tells when it was: as late as the first
    run("stopped", "basket_predictions", None, 0, "skipped"),
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    folder = tmp_path_factory.mktemp("pipeline")
    return published(folder, ml_nodes=[node(each) for each in PARENTS], ml_runs=RUNS)


# --- the runs --------------------------------------------------------------------------------------------------


def test_invocations(state: State) -> None:
    found = invocations(state)
    assert list(found.columns) == [
        "invocation_id", "started_at", "as_of", "seconds", "nodes", "failed", "skipped", "tests_failed",
    ]  # fmt: skip
    assert list(found["invocation_id"]) == ["second", "first", "stopped", "old"]
    assert list(found["nodes"]) == [3, 4, 1, 1]
    assert list(found["failed"]) == [1, 0, 0, 0]
    assert list(found["skipped"]) == [1, 0, 1, 0]
    # From the start of the first node to the end of the last, not the sum.
    assert found["seconds"].tolist() == [64, 181, 0, 5]
    assert found["tests_failed"].tolist() == [1, 0, 0, pd.NA]
    assert found["started_at"].tolist() == [START + timedelta(hours=1), START, START, START - timedelta(hours=1)]
    assert set(found["as_of"]) == {START}


def test_the_last_invocations_only(state: State) -> None:
    assert list(invocations(state, last=2)["invocation_id"]) == ["second", "first"]
    assert set(runs(state, last=1)["invocation_id"]) == {"second"}


def test_runs_in_the_order_in_which_they_started(state: State) -> None:
    found = runs(state)
    assert list(found.columns) == [
        "invocation_id", "started_at", "node", "model", "stage", "status", "seconds", "rows", "rows_per_second",
        "tests_passed", "tests_warned", "tests_failed", "message",
    ]  # fmt: skip
    assert len(found) == len(RUNS)
    assert list(found["node"][:7]) == [
        "basket_split", "basket_training", "basket_predictions",
        "basket_split", "amount_training", "basket_training", "ml_predictions",
    ]  # fmt: skip
    skipped = found.iloc[2]
    assert (skipped["status"], skipped["started_at"]) == ("skipped", START + timedelta(hours=1))
    assert found.iloc[1]["message"] == "KeyError: '<script>'"
    split = found.iloc[0]
    assert (split["rows"], split["rows_per_second"], split["tests_failed"]) == (700, 35.0, 1)


def test_runs_of_a_stage_or_a_model(state: State) -> None:
    assert set(runs(state, stage="split")["node"]) == {"basket_split"}
    assert set(runs(state, model="amount")["node"]) == {"amount_training"}
    assert runs(state, stage="split", model="amount").empty
    with pytest.raises(MonitorError, match=r"'splitt'.* Did you mean 'split'\?"):
        runs(state, stage="splitt")
    with pytest.raises(MonitorError, match=r"'baskett'.* Did you mean 'basket'\?"):
        runs(state, model="baskett")


def test_no_runs_yet(tmp_path: Path) -> None:
    state = published(tmp_path, ml_nodes=[node(each) for each in PARENTS])
    assert runs(state).empty
    assert invocations(state).empty
    nodes, edges = pipeline(state)
    assert set(nodes["status"]) == {"never"}
    assert len(edges) == sum(len(set(parents)) for parents in PARENTS.values())


# --- the pipeline ----------------------------------------------------------------------------------------------


def test_every_node_has_the_state_of_its_last_run(state: State) -> None:
    nodes, _ = pipeline(state)
    found = nodes.set_index("name")
    assert list(nodes["node"]) == sorted(PARENTS)
    status = found["status"].to_dict()
    ran = {"basket_split": "success", "basket_training": "error", "basket_predictions": "skipped"}
    ran |= {"amount_training": "success", "ml_predictions": "success"}
    assert status == {name: ran.get(name, "never") for name in found.index}
    split = found.loc["basket_split"]
    assert (split["rows"], split["seconds"], split["tests_failed"], split["invocation_id"]) == (700, 20, 1, "second")
    assert split["ran_at"] == START + timedelta(hours=1)
    # Skipped with the others of a command that did start, which is known to be newer than one that never did.
    assert found.loc["basket_predictions", "invocation_id"] == "second"
    never = found.loc["weeks"]
    assert never[["seconds", "rows", "tests_failed", "ran_at", "invocation_id"]].isna().all()
    assert never["description"] == "<b>weeks</b>"
    assert (never["kind"], never["stage"], never["package"], never["materialized"]) == (
        "model",
        "host",
        "shop",
        "table",
    )


def test_edges_are_those_of_the_graph(state: State) -> None:
    nodes, edges = pipeline(state)
    expected = {(parent, child) for child, parents in PARENTS.items() for parent in parents}
    assert set(edges.itertuples(index=False, name=None)) == expected
    assert not edges.duplicated().any()
    assert len(nodes) == len(PARENTS)


def test_the_pipeline_of_one_model(state: State) -> None:
    nodes, edges = pipeline(state, "basket")
    package = {"model.mlbridge.ml_versions", "model.mlbridge.ml_predictions"}
    others = {each for each in PARENTS if "amount" in each}
    assert set(nodes["node"]) == set(PARENTS) - others - {"model.mlbridge.ml_runs"}
    assert package <= set(nodes["node"])
    assert set(edges["parent"]) | set(edges["child"]) <= set(nodes["node"])


def test_a_node_of_another_model_stays_where_it_leads_to_this_one(state: State) -> None:
    nodes, _ = pipeline(state, "amount")
    assert set(nodes["node"]) == set(PARENTS) - {
        "model.shop.basket_split", "model.shop.basket_training", "model.shop.basket_predictions",
        "model.mlbridge.ml_runs",
    }  # fmt: skip


def test_a_source_does_not_have_the_state_of_a_model_of_its_name(tmp_path: Path) -> None:
    orders = {"node": "source.shop.raw.orders", "name": "basket_split", "kind": "source", "stage": "source"}
    found, _ = pipeline(published(tmp_path, ml_nodes=[{**orders, "parents": "[]"}], ml_runs=RUNS))
    assert found["status"].tolist() == ["never"]


def test_no_such_model(state: State) -> None:
    with pytest.raises(MonitorError, match=r"'amont'.* Did you mean 'amount'\?"):
        pipeline(state, "amont")


# --- columns ---------------------------------------------------------------------------------------------------

EDGES = [
    ("basket_features", "spent", "stg_orders", "amount", "aggregated", False),
    ("basket_features", "spent", "stg_orders", "ordered_at", "filtered by", False),
    ("basket_features", "domain", "stg_orders", "email", "transformed", True),
    ("stg_orders", "amount", "raw.orders", "amount", "copied", False),
    ("stg_orders", "email", "raw.orders", "email", "copied", True),
    ("basket_features", "half", "stg_orders", "amount", "transformed", False),
]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> State:
    names = ("node", "column_name", "from_node", "from_column", "how", "is_pii")
    newest = {"model": "basket", "version": 2, "trained_at": datetime(2024, 6, 1)}
    rows = [{**newest, "certainty": "certain", **dict(zip(names, each, strict=True))} for each in EDGES]
    # An earlier model of this name had more versions.
    rows += [{**row, "version": 5, "node": "gone", "trained_at": datetime(2023, 6, 1)} for row in rows[:1]]
    folder = tmp_path_factory.mktemp("traced")
    nodes, kept = [node(each) for each in PARENTS], [version(2, **newest)]
    return published(folder, ml_nodes=nodes, ml_lineage=rows, ml_versions=kept)


def test_the_ends_of_a_lineage(traced: State) -> None:
    found = traced_columns(traced, "basket")
    assert list(found.itertuples(index=False, name=None)) == [
        ("basket_features.domain", "feature"), ("basket_features.half", "feature"),
        ("basket_features.spent", "feature"), ("raw.orders.amount", "source"), ("raw.orders.email", "source"),
    ]  # fmt: skip
    assert traced_columns(traced, "amount").empty


def test_a_column_both_ways(traced: State) -> None:
    found = column_lineage(traced, "basket", "basket_features.spent")
    assert found[["side", "column_name", "from_node", "from_column", "how"]].to_numpy().tolist() == [
        ["above", "spent", "stg_orders", "amount", "aggregated"], ["above", "amount", "raw.orders", "amount", "copied"],
    ]  # fmt: skip
    found = column_lineage(traced, "basket", "stg_orders.amount")
    assert set(found["side"] + " " + found["column_name"]) == {"above amount", "below spent", "below half"}
    assert column_lineage(traced, "basket", "raw.orders.email")["is_pii"].all()


def test_a_column_that_is_not_there(traced: State) -> None:
    with pytest.raises(MonitorError, match=r"no column 'raw.order.amount'.* Did you mean 'raw.orders.amount'\?"):
        column_lineage(traced, "basket", "raw.order.amount")


def test_the_graph_of_columns(traced: State) -> None:
    drawn = column_graph.drawn(column_lineage(traced, "basket", "raw.orders.amount"), "raw.orders.amount", LIGHT)
    assert '"stg_orders.amount" -> "basket_features.spent" [label="aggregated", style=bold];' in drawn
    assert '"raw.orders.amount" [label="amount", penwidth=2.5' in drawn
    assert 'label="stg_orders"; labeljust=l;' in drawn
