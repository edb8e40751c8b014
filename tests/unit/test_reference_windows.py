"""The reference: metrics and predictions by window, against scikit-learn on the rows of each window."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from branch import Branch
from expected.metrics import of_rows
from sklearn import metrics as sk

from mlbridge.catalogue.metrics import metrics_for
from mlbridge.evaluation.evaluate import SLICE_VALUES, metric_rows
from mlbridge.evaluation.metrics import measure, naive
from mlbridge.evaluation.sample import Sample
from mlbridge.reference.profile import profile_rows
from mlbridge.reference.windows import reference_rows

KEYS = ["window_size", "window", "split", "slice", "metric", "bin", "value", "baseline", "n"]
ROWS = 600


def _bins(predicted: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    return profile_rows(pd.DataFrame({"ml_prediction": predicted}), {"ml_prediction": "numeric"}, role="prediction")


def _windows(starts: list[str]) -> np.ndarray[Any, Any]:
    return np.array(starts, dtype="datetime64[us]")


def _read(*arguments: Any) -> list[dict[str, Any]]:
    records = reference_rows(*arguments)
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert all(list(each) == KEYS for each in records)
    return records


@pytest.fixture
def binary() -> Sample:
    rng = np.random.default_rng(0)
    score = rng.random(ROWS)
    return Sample((rng.random(ROWS) < score).astype(int), np.column_stack([1 - score, score]))


MONTHS = _windows([f"2024-{1 + i * 3 // ROWS:02d}-01" for i in range(ROWS)])


def test_metrics_of_two_classes_by_window_and_slice(binary: Sample) -> None:
    labels = np.array([["AA", "B6", None][i % 3] for i in range(ROWS)], dtype=object)
    records = _read("test", binary, "month", MONTHS, {"carrier": labels}, _bins(binary.scores[:, 1]))
    assert {(each["window_size"], each["split"]) for each in records} == {("month", "test")}
    measured = {
        (each["window"], each["slice"], each["metric"]): each for each in records if each["metric"] != "ml_prediction"
    }
    names = {"all": None, "carrier=AA": "AA", "carrier=B6": "B6", "carrier=NULL": None}
    assert set(measured) == {
        (f"2024-{month:02d}-01 00:00:00", name, metric)
        for month in (1, 2, 3)
        for name in names
        for metric in metrics_for("classification")
    }
    for (window, name, metric), each in measured.items():
        rows = np.datetime64(window) == MONTHS
        if name != "all":
            rows &= np.array([label == names[name] for label in labels])
        figure = of_rows(binary.truth[rows], binary.scores[rows])[metric]
        assert each["value"] == pytest.approx(figure)
        assert (each["n"], each["bin"]) == (rows.sum(), None)


def test_the_slices_are_those_of_the_metrics(binary: Sample) -> None:
    rng = np.random.default_rng(1)
    slices = {
        "hostile=": np.array([["NULL", None, "'", "a=b"][i % 4] for i in range(ROWS)], dtype=object),
        "many": np.array([f"v{i}" for i in rng.integers(0, SLICE_VALUES + 20, ROWS)], dtype=object),
    }
    named = {each["slice"] for each in metric_rows("test", binary, {"class rates": binary}, slices)}
    records = _read("test", binary, "month", MONTHS, slices, _bins(binary.scores[:, 1]))
    assert {each["slice"] for each in records} == named
    assert len(named) == 1 + 4 + SLICE_VALUES
    # Rows of a slice add up over the windows; a window without a row of it has no record.
    counted = {name: sum(each["n"] for each in records if (each["slice"], each["metric"]) == (name, "brier"))
               for name in named}  # fmt: skip
    assert counted["all"] == ROWS
    assert sum(count for name, count in counted.items() if name.startswith('"hostile="')) == ROWS
    assert all(each["n"] > 0 for each in records)


def test_a_regression_by_window_whatever_the_order_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    truth, score = rng.normal(size=(2, ROWS))
    windows = rng.permutation(MONTHS)
    records = _read("validation", Sample(truth, score), "month", windows, {}, _bins(score))
    for each in records:
        rows = windows == np.datetime64(each["window"])
        expected = of_rows(truth[rows], score[rows])
        if each["metric"] in expected:
            assert each["value"] == pytest.approx(expected[each["metric"]])
            assert each["n"] == rows.sum()


def test_many_classes_and_the_prediction_that_is_watched() -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet([1, 1, 1], ROWS)
    sample = Sample(rng.integers(0, 3, ROWS), scores)
    records = _read("test", sample, "month", MONTHS, {}, _bins(scores.max(axis=1)))
    figures = {each["window"]: each["value"] for each in records if each["metric"] == "accuracy"}
    for window, figure in figures.items():
        rows = np.datetime64(window) == MONTHS
        assert figure == pytest.approx(sk.accuracy_score(sample.truth[rows], scores[rows].argmax(axis=1)))
    assert all(each["bin"] >= 0 for each in records if each["metric"] == "ml_prediction")


def test_predictions_are_counted_in_the_bins_of_the_profile_and_beside_them() -> None:
    bins = _bins(np.array([0.2, 0.4, 0.6, 0.8]))
    score = np.array([0.1, 0.2, 0.2, 0.3, 0.9, 0.8, 0.05])
    sample = Sample(np.array([0, 1, 0, 1, 0, 1, 1]), np.column_stack([1 - score, score]))
    windows = _windows(["2024-01-01"] * 5 + ["2024-02-01"] * 2)
    records = _read("test", sample, "month", windows, {"s": np.array(["a"] * 7, dtype=object)}, bins)
    counted = [
        (each["window"][:7], each["slice"], each["bin"], each["value"], each["n"])
        for each in records
        if each["metric"] == "ml_prediction"
    ]
    assert counted == [
        ("2024-01", "all", -2, None, 1),
        ("2024-01", "all", 0, None, 2),
        ("2024-01", "all", 1, None, 1),
        ("2024-01", "all", 4, None, 1),
        ("2024-02", "all", -2, None, 1),
        ("2024-02", "all", 3, None, 1),
    ]


def test_on_the_validation_rows_the_counts_are_those_of_the_profile(binary: Sample) -> None:
    bins = _bins(binary.scores[:, 1])
    records = _read("validation", binary, "month", MONTHS, {}, bins)
    counted: dict[int, int] = {}
    for each in records:
        if each["metric"] == "ml_prediction":
            counted[each["bin"]] = counted.get(each["bin"], 0) + each["n"]
    assert counted == {each["bin"]: each["rows"] for each in bins if each["rows"]}


def test_one_window_and_constant_scores() -> None:
    scores = np.full((40, 2), 0.5)
    sample = Sample(np.arange(40) % 2, scores)
    records = _read("test", sample, "week", _windows(["2024-01-01"] * 40), {}, _bins(scores[:, 1]))
    assert {each["window"] for each in records} == {"2024-01-01 00:00:00"}
    assert {each["metric"]: each["value"] for each in records}["roc_auc"] == 0.5
    assert [(each["bin"], each["n"]) for each in records if each["metric"] == "ml_prediction"] == [(0, 40)]


def test_what_is_not_defined_in_a_window_is_none_with_its_rows() -> None:
    scores = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]])
    sample = Sample(np.array([0, 0, 1]), scores)
    records = _read(
        "test", sample, "day", _windows(["2024-01-01", "2024-01-01", "2024-01-02"]), {}, _bins(scores[:, 1])
    )
    figures = {(each["window"][:10], each["metric"]): (each["value"], each["n"]) for each in records}
    assert figures["2024-01-01", "roc_auc"] == (None, 2)
    assert figures["2024-01-02", "roc_auc"] == (None, 1)
    assert figures["2024-01-02", "brier"] == (pytest.approx(0.81), 1)


@pytest.mark.slow
def test_days_over_a_year_with_slices_take_seconds_at_most() -> None:
    rng = np.random.default_rng(0)
    rows = 60_000
    score = rng.random(rows)
    sample = Sample((rng.random(rows) < score).astype(int), np.column_stack([1 - score, score]))
    days = _windows(["2024-01-01"])[0] + np.sort(rng.integers(0, 365, rows)).astype("timedelta64[D]")
    slices = {"hour": np.array([str(i % 24) for i in range(rows)], dtype=object)}
    started = time.perf_counter()
    records = reference_rows("test", sample, "day", days, slices, _bins(score))
    assert time.perf_counter() - started < 10  # about 1 s on two cores
    assert len({(each["window"], each["slice"]) for each in records}) == 365 * 25


# --- the naive baseline -------------------------------------------------------------------------------------


def test_the_naive_baseline_is_the_best_constant_of_numbers() -> None:
    """Of all constants, and of each metric its own."""
    truth = np.random.default_rng(0).exponential(size=201) * 9
    found = naive(Sample(truth, np.zeros(201)))
    constants = np.linspace(0, 30, 3001)
    for metric, figure in found.items():
        reached = [measure(Sample(truth, np.full(201, each)))[metric] for each in constants]
        best = max(reached) if metric == "r2" else min(reached)
        assert figure == pytest.approx(best, abs=0.02), metric
    assert naive(Sample(np.ones(9), np.zeros(9))) == dict.fromkeys(found)


@pytest.mark.parametrize("rate", [0.1, 0.8])
def test_the_naive_baseline_of_two_classes_is_the_best_constant(rate: float) -> None:
    truth = (np.arange(200) < 200 * rate).astype(int)
    always = [measure(Sample(truth, np.tile([1 - share, share], (200, 1)))) for share in (0.001, rate, 0.999)]
    found = naive(Sample(truth, np.tile([0.2, 0.8], (200, 1))))
    for metric in ("average_precision", "roc_auc", "accuracy", "f1", "log_loss", "brier"):
        reached = [each[metric] for each in always]
        best = min(reached) if metric in ("log_loss", "brier") else max(reached)
        assert found[metric] == pytest.approx(best), metric
    assert (found["precision"], found["recall"]) == (rate, 1.0)


def test_the_naive_baseline_of_many_classes() -> None:
    truth = np.repeat([0, 1, 2], [60, 30, 10])
    found = naive(Sample(truth, np.tile([0.5, 0.4, 0.1], (100, 1))))
    constant = measure(Sample(truth, np.tile([0.6, 0.3, 0.1], (100, 1))))
    for metric in ("average_precision", "roc_auc", "accuracy", "log_loss", "brier", "f1"):
        assert found[metric] == pytest.approx(constant[metric]), metric
    assert (found["precision"], found["recall"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))


# --- as a training writes it ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_training_writes_the_reference_of_the_chosen_candidate_alone() -> None:
    branch = Branch(
        {"carrier": "case when i % 4 > 0 then ['AA', 'B6', 'UA'][1 + i % 3] end"},
        candidates=["logistic_regression", "random_forest"], monitor={"window": "week", "slices": ["carrier"]},
    )  # fmt: skip
    branch.train()
    rows = {row["outcome"]: row for row in branch.logbook()}
    assert rows["runner_up"]["reference"] is None
    records = json.loads(rows["promoted"]["reference"])
    metrics = json.loads(rows["promoted"]["metrics"])
    assert {(each["split"], each["slice"]) for each in records} == {(each["split"], each["slice"]) for each in metrics}
    starts = branch.rows(
        "select ml_split as split, strftime(date_trunc('week', \"at\"), '%Y-%m-%d 00:00:00') as window, count(*) as n "
        "from late_split where ml_split in ('validation', 'test') group by all"
    )
    found = {
        (each["split"], each["window"]): each["n"]
        for each in records
        if (each["slice"], each["metric"]) == ("all", "brier")
    }
    assert found == {(each["split"], each["window"]): each["n"] for each in starts}
    # Each row's squared error counts once, so the windows' means make up the split's.
    for split in ("validation", "test"):
        parts = [(each["value"], each["n"]) for each in records
                 if (each["split"], each["slice"], each["metric"]) == (split, "all", "brier")]  # fmt: skip
        whole = next(each["value"] for each in metrics
                     if (each["split"], each["slice"], each["metric"]) == (split, "all", "brier"))  # fmt: skip
        assert math.fsum(value * n for value, n in parts) / 60 == pytest.approx(whole)
