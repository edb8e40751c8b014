"""The drift map, on tables made by hand: what is worst in a cell, how features are sorted, what is refused."""

from __future__ import annotations

import math
import re
import time
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dbt_host import ROOT
from handmade import published

from mlbridge.catalogue.drift import DRIFT_METRICS
from mlbridge.monitor import ENOUGH_ROWS, MonitorError, State
from mlbridge.monitor.distribution import distribution
from mlbridge.monitor.drift import drift, drift_history, drift_metrics

MAY, JUNE, JULY = datetime(2024, 5, 1), datetime(2024, 6, 1), datetime(2024, 7, 1)
SPEC = '{"task": "regression", "target": "y", "entity": ["id"], "time": "at", "candidates": [], "metric": "rmse"}'
VERSION = {
    "model": "m", "version": 1, "candidate": "ridge", "outcome": "promoted", "spec": SPEC, "params": "{}",
}  # fmt: skip


def row(feature: str, window: datetime, metric: str, value: float | None, threshold: float | None, **more: Any) -> Any:
    defaults = {
        "model": "m", "version": 1, "feature": feature, "window": window, "baseline": "training", "metric": metric,
        "value": value, "threshold": threshold, "alert": False, "rows_used": 100, "rows_unused": 3,
        "rows_baseline": 900, "window_end": JULY, "threshold_from": "floor", "is_comparable": True,
    }  # fmt: skip
    return {**defaults, **more}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    rows = [
        row("small", MAY, "psi", 0.1, 0.2),
        row("small", MAY, "ks", 0.09, 0.1),
        row("small", JUNE, "psi", 0.3, 0.2, alert=True, baseline="previous"),
        row("small", JUNE, "psi", None, 0.2),
        row("small", JUNE, "ks", 0.01, 0.1),
        row("great", MAY, "null_share_change", -0.6, 0.2, alert=True),
        row("great", MAY, "psi", 0.9, 0.2),
        row("great", JUNE, "psi", 0.1, 0.0),
        row("great", JUNE, "ks", 0.0, 0.0),
        row("harmful", MAY, "psi", 0.4, 0.1, alert=True),
        row("gone", MAY, "psi", None, 0.2),
        row("gone", MAY, "ks", None, 0.1),
        row("gone", MAY, "chi_square", None, 0.0),
        row("ml_target", MAY, "psi", 0.05, 0.2),
        row("ml_prediction", MAY, "psi", 0.02, 0.2),
        row("other", MAY, "psi", 9.0, 0.1, model="n"),
        row("small", MAY, "psi", 9.0, 0.1, version=2),
    ]
    importances = [
        {"model": "m", "version": 1, "feature": feature, "mean": mean, "std": 0.0, "n": 50}
        for feature, mean in {"small": 1.0, "great": 0.5, "harmful": -0.2, "gone": 0.3}.items()
    ]
    return published(
        tmp_path_factory.mktemp("drift"),
        ml_versions=[VERSION, {**VERSION, "version": 2}, {**VERSION, "version": 3}, {**VERSION, "model": "n"}],
        ml_nodes=[{"node": "model.shop.m_training", "name": "m_training", "kind": "model", "model": "m"}],
        ml_drift=rows,
        ml_importances=importances,
    )


def cell(frame: pd.DataFrame, feature: str, window: datetime) -> pd.Series[Any]:
    (found,) = frame[(frame["feature"] == feature) & (frame["window"] == window)].index
    return frame.loc[found]


def test_one_cell_for_each_feature_and_window(state: State) -> None:
    found = drift(state, "m", 1)
    assert not found.duplicated(["feature", "window"]).any()
    assert set(found["feature"]) == {"small", "great", "harmful", "gone", "ml_target", "ml_prediction"}
    assert list(found.columns) == [
        "feature", "window", "window_end", "is_comparable", "metric", "value", "threshold", "ratio", "alert",
        "rows_used", "rows_unused", "rows_baseline", "threshold_from", "importance", "worst_ratio", "weight", "order",
    ]  # fmt: skip


def test_the_worst_metric_is_that_farthest_from_its_threshold(state: State) -> None:
    found = drift(state, "m", 1)
    may, june = cell(found, "small", MAY), cell(found, "small", JUNE)
    assert (may["metric"], may["ratio"]) == ("ks", pytest.approx(0.9))
    assert (june["metric"], june["ratio"]) == ("ks", pytest.approx(0.1))


