"""What charts draw of a frame: which marks there are, of which rows, in which order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import altair as alt
import pandas as pd
import pytest

from mlbridge.app.charts import curves, drift, performance, predictions, runs, versions
from mlbridge.app.charts.marks import RING, drawable, layered
from mlbridge.app.charts.sparkline import sparkline
from mlbridge.monitor import curve

MONTHS = [datetime(2024, month, 1) for month in (4, 5, 6, 7)]


def marks(chart: Any, kind: str) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Give each layer with a mark of a kind, and its rows."""
    document = chart.to_dict()

    def walk(part: dict[str, Any], data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        data = part.get("data", data)
        for name in ("layer", "vconcat"):
            for inner in part.get(name, []):
                yield from walk(inner, data)
        if part.get("mark", {}).get("type") == kind:
            yield part, document["datasets"][data["name"]]

    return walk(document, {})


@pytest.fixture
def history() -> pd.DataFrame:
    """Two versions, an alert in May; June's outcomes are not known yet."""
    rows = [
        (1, MONTHS[0], "realized", 0.8, False), (1, MONTHS[1], "realized", 0.4, True),
        (2, MONTHS[1], "estimated", 0.7, False), (2, MONTHS[2], "estimated", 0.75, False),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["version", "window", "kind", "value", "alert"])
    return frame.assign(
        window_end=frame["window"] + pd.DateOffset(months=1), low=frame["value"] - 0.05, high=frame["value"] + 0.05,
        threshold=0.5, n=100, baseline=0.45, is_comparable=True,
    )  # fmt: skip


def test_an_alert_has_a_ring_and_nothing_else_has(history: pd.DataFrame) -> None:
    def rings(frame: pd.DataFrame) -> list[list[float]]:
        layers = marks(performance.history(frame, "f1", "month"), "point")
        return [[row["value"] for row in rows] for layer, rows in layers if not layer["mark"].get("filled", False)]

    assert rings(history) == [[0.4]]
    assert rings(history.assign(alert=False)) == []


def test_where_windows_are_crowded_bands_and_lines_take_the_place_of_bars_and_ticks(history: pd.DataFrame) -> None:
    def drawn(windows: int) -> set[str]:
        days = pd.date_range("2024-01-01", periods=windows)
        frame = history.iloc[[0] * windows].assign(window=days, window_end=days + pd.DateOffset(days=1))
        chart = performance.history(frame, "f1", "day", baseline=True)
        return {kind for kind in ("area", "rule", "tick") if list(marks(chart, kind))}

    assert drawn(120) == {"rule", "tick"}
    assert drawn(121) == {"area"}


@pytest.fixture
def crowded(history: pd.DataFrame) -> pd.DataFrame:
    """Half a year of days, of which the last is not over; a second version in its first window."""
    days = pd.date_range("2024-01-01", periods=182)
    frame = history.iloc[[0] * 182].assign(window=days, window_end=days + pd.DateOffset(days=1), rows_used=100)
    frame = frame.assign(value=0.8 - 0.4 * (days == days[-1]), is_comparable=days < days[-1], metric="psi")
    return pd.concat([frame, frame.iloc[[-2]].assign(version=2, value=0.7)], ignore_index=True)


def test_where_windows_are_crowded_those_that_no_line_shows_have_points(crowded: pd.DataFrame) -> None:
    def points(chart: Any) -> dict[str, list[float]]:
        found = list(marks(chart, "point"))
        assert not any("shape" in layer["encoding"] for layer, _ in found)
        seen = [row["value"] for layer, rows in found if layer["mark"].get("opacity") != 0 for row in rows]
        hidden = [row["value"] for layer, rows in found if layer["mark"].get("opacity") == 0 for row in rows]
        return {"seen": seen, "hidden": hidden}

    (band, _), *_ = marks(performance.history(crowded, "f1", "day"), "area")
    assert band["encoding"]["y"]["scale"]["zero"] is False
    every = crowded["value"].tolist()
    assert points(performance.history(crowded, "f1", "day")) == {"seen": [0.4, 0.7], "hidden": every}
    one = crowded[crowded["version"] == 1]
    assert points(drift.drift_history(one, "day")["psi"]) == {"seen": [0.4], "hidden": one["value"].tolist()}
    assert points(drift.drift_history(one.assign(is_comparable=True), "day")["psi"])["seen"] == []


def test_a_line_marks_a_champion_within_the_windows_only(history: pd.DataFrame) -> None:
    promoted = pd.DataFrame(
        {
            "version": [1, 2, 3, 4],
            "as_of": [datetime(2023, 1, 1), datetime(2024, 5, 20), datetime(2024, 6, 30), datetime(2026, 1, 1)],
            "reason": "r",
        }
    )
    drawn = performance.history_with_champions(history, promoted, "f1", "month")
    labels = [[row["label"] for row in rows] for _, rows in marks(drawn, "text")]
    assert labels == [["v2", "v3"]]
    without = performance.history_with_champions(history, promoted.iloc[[0, 3]], "f1", "month")
    assert not list(marks(without, "text"))


def test_a_window_that_cannot_be_compared_is_pale_and_outside_the_scale(history: pd.DataFrame) -> None:
    open_ = history.assign(
        value=[0.8, 0.4, 0.7, 5.0], high=[0.85, 0.45, 0.75, 9.0], is_comparable=[True, True, True, False]
    )
    layer, _ = next(marks(performance.history(open_, "f1", "month"), "point"))
    assert layer["encoding"]["y"]["scale"]["domain"][1] < 1
    assert layer["mark"]["clip"]
    assert "is_comparable" in str(layer["encoding"]["opacity"]["condition"])
    alone = performance.history(open_.assign(is_comparable=False), "f1", "month")
    layer, _ = next(marks(alone, "point"))
    assert layer["encoding"]["y"]["scale"]["domain"][1] > 5


def test_the_baseline_is_drawn_where_it_is_asked_for(history: pd.DataFrame) -> None:
    frame = history.assign(baseline=0.1)
    without, beside = (performance.history(frame, "f1", "month", baseline=each) for each in (False, True))
    layer, _ = next(marks(beside, "point"))
    assert layer["encoding"]["y"]["scale"]["domain"][0] < 0.1
    drawn = [[layer["encoding"]["y"]["field"] for layer, _ in marks(each, "tick")] for each in (without, beside)]
    assert [names.count("baseline") for names in drawn] == [0, 1]


def test_a_sparkline_is_a_line_of_points() -> None:
    picture = unquote(str(sparkline([0.5, 0.7, 0.6])))
    line = re.search(r'<polyline points="([^"]*)"', picture)
    assert line
    at = [tuple(map(float, each.split(","))) for each in line[1].split()]
    assert [x for x, _ in at] == sorted({x for x, _ in at})
    assert at[1][1] < at[2][1] < at[0][1]  # the highest value on top
    assert picture.count("<circle") == 3
    assert "<path" not in picture
    assert sparkline([]) is None
    assert "nan" not in unquote(str(sparkline([0.5, 0.5])))


def test_curves_of_two_periods() -> None:
    points = curve(pd.DataFrame({"lower": [0.5, 0.0], "n": [10, 90], "positives": [8, 12]}))
    for drawn in (curves.roc, curves.precision_recall):
        chart = drawn([("now", points), ("then", points)])
        (band,) = marks(chart, "area")
        assert {row["rows"] for row in band[1]} == {"now"}
        assert {row["rows"] for _, rows in marks(chart, "point") for row in rows} == {"now", "then"}
    (rule,) = marks(curves.gains([("now", points)], 0.05), "rule")
    assert [row["share_flagged"] for row in rule[1]] == [0.05]


def test_small_multiples_share_a_scale_and_mark_alerts() -> None:
    rows = [
        (MONTHS[0], -1, "missing", 0.1, False, True), (MONTHS[0], 0, "up to 5", 0.9, False, True),
        (MONTHS[1], -2, "below training", 0.4, True, True), (MONTHS[1], 0, "up to 5", 0.6, True, True),
        (MONTHS[2], 0, "up to 5", 1.0, False, False),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["window", "bin", "label", "share", "alert", "is_comparable"])
    charts = drift.multiples(frame.assign(share_baseline=0.5, n=10, upper=[None, 5.0, 1.0, 5.0, 5.0]), "month")
    assert list(charts) == ["Apr 2024", "May 2024 \u25b2 alert", "Jun 2024 (not comparable)"]
    bars = [next(marks(chart, "bar")) for chart in charts.values()]
    assert [layer["encoding"].get("color") for layer, _ in bars] == [None, {"value": RING}, None]
    assert bars[2][0]["mark"]["opacity"] < 1 == bars[0][0]["mark"]["opacity"]
    assert {str(layer["encoding"]["y"]["scale"]["domain"]) for layer, _ in bars} == {"[0, 0.9]"}  # of June too
    places = {row["label"]: row["place"] for _, rows in bars for row in rows}
    assert sorted(places, key=lambda label: places[label]) == ["below training", "up to 5", "missing"]


def test_few_rows_do_not_stretch_a_scale(history: pd.DataFrame) -> None:
    def domain(frame: pd.DataFrame) -> list[float]:
        layer, _ = next(marks(performance.history(frame, "f1", "month"), "point"))
        found: list[float] = layer["encoding"]["y"]["scale"]["domain"]
        return found

    wide = history.assign(high=[9.0, *history["high"][1:]])
    assert domain(wide)[1] > 9
    assert domain(wide.assign(n=[29, 100, 100, 100]))[1] < 1


@pytest.fixture
def cells() -> pd.DataFrame:
    """Two features in two windows, the newest not over; the first alarms in it all the same."""
    rows = [
        ("b", "2024-04-01", 0.5, False, True, 1), ("b", "2024-05-01", 3.0, False, False, 1),
        ("a", "2024-04-01", 1.2, True, True, 0), ("a", "2024-05-01", 1.5, True, False, 0),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["feature", "day", "ratio", "alert", "is_comparable", "order"])
    return frame.assign(metric="psi", value=0.1, threshold=0.2, rows_used=50, importance=0.1, chosen=False)


def test_the_map_keeps_the_order_marks_alerts_and_fades_what_cannot_be_compared(cells: pd.DataFrame) -> None:
    chart = drift.drift_map(cells, "month")
    ((rects, rows),) = marks(chart, "rect")
    assert rects["encoding"]["y"]["sort"] == ["a", "b"]
    assert max(row["shade"] for row in rows) == 2
    condition = rects["encoding"]["opacity"]["condition"]["test"]
    assert "is_comparable" in condition
    assert "alert" in condition
    ((_, alerts),) = marks(chart, "point")
    assert {(row["feature"], row["day"]) for row in alerts} == {("a", "2024-04-01"), ("a", "2024-05-01")}


def test_the_scale_of_a_metric_is_that_of_whole_windows() -> None:
    frame = pd.DataFrame(
        {
            "metric": "psi", "window": MONTHS[:2], "value": [0.1, 7.0], "threshold": 0.2, "alert": False,
            "rows_used": 50, "is_comparable": [True, False],
        }
    )  # fmt: skip
    charts = drift.drift_history(frame, "month")
    assert list(charts) == ["psi"]
    (line, _) = list(marks(charts["psi"], "line"))[-1]
    low, high = line["encoding"]["y"]["scale"]["domain"]
    assert low < 0.1
    assert 0.2 < high < 0.3


def test_bars_within_the_tolerance_stand_out_but_not_the_outer_ones() -> None:
    edges = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]
    frame = pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "n": [9, 2, 3, 4, 8]})

    def inside(tolerance: float) -> list[float]:
        ((_, rows),) = marks(performance.residuals(frame, tolerance), "bar")
        return [row["lower"] for row in rows if row["within"] == "within the tolerance"]

    assert inside(1.0) == [-1.0, 0.0]
    assert inside(1.5) == [-1.0, 0.0]
    assert inside(9.0) == [-2.0, -1.0, 0.0]  # how far the others in the outer bins are off is not known


