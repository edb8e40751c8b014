"""What the monitor says is behind a window: each question over rows that a test has written by hand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import handmade
import pandas as pd
import pytest
import watched

from mlbridge import monitor
from mlbridge.monitor import State

JUNE, JULY = datetime(2024, 6, 1), datetime(2024, 7, 1)
KEY = {"model": "m", "version": 2, "window": JUNE, "window_end": JULY}
FIGURE = {
    **KEY, "slice": "all", "kind": "realized", "metric": "average_precision", "value": 0.4, "low": 0.35, "high": 0.45,
    "n": 900, "threshold": 0.5, "reference": 0.6, "baseline": 0.3, "alert": True,
}  # fmt: skip
SHIFT = {**KEY, "baseline": "training", "threshold": 0.2, "alert": False}


def state(folder: Path, **changes: handmade.Rows) -> State:
    """Publish a model whose version in use lost in June, while its most important feature moved."""
    target = {"model": "m", "version": 2, "feature": "ml_target", "slice": "all", "window_size": "month"}
    versions = [
        watched.version("m", number, "promoted", datetime(2024, number, 1), classes=["no", "yes"]) for number in (1, 2)
    ]
    tables: dict[str, Any] = {
        "ml_versions": versions,
        "ml_champions": [{"model": "m", "version": 2, "pinned": False}],
        "ml_windows": [{"model": "m", "version": 2, "window_size": "month", "window_start": JUNE, "window_end": JULY}],
        "ml_performance": [
            FIGURE,
            {**FIGURE, "kind": "estimated", "value": 0.58, "alert": False},
            {**FIGURE, "slice": "place=a", "value": 0.2, "n": 300},
            {**FIGURE, "slice": "place=b", "value": 0.55, "n": 600, "alert": False},
            {**FIGURE, "version": 1, "value": 0.62, "low": 0.55, "high": 0.66, "alert": False},
        ],
        "ml_drift": [
            {**SHIFT, "feature": "x", "metric": "psi", "value": 0.9, "alert": True},
            {**SHIFT, "feature": "x", "metric": "null_share_change", "value": 0.35, "threshold": 0.05, "alert": True},
            {**SHIFT, "feature": "y", "metric": "psi", "value": 0.1},
            {**SHIFT, "feature": "ml_target", "metric": "psi", "value": 0.01},
        ],
        "ml_importances": [
            {"model": "m", "version": 2, "feature": "x", "mean": 0.3},
            {"model": "m", "version": 2, "feature": "y", "mean": 0.1},
        ],
        "ml_profiles": [
            {"model": "m", "version": 2, "feature": "ml_target", "bin": place, "category": name}
            for place, name in enumerate(("no", "yes"))
        ],
        "ml_distributions": [
            {**target, "period": period, "window_start": start, "bin": place, "n": n}
            for period, start, counts in (("training", datetime(2024, 1, 1), (80, 20)), ("scored", JUNE, (70, 30)))
            for place, n in enumerate(counts)
        ],
        "ml_alerts": [{**KEY, "what": "x", "incident": "i", "is_current": True}],
        "ml_incidents": [{"incident": "i", "models": "m, n", "since": JUNE, "sources": "raw.s", "alerts": 2}],
    }
    return handmade.published(folder, **{**tables, **changes})


def clues_of(of: State, **choices: Any) -> dict[str, tuple[str, str]]:
    """Give answer and sentence by the first words of the question."""
    found = monitor.clues(of, "m", **{"version": 2, "metric": "average_precision", "window": JUNE, **choices})
    return {row.question: (row.answer, row.sentence) for row in found.itertuples()}


def test_every_question_has_its_figures(tmp_path: Path) -> None:
    assert clues_of(state(tmp_path)) == {
        "Is average_precision worse than usual?": (
            "yes",
            "0.4 (0.35 to 0.45) on 900 rows; usually 0.6, threshold 0.5. The estimate, which sees no outcomes, is "
            "0.58: what the outcome depends on has changed in a way that the features do not show.",
        ),
        "Did the share of 'yes' move?": (
            "no",
            "It is 30.0 % here and 20.0 % in the training, within what is usual. Without skill, average_precision "
            "would be 0.3 on these rows.",
        ),
        "Did some slices lose more than others?": (
            "yes", "1 of 2 are worse than their threshold: place=a 0.2 (usually 0.6, 300 rows).",
        ),
        "Did features that it relies on move?": (
            "yes",
            "1 of 2 are farther from training than usual: x (null_share_change 0.35, usual up to 0.05; 75.0 % of the "
            "importance).",
        ),
        "Are more values missing?": ("yes", "In 1 of 1 features: x (+35.0 % of the rows)."),
        "Are other models concerned?": ("yes", "m, n have alerts since 2024-06-01, and all of them read raw.s."),
        "Would another version do better?": (
            "yes", "Version 1 has 0.62 (0.55 to 0.66) on 900 rows, this one 0.4 (0.35 to 0.45) on 900.",
        ),
    }  # fmt: skip


def test_what_is_well_is_said_with_figures_too(tmp_path: Path) -> None:
    fine = {"alert": False, "value": 0.61}
    well = state(
        tmp_path,
        ml_performance=[{**FIGURE, **fine}, {**FIGURE, **fine, "slice": "place=a"}],
        ml_drift=[{**SHIFT, "feature": "x", "metric": "psi", "value": 0.1}],
        ml_incidents=[],
    )
    found = clues_of(well)
    assert {answer for answer, _ in found.values()} == {"no", "unknown"}
    assert found["Did features that it relies on move?"][1] == (
        "No feature of 1 is farther from training than usual; the farthest: x (psi 0.1, usual up to 0.2; 75.0 % of the "
        "importance)."
    )
    assert "No slice of 1 is worse than its threshold" in found["Did some slices lose more than others?"][1]
    assert "shadow: true" in found["Would another version do better?"][1]


def test_without_an_outcome_only_the_estimate_is_said(tmp_path: Path) -> None:
    estimated = {**FIGURE, "kind": "estimated", "value": 0.58, "alert": False}
    found = clues_of(state(tmp_path, ml_performance=[estimated], ml_drift=[]))
    assert found["Is average_precision worse than usual?"] == (
        "unknown", "No outcome is known yet; 0.58 (0.35 to 0.45) is estimated from the predictions.",
    )  # fmt: skip
    assert found["Did features that it relies on move?"][0] == "unknown"


def test_of_a_window_without_figures_nothing_is_known(tmp_path: Path) -> None:
    found = clues_of(state(tmp_path), window=datetime(2024, 3, 1))
    assert {answer for answer, _ in found.values()} == {"unknown"}


@pytest.mark.parametrize("model", [watched.BINARY, watched.MANY, watched.NUMBER])
def test_the_farthest_rows(tmp_path: Path, model: str) -> None:
    found = monitor.worst_rows(watched.published(tmp_path), model, 1, watched.SINCE, watched.UNTIL, limit=30)
    rows = watched.every_prediction()
    rows = rows[(rows["model"] == model) & (rows["version"] == 1) & rows["actual"].notna()]
    rows = rows[(rows["time"] >= watched.SINCE) & (rows["time"] < watched.UNTIL)]
    if model == watched.NUMBER:
        distance = (rows["actual_value"] - rows["prediction_value"]).abs()
    else:
        of_predicted = rows["probability"]
        if model == watched.BINARY:
            of_predicted = of_predicted.where(rows["prediction"] == "yes", 1 - of_predicted)
        distance = of_predicted.where(rows["prediction"] != rows["actual"])
    expected = rows.assign(distance=distance).dropna(subset="distance")
    expected = expected.sort_values(["distance", "time", "entity"], ascending=[False, True, True]).head(30)
    pd.testing.assert_series_equal(
        found["entity"], expected["entity"], check_index=False, check_names=False, check_dtype=False
    )
