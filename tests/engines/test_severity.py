"""What it means that a metric is lost, by the metric by which versions are chosen."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest
from simulated import STEPS, package

DECIDING = "select 'a' as model, 'average_precision' as metric"
FIGURES = {
    "model": "a", "version": 1, "window": pd.Timestamp("2024-12-01"), "window_end": pd.Timestamp("2025-01-01"),
    "kind": "realized", "slice": "all", "value": 0.2, "low": 0.1, "high": 0.3, "n": 500, "threshold": 0.4,
    "reference": 0.5, "alert": False, "muted": None,
}  # fmt: skip
FULL = "{} 0.2000 (0.1000 to 0.3000 on 500 rows; threshold 0.4000, usually 0.5000)"


def alerts_of(monkeypatch: pytest.MonkeyPatch, *rows: dict[str, object]) -> pd.DataFrame:
    """Give what is said of the metrics of a window that are lost, as rows of `int_ml_performance_candidates`."""
    monkeypatch.setattr(package().names["mlbridge"], "declared_models", lambda: DECIDING)
    with duckdb.connect() as connection:
        connection.register("ml_performance", pd.DataFrame([{**FIGURES, **each} for each in rows]))
        found = connection.sql(package().file(STEPS / "int_ml_performance_candidates.sql")).df()
    return found[found["alert"]].sort_values("sort_key")


@pytest.mark.parametrize(
    ("deciding", "lost", "severity", "sentences"),
    [
        ({"alert": True}, {}, 3, [FULL.format("average_precision"), "also f1"]),
        ({}, {}, 2, [FULL.format("f1")]),
        ({"muted": "fewer than 30 rows"}, {}, 3, [FULL.format("f1")]),
        ({"value": None, "muted": "not defined on these rows"}, {}, 3, [FULL.format("f1")]),
        ({"alert": True, "slice": "x=1"}, {"slice": "x=1"}, 2, [FULL.format("average_precision"), "also f1"]),
        ({"kind": "estimated"}, {"kind": "estimated"}, 2, [FULL.format("f1")]),
        ({"kind": "estimated", "slice": "x=1"}, {"kind": "estimated", "slice": "x=1"}, 1, [FULL.format("f1")]),
        # what another kind or slice says does not decide
        ({"slice": "x=1"}, {}, 3, [FULL.format("f1")]),
    ],
)
def test_only_the_deciding_metric_asks_to_act(
    deciding: dict[str, object],
    lost: dict[str, object],
    severity: int,
    sentences: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Average precision decides; F1 is lost too, or alone."""
    found = alerts_of(monkeypatch, {"metric": "average_precision", **deciding}, {"metric": "f1", **lost, "alert": True})
    assert found["sentence"].tolist() == sentences
    assert set(found["severity"]) == {severity}


def test_what_to_do_says_that_the_deciding_metric_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    fine, lost = {"metric": "average_precision"}, {"metric": "f1", "alert": True}
    (action,) = alerts_of(monkeypatch, fine, lost)["action"]
    assert "average_precision, by which versions are chosen, is within its threshold" in action
    (action, other) = alerts_of(monkeypatch, {**fine, "alert": True}, lost)["action"]
    assert action == other
    assert "Do not rely on these predictions" in action