def test_what_a_training_chose_is_larger_and_the_version_in_use_is_named() -> None:
    frame = pd.DataFrame(
        {
            "version": [1, 1, 2, 2], "candidate": ["a", "b"] * 2, "value": [0.7, 0.6, 0.8, 0.5], "low": 0.4,
            "high": 0.9,
            "outcome": ["promoted", "runner_up", "rejected", "runner_up"], "baseline": 0.3, "n": 10,
            "in_use": [True, False, False, False],
        }
    )  # fmt: skip
    sizes = {
        row["value"]: layer["mark"]["size"]
        for layer, rows in marks(versions.leaderboard(frame, "f1"), "point")
        for row in rows
    }
    assert sizes[0.7] == sizes[0.8] > sizes[0.6] == sizes[0.5]
    ((_, named),) = marks(versions.leaderboard(frame, "f1"), "text")
    assert [(row["version"], row["candidate"]) for row in named] == [(1, "a")]


def test_a_cross_marks_a_build_that_failed() -> None:
    frame = pd.DataFrame(
        {
            "started_at": MONTHS[:3], "seconds": [5.0, 6.0, 7.0], "nodes": 3, "failed": [0, 1, 0],
            "skipped": 0, "tests_failed": [0, 0, 2], "took": "5 s", "known": "now",
        }
    )  # fmt: skip
    ((_, crossed),) = marks(runs.builds(frame), "text")
    assert [row["seconds"] for row in crossed] == [6.0, 7.0]
    ((_, crossed),) = marks(runs.builds(frame.iloc[:1].assign(skipped=2)), "text")
    assert [row["seconds"] for row in crossed] == [5.0]
    assert not list(marks(runs.builds(frame.iloc[:1]), "text"))


