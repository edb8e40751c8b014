"""Predictions against their outcomes, as the pages show them: against pandas, scikit-learn and SciPy."""

from __future__ import annotations

import itertools
import math
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import watched
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve
from watched import AS_OF, BINARY, MANY, NUMBER, PERIODS

from mlbridge import monitor
from mlbridge.monitor import State
from mlbridge.monitor.histogram import nice

NO_ROWS = {"since": datetime(2023, 1, 1), "until": datetime(2023, 1, 2)}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """Models of every kind."""
    return watched.published(tmp_path_factory.mktemp("watched"))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """All predictions."""
    return watched.every_prediction()


def of(
    rows: pd.DataFrame, model: str, version: int = 1, since: datetime | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """Choose the rows of a version whose outcome is known."""
    chosen = rows[(rows["model"] == model) & (rows["version"] == version) & rows["actual"].notna()]
    chosen = chosen if since is None else chosen[chosen["time"] >= since]
    return chosen if until is None else chosen[chosen["time"] < until]


# --- two classes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("since", "until"), PERIODS)
@pytest.mark.parametrize("version", [1, 2])
def test_scores_are_the_counts_by_step(
    state: State, rows: pd.DataFrame, version: int, since: datetime | None, until: datetime | None
) -> None:
    known = of(rows, BINARY, version, since, until)
    edges = np.arange(201) / 200
    edges[-1] = 1.1
    step = pd.cut(known["probability"], edges, right=False, labels=range(200)).astype(int)
    expected = known.assign(yes=known["actual"] == "yes").groupby(step)
    found = monitor.scores(state, BINARY, version, since=since, until=until).set_index("step")
    assert found["n"].to_dict() == expected.size().to_dict()
    assert found["positives"].to_dict() == expected["yes"].sum().to_dict()
    assert found["total"].to_dict() == pytest.approx(expected["probability"].sum().to_dict())


@pytest.mark.parametrize("threshold", [0.0, 0.145, 0.28, 0.285, 0.29, 0.295, 0.5, 0.57, 0.575, 0.58, 0.7, 0.995])
def test_the_confusion_at_a_threshold_is_that_of_scikit_learn(
    state: State, rows: pd.DataFrame, threshold: float
) -> None:
    known = of(rows, BINARY)
    truth, predicted = known["actual"] == "yes", known["probability"] >= threshold
    scores = monitor.scores(state, BINARY, 1)
    (right, false), (missed, hit) = sk.confusion_matrix(truth, predicted, labels=[False, True])
    found = monitor.confusion(scores, threshold).set_index(["actual", "predicted"])["n"].to_dict()
    assert found == {
        ("positive", "positive"): hit, ("positive", "negative"): missed,
        ("negative", "positive"): false, ("negative", "negative"): right,
    }  # fmt: skip
    rates = monitor.rates(scores, threshold)
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, predicted, average="binary")
    specificity = sk.recall_score(~truth, ~predicted)
    accuracy = sk.accuracy_score(truth, predicted)
    expected = [precision, recall, specificity, f1, accuracy, predicted.mean(), len(known)]
    assert list(rates.values()) == pytest.approx(expected)


def test_at_a_threshold_of_one_nothing_is_predicted_positive(state: State) -> None:
    rates = monitor.rates(monitor.scores(state, BINARY, 1), 1.0)
    assert (rates["alert_rate"], rates["recall"], rates["specificity"]) == (0.0, 0.0, 1.0)
    assert math.isnan(rates["precision"])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 199), st.integers(0, 50), st.integers(0, 50)), max_size=30, unique_by=lambda x: x[0]
    ),
    st.integers(0, 200),
)
def test_rates_of_any_counts(counts: list[tuple[int, int, int]], step: int) -> None:
    frame = pd.DataFrame(sorted(counts), columns=["step", "positives", "negatives"])
    frame["n"] = frame["positives"] + frame["negatives"]
    found = monitor.confusion(frame, step / 200)
    assert found["n"].sum() == frame["n"].sum()
    rates = monitor.rates(frame, step / 200)
    assert rates["n"] == frame["n"].sum()
    for name, value in rates.items():
        assert math.isnan(value) or 0 <= value <= (1 if name != "n" else math.inf)
    above = frame[frame["step"] >= step]
    if above["n"].sum():
        assert rates["precision"] == above["positives"].sum() / above["n"].sum()


@pytest.mark.parametrize(("since", "until"), PERIODS)
@pytest.mark.parametrize("bins", [1, 7, 10])
def test_the_calibration_is_that_of_its_bins(
    state: State, rows: pd.DataFrame, since: datetime | None, until: datetime | None, bins: int
) -> None:
    known = of(rows, BINARY, 2, since, until).sort_values("probability")
    found = monitor.calibration(state, BINARY, 2, since=since, until=until, bins=bins)
    assert len(found) <= bins
    assert found["n"].sum() == len(known)
    ends = np.cumsum(found["n"])
    for row, end in zip(found.itertuples(), ends, strict=True):
        bin_rows = known.iloc[end - row.n : end]
        assert row.predicted == pytest.approx(bin_rows["probability"].mean())
        assert row.observed == pytest.approx((bin_rows["actual"] == "yes").mean())
        # Some 60 rows share the probability 0.29 alone, so bins are not quite of the same number.
        assert abs(row.n - len(known) / bins) <= max(100, 0.5 * len(known) / bins)


