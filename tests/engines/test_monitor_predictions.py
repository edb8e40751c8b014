"""How much is predicted and what, and single predictions: against pandas."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import watched
from watched import BINARY, CLASSES, MANY, NUMBER, PERIODS

from mlbridge import monitor
from mlbridge.monitor import State


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """Models of every kind."""
    return watched.published(tmp_path_factory.mktemp("watched"))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """All predictions."""
    return watched.every_prediction()


@pytest.mark.parametrize(("model", "unit"), [(BINARY, "M"), (MANY, "W"), (NUMBER, "D"), ("unlabelled", "M")])
def test_volumes(state: State, rows: pd.DataFrame, model: str, unit: str) -> None:
    own = rows[rows["model"] == model]
    window = own["time"].dt.to_period(unit).dt.start_time
    value = own["probability"].fillna(own["prediction_value"]).astype(float)
    expected = (
        own.assign(mean=value)
        .groupby([window, "version"])
        .agg(n=("entity", "size"), labelled=("actual", "count"), mean=("mean", "mean"))
    )
    found = monitor.volumes(state, model).set_index(["window", "version"])
    pd.testing.assert_frame_equal(found, expected, check_names=False, check_dtype=False, check_index_type=False)


@pytest.mark.parametrize("version", [None, 1, 2])
def test_bins_of_probabilities(state: State, rows: pd.DataFrame, version: int | None) -> None:
    own = rows[(rows["model"] == BINARY) & ((version is None) | (rows["version"] == version))]
    edges = np.append(np.arange(20) / 20, 1.1)
    index = pd.cut(own["probability"], edges, right=False, labels=range(20)).astype(int)
    expected = own.groupby([own["time"].dt.to_period("M").dt.start_time, index]).size()
    found = monitor.prediction_bins(state, BINARY, version=version)
    assert found.set_index(["window", "bin"])["n"].to_dict() == expected.to_dict()
    assert list(found["lower"]) == list(found["bin"] / 20)
    assert list(found["upper"]) == list((found["bin"] + 1) / 20)
    assert found["category"].isna().all()


def test_bins_of_numbers(state: State, rows: pd.DataFrame) -> None:
    own = rows[rows["model"] == NUMBER]
    found = monitor.prediction_bins(state, NUMBER)
    edges = sorted({*found["lower"], *found["upper"]})
    assert 8 <= found["bin"].nunique() <= 21
    index = (np.searchsorted(edges, own["prediction_value"].astype(float), side="right") - 1).clip(0, len(edges) - 2)
    expected = own.groupby([own["time"].dt.floor("D"), index]).size()
    shift = found["bin"].min()
    assert found.assign(bin=found["bin"] - shift).set_index(["window", "bin"])["n"].to_dict() == expected.to_dict()


def test_bins_of_classes(state: State, rows: pd.DataFrame) -> None:
    own = rows[rows["model"] == MANY]
    expected = own.groupby([own["time"].dt.to_period("W").dt.start_time, "prediction"]).size()
    found = monitor.prediction_bins(state, MANY)
    assert found.set_index(["window", "category"])["n"].to_dict() == expected.to_dict()
    assert found.groupby("bin")["category"].first().to_dict() == dict(enumerate(sorted(CLASSES[MANY])))


def test_an_entity_is_looked_up(state: State, rows: pd.DataFrame) -> None:
    own = rows[(rows["model"] == BINARY) & (rows["entity"] == "<-0003")]
    assert len(own) > 1
    found = monitor.lookup(state, BINARY, "<-0003")
    expected = own.sort_values(["time", "version"], ascending=False, ignore_index=True).drop(columns="model")
    pd.testing.assert_frame_equal(found, expected[list(found.columns)], check_dtype=False)
    assert len(monitor.lookup(state, BINARY, "<-0003", limit=1)) == 1
    assert monitor.lookup(state, BINARY, "' or 1 = 1 --").empty


@pytest.mark.parametrize("limit", [1, 7, 1_000, 2_999, 100_000])
@pytest.mark.parametrize(("since", "until"), PERIODS)
@pytest.mark.parametrize("version", [None, 2])
def test_the_oldest_rows(
    state: State,
    rows: pd.DataFrame,
    version: int | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> None:
    own = rows[(rows["model"] == BINARY) & ((version is None) | (rows["version"] == version))]
    own = own if since is None else own[own["time"] >= since]
    own = own if until is None else own[own["time"] < until]
    found = monitor.rows(state, BINARY, version, since, until, limit)
    expected = own.sort_values(["time", "entity", "version"]).head(limit)
    assert len(found) == len(expected)
    assert list(found["time"]) == list(expected["time"])
    assert found["time"].is_monotonic_increasing
    # Of several rows in one minute which is the last one to fit in is not said.
    whole = expected["time"] < expected["time"].max()
    pd.testing.assert_frame_equal(
        found[whole.to_numpy()].reset_index(drop=True),
        expected.loc[whole, list(found.columns)].reset_index(drop=True),
        check_dtype=False,
    )


def test_many_rows_of_one_moment(tmp_path: Any) -> None:
    frame = watched.predictions(NUMBER, 1, 1, 900).assign(time=watched.START)
    frame["entity"] = [str(each) for each in range(len(frame))]
    found = monitor.rows(watched.published(tmp_path, ml_predictions=frame), NUMBER, limit=50)
    assert len(found) == found["entity"].nunique() == 50


@pytest.mark.parametrize("starting", ["", "<", "k-00", "é-0", "A-0001", "%", "_", "'", "nothing"])
def test_entities_are_suggested(state: State, rows: pd.DataFrame, starting: str) -> None:
    own = rows[(rows["model"] == BINARY) & rows["entity"].str.startswith(starting)]
    expected = own.groupby("entity")["time"].agg(["size", "max"]).sort_index().head(20)
    found = monitor.entities(state, BINARY, starting)
    assert list(found["entity"]) == list(expected.index)
    assert list(found["n"]) == list(expected["size"])
    assert list(found["newest"]) == list(expected["max"])


def test_a_row_without_a_prediction_is_none_of_an_entity(tmp_path: Any) -> None:
    frame = watched.predictions(NUMBER, 1, 1, 60)
    frame["entity"] = [f"e{index % 3}" for index in range(len(frame))]
    unscored = frame["entity"].eq("e1") | (frame.index == 0)
    frame.loc[unscored, ["prediction", "prediction_value"]] = [None, np.nan]
    state = watched.published(tmp_path, ml_predictions=frame)
    found = monitor.entities(state, NUMBER, "e")
    assert found.set_index("entity")["n"].to_dict() == {"e0": (frame["entity"] == "e0").sum() - 1, "e2": 20}
    assert monitor.lookup(state, NUMBER, "e1").empty


def test_entities_with_very_many_predictions_are_suggested(tmp_path: Any) -> None:
    frame = watched.predictions(NUMBER, 1, 1, 20_000)
    frame["entity"] = [f"e{index // 4_000}" for index in range(len(frame))]
    found = monitor.entities(watched.published(tmp_path, ml_predictions=frame), NUMBER, "e", limit=3)
    assert list(found["entity"]) == ["e0", "e1", "e2"]
    assert list(found["n"]) == [4_000] * 3


@pytest.mark.parametrize("model", ["rejected", "never"])
def test_nothing_was_ever_scored(state: State, model: str) -> None:
    assert monitor.volumes(state, model).empty
    assert monitor.prediction_bins(state, model).empty
    assert monitor.history(state, model).empty
    assert monitor.promotions(state, model).empty
    assert monitor.entities(state, model, "").empty
    assert monitor.lookup(state, model, "x").empty
