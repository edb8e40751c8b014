"""Estimation: calibration against isotonic regression, the tree of losses against scikit-learn's own walk of it."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from branch import Branch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.isotonic import IsotonicRegression
from sklearn.tree import DecisionTreeRegressor

from mlbridge.evaluation.sample import Sample
from mlbridge.reference import performance_estimation
from mlbridge.reference.performance_estimation import (
    FEWEST_ROWS,
    KEYS,
    MOST_LEAVES,
    MOST_STEPS,
    calibration_steps,
    loss_tree,
)
from mlbridge.reference.profile import FOLDED, profile_rows

Records = list[dict[str, Any]]


def _checked(records: Records) -> Records:
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert all(tuple(each) == KEYS for each in records)
    return records


# --- classification ---------------------------------------------------------------------------------------


def _binary(score: np.ndarray[Any, Any], truth: Any = None, seed: int = 0) -> Sample:
    if truth is None:
        truth = np.random.default_rng(seed).random(len(score)) < score**2
    return Sample(np.asarray(truth, dtype=int), np.column_stack([1 - score, score]))


def _steps(sample: Sample, classes: tuple[str, ...] = ("false", "true")) -> dict[int, list[tuple[Any, float]]]:
    """Give upper and value of the steps by class, and check what must hold of any."""
    found: dict[int, list[tuple[Any, float]]] = {}
    for each in _checked(calibration_steps(sample, classes)):
        assert each["class"] == classes[each["class_no"]]
        assert {key for key in KEYS if each[key] is not None} <= {"class_no", "class", "step", "upper", "value"}
        steps = found.setdefault(each["class_no"], [])
        assert each["step"] == len(steps)
        steps.append((each["upper"], each["value"]))
    for steps in found.values():
        uppers, values = [upper for upper, _ in steps[:-1]], [value for _, value in steps]
        assert steps[-1][0] is None
        assert uppers == sorted(set(uppers))
        assert values == sorted(values)
        assert values[0] >= 0
        assert values[-1] <= 1
    return found


def _calibrated(scores: np.ndarray[Any, Any], steps: list[tuple[Any, float]]) -> np.ndarray[Any, Any]:
    """Look a score up as the documentation says: in the first step whose upper edge it does not exceed."""
    return np.array(
        [next(value for upper, value in steps if upper is None or score <= upper) for score in scores.tolist()]
    )


def test_the_steps_by_hand() -> None:
    score = np.repeat([0.1, 0.2, 0.7, 0.9], 10)
    truth = [1] * 3 + [0] * 7 + [1] * 1 + [0] * 9 + [1] * 6 + [0] * 4 + [1] * 8 + [0] * 2
    # The shares .3 and .1 do not rise: together .2, one step. From 0.2 to 0.5 there is no row, so it reaches so far.
    assert _steps(_binary(score, truth)) == {
        1: [
            (0.5, pytest.approx(0.2)),
            (0.7, pytest.approx(0.6)),
            (None, pytest.approx(0.8)),
        ]
    }


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_the_values_are_those_of_isotonic_regression_on_the_same_bins(decimals: int) -> None:
    score = np.round(np.random.default_rng(1).beta(2, 4, 5000), decimals)
    sample = _binary(score)
    (steps,) = _steps(sample).values()
    uppers = np.array([upper for upper, _ in steps[:-1]])
    assert 0.5 in uppers
    assert {*uppers.tolist()} - {0.5} <= {*score.tolist()}
    bins = np.searchsorted(uppers, score, side="left")
    table = pd.DataFrame({"bin": bins, "truth": sample.truth}).groupby("bin")["truth"].agg(["mean", "size"])
    expected = IsotonicRegression().fit_transform(table.index, table["mean"], sample_weight=table["size"])
    assert [steps[index][1] for index in table.index] == pytest.approx(expected.tolist())
    assert _calibrated(score, steps).mean() == pytest.approx(sample.truth.mean())
    assert table["size"].drop(places_beside(uppers, 0.5)).min() >= FEWEST_ROWS


def places_beside(uppers: np.ndarray[Any, Any], edge: float) -> list[int]:
    """Give the two steps that meet at an edge, one of which may hold few rows."""
    index = int(np.flatnonzero(uppers == edge)[0])
    return [index, index + 1]


def finest(scores: np.ndarray[Any, Any], sample: Sample) -> np.ndarray[Any, Any]:
    """Calibrate scores by groups of `FEWEST_ROWS` rows, none of them put together."""
    known = np.sort(sample.scores[:, 1])
    edges = np.union1d(known[FEWEST_ROWS - 1 : len(known) - FEWEST_ROWS : FEWEST_ROWS], 0.5)
    bin_of_row = np.searchsorted(edges, sample.scores[:, 1], side="left")
    counts = np.bincount(bin_of_row, minlength=len(edges) + 1)
    filled = np.flatnonzero(counts)
    shares = np.bincount(bin_of_row, sample.truth, len(counts))[filled] / counts[filled]
    fitted = IsotonicRegression().fit_transform(filled, shares, sample_weight=counts[filled])
    below = np.maximum(np.searchsorted(filled, np.arange(len(counts)), side="right") - 1, 0)
    return fitted[below][np.searchsorted(edges, scores, side="left")]


def expected_precision(order: np.ndarray[Any, Any], chances: np.ndarray[Any, Any]) -> float:
    """Give the average precision to be expected of rows in an order, each a positive by its chance."""
    chances = chances[order]
    return float((chances * np.cumsum(chances) / np.arange(1, len(chances) + 1)).sum() / chances.sum())


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.1])
@pytest.mark.parametrize("rows", [3000, 20_000])
def test_average_precision_is_estimated_as_at_full_resolution(rate: float, rows: int) -> None:
    """Where the positives are rare, it is decided among a few rows at the top."""
    rng = np.random.default_rng(4)
    truth = (rng.random(rows) < rate).astype(int)
    score = 1 / (1 + np.exp(-1.5 * (rng.normal(size=rows) + 1.5 * truth) + 3))
    fresh = 1 / (1 + np.exp(-1.5 * (rng.normal(size=rows) + 1.5 * (rng.random(rows) < rate)) + 3))
    sample = _binary(score, truth)
    (steps,) = _steps(sample).values()
    order = np.argsort(-fresh)
    ours, full = _calibrated(fresh, steps), finest(fresh, sample)
    assert expected_precision(order, ours) == pytest.approx(expected_precision(order, full), abs=0.002)
    assert len(steps) < 60


def test_there_are_never_more_steps_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance_estimation, "MOST_STEPS", 12)
    score = np.random.default_rng(1).random(5000)
    (steps,) = _steps(_binary(score)).values()
    assert 6 < len(steps) <= 12
    assert _calibrated(score, steps).mean() == pytest.approx(_binary(score).truth.mean())


def test_a_calibrated_score_is_nearer_to_what_happens() -> None:
    rng = np.random.default_rng(0)
    score, fresh = rng.random((2, 20_000))
    (steps,) = _steps(_binary(score, seed=1)).values()
    truth = rng.random(20_000) < fresh**2
    assert abs(_calibrated(fresh, steps) - fresh**2).max() < 0.1
    assert _calibrated(fresh, steps).mean() == pytest.approx(truth.mean(), abs=0.01)


def test_no_step_holds_rows_of_both_predictions() -> None:
    sample = _binary(np.random.default_rng(0).random(2000))
    ((*edges, _),) = ([upper for upper, _ in steps] for steps in _steps(sample).values())
    bin_of_row = np.searchsorted(edges, sample.scores[:, 1], side="left")
    assert all(len(set(sample.predicted[bin_of_row == each])) == 1 for each in set(bin_of_row))


@pytest.mark.parametrize(
    ("score", "uppers"),
    [
        (0.3, [0.5, None]),
        (0.5, [0.5, None]),
        (0.8, [0.5, None]),
    ],
)
def test_constant_scores_give_their_share(score: float, uppers: list[Any]) -> None:
    steps = _steps(_binary(np.full(60, score), [1] * 15 + [0] * 45))[1]
    assert [upper for upper, _ in steps] == uppers
    assert [value for _, value in steps] == pytest.approx([0.25, 0.25])


@pytest.mark.parametrize("truth", [0, 1])
def test_one_class_only(truth: int) -> None:
    steps = _steps(_binary(np.linspace(0.1, 0.4, 100), [truth] * 100))[1]
    assert {value for _, value in steps} == {float(truth)}


def test_few_rows_make_few_steps() -> None:
    assert len(_steps(_binary(np.linspace(0.6, 0.9, 25)))[1]) == 3  # two of about ten rows, and that below 0.5
    assert len(_steps(_binary(np.array([0.6, 0.7])))[1]) == 2


def test_many_classes_have_steps_each() -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet([1, 2, 3], 3000)
    truth = np.array([rng.choice(3, p=row) for row in scores])
    found = _steps(Sample(truth, scores), ("a", "", 'c"'))
    assert list(found) == [0, 1, 2]
    for number, steps in found.items():
        assert 10 < len(steps) < MOST_STEPS
        assert _calibrated(scores[:, number], steps).mean() == pytest.approx((truth == number).mean())


probability = st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, math.nextafter(0.5, 1), 1.0])


@settings(deadline=None)
@given(st.lists(st.tuples(probability, st.booleans()), min_size=1, max_size=80))
def test_the_mean_is_kept_whatever_the_scores(drawn: list[tuple[float, bool]]) -> None:
    score = np.array([each for each, _ in drawn])
    sample = _binary(score, [truth for _, truth in drawn])
    (steps,) = _steps(sample).values()
    assert 0.5 in [upper for upper, _ in steps]
    assert _calibrated(score, steps).mean() == pytest.approx(sample.truth.mean(), abs=1e-12)


# --- regression -------------------------------------------------------------------------------------------


def _kinds(frame: pd.DataFrame) -> dict[str, str]:
    return {name: "numeric" if frame[name].dtype.kind in "iufb" else "category" for name in frame}


def _tree(sample: Sample, features: pd.DataFrame, train: pd.DataFrame | None = None) -> Records:
    profile = profile_rows(features if train is None else train, _kinds(features))
    return _checked(loss_tree(sample, features, profile))


def _leaf(nodes: Records, row: dict[str, Any]) -> int:
    """Walk the records as the documentation says; a missing number is None or NaN."""
    node = nodes[0]
    while node["leaf"] is None:
        value = row[node["feature"]]
        left = node["missing_left"] if value is None or math.isnan(value) else value <= node["threshold"]
        node = nodes[node["left"] if left else node["right"]]
    return int(node["leaf"])


def _rows(n: int = 4000, seed: int = 0) -> tuple[Sample, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n).astype("float32"),
            "gap": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            "moment": 1.7e9 + rng.random(n) * 1e6,
            "few": rng.integers(0, 5, n).astype("int8"),
            "word": pd.Categorical(np.where(rng.random(n) < 0.1, None, np.array([*"abcde"])[rng.integers(0, 5, n)])),
        }
    )
    loud = 1 + 3 * (frame["x"] > 0.5) + 4 * frame["gap"].isna() + 5 * (frame["word"] == "b") + 2 * (frame["few"] == 3)
    score = rng.normal(size=n)
    return Sample(score + loud.to_numpy() * rng.normal(size=n), score), frame


def _seen(sample: Sample, frame: pd.DataFrame, train: pd.DataFrame | None = None) -> list[dict[str, Any]]:
    """Give the rows as SQL would see them: doubles, and the bin's number for a category."""
    profile = profile_rows(frame if train is None else train, _kinds(frame))
    seen = frame.copy()
    for name, kind in _kinds(frame).items():
        if kind == "category":
            bins = {each["category"]: each["bin"] for each in profile if each["feature"] == name and each["category"]}
            others = max(each["bin"] for each in profile if each["feature"] == name)
            seen[name] = [-1 if value is None or value is np.nan else min(bins.get(value, others), FOLDED)
                          for value in frame[name].astype(object)]  # fmt: skip
        else:
            seen[name] = frame[name].astype("float64")
    return seen.assign(ml_prediction=sample.scores).to_dict("records")


