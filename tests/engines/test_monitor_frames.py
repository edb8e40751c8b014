"""What the pages about models and their performance show, against the tables they come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import watched
from watched import BINARY, CLASSES, HOSTILE, MANY, NUMBER

from mlbridge import monitor
from mlbridge.monitor import MonitorError, State


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """Models of every kind."""
    return watched.published(tmp_path_factory.mktemp("watched"))


# --- models -----------------------------------------------------------------------------------------------------


def test_every_declared_model_is_named_with_its_facts(state: State) -> None:
    found = monitor.models(state).set_index("model")
    assert list(found.index) == sorted([BINARY, MANY, NUMBER, HOSTILE, "never", "rejected", "unlabelled"])
    expected = {
        BINARY: ("classification", "roc_auc", True, "month", 2, ["no", "yes"], "yes"),
        MANY: ("classification", "accuracy", True, "week", 1, CLASSES[MANY], None),
        NUMBER: ("regression", "mae", False, "day", 1, None, None),
        "rejected": ("classification", "average_precision", True, "month", None, ["0", "1"], "1"),
        "never": (None,) * 7,
    }
    for name, facts in expected.items():
        row = [None if value is pd.NA else value for value in found.loc[name]]
        assert tuple(row) == facts


def test_a_version_of_an_older_mlbridge_is_read(tmp_path: Any) -> None:
    tables = watched.tables()
    for row in tables["ml_versions"]:
        spec = json.loads(row["spec"])
        for key in ("shadow", "retrain", "monitor", "pin"):
            del spec[key]
        row["spec"] = json.dumps(spec)
    found = monitor.models(watched.published(tmp_path, ml_versions=tables["ml_versions"])).set_index("model")
    assert found.loc[MANY, "window_size"] == "month"


UNKNOWN: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    function.__name__: (function, {"version": 1} if by_version else {})
    for function, by_version in (
        (monitor.metrics, False), (monitor.slices, False), (monitor.history, False), (monitor.promotions, False),
        (monitor.volumes, False), (monitor.prediction_bins, False), (monitor.rows, False), (monitor.windows, True),
        (monitor.calibration, True), (monitor.stored_calibration, True), (monitor.scores, True),
        (monitor.confusion_classes, True), (monitor.residuals, True), (monitor.against, True),
    )
} | {
    "lookup": (monitor.lookup, {"entity": "x"}),
    "entities": (monitor.entities, {"starting": "x"}),
    "by_slice": (monitor.by_slice, {"version": 1, "metric": "roc_auc", "window": watched.START}),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_model_is_named_with_the_nearest(state: State, name: str) -> None:
    function, message = UNKNOWN[name]
    with pytest.raises(MonitorError, match=r"no model 'binry'\. Did you mean 'binary'\? There are: 'binary', 'it's"):
        function(state, "binry", **message)


@pytest.mark.parametrize("name", [name for name, (_, message) in UNKNOWN.items() if "version" in message])
def test_an_unknown_version_is_named_with_those_there_are(state: State, name: str) -> None:
    function, message = UNKNOWN[name]
    with pytest.raises(MonitorError, match=r"'binary' has no version 9\. Its versions: '1', '2', '3'"):
        function(state, BINARY, **{**message, "version": 9})


def test_unknown_metrics_and_slices_are_named(state: State) -> None:
    with pytest.raises(MonitorError, match=r"no metric 'roc'\..*'roc_auc', 'another'"):
        monitor.history(state, BINARY, metric="roc")
    with pytest.raises(MonitorError, match=r"no slice 'carrier=A'\. Did you mean 'carrier=AA'\?"):
        monitor.history(state, BINARY, slice="carrier=A")
    with pytest.raises(MonitorError, match="no metric 'roc_au'"):
        monitor.by_slice(state, BINARY, 2, "roc_au", watched.START)


# --- overview ---------------------------------------------------------------------------------------------------


def test_the_worst_comes_first(state: State) -> None:
    found = monitor.overview(state)
    alerts = found["alerts_act"] + found["alerts_look"]
    assert list(zip(found["model"], found["verdict"], alerts, strict=True)) == [
        (NUMBER, "act", 1), (MANY, "look", 2), ("rejected", "look", 0), (HOSTILE, "cannot tell", 0),
        ("never", "cannot tell", 0), ("unlabelled", "cannot tell", 0), (BINARY, "fine", 0),
    ]  # fmt: skip


def test_the_overview_of_a_model(state: State) -> None:
    row = monitor.overview(state).set_index("model").loc[BINARY]
    assert (row["version"], row["pinned"], row["age_days"], row["last_build_state"]) == (2, False, 31.0, "success")
    assert (row["last_build_at"], row["reason"]) == (datetime(2024, 7, 2, 1), "fine, because")
    # The second build had nothing to train.
    assert (row["decision"], row["last_decision"]) == ("first of binary", "second of binary")
    # July is not over; it has an estimate already.
    for kind in ("realized", "estimated"):
        figures = [row[f"{kind}{end}"] for end in ("", "_low", "_high", "_n", "_window")]
        assert figures[:4] == pytest.approx([0.79, 0.69, 0.89, 90])
        assert figures[4] == datetime(2024, 6, 1)
    assert (row["threshold"], row["reference"]) == (0.45, 0.55)
    assert row["drifted"] == [("d", "ks", 0.01, 0.0), ("b", "psi", -0.5, 0.2), ("a", "psi", 0.3, 0.2)]


def test_a_window_of_a_few_rows_is_not_the_newest_that_counts(tmp_path: Any) -> None:
    """What 29 rows say is no figure to begin a morning with, and no drift; where there is nothing else it is shown."""

    def changed(month: datetime, rows: Any, **facts: Any) -> Any:
        return [{**row, **(facts if row["window"] >= month else {})} for row in rows]

    tables = watched.tables()
    june, april = datetime(2024, 6, 1), datetime(2024, 4, 1)
    few = watched.published(
        tmp_path / "few",
        ml_performance=changed(june, tables["ml_performance"], n=29, is_comparable=False),
        ml_drift=changed(june, tables["ml_drift"], is_comparable=False, value=5.0),
    )
    row = monitor.overview(few).set_index("model").loc[BINARY]
    assert (row["realized_window"], row["realized_n"]) == (datetime(2024, 5, 1), 90)
    assert ("b", "psi", -0.5, 0.2) in row["drifted"]
    all_few = watched.published(
        tmp_path / "all",
        ml_performance=changed(april, tables["ml_performance"], n=29, is_comparable=False),
        ml_drift=tables["ml_drift"],
    )
    row = monitor.overview(all_few).set_index("model").loc[BINARY]
    assert (row["realized_window"], row["realized_n"]) == (june, 29)


def test_incidents_come_with_their_models_and_alerts(state: State) -> None:
    """The build that failed first, then by severity; within one the alerts by severity, notes last."""
    found = monitor.incidents(state)
    assert found["incident"].tolist() == ["build", "lost", "both"]
    assert found["models"].tolist() == [[NUMBER], [NUMBER], [MANY, HOSTILE]]
    none, one, many = found["alerts"]
    assert (none, [each.what for each in one]) == ([], ["x"])
    assert [(each.model, each.what, each.message, each.severity) for each in many] == [
        (MANY, "x", "<script> above", "look"), (MANY, "y", "another", "look"),
        (HOSTILE, "w", "noted", "note"), (MANY, "w", "noted", "note"),
    ]  # fmt: skip
    shown = {(each.slice, each.kind, each.metric, each.feature, each.version) for each in many}
    assert shown == {("all", "realized", "accuracy", None, 1)}


def test_nothing_is_wrong(tmp_path: Any) -> None:
    assert monitor.incidents(watched.published(tmp_path, ml_incidents=[])).empty


def test_what_cannot_alert_is_counted_by_its_reason(state: State) -> None:
    row = monitor.overview(state).set_index("model").loc[BINARY]
    # Seven of drift, and two metrics of the performance.
    assert (row["checks"], row["muted"]) == (9, [("no value", 1)])


def test_what_there_is_not_is_null(state: State) -> None:
    found = monitor.overview(state).set_index("model")
    for model in ("never", "rejected"):
        row = found.loc[model]
        assert row[["version", "candidate", "pinned", "age_days", "realized", "realized_window"]].isna().all()
        assert (row["drifted"], row["muted"]) == ([], [])
    assert pd.isna(found.loc["never", "decision"])
    assert found.loc["rejected", "decision"] == "first of rejected"


def test_a_build_without_any_model(tmp_path: Any) -> None:
    state = watched.published(tmp_path, **{name: [] for name in watched.tables()})
    assert monitor.models(state).empty
    assert monitor.overview(state).empty


# --- performance ------------------------------------------------------------------------------------------------


def test_metrics_and_slices_are_named_in_a_useful_order(state: State) -> None:
    assert monitor.metrics(state, BINARY) == ["roc_auc", "another"]
    assert monitor.slices(state, BINARY) == ["all", "place=", "carrier=AA", f"carrier=a={HOSTILE}"]
    for model in ("never", "rejected", "unlabelled"):
        assert monitor.slices(state, model) == ["all"]
    assert monitor.metrics(state, "never") == []
    assert monitor.metrics(state, "rejected") == ["average_precision"]


def test_the_history_is_that_of_the_table(state: State) -> None:
    found = monitor.history(state, BINARY, slice=f"carrier=a={HOSTILE}")
    expected = pd.DataFrame(watched.tables()["ml_performance"]).query(
        "model == @BINARY and metric == 'roc_auc' and slice.str.startswith('carrier=a=') and value.notna()"
    )
    expected = expected.sort_values(["version", "kind", "window"], ascending=[True, False, True], ignore_index=True)
    columns = [
        "version",
        "window",
        "window_end",
        "kind",
        "value",
        "low",
        "high",
        "n",
        "baseline",
        "threshold",
        "reference",
        "alert",
        "muted",
    ]
    assert list(found.columns) == [*columns, "in_use", "is_comparable"]
    pd.testing.assert_frame_equal(found[columns], expected[columns], check_dtype=False)


def test_in_use_is_who_was_champion_at_the_end_of_the_window(state: State) -> None:
    found = monitor.history(state, BINARY)
    used = {(row.version, row.window.month) for row in found.itertuples() if row.in_use}
    # Version 2 was promoted on 1 June, when May ended.
    assert used == {(1, 4), (1, 5), (2, 6), (2, 7)}


def test_the_open_window_belongs_to_the_version_that_is_pinned(tmp_path: Any) -> None:
    champions = watched.tables()["ml_champions"]
    for row in champions:
        if row["model"] == BINARY:
            row.update(version=1, pinned=True)
    state = watched.published(tmp_path, ml_champions=champions)
    found = monitor.history(state, BINARY)
    assert {(row.version, row.window.month) for row in found.itertuples() if row.in_use} == {
        (1, 4),
        (1, 5),
        (2, 6),
        (1, 7),
    }
    promoted = monitor.promotions(state, BINARY)
    assert list(promoted["version"]) == [1, 2]
    assert list(promoted["pinned"]) == [True, False]


def test_promotions(state: State) -> None:
    found = monitor.promotions(state, BINARY)
    assert list(found["version"]) == [1, 2]
    assert list(found["as_of"]) == [datetime(2024, 4, 1), datetime(2024, 6, 1)]
    assert list(found["pinned"]) == [False, False]
    assert monitor.promotions(state, "rejected").empty


def test_slices_side_by_side(state: State) -> None:
    found = monitor.by_slice(state, BINARY, 2, "roc_auc", datetime(2024, 6, 1))
    found_rows = list(found[["column", "value_of", "kind", "n"]].itertuples(index=False, name=None))
    assert found_rows == [
        (column, value, kind, n)
        for column, value, n in (
            (np.nan, np.nan, 90), ("place", "", 90), ("carrier", "AA", 50), ("carrier", f"a={HOSTILE}", 40)
        )
        for kind in ("realized", "estimated")
    ]  # fmt: skip
    assert monitor.by_slice(state, BINARY, 2, "roc_auc", datetime(2020, 1, 1)).empty


def test_windows(state: State) -> None:
    found = monitor.windows(state, BINARY, 2)
    assert list(found["rows_scored"]) == [100, 101, 102, 103]
    assert list(found["rows_labelled"]) == [80, 81, 82, 83]
    assert list(found["is_complete"]) == [True, True, True, False]
    assert monitor.windows(state, "unlabelled", 1).empty
