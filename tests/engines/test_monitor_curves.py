"""The steps of a score that the monitor reads, against the predictions that they were counted from."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import watched
from watched import BINARY

from mlbridge import monitor
from mlbridge.errors import MonitorError
from mlbridge.monitor import State

UPPERS = [0.1, 0.29, 0.5, 0.8]
CLASS = {"class_no": 1, "class": "yes"}
STEPS = [{**CLASS, "step": step, "upper": upper, "value": 0.1} for step, upper in enumerate([*UPPERS, None])]
PART = "carrier=AA"


def counted(version: int) -> pd.DataFrame:
    """Count the predictions of a version by window and step as a build does; `slice` is every third row."""
    rows = watched.predictions(BINARY, version, version)
    rows = rows.assign(
        window_start=rows["time"].dt.to_period("M").dt.start_time,
        step=np.searchsorted(UPPERS, rows["probability"], side="left"),
        known=rows["actual"].notna(),
        positive=rows["actual"] == "yes",
    )
    parts = [rows.assign(slice="all"), rows[::3].assign(slice=PART)]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return counted(2)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, rows: pd.DataFrame) -> State:
    """The second version's counts; of April they have no outcomes, as from before these were counted."""
    keys = ["window_start", "slice", "step", "prediction"]
    groups = rows.groupby(keys).agg(n=("known", "size"), outcomes=("known", "sum"), outcome_sum=("positive", "sum"))
    groups = groups.reset_index()
    april = groups["window_start"] == datetime(2024, 4, 1)
    groups.loc[april, ["outcomes", "outcome_sum"]] = np.nan
    predicted = (groups.pop("prediction") == "yes").astype(int)
    groups = groups.assign(
        model=BINARY, version=2, period="scored", window_size="month", feature="ml_estimate",
        bin=1000 + 2 * groups.pop("step") + predicted,
    )  # fmt: skip
    others = [
        groups.assign(window_size="week"), groups.assign(feature="x"), groups.assign(version=1),
        groups.assign(period="training"), groups.assign(bin=-1),
    ]  # fmt: skip
    tables = watched.tables()
    for each in tables["ml_windows"]:
        each["window_size"] = "month"
    for each in tables["ml_versions"]:
        each["estimation"] = str(pd.Series(STEPS).to_json(orient="values"))
    effect = {"model": BINARY, "version": 2, "candidate": "candidate 2", "split": "test", "slice": "all"}
    metrics = [
        {**effect, "metric": "recall", "design_effect": 4.0}, {**effect, "metric": "precision", "design_effect": 0.5},
        {**effect, "metric": "f1", "design_effect": 3.0},
        {**effect, "metric": "recall", "design_effect": 9.0, "candidate": "other"},
    ]  # fmt: skip
    tables |= {"ml_distributions": pd.concat([groups, *others]), "ml_metrics": metrics}
    return watched.published(tmp_path_factory.mktemp("curves"), **tables)


@pytest.mark.parametrize("part", ["all", PART])
@pytest.mark.parametrize("since", [None, datetime(2024, 6, 1)])
def test_steps_are_those_of_the_rows(state: State, rows: pd.DataFrame, part: str, since: Any) -> None:
    found = monitor.score_steps(state, BINARY, 2, slice=part, since=since, until=datetime(2024, 7, 1))
    chosen = rows[(rows["slice"] == part) & rows["known"] & (rows["window_start"] < datetime(2024, 7, 1))]
    chosen = chosen[chosen["window_start"] >= (since or datetime(2024, 5, 1))]
    assert found["lower"].tolist() == [*reversed(UPPERS), 0.0]
    for place, lower in enumerate(found["lower"]):
        here = chosen[(chosen["probability"] > lower) | (place == len(UPPERS))]
        assert found["n"][: place + 1].sum() == len(here)
        assert found["positives"][: place + 1].sum() == here["positive"].sum()


def test_the_first_version_has_its_own(state: State) -> None:
    assert len(monitor.score_steps(state, BINARY, 1)) == len(UPPERS) + 1
    assert monitor.score_steps(state, BINARY, 3).empty
    assert monitor.score_steps(state, watched.MANY, 1).empty
    assert monitor.score_steps(state, watched.NUMBER, 1).empty
    with pytest.raises(MonitorError, match=r"there is no slice 'carrier=AB'\. Did you mean"):
        monitor.score_steps(state, BINARY, 2, slice="carrier=AB")


def test_test_rows_are_those_of_the_stored_calibration(state: State) -> None:
    found = monitor.holdout_steps(state, BINARY, 2)
    assert found[["n", "positives"]].to_dict("list") == {"n": [10, 40], "positives": [10, 8]}
    assert monitor.holdout_steps(state, watched.NUMBER, 1).empty


def test_design_effects_are_the_chosen_candidate_s(state: State) -> None:
    assert monitor.design_effects(state, BINARY, 2) == {"recall": 4.0, "precision": 1.0}
    assert monitor.design_effects(state, BINARY, 1) == {}


def test_a_version_without_counts_has_no_curve(tmp_path: Path) -> None:
    assert monitor.score_steps(watched.published(tmp_path), BINARY, 2).empty