def _own_tree(sample: Sample, seen: list[dict[str, Any]]) -> tuple[DecisionTreeRegressor, np.ndarray[Any, Any]]:
    """Fit the tree that the documentation describes."""
    inputs = np.array([list(row.values()) for row in seen])
    losses = np.abs(sample.truth - sample.scores)
    targets = np.column_stack([losses / losses.std(), losses**2 / (losses**2).std()])
    least = max(20, len(losses) // 200)
    fitted = DecisionTreeRegressor(max_leaf_nodes=64, min_samples_leaf=least, random_state=0).fit(inputs, targets)
    return fitted, fitted.apply(inputs)


def test_the_leaves_are_those_that_scikit_learn_gives_each_row() -> None:
    sample, frame = _rows()
    nodes = _tree(sample, frame)
    seen = _seen(sample, frame)
    fitted, reached = _own_tree(sample, seen)
    assert [each["node"] for each in nodes] == list(range(fitted.tree_.node_count))
    numbers = {each["node"]: each["leaf"] for each in nodes if each["leaf"] is not None}
    assert list(numbers.values()) == list(range(len(numbers)))
    assert [_leaf(nodes, row) for row in seen] == [numbers[node] for node in reached]
    assert {each["feature"] for each in nodes if each["leaf"] is None} >= {"x", "gap", "word", "few"}


def test_a_leaf_holds_the_means_of_its_rows() -> None:
    sample, frame = _rows()
    nodes = _tree(sample, frame)
    leaves = [each for each in nodes if each["leaf"] is not None]
    reached = np.array([_leaf(nodes, row) for row in _seen(sample, frame)])
    for each in leaves:
        losses = np.abs(sample.errors[reached == each["leaf"]])
        assert each["n"] == len(losses) >= 20
        for name, power in (("absolute", 1), ("squared", 2), ("fourth", 4)):
            assert each[name] == pytest.approx((losses**power).mean())
        assert all(each[key] is None for key in ("feature", "threshold", "left", "right", "missing_left"))
    assert 10 < len(leaves) <= MOST_LEAVES
    assert sum(each["n"] for each in leaves) == len(sample)
    # So the tree's own figures over the rows that it was learnt on are exact.
    rmse = math.sqrt(sum(each["n"] * each["squared"] for each in leaves) / len(sample))
    assert rmse == pytest.approx(math.sqrt((sample.errors**2).mean()))


def test_the_tree_tells_where_errors_are_large() -> None:
    sample, frame = _rows(8000)
    nodes = _tree(sample, frame)
    fresh, there = _rows(8000, seed=1)
    leaves = {each["leaf"]: each["absolute"] for each in nodes if each["leaf"] is not None}
    expected = np.array([leaves[_leaf(nodes, row)] for row in _seen(fresh, there, frame)])
    assert np.corrcoef(expected, np.abs(fresh.errors))[0, 1] > 0.5
    for rows in (there["gap"].isna(), ~there["gap"].isna(), there["word"] == "b"):
        assert expected[rows].mean() == pytest.approx(np.abs(fresh.errors[rows]).mean(), rel=0.1)


@settings(deadline=None, max_examples=300)
@given(st.floats(-3.4e38, 3.4e38) | st.integers(-9, 9).map(lambda i: i / 8), st.integers(-3, 3))
def test_a_double_goes_where_the_tree_sends_its_float32(stored: float, steps: int) -> None:
    threshold = performance_estimation._threshold(stored)
    value = threshold
    for _ in range(abs(steps)):
        value = math.nextafter(value, math.copysign(math.inf, steps))
    assert (value <= threshold) == bool(np.float32(value) <= stored)


def test_doubles_between_two_float32_go_the_same_way() -> None:
    rng = np.random.default_rng(0)
    near = rng.integers(0, 8, 2000)
    truth = np.where(near > 3, 9.0, 1.0) * rng.normal(size=2000)
    # From 2^23 on a float32 is a whole number: the halves between them are ties.
    frame = pd.DataFrame({"x": 2.0**23 + near + rng.choice([-0.5, -0.25, 0.0, 0.25, 0.5], 2000)})
    sample = Sample(truth, np.zeros(2000))
    nodes = _tree(sample, frame)
    seen = _seen(sample, frame)
    _, reached = _own_tree(sample, seen)
    numbers = {each["node"]: each["leaf"] for each in nodes}
    assert len(nodes) > 1
    assert [_leaf(nodes, row) for row in seen] == [numbers[node] for node in reached]


def test_missing_values_that_the_validation_rows_did_not_have() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=1000)})
    sample = Sample(np.where(frame["x"] > 1, 5.0, 1.0) * rng.normal(size=1000), np.zeros(1000))
    nodes = _tree(sample, frame)
    fitted, _ = _own_tree(sample, _seen(sample, frame))
    numbers = {each["node"]: each["leaf"] for each in nodes}
    assert _leaf(nodes, {"x": None}) == numbers[fitted.apply([[math.nan, 0.0]])[0]]


