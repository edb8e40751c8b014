"""What differs between versions and how they are ranked, on tables made by hand from real estimators."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from handmade import published
from handmade_versions import RIDGE, metric, pipeline, version
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from mlbridge.monitor import MonitorError, State
from mlbridge.monitor.models import version_facts
from mlbridge.monitor.version_changes import changes
from mlbridge.monitor.versions import decisions, importances, leaderboard


def changed(folder: Path, **values: Any) -> dict[tuple[str, str], tuple[str, str]]:
    """Compare a version with one that is another in some things."""
    state = published(folder, ml_versions=[version(1), version(2, **values)])
    found = changes(state, "spent", 1, 2)
    assert list(found.columns) == ["what", "key", "before", "after"]
    assert not found.duplicated(["what", "key"]).any()
    assert changes(state, "spent", 2, 1)[["what", "key"]].sort_values(["what", "key"]).values.tolist() == sorted(
        found[["what", "key"]].values.tolist()
    )
    return {(each.what, each.key): (each.before, each.after) for each in found.itertuples()}


def test_nothing_changed(tmp_path: Path) -> None:
    assert changed(tmp_path) == {}


def test_a_version_beside_itself(tmp_path: Path) -> None:
    found = changes(published(tmp_path, ml_versions=[version(4)]), "spent", 4, 4)
    assert found.empty
    assert list(found.columns) == ["what", "key", "before", "after"]


def test_a_damaged_spec_is_named(tmp_path: Path) -> None:
    state = published(tmp_path, ml_versions=[{**version(1), "spec": "{"}])
    with pytest.raises(MonitorError, match="a spec or params of 'spent' that are no JSON"):
        version_facts(state, "spent", 1)


def test_changes_of_the_spec(tmp_path: Path) -> None:
    expected = {
        "split": {"validation": 0.2, "gap": "3 days"},
        "candidates": ["ridge", "random_forest"],
        "retrain": {"max_age": "60 days"},
        "shadow": True,
        "monitor": {"thresholds": {"psi": 0.3}},
        "features": {"exclude": ["id2"]},
    }
    assert changed(tmp_path, spec=expected) == {
        ("spec", "exclude"): ("none", "id2"),
        ("spec", "split.validation"): ("0.15", "0.2"),
        ("spec", "split.gap"): ("0 days", "3 days"),
        ("spec", "candidates"): ("ridge, random_forest, hist_gradient_boosting", "ridge, random_forest"),
        ("spec", "retrain.max_age"): ("none", "60 days"),
        ("spec", "shadow"): ("false", "true"),
        ("spec", "monitor.thresholds.psi"): ("\N{EN DASH}", "0.3"),
    }


def test_an_older_spec_has_the_defaults_of_what_it_did_not_know(tmp_path: Path) -> None:
    row = version(1)
    spec = json.loads(row["spec"])
    del spec["shadow"], spec["retrain"]["cool_down"]
    state = published(tmp_path, ml_versions=[{**row, "spec": json.dumps(spec)}, version(2)])
    assert changes(state, "spent", 1, 2).empty


def test_changes_of_the_features(tmp_path: Path) -> None:
    features = {"visits": "BIGINT", "city": "VARCHAR", "<b>": "DATE"}
    assert changed(tmp_path, features=features) == {
        ("features", "visits"): ("INTEGER", "BIGINT"),
        ("features", "discount"): ("DOUBLE", "\N{EN DASH}"),
        ("features", "<b>"): ("\N{EN DASH}", "DATE"),
    }


def test_changes_of_the_parameters(tmp_path: Path) -> None:
    assert changed(tmp_path, estimator=pipeline(0.1, ["visits"], ["city", "shop"])) == {
        ("params", "ridge.alpha"): ("1.0", "0.1"),
        ("params", "columntransformer.simpleimputer.columns"): ("discount", "\N{EN DASH}"),
        ("params", "columntransformer.onehotencoder.columns"): ("\N{EN DASH}", "shop"),
    }


def test_another_candidate(tmp_path: Path) -> None:
    other = make_pipeline(RIDGE[0], HistGradientBoostingRegressor(max_iter=7))
    found = changed(tmp_path, candidate="mine", estimator=other)
    assert found["params", "candidate"] == ("ridge", "mine")
    before, after = found["params", "ridge"]
    assert before.startswith("Ridge(alpha=1.0, copy_X=true, ")
    assert after == "\N{EN DASH}"
    before, after = found["params", "histgradientboostingregressor"]
    assert before == "\N{EN DASH}"
    assert after.startswith("HistGradientBoostingRegressor(")
    assert "max_iter=7" in after
    assert len(found) == 3


def test_an_estimator_that_is_no_pipeline(tmp_path: Path) -> None:
    rows = [version(1, estimator=Ridge()), version(2, estimator=Ridge(alpha=2.5, solver="svd"))]
    found = changes(published(tmp_path, ml_versions=rows), "spent", 1, 2)
    assert found.values.tolist() == [["params", "alpha", "1.0", "2.5"], ["params", "solver", "auto", "svd"]]


def test_changes_of_data_and_libraries(tmp_path: Path) -> None:
    values = {"rows_train": 2000, "train_to": datetime(2024, 5, 1), "holdout_from": None, "data_hash": "def"}
    assert changed(tmp_path, **values, libraries={"scikit-learn": "1.9.2", "numpy": "2.4"}) == {
        ("data", "rows_train"): ("1,090", "2,000"),
        ("data", "train_to"): ("2024-04-01 12:30:00", "2024-05-01 00:00:00"),
        ("data", "holdout_from"): ("2024-04-20 00:00:00", "none"),
        ("data", "data_hash"): ("abc", "def"),
        ("libraries", "scikit-learn"): ("1.9.1", "1.9.2"),
        ("libraries", "numpy"): ("\N{EN DASH}", "2.4"),
    }


# --- the leaderboard, importances, decisions -------------------------------------------------------------------


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    rows = [
        version(1),
        version(1, candidate="forest", outcome="runner_up"),
        version(3, outcome="rejected", as_of=datetime(2024, 6, 1)),
    ]
    metrics = [
        metric(number, candidate, split, name, value)
        for number, candidate, value in ((1, "forest", 6.0), (1, "ridge", 5.0), (3, "ridge", 10.0))
        for split in ("test", "validation")
        for name in ("median_absolute_error", "rmse")
    ]
    metrics += [
        metric(1, "ridge", "test", "rmse", 4.0, slice="city=<b>north</b> | *x*"),
        metric(1, "ridge", "test", "rmse", 7.0, slice="city=NULL", n=4),
    ]
    weights = {(1, "visits"): 0.5, (3, "visits"): 0.25, (3, "discount"): 2.0, (1, "discount"): None, (1, "city"): -0.1}
    return published(
        tmp_path_factory.mktemp("versions"),
        ml_versions=rows,
        ml_metrics=metrics,
        ml_importances=[
            {"model": "spent", "version": number, "feature": name, "mean": mean, "std": 0.01, "n": 20}
            for (number, name), mean in weights.items()
        ],
        ml_champions=[{"model": "spent", "version": 3, "candidate": "ridge", "pinned": True}],
        ml_decisions=[
            {"model": "spent", "decided_at": datetime(2024, 5, 1), "outcome": "promoted", "version": 1, "reason": "a"},
            {
                "model": "spent", "decided_at": datetime(2024, 6, 2), "outcome": "skipped", "reason": "young",
                "decision": '{"age_days": 3.5, "drifted": {"city": 0.25}}',
            },
            {"model": "other", "decided_at": datetime(2024, 6, 3), "outcome": "skipped", "reason": "young"},
        ],
    )  # fmt: skip


def test_the_leaderboard(state: State) -> None:
    found = leaderboard(state, "spent")
    assert list(found.columns) == [
        "version", "candidate", "outcome", "in_use", "is_retired", "metric", "split", "value", "low", "high",
        "baseline", "n", "trained_at", "as_of", "rows_train", "rows_validation", "rows_test", "fit_seconds",
        "peak_memory_mb", "reason",
    ]  # fmt: skip
    order = [
        (version, candidate, outcome, in_use, name, split)
        for version, candidate, outcome, in_use in (
            (3, "ridge", "rejected", True), (1, "ridge", "promoted", False), (1, "forest", "runner_up", False),
        )
        for name in ("rmse", "median_absolute_error")
        for split in ("validation", "test")
    ]  # fmt: skip
    columns = ["version", "candidate", "outcome", "in_use", "metric", "split"]
    assert list(found[columns].itertuples(index=False, name=None)) == order
    assert found["value"].tolist() == [10.0] * 4 + [5.0] * 4 + [6.0] * 4
    assert set(found["rows_train"]) == {1090}
    assert not found["is_retired"].any()


def test_the_leaderboard_says_what_is_retired(tmp_path: Path) -> None:
    rows = [{**version(number), "is_retired": number == 2} for number in (1, 2)]
    metrics = [metric(number, "ridge", "test", "rmse", 4.0) for number in (1, 2)]
    found = leaderboard(published(tmp_path, ml_versions=rows, ml_metrics=metrics), "spent")
    assert dict(zip(found["version"], found["is_retired"], strict=True)) == {1: False, 2: True}


def test_importances_side_by_side(state: State) -> None:
    found = importances(state, "spent", (1, 3))
    assert list(found.columns) == ["feature", "version", "mean", "std", "n"]
    assert list(zip(found["feature"], found["version"], strict=True)) == [
        ("discount", 1), ("discount", 3), ("visits", 1), ("visits", 3), ("city", 1),
    ]  # fmt: skip
    assert found["mean"].fillna(-9).tolist() == [-9, 2.0, 0.5, 0.25, -0.1]
    assert set(importances(state, "spent", [3])["version"]) == {3}
    with pytest.raises(MonitorError, match=r"'spent' has no version 2\. Its versions: '1', '3'"):
        importances(state, "spent", [1, 2])


def test_decisions_newest_first(state: State) -> None:
    found = decisions(state, "spent")
    assert list(found.columns) == ["decided_at", "as_of", "outcome", "version", "reason", "figures"]
    assert found["outcome"].tolist() == ["skipped", "promoted"]
    assert found["version"].tolist() == [pd.NA, 1]
    assert found["figures"].tolist() == [{"age_days": 3.5, "drifted": {"city": 0.25}}, {}]
    with pytest.raises(MonitorError, match=r"'spend'.* Did you mean 'spent'\?"):
        decisions(state, "spend")