def test_every_node_has_bars_on_a_scale_of_its_own() -> None:
    frame = pd.DataFrame(
        {"started_at": MONTHS[:2] * 2, "node": ["a", "a", "b", "b"], "rows": [5, 6, 7000, 8000], "stage": "split"}
    )
    chart = runs.multiples(frame, "node", "rows", "rows")
    assert [part["title"]["text"] for part in chart.to_dict()["vconcat"]] == ["a", "b"]
    assert [[row["rows"] for row in rows] for _, rows in marks(chart, "bar")] == [[5, 6], [7000, 8000]]


def test_the_full_part_of_a_bar_is_what_has_outcomes() -> None:
    frame = pd.DataFrame({"window": MONTHS[:1], "n": [10], "labelled": [4], "mean": [0.5]})
    ((_, rows),) = marks(predictions.volumes(frame, "month"), "bar")
    assert [(row["low"], row["high"]) for row in rows] == [(0, 4), (4, 10)]


def test_a_separator_of_lines_in_a_name_is_no_end_of_a_line_in_a_chart() -> None:
    names = ["a\u2028b", "a\u2029b", "c"]
    frame = pd.DataFrame({"feature": names, "value": [1.0, 2.0, 3.0], "n": [None, 1, 2]})
    bars = (
        alt.Chart(frame).mark_bar().encode(y=alt.Y("feature:N", sort=names, scale=alt.Scale(domain=names)), x="value:Q")
    )
    points = alt.Chart(frame[:1]).mark_point().encode(y="feature:N")
    before = layered(bars, points).properties(width=300)
    found = drawable(before).to_dict()
    assert found["layer"][0]["encoding"]["y"]["sort"] == ["a\u2424b", "a\xb6b", "c"]
    assert sorted({row["feature"] for rows in found["datasets"].values() for row in rows}) == [
        "a\xb6b",
        "a\u2424b",
        "c",
    ]
    assert found["width"] == 300
    assert before.to_dict()["layer"][0]["encoding"]["y"]["sort"] == names