def test_a_split_of_the_missing_from_the_known_survives_json() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": np.where(rng.random(1000) < 0.5, np.nan, 1.0)})
    sample = Sample(np.where(frame["x"].isna(), 5.0, 1.0) * rng.normal(size=1000), np.zeros(1000))
    root, *leaves = _tree(sample, frame)
    assert (root["feature"], root["threshold"], root["missing_left"]) == ("x", sys.float_info.max, False)
    known, missing = (each["absolute"] for each in leaves)
    assert missing > 4 * known


def test_categories_beyond_the_hundredth_and_unseen_ones() -> None:
    rng = np.random.default_rng(0)
    train = pd.DataFrame({"word": [f"w{i:03d}" for i in range(130) for _ in range(200 - i)]})
    words = [f"w{i:03d}" for i in rng.integers(0, 140, 4000)]
    frame = pd.DataFrame({"word": [None if i % 9 == 0 else word for i, word in enumerate(words)]})
    loud = np.where(frame["word"].isna(), 9.0, np.where(frame["word"] >= "w100", 5.0, 1.0))
    sample = Sample(loud * rng.normal(size=4000), np.zeros(4000))
    nodes = _tree(sample, frame, train)
    seen = _seen(sample, frame, train)
    assert {row["word"] for row in seen} == {-1, *range(FOLDED + 1)}
    reached = [_leaf(nodes, row) for row in seen]
    assert all(each["n"] == reached.count(each["leaf"]) for each in nodes if each["leaf"] is not None)
    leaves = {each["leaf"]: each["absolute"] for each in nodes if each["leaf"] is not None}
    expected = np.array([leaves[leaf] for leaf in reached])
    for each in (9.0, 5.0, 1.0):
        rows = loud == each
        assert expected[rows].mean() == pytest.approx(np.abs(sample.errors[rows]).mean(), rel=0.05)