def test_the_calibration_is_that_of_scikit_learn_where_no_rows_share_a_step(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    probability = rng.permutation(np.arange(5_000) * 2 + 1) / 10_001
    frame = watched.predictions(BINARY, 2, 1, 6_000).head(5_000)
    frame["probability"] = probability
    frame["actual"] = np.where(rng.random(5_000) < probability**2, "yes", "no")
    found = monitor.calibration(watched.published(tmp_path, ml_predictions=frame), BINARY, 2)
    observed, predicted = calibration_curve(frame["actual"] == "yes", probability, n_bins=10, strategy="quantile")
    assert list(found["n"]) == [500] * 10
    assert list(found["predicted"]) == pytest.approx(list(predicted))
    assert list(found["observed"]) == pytest.approx(list(observed))


def test_intervals_are_those_of_wilson(state: State) -> None:
    found = monitor.calibration(state, BINARY, 1)
    for row in found.itertuples():
        test = stats.binomtest(round(row.observed * row.n), row.n)
        assert (row.low, row.high) == pytest.approx(tuple(test.proportion_ci(method="wilson")))


def test_a_rare_outcome_has_a_calibration_too(tmp_path: Any) -> None:
    frame = watched.predictions(BINARY, 2, 1)
    frame["probability"] = frame["probability"] / 200
    found = monitor.calibration(watched.published(tmp_path, ml_predictions=frame), BINARY, 2)
    assert len(found) >= 8


def test_the_calibration_of_the_training(state: State) -> None:
    found = monitor.stored_calibration(state, BINARY, 1)
    assert list(found["n"]) == [40, 10]
    assert list(found["predicted"]) == [0.25, 0.75]
    assert list(found["observed"]) == [0.2, 1.0]
    interval = stats.binomtest(8, 40).proportion_ci(method="wilson")
    assert (found["low"][0], found["high"][0]) == pytest.approx(tuple(interval))
    for model in (NUMBER, MANY):
        assert monitor.stored_calibration(state, model, 1).empty


def test_predicted_by_outcome(state: State) -> None:
    scores = monitor.scores(state, BINARY, 2)
    found = monitor.against(state, BINARY, 2)
    assert found["n"].gt(0).all()
    by_step = found.groupby("step")["n"].sum()
    assert by_step.to_dict() == scores.set_index("step")["n"].to_dict()
    assert found.loc[found["actual"] == "yes", "n"].sum() == scores["positives"].sum()


# --- many classes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_least", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(("since", "until"), PERIODS)
@pytest.mark.parametrize("model", [MANY, BINARY])
def test_the_confusion_of_classes(
    state: State, rows: pd.DataFrame, model: str, since: datetime | None, until: datetime | None, at_least: float
) -> None:
    known = of(rows, model, 1, since, until)
    sure = known["probability"]
    if model == BINARY:
        sure = sure.where(known["prediction"] == "yes", 1 - sure)
    expected = known[sure >= at_least].groupby(["actual", "prediction"]).size().to_dict()
    found = monitor.confusion_classes(state, model, 1, since=since, until=until, at_least=at_least)
    assert found.set_index(["actual", "predicted"])["n"].to_dict() == expected
    if model == MANY and at_least == 0:
        pd.testing.assert_frame_equal(found, monitor.against(state, MANY, 1, since=since, until=until))


# --- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("since", "until"), PERIODS)
def test_residuals_are_counted_exactly(
    state: State, rows: pd.DataFrame, since: datetime | None, until: datetime | None
) -> None:
    known = of(rows, NUMBER, 1, since, until)
    residual = (known["actual_value"] - known["prediction_value"]).astype(float)
    found = monitor.residuals(state, NUMBER, 1, since=since, until=until)
    edges = [*found["lower"], found["upper"].iloc[-1]]
    assert list(found["upper"][:-1]) == list(found["lower"][1:])
    index = (np.searchsorted(edges, residual, side="right") - 1).clip(0, len(found) - 1)
    assert list(found["n"]) == list(np.bincount(index, minlength=len(found)))
    # The one value of ten million is in the outer bin, and the others are told apart.
    assert 24 <= len(found) <= 61
    low, high = np.quantile(residual, [0.005, 0.995])
    width = found["upper"][0] - found["lower"][0]
    assert found["lower"].iloc[0] <= low + width
    assert found["upper"].iloc[-1] >= high - width
    assert high - low > len(found) * width / 2.5


def test_rows_within_a_tolerance(state: State, rows: pd.DataFrame) -> None:
    known = of(rows, NUMBER)
    residual = (known["actual_value"] - known["prediction_value"]).astype(float)
    for tolerance in (0, 0.1, 1, 7.5, 40, float(residual.abs().max())):
        expected = (residual.abs() <= tolerance).mean()
        assert monitor.within(state, NUMBER, 1, tolerance) == pytest.approx(expected)
    since, until = PERIODS[-1]
    assert monitor.within(state, NUMBER, 1, 1e9, since=since, until=until) == 1
    assert math.isnan(monitor.within(state, NUMBER, 1, 1.0, since=datetime(2030, 1, 1)))
    assert math.isnan(monitor.within(state, BINARY, 1, 1.0))


def test_predicted_against_actual(state: State, rows: pd.DataFrame) -> None:
    known = of(rows, NUMBER)
    found = monitor.against(state, NUMBER, 1)
    lower = sorted({*found["predicted_lower"], *found["actual_lower"]})
    first, width = lower[0], found["predicted_upper"][0] - found["predicted_lower"][0]
    assert len(lower) <= 40
    number = round((lower[-1] - first) / width) + 1
    edges = np.round(first + width * np.arange(number + 1), 9)
    edges[0], edges[-1] = -np.inf, np.inf
    table, *_ = np.histogram2d(
        known["prediction_value"].astype(float), known["actual_value"].astype(float), (edges, edges)
    )
    cells = np.zeros_like(table)
    for row in found.itertuples():
        cells[round((row.predicted_lower - first) / width), round((row.actual_lower - first) / width)] += row.n
    assert (cells == table).all()
    assert (found["actual_upper"] > found["actual_lower"]).all()


@pytest.mark.parametrize(
    ("actual", "predicted", "bins"),
    [
        ([5.0] * 9, [5.0] * 9, 1),  # all the same
        ([1e-15, 2e-15, 3e-15], [0.0] * 3, None),
        ([1e9, 1e9 + 1e-6], [0.0] * 2, None),
        ([float("nan"), float("inf"), -float("inf"), 1.0, 2.0], [0.0] * 5, None),
        ([1.7e308, -1.7e308, 1.0], [-1.7e308, 1.7e308, 0.0], 1),
        ([1.0], [0.0], 1),
    ],
)  # fmt: skip
def test_residuals_of_odd_numbers(tmp_path: Any, actual: list[float], predicted: list[float], bins: int | None) -> None:
    frame = watched.predictions(NUMBER, 1, 1, 60).head(len(actual))
    frame = frame.assign(actual="x", actual_value=actual, prediction_value=predicted)
    state = watched.published(tmp_path, ml_predictions=frame)
    found = monitor.residuals(state, NUMBER, 1)
    finite = np.isfinite(np.subtract(actual, predicted, where=np.abs(actual) < 1e300, out=np.full(len(actual), np.inf)))
    assert found["n"].sum() == finite.sum()
    assert (found["upper"] > found["lower"]).all()
    assert bins is None or len(found) == bins
    assert monitor.against(state, NUMBER, 1)["n"].sum() == (np.abs(actual) < 1e300).sum()


FINITE = st.floats(-1e300, 1e300)


@settings(max_examples=300, deadline=None)
@given(FINITE, FINITE, st.integers(1, 60))
@example(-1e300, 0.0, 50)  # the lower end is 50.00000000000001 widths away
def test_any_range_gets_bins(one: float, other: float, bins: int) -> None:
    low, high = min(one, other), max(one, other)
    grid = nice(low, high, bins)
    edges = [grid.edge(index) for index in range(grid.bins + 1)]
    assert 1 <= grid.bins <= bins + 1
    assert all(left < right for left, right in itertools.pairwise(edges))
    slack = 1e-8 * max(abs(low), abs(high), 1e-90)
    assert edges[0] <= low + slack
    assert edges[-1] >= high - slack


# --- nothing to show --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "version"), [(BINARY, 3), (NUMBER, 1), (MANY, 1), ("rejected", 1), ("unlabelled", 1)]
)
def test_no_outcome_in_the_period(state: State, model: str, version: int) -> None:
    for function in (
        monitor.scores, monitor.calibration, monitor.confusion_classes, monitor.residuals, monitor.against
    ):  # fmt: skip
        assert function(state, model, version, **NO_ROWS).empty
    scores = monitor.scores(state, model, version, **NO_ROWS)
    assert monitor.confusion(scores, 0.5)["n"].sum() == 0
    assert math.isnan(monitor.rates(scores, 0.5)["accuracy"])
    assert monitor.rows(state, model, version, **NO_ROWS).empty


def test_a_version_is_read_by_its_own_classes(tmp_path: Any) -> None:
    tables = watched.tables()
    versions = [*tables["ml_versions"], watched.version(MANY, 2, "promoted", AS_OF, classes=["a", "b"])]
    champions = [{**row, "version": 2} if row["model"] == MANY else row for row in tables["ml_champions"]]
    state = watched.published(tmp_path, ml_versions=versions, ml_champions=champions)
    assert monitor.models(state).set_index("model").loc[MANY, "positive"] == "b"
    assert monitor.scores(state, MANY, 1).empty
    assert len(monitor.confusion_classes(state, MANY, 1)) == 25
