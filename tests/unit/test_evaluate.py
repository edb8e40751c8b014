"""Every metric against scikit-learn, and the statistics that a promotion rests on."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
import time
import warnings
from typing import Any

import numpy as np
import pytest
from expected.metrics import BINARY, MANY, REGRESSION, Reference, undefined
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn import metrics as sk

from mlbridge.catalogue.metrics import METRICS, greater_is_better, metrics_for
from mlbridge.evaluation import evaluate
from mlbridge.evaluation.blocks import Blocks
from mlbridge.evaluation.evaluate import calibration_rows, metric_rows
from mlbridge.evaluation.metrics import measure
from mlbridge.evaluation.sample import Sample

EXACT = 1e-12


# --- the table --------------------------------------------------------------------------------------------


def test_losses_are_the_metrics_of_which_less_is_better() -> None:
    less = {name for name in METRICS if not greater_is_better(name)}
    assert less == {"log_loss", "brier", "rmse", "mae", "median_absolute_error"}


def test_every_metric_of_the_table_is_compared_with_scikit_learn() -> None:
    assert set(METRICS) == set(BINARY) | set(REGRESSION)
    assert set(metrics_for("classification")) == set(BINARY) == set(MANY)


def test_the_modules_do_not_import_scikit_learn() -> None:
    modules = "mlbridge.evaluation.evaluate, mlbridge.reference.profile"
    code = f"import sys, {modules}; assert not {{'sklearn', 'pandas'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- against scikit-learn ---------------------------------------------------------------------------------


@st.composite
def classified(draw: st.DrawFn, most_classes: int) -> tuple[Sample, np.ndarray]:
    """Draw codes, probabilities with many ties, exact zeros and ones, and whole-number weights with zeros."""
    rows, classes = draw(st.integers(2, 40)), draw(st.integers(min(3, most_classes), most_classes))
    parts = draw(hnp.arrays(np.int64, (rows, classes), elements=st.integers(0, 4)))
    parts[:, 0] += parts.sum(axis=1) == 0
    truth = draw(hnp.arrays(np.int64, rows, elements=st.integers(0, classes - 1)))
    weights = draw(hnp.arrays(np.int64, rows, elements=st.integers(0, 3)))
    assume(weights.sum() > 0)
    return Sample(truth, parts / parts.sum(axis=1, keepdims=True)), weights


@st.composite
def estimated(draw: st.DrawFn) -> tuple[Sample, np.ndarray]:
    """Draw numbers with tied errors and whole-number weights with zeros."""
    rows = draw(st.integers(2, 40))
    numbers = st.integers(-8, 8).map(lambda whole: whole / 4) | st.floats(-1e3, 1e3, width=32)
    truth, scores = (draw(hnp.arrays(np.float64, rows, elements=numbers)) for _ in range(2))
    weights = draw(hnp.arrays(np.int64, rows, elements=st.integers(0, 3)))
    assume(weights.sum() > 0)
    return Sample(truth, scores), weights


def _assert_as_scikit_learn(sample: Sample, weights: np.ndarray, references: dict[str, Reference]) -> None:
    found = measure(sample, weights)
    for name, reference in references.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = reference(sample.truth, sample.scores, weights.astype(np.float64))
        if found[name] is None:
            truth, guess = (np.repeat(of, weights) for of in (sample.truth, _guess(sample)))
            assert undefined(name, truth, guess), name
        else:
            assert found[name] == pytest.approx(expected, rel=EXACT, abs=EXACT), name


def _guess(sample: Sample) -> np.ndarray:
    if sample.scores.ndim == 1:
        return sample.scores
    return sample.scores.argmax(axis=1)


@given(classified(most_classes=2))
def test_two_classes_agree_with_scikit_learn(drawn: tuple[Sample, np.ndarray]) -> None:
    _assert_as_scikit_learn(*drawn, BINARY)


@given(classified(most_classes=5))
def test_many_classes_agree_with_scikit_learn(drawn: tuple[Sample, np.ndarray]) -> None:
    _assert_as_scikit_learn(*drawn, MANY)


@given(estimated())
def test_regression_agrees_with_scikit_learn(drawn: tuple[Sample, np.ndarray]) -> None:
    _assert_as_scikit_learn(*drawn, REGRESSION)


@pytest.mark.parametrize("ties", [False, True])
def test_ten_thousand_rows_agree_with_scikit_learn(ties: bool) -> None:
    sample = _binary(10_000, seed=3)
    if ties:
        sample = Sample(sample.truth, np.round(sample.scores, 2))
    weights = np.random.default_rng(4).integers(0, 4, 10_000)
    _assert_as_scikit_learn(sample, weights, BINARY)
    numbers = Sample(sample.scores[:, 1] * 90, np.round(sample.scores[:, 0] * 70))
    _assert_as_scikit_learn(numbers, weights, REGRESSION)


def test_all_classes_present_agree_with_the_one_vs_rest_of_scikit_learn_itself() -> None:
    sample = _many(600)
    found = measure(sample)
    auc = sk.roc_auc_score(sample.truth, sample.scores, multi_class="ovr", average="macro")
    assert found["roc_auc"] == pytest.approx(auc, rel=EXACT)
    precision = sk.average_precision_score(sample.truth, sample.scores, average="macro")
    assert found["average_precision"] == pytest.approx(precision, rel=EXACT)


# --- weights ----------------------------------------------------------------------------------------------


@given(classified(most_classes=2) | classified(most_classes=4) | estimated())
def test_a_weight_is_a_repetition_of_the_row(drawn: tuple[Sample, np.ndarray]) -> None:
    sample, weights = drawn
    repeated = measure(sample.take(np.repeat(np.arange(len(sample)), weights)))
    for name, figure in measure(sample, weights).items():
        expected = repeated[name]
        assert figure == (None if expected is None else pytest.approx(expected, rel=EXACT, abs=EXACT)), name


def test_no_weight_at_all_leaves_every_metric_undefined() -> None:
    assert set(measure(_binary(5), np.zeros(5)).values()) == {None}
    assert set(measure(Sample(np.empty(0), np.empty(0))).values()) == {None}
    assert set(measure(Sample(np.empty(0, dtype=int), np.empty((0, 3)))).values()) == {None}


# --- by hand ----------------------------------------------------------------------------------------------


def test_two_classes_by_hand() -> None:
    positive = np.array([0.9, 0.5, 0.5, 0.2])
    found = measure(Sample(np.array([1, 1, 0, 1]), np.column_stack([1 - positive, positive])))
    # From the top: 1 of 1 right; then the tie, 2 of 3; then 3 of 4. Each step recalls a third.
    assert found["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    # Against the one negative at 0.5: one positive above, one tied, one below.
    assert found["roc_auc"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found["brier"] == pytest.approx((0.01 + 0.25 + 0.25 + 0.64) / 4)
    assert found["log_loss"] == pytest.approx(-(math.log(0.9) + 2 * math.log(0.5) + math.log(0.2)) / 4)
    # A tie goes to the first class: 1 predicted positive, which is right, of 3 positives.
    assert (found["accuracy"], found["precision"], found["recall"]) == (0.5, 1.0, 1 / 3)
    assert found["f1"] == pytest.approx(0.5)


def test_many_classes_by_hand() -> None:
    scores = np.array([[0.6, 0.3, 0.1], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
    found = measure(Sample(np.array([0, 1, 2, 1]), scores))
    # The tie of the second row goes to class 0: right 1, 1, 1 of predicted 2, 1, 1 and of true 1, 2, 1.
    assert found["accuracy"] == 0.75
    assert found["precision"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert found["recall"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert found["f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    squares = [0.16 + 0.09 + 0.01, 0.16 + 0.36 + 0.04, 0.01 + 0.04 + 0.09, 0.04 + 0.25 + 0.09]
    assert found["brier"] == pytest.approx(sum(squares) / 4)
    assert found["average_precision"] == found["roc_auc"] == 1.0


def test_regression_by_hand() -> None:
    found = measure(Sample(np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.0, 4.0, 2.0, 2.0])))
    assert found == {
        "rmse": pytest.approx(math.sqrt((0 + 4 + 1 + 16) / 4)),
        "mae": pytest.approx(7 / 4),
        "r2": pytest.approx(1 - 21 / (4 + 1 + 0 + 9)),
        "median_absolute_error": 1.5,
    }


def test_a_certain_and_wrong_probability_is_clipped_like_scikit_learn_does() -> None:
    sample = Sample(np.array([1, 0]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    expected = sk.log_loss([1, 0], sample.scores)
    assert measure(sample)["log_loss"] == pytest.approx(expected, rel=EXACT)
    assert expected > 18


def test_one_class_only() -> None:
    scores = np.array([[0.7, 0.3], [0.8, 0.2]])
    negative, positive = measure(Sample(np.zeros(2, int), scores)), measure(Sample(np.ones(2, int), scores))
    lacking = {name for name, figure in negative.items() if figure is None}
    assert lacking == {name for name in BINARY if undefined(name, np.zeros(2, int), np.zeros(2, int))}
    assert lacking >= {"average_precision", "roc_auc", "recall", "f1"}
    assert negative["precision"] == 0.0
    assert (positive["roc_auc"], positive["average_precision"], positive["recall"]) == (None, 1.0, 0.0)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9 + 0.3])
def test_a_constant_truth_has_no_r2(constant: float) -> None:
    sample = Sample(np.array([constant] * 3 + [5.0]), np.arange(4.0))
    assert measure(sample, [1, 1, 1, 0])["r2"] is None
    assert measure(sample)["r2"] is not None


def test_a_variance_below_the_smallest_number_leaves_r2_undefined() -> None:
    assert measure(Sample(np.array([0.0, 1e-200]), np.zeros(2)))["r2"] is None


@pytest.mark.parametrize(
    ("truth", "scores", "says"),
    [
        ([0, 1], [[0.1], [0.2]], "at least two columns"),
        ([0, 2], [[0.1, 0.9], [0.2, 0.8]], "from 0 to 1"),
        ([0, -1], [[0.1, 0.9], [0.2, 0.8]], "from 0 to 1"),
        ([0.0, 1.0], [[0.1, 0.9], [0.2, 0.8]], "whole class codes"),
        ([0, 1, 1], [[0.1, 0.9], [0.2, 0.8]], r"\(3,\), \(2, 2\)"),
        ([[0, 1]], [[0.1, 0.9]], "must be"),
        ([0, 1], [[0.1, math.nan], [0.2, 0.8]], "scores hold NaN"),
        ([0.0, math.inf], [0.1, 0.2], "truth holds NaN"),
        ([0.0, 1.0], [0.1, math.nan], "scores hold NaN"),
    ],
)
def test_a_sample_refuses_what_is_not_one(truth: list[Any], scores: list[Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Sample(np.array(truth), np.array(scores))


# --- metric_rows ------------------------------------------------------------------------------------------


def _binary(rows: int, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    positive = rng.beta(2, 5, rows)
    truth = (rng.random(rows) < positive).astype(np.int64)
    return Sample(truth, np.column_stack([1 - positive, positive]))


def _many(rows: int, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(4), rows)
    return Sample((scores.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1).clip(0, 3), scores)


def _naive(sample: Sample) -> dict[str, Sample]:
    return {"class rates": Sample(sample.truth, np.full_like(sample.scores, 1 / sample.scores.shape[1]))}


def test_the_records_of_a_split() -> None:
    sample = _binary(400)
    carriers = np.array(["AA", "UA", None, "AA"] * 100, dtype=object)
    rows = metric_rows("test", sample, _naive(sample), {"carrier": carriers})
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    found = [(name, next(group)["n"]) for name, group in itertools.groupby(rows, lambda row: row["slice"])]
    assert found == [("all", 400), ("carrier=AA", 200), ("carrier=NULL", 100), ("carrier=UA", 100)]
    assert len(rows) == 4 * len(metrics_for("classification"))
    assert {row["split"] for row in rows} == {"test"}
    mask = carriers == "AA"
    value, naive = measure(sample.take(mask)), measure(_naive(sample)["class rates"].take(mask))
    for row in rows:
        assert row["low"] <= row["value"] <= row["high"]
        if row["slice"] == "carrier=AA" and row["metric"] != "recall":
            assert (row["value"], row["baseline"]) == (value[row["metric"]], naive[row["metric"]])


def test_every_slice_stands_beside_the_baseline_that_is_strongest_on_all_rows() -> None:
    truth = np.array([0.0, 0.0, 0.0, 8.0, 8.0])
    mean, median = Sample(truth, np.full(5, 3.2)), Sample(truth, np.zeros(5))
    recent = Sample(truth, np.array([0.0, 0.0, 0.0, 0.0, 8.0]))
    predictions = {"mean": mean, "median": median, "recent mean": recent, "recent median": Sample(truth, truth + 4)}
    rows = metric_rows("test", Sample(truth, truth), predictions, {"k": np.array(["a", "a", "b", "b", "b"])})
    found = {(row["slice"], row["metric"]): (row["baseline"], row["baseline_name"]) for row in rows}
    assert found["all", "rmse"] == (pytest.approx(np.sqrt(64 / 5)), "recent mean")
    assert found["k=b", "rmse"] == (pytest.approx(np.sqrt(64 / 3)), "recent mean")
    assert found["all", "mae"] == (pytest.approx(16 / 5), "median")
    assert found["k=b", "mae"] == (pytest.approx(16 / 3), "median")
    # Nothing stronger counts that does not compete for the metric; without a shortest half the recent median does.
    assert found["all", "median_absolute_error"] == (4, "recent median")


def test_a_further_slice_changes_no_other_figure() -> None:
    sample = _binary(300)
    first, second = np.array(["a", "b", "c"] * 100), np.array(["x", None] * 150, dtype=object)
    one = metric_rows("test", sample, _naive(sample), {"first": first})
    both = metric_rows("test", sample, _naive(sample), {"second": second, "first": first})
    assert [row for row in both if not row["slice"].startswith("second")] == one


def test_a_recall_stands_beside_as_many_rows_at_random() -> None:
    sample = _binary(200)
    (row,) = [r for r in metric_rows("test", sample, _naive(sample), {}) if r["metric"] == "recall"]
    assert row["baseline"] == (sample.scores[:, 1] > 0.5).mean()
    assert row["baseline_name"] == evaluate.FLAGGED


def test_the_block_stands_beside_the_figure_and_too_few_take_the_design_effect_of_all() -> None:
    sample = _binary(400)
    days = Blocks.of("day", np.arange(400) // 20)
    part = np.where(np.arange(400) < 100, "few", "many")
    rows = metric_rows("test", sample, _naive(sample), {"part": part}, days)
    blocks = {row["slice"]: (row["block"], row["blocks"]) for row in rows}
    assert blocks == {"all": ("day", 20), "part=few": ("day", 5), "part=many": ("day", 15)}
    known = metric_rows("test", sample, _naive(sample), {"part": part}, days, {"brier": 4.0, "roc_auc": 0.2})
    (brier,), (auc,) = (
        [row for row in known if (row["slice"], row["metric"]) == ("part=few", metric)]
        for metric in ("brier", "roc_auc")
    )
    assert (brier["design_effect"], auc["design_effect"]) == (4.0, 1.0)
    alone = next(
        row
        for row in metric_rows("test", sample.take(part == "few"), _naive(sample.take(part == "few")), {})
        if row["metric"] == "brier"
    )
    lower = [np.log(each["value"] / each["low"]) for each in (brier, alone)]
    assert lower[0] == pytest.approx(2 * lower[1])


def test_the_fifty_most_frequent_values_are_kept_ties_by_name() -> None:
    labels = np.array([f"v{i:02d}" for i in range(60)] + ["v59", "v59", "v58"])
    sample = _binary(len(labels))
    rows = metric_rows("test", sample, _naive(sample), {"v": labels})
    names = list(dict.fromkeys(row["slice"] for row in rows))
    assert names == ["all", "v=v59", "v=v58", *(f"v=v{i:02d}" for i in range(48))]


def test_hostile_labels_never_share_a_name() -> None:
    sample = _binary(4)
    odd = np.array(["NULL", None, "'NULL'", "'); drop table t; --"], dtype=object)
    slices = {"a": odd, 'a"': odd, "a=b": np.array(["c"] * 4), "a=b=c": odd, '"a': odd}
    rows = metric_rows("test", sample, _naive(sample), slices | {"": np.array(["b=c"] * 4)})
    names = list(dict.fromkeys(row["slice"] for row in rows))
    assert len(names) == 1 + 4 + 4 + 1 + 4 + 4 + 1
    assert {"a=NULL", "a='NULL'", '"a=b"=c'} <= set(names)


def test_one_row_has_a_value_and_no_interval() -> None:
    sample = _binary(3)
    rows = metric_rows("test", sample, _naive(sample), {"k": np.array(["a", "b", "b"])})
    lonely = {row["metric"]: row for row in rows if row["slice"] == "k=a"}
    assert lonely["brier"]["n"] == 1
    assert lonely["brier"]["value"] is not None
    assert all(row["low"] is None and row["high"] is None for row in lonely.values())


def test_an_undefined_figure_has_no_interval_and_no_rows_have_no_figures() -> None:
    sample = Sample(np.zeros(9, int), _binary(9).scores)
    auc = next(r for r in metric_rows("test", sample, _naive(sample), {}) if r["metric"] == "roc_auc")
    assert (auc["value"], auc["low"], auc["high"], auc["baseline"], auc["n"]) == (None, None, None, None, 9)
    nothing = sample.take(np.array([], dtype=int))
    rows = metric_rows("test", nothing, _naive(nothing), {"k": np.array([], dtype=object)})
    assert [row["n"] for row in rows] == [0] * len(metrics_for("classification"))


def test_a_baseline_on_other_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="same rows"):
        metric_rows("test", _binary(5), _naive(_binary(6)), {})


@pytest.mark.parametrize("metric", ["brier", "roc_auc", "average_precision"])
def test_the_interval_is_about_as_wide_as_that_of_scipy(metric: str) -> None:
    sample = _binary(800)

    def figure(rows: np.ndarray) -> float:
        found = measure(sample.take(rows.astype(int)))[metric]
        assert found is not None
        return found

    rows = metric_rows("test", sample, _naive(sample), {})
    ours = next(row for row in rows if row["metric"] == metric)
    theirs = stats.bootstrap(
        (np.arange(800),), figure, n_resamples=2000, method="percentile", vectorized=False, rng=1
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours["high"] - ours["low"] == pytest.approx(width, rel=0.15)
    assert ours["low"] == pytest.approx(theirs.low, abs=0.15 * width)


def test_the_intervals_of_fifty_thousand_rows_take_seconds_at_most() -> None:
    sample = _binary(50_000)
    start = time.process_time()
    metric_rows("test", sample, _naive(sample), {})
    assert time.process_time() - start < 5


# --- calibration_rows -------------------------------------------------------------------------------------


def test_calibration_of_two_classes_by_hand() -> None:
    positive = np.array([0.1, 0.9, 0.2, 0.3, 0.8])
    sample = Sample(np.array([0, 1, 1, 0, 1]), np.column_stack([1 - positive, positive]))
    assert calibration_rows(sample, bins=2) == [
        {"bin": 0, "n": 3, "mean_predicted": pytest.approx(0.2), "observed": pytest.approx(1 / 3)},
        {"bin": 1, "n": 2, "mean_predicted": pytest.approx(0.85), "observed": 1.0},
    ]


def test_calibration_of_many_classes_is_of_the_predicted_class() -> None:
    sample = Sample(np.array([0, 2]), np.array([[0.6, 0.3, 0.1], [0.1, 0.5, 0.4]]))
    assert calibration_rows(sample) == [
        {"bin": 0, "n": 1, "mean_predicted": 0.5, "observed": 0.0},
        {"bin": 1, "n": 1, "mean_predicted": 0.6, "observed": 1.0},
    ]


def test_calibration_of_a_regression_and_ties_in_one_bin() -> None:
    sample = Sample(np.array([1.0, 2.0, 3.0, 4.0, 9.0]), np.array([5.0, 5.0, 5.0, 5.0, 7.0]))
    assert calibration_rows(sample, bins=4) == [
        {"bin": 0, "n": 4, "mean_predicted": 5.0, "observed": 2.5},
        {"bin": 1, "n": 1, "mean_predicted": 7.0, "observed": 9.0},
    ]


def test_calibration_without_rows_has_no_bins() -> None:
    assert calibration_rows(Sample(np.empty(0), np.empty(0))) == []


@given(estimated(), st.integers(1, 12))
def test_calibration_bins_hold_every_row_once_and_part_no_tie(drawn: Any, bins: int) -> None:
    sample, _ = drawn
    rows = calibration_rows(sample, bins)
    assert json.loads(json.dumps(rows)) == rows
    assert sum(row["n"] for row in rows) == len(sample)
    assert 1 <= len(rows) <= bins
    ordered = np.sort(sample.scores)
    for end in np.cumsum([row["n"] for row in rows])[:-1]:
        assert ordered[end - 1] < ordered[end]


def test_calibration_bins_are_of_equal_size_without_ties() -> None:
    rows = calibration_rows(_binary(1000), bins=10)
    assert [row["n"] for row in rows] == [100] * 10
    assert all(abs(row["mean_predicted"] - row["observed"]) < 0.15 for row in rows)