@pytest.mark.parametrize(
    ("truth", "score"),
    [(3.0, 3.0), (3.0, 1.0), (0.0, 1e-200)],
)
def test_equal_errors_make_one_leaf(truth: float, score: float) -> None:
    frame = pd.DataFrame({"x": np.arange(100.0), "void": math.nan})
    (leaf,) = _tree(Sample(np.full(100, truth), np.full(100, score)), frame)
    assert (leaf["node"], leaf["leaf"], leaf["n"]) == (0, 0, 100)
    assert leaf["absolute"] == pytest.approx(abs(truth - score))


def test_an_empty_column_is_no_input_that_splits() -> None:
    sample, frame = _rows(1000)
    frame["void"] = math.nan
    assert "void" not in {each["feature"] for each in _tree(sample, frame, frame.assign(void=1.0))}


def test_numbers_too_great_for_a_float32_or_for_their_fourth_power() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.choice([-1e300, 0.0, 1e300], 900)})
    sample = Sample(np.where(frame["x"] > 0, 1e180, 1e150) * rng.normal(size=900), np.zeros(900))
    nodes = _tree(sample, frame)
    small, great = (_leaf(nodes, {"x": x, "ml_prediction": 0.0}) for x in (0.0, 1e300))
    leaves = {each["leaf"]: each for each in nodes if each["leaf"] is not None}
    assert leaves[great]["absolute"] > 1e179 > leaves[small]["absolute"] > 1e148
    assert leaves[great]["squared"] is leaves[great]["fourth"] is leaves[small]["fourth"] is None