def test_a_cell_alarms_when_any_of_its_metrics_does(state: State) -> None:
    found = cell(drift(state, "m", 1), "great", MAY)
    assert (found["metric"], found["ratio"], found["alert"]) == ("psi", pytest.approx(4.5), True)
    assert not cell(drift(state, "m", 1, metric="psi"), "great", MAY)["alert"]


def test_thresholds_of_nothing_and_values_of_nothing(state: State) -> None:
    found = drift(state, "m", 1)
    assert cell(found, "great", JUNE)["ratio"] == math.inf
    assert cell(drift(state, "m", 1, metric="ks"), "great", JUNE)["ratio"] == 0
    gone = cell(found, "gone", MAY)
    assert math.isnan(gone["ratio"])
    assert gone["metric"] == "psi"
    assert gone["rows_used"] == 100


def test_what_was_not_judged_does_not_stand_for_what_alarms(tmp_path: Path) -> None:
    """Of ten rows with a value psi says what it likes, while the share of NULLs is that of all hundred."""
    cells = [
        row("x", MAY, "psi", 9.0, 0.2, is_comparable=False, rows_used=10),
        row("x", MAY, "null_share_change", 0.9, 0.2, alert=True, rows_used=100),
        row("y", MAY, "psi", 9.0, 0.2, is_comparable=False),
        row("y", MAY, "ks", 0.5, 0.2, is_comparable=False),
    ]
    found = drift(published(tmp_path, ml_versions=[VERSION], ml_drift=cells, ml_importances=[]), "m", 1)
    shown = found.set_index("feature")[["metric", "alert", "worst_ratio"]].to_dict("index")
    assert shown["x"] == {"metric": "null_share_change", "alert": True, "worst_ratio": pytest.approx(4.5)}
    assert shown["y"] == {"metric": "psi", "alert": False, "worst_ratio": pytest.approx(45)}


def test_the_sign_does_not_count(state: State) -> None:
    found = cell(drift(state, "m", 1, metric="null_share_change"), "great", MAY)
    assert (found["value"], found["ratio"]) == (-0.6, pytest.approx(3))


def test_features_are_sorted_by_importance_times_drift(state: State) -> None:
    found = drift(state, "m", 1).drop_duplicates("feature").set_index("feature")
    assert list(found.index) == ["ml_prediction", "ml_target", "great", "small", "harmful", "gone"]
    assert list(found["order"]) == [0, 1, 2, 3, 4, 5]
    weights = found["weight"].astype("float64")
    # 0.5 x 4.5, 1.0 x 0.9; an importance below 0 is none
    assert [weights[name] for name in ("great", "small", "harmful")] == pytest.approx([2.25, 0.9, 0])
    assert weights[["ml_prediction", "ml_target", "gone"]].isna().all()
    assert found.loc["harmful", "importance"] == -0.2
    assert math.isnan(found.loc["ml_target", "importance"])


def test_a_window_that_cannot_be_compared_has_no_say_in_the_order(tmp_path: Path) -> None:
    """A few rows say what they like; a feature that has no other window is sorted by it."""
    august = {"window_end": datetime(2024, 8, 1), "is_comparable": False}
    built = published(
        tmp_path,
        ml_versions=[VERSION],
        ml_drift=[
            row("begun", MAY, "psi", 0.1, 0.2),
            row("begun", JULY, "psi", 9.0, 0.2, **august),
            row("moved", MAY, "psi", 0.3, 0.2),
            row("new", JULY, "psi", 0.2, 0.2, **august),
        ],
        ml_importances=[
            {"model": "m", "version": 1, "feature": name, "mean": 1.0, "std": 0.0, "n": 50}
            for name in ("begun", "moved", "new")
        ],
    )
    found = drift(built, "m", 1)
    features = found.drop_duplicates("feature").set_index("feature")
    assert list(features.index) == ["moved", "new", "begun"]
    assert list(features["worst_ratio"]) == pytest.approx([1.5, 1.0, 0.5])
    assert list(features["weight"]) == pytest.approx([1.5, 1.0, 0.5])
    assert found.set_index(["feature", "window"])["is_comparable"].to_dict() == {
        ("begun", MAY): True, ("begun", JULY): False, ("moved", MAY): True, ("new", JULY): False,
    }  # fmt: skip