def test_beyond_a_sample_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance_estimation, "MOST_ROWS", 1000)
    sample, frame = _rows(3000)
    profile = profile_rows(frame, _kinds(frame))
    first, again, other = (loss_tree(sample, frame, profile, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert sum(each["n"] for each in first if each["n"]) == 1000


@settings(deadline=None, max_examples=30)
@given(hnp.arrays(np.float64, st.integers(20, 60), elements=st.floats(-1e6, 1e6)))
def test_any_errors_make_a_tree(errors: np.ndarray[Any, Any]) -> None:
    frame = pd.DataFrame({"x": errors})
    nodes = _tree(Sample(errors, np.zeros(len(errors))), frame)
    assert sum(each["n"] for each in nodes if each["n"]) == len(errors)


# --- as a training writes it ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_training_writes_what_its_task_needs() -> None:
    branch = Branch(candidates=["logistic_regression", "random_forest"])
    branch.train()
    rows = {row["outcome"]: row for row in branch.logbook()}
    assert rows["runner_up"]["estimation"] is None
    steps = json.loads(rows["promoted"]["estimation"])
    assert {(each["class_no"], each["class"]) for each in steps} == {(1, "true")}
    many = Branch({"is_late": "case when i < 400 then ['a', 'b', 'c'][1 + (x > 0)::int + (x > 1)::int] end"})
    steps = json.loads(many.train()["estimation"])
    assert [each["class"] for each in steps if each["step"] == 0] == ["a", "b", "c"]
    number = Branch({"is_late": "case when i < 400 then x + noise end"}, task="regression", metric="rmse",
                    candidates=["ridge"])  # fmt: skip
    nodes = json.loads(number.train()["estimation"])
    assert sum(each["n"] for each in nodes if each["leaf"] is not None) == 60