def test_a_baseline_has_its_own_figures(state: State) -> None:
    found = drift(state, "m", 1, baseline="previous")
    assert list(found["feature"]) == ["small"]
    assert found["ratio"].tolist() == pytest.approx([1.5])
    assert found["alert"].tolist() == [True]


def test_nothing_to_compare_is_an_empty_map(state: State) -> None:
    found = drift(state, "m", 3)
    assert found.empty
    assert list(found.columns) == list(drift(state, "m", 1).columns)
    assert drift_metrics(state, "m", 3) == []
    assert drift(state, "m", 2, baseline="previous").empty


def test_metrics_come_in_the_order_of_the_docs(state: State) -> None:
    assert drift_metrics(state, "m", 1) == ["psi", "ks", "chi_square", "null_share_change"]


def test_the_history_of_a_feature(state: State) -> None:
    found = drift_history(state, "m", 1, "small")
    assert list(found.columns) == ["window", "metric", "value", "threshold", "alert", "rows_used", "is_comparable"]
    assert list(zip(found["metric"], found["window"], strict=True)) == [
        ("psi", MAY), ("psi", JUNE), ("ks", MAY), ("ks", JUNE),
    ]  # fmt: skip
    assert found["value"].fillna(-1).tolist() == [0.1, -1, 0.09, 0.01]
    assert drift_history(state, "m", 1, "great", "previous").empty


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda state: drift(state, "mm", 1), ("'mm'", "'m', 'n'")),
        (lambda state: drift(state, "m", 9), ("'m' has no version 9", "'1', '2', '3'")),
        (lambda state: drift(state, "m", 1, baseline="trainin"), ("'trainin'", "Did you mean 'training'?")),
        (lambda state: drift(state, "m", 1, metric="psy"), ("'psy'", "Did you mean 'psi'?", "'worst'")),
        (lambda state: drift_history(state, "m", 1, "smal"), ("'smal'", "Did you mean 'small'?")),
        (lambda state: drift_metrics(state, "m", -1), ("'m' has no version -1",)),
        (lambda state: distribution(state, "m", 1, "smal", MAY), ("'smal'",)),
    ],
)
def test_what_is_not_there_is_named(state: State, call: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(MonitorError) as caught:
        call(state)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.slow
def test_a_map_of_two_hundred_features_is_there_at_once(tmp_path: Path) -> None:
    features = [f"feature {number}" for number in range(200)]
    windows = pd.date_range("2022-01-01", periods=24, freq="MS")
    every = pd.DataFrame(
        product(features, windows, ("training", "previous"), DRIFT_METRICS),
        columns=["feature", "window", "baseline", "metric"],
    )
    chance = np.random.default_rng(3)
    every = every.assign(
        model="m", version=1, value=chance.random(len(every)), threshold=0.5, alert=False, rows_used=1000,
        rows_unused=0, rows_baseline=9000, window_end=every["window"] + pd.offsets.MonthBegin(), threshold_from="floor",
        is_comparable=True,
    )  # fmt: skip
    importances = pd.DataFrame({"feature": features, "mean": chance.random(200), "std": 0.01}).assign(
        model="m", version=1, n=5000
    )
    state = published(tmp_path, ml_versions=[VERSION], ml_drift=every, ml_importances=importances)
    drift(state, "m", 1)
    took = []
    for _ in range(3):
        started = time.perf_counter()
        found = drift(state, "m", 1)
        took.append(time.perf_counter() - started)
    worst = every[every["baseline"] == "training"].groupby(["feature", "window"])["value"].max() / 0.5
    pd.testing.assert_series_equal(
        found.set_index(["feature", "window"])["ratio"].sort_index(), worst.sort_index(), check_names=False
    )
    weight = importances.set_index("feature")["mean"] * worst.groupby("feature").max()
    assert found["feature"].drop_duplicates().tolist() == weight.sort_values(ascending=False).index.tolist()
    assert min(took) < 1


def test_enough_rows_are_as_many_in_sql_as_here() -> None:
    macro = (ROOT / "macros" / "monitor" / "windows" / "enough_rows.sql").read_text()
    assert re.findall(r"return\((\d+)\)", macro.split("enough_blocks")[0]) == [str(ENOUGH_ROWS)]
