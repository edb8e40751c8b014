"""What looks like a leak: found where one is planted, not where features are honest, and what follows from it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from branch import Branch
from leaky import HONEST, LEAKS, NEW, TASKS, search, world
from scipy.stats import binomtest, spearmanr
from sklearn.metrics import roc_auc_score

from mlbridge.leaks.catalogue import CHECKS, NONE, WITHHOLD, Suspicion, remedies, verdict
from mlbridge.leaks.single_feature import (
    Z,
    cross_fitted,
    score_by_value,
    skill,
    unexplained_by_line,
    unexplained_share,
    wilson,
)

ECHO = {"echo": "case when i < 400 then (x + noise > 0)::int end"}
# Kinds of leak whose figure needs more than the 3,000 rows of a test to be sure; `benchmarks/leaks.py` counts them.
UNSURE = ("NULL in 90 % where unknown", "measured afterwards, nearly perfect", "numbers in order of the outcome")


# --- worlds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["time", "hash"])
@pytest.mark.parametrize("task", TASKS)
def test_no_honest_feature_is_accused_however_strong(task: str, by: str) -> None:
    for seed, rows in ((6, 400), (2, 3000)):
        found = search(world(seed, task, rows, strength=0.97, by=by), new=("dominant",))
        assert {each.feature for each in found} >= {"dominant", "honest_null", "lacking", "counter"}
        assert [each for each in found if each.level != NONE] == []


@pytest.mark.parametrize("kind", HONEST)
def test_a_feature_is_not_accused_because_the_target_determines_it(kind: str) -> None:
    found = search(HONEST[kind](world(70_000, TASKS[2])))
    assert NEW in {each.feature for each in found}
    assert [each for each in found if each.feature == NEW and each.level != NONE] == []


@pytest.mark.parametrize("kind", [kind for kind in LEAKS if kind not in UNSURE])
def test_a_planted_leak_is_found_and_nothing_else(kind: str) -> None:
    plant, checks, by = LEAKS[kind]
    for task in TASKS[:: 2 if checks else 1]:
        made = plant(world(5, task, strength=0.75, by=by))
        found = [each for each in search(made) if each.level != NONE]
        assert {each.feature for each in found} == (set(made.new) if checks else set())
        assert {each.check for each in found if each.level == WITHHOLD} >= set(checks)


def test_every_check_finds_a_planted_leak() -> None:
    assert {check for _, checks, _ in LEAKS.values() for check in checks} == set(CHECKS)


def test_what_only_the_newest_rows_lack_is_no_leak() -> None:
    """A source that comes late beside outcomes that come late: both miss at the end, and neither tells the other."""
    made = world(3)
    newest = made.rows["at"] > made.rows["at"].quantile(0.9)
    rows = made.rows.assign(late=np.where(newest, np.nan, made.rows["noise"]))
    rows.loc[newest, "target"] = pd.NA
    rows["ml_split"] = rows["ml_split"].where(rows["target"].notna(), "score")
    (found,) = (
        each
        for each in search(type(made)(rows, made.spec, made.rng))
        if (each.feature, each.check) == ("late", "null_where_unknown")
    )
    assert found.level == NONE


def test_what_is_new_beside_unknown_outcomes_is_no_stand_in_for_null() -> None:
    """A word that all of the last rows have, among them all without an outcome, as a new version of an app."""
    made = world(4)
    newest = made.rows["at"] > made.rows["at"].quantile(0.92)
    rows = made.rows.assign(version=np.where(newest, "5", np.where(made.rng.random(len(newest)) < 0.5, "3", "4")))
    rows.loc[~newest & rows["target"].isna(), "target"] = 0
    rows.loc[newest, "target"] = np.where(made.rng.random(int(newest.sum())) < 0.15, 1, None)
    rows["ml_split"] = np.where(
        rows["target"].isna(), "score", np.where(rows["ml_split"] == "score", "test", rows["ml_split"])
    )
    (found,) = (
        each
        for each in search(type(made)(rows, made.spec, made.rng))
        if (each.feature, each.check) == ("version", "null_where_unknown")
    )
    assert (found.level, found.evidence[:17]) == (NONE, "it is always '5' ")


# --- figures ---------------------------------------------------------------------------------------------------------


def test_skills_are_those_of_the_libraries() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 500)
    score = truth + rng.normal(0, 1, 500)
    found = skill(truth, np.column_stack([-score, score]))
    assert found.value == pytest.approx(2 * roc_auc_score(truth, score) - 1)
    area = (found.value + 1) / 2
    # Hanley and McNeil (1982), by hand, and the limit of a share of as many rows as have this error.
    few, many = sorted(np.bincount(truth))
    spread = area * (1 - area) + (few - 1) * (area / (2 - area) - area**2)
    spread += (many - 1) * (2 * area**2 / (1 + area) - area**2)
    rows = area * (1 - area) / (spread / few / many)
    assert found.lower_limit == pytest.approx(2 * wilson(area, rows) - 1)
    assert found.value - found.lower_limit == pytest.approx(2 * Z * np.sqrt(spread / few / many), rel=0.1)
    perfect = skill(truth[:40], np.eye(2)[truth[:40]])
    assert perfect.lower_limit == pytest.approx(2 * wilson(1.0, min(np.bincount(truth[:40]))) - 1)
    numbers, guess = rng.normal(size=300), rng.normal(size=300)
    guess += 2 * numbers
    rho = spearmanr(numbers, guess).statistic
    assert skill(numbers, guess).value == pytest.approx(rho**2)
    assert skill(numbers, guess).lower_limit == pytest.approx(np.tanh(np.arctanh(rho) - Z / np.sqrt(297)) ** 2)
    assert skill(numbers, -guess).value == 0


def test_the_lower_limit_of_a_share_is_that_of_wilson() -> None:
    expected = binomtest(18, 20).proportion_ci(confidence_level=0.9802, method="wilson").low
    assert wilson(0.9, 20) == pytest.approx(expected, abs=1e-3)


def test_what_is_left_over_is_counted() -> None:
    truth = np.array([0] * 6 + [1] * 4)
    says_zero, half_right = np.eye(2)[np.zeros(10, int)], np.eye(2)[np.array([0] * 8 + [1] * 2)]
    assert (unexplained_share(truth, says_zero), unexplained_share(truth, half_right)) == (1.0, 0.5)
    numbers = np.arange(100.0)
    assert unexplained_share(numbers, numbers) == 0
    assert unexplained_share(numbers, np.full(100, 49.5)) == 1
    # To know where a number is 0 is not to know the number.
    often = np.where(np.arange(100) < 60, 0.0, numbers)
    knows_zero = np.where(often == 0, 0.0, often[often > 0].mean())
    assert unexplained_share(often, knows_zero) == pytest.approx(1)
    assert unexplained_by_line(numbers, pd.Series(3 - 2 * numbers)) == pytest.approx(0)
    assert unexplained_by_line(numbers, pd.Series(numbers).where(numbers < 50)) == 1


@pytest.mark.parametrize("values", [np.arange(600.0), np.arange(600) % 7 * 1.0, pd.Categorical(list("abc") * 200)])
def test_a_column_alone_is_scored_by_rows_that_it_is_not_in(values: Any) -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 600)
    half = np.arange(600) % 2 == 0
    scores = cross_fitted(pd.Series(values), truth, 2, half)
    assert scores.sum(axis=1) == pytest.approx(np.ones(600))
    changed = cross_fitted(pd.Series(values), np.where(half, truth, 1 - truth), 2, half)
    assert (changed[~half] == scores[~half]).all()
    assert abs(skill(truth, scores).value) < 0.2


def test_a_number_in_order_is_turned_round_where_it_falls() -> None:
    truth = np.array([0, 1] * 50)
    falling = pd.Series(np.where(truth == 1, 0.0, 1.0)).where(np.arange(100) > 1)
    mask = np.full(100, True)
    scores = score_by_value(falling, truth, 2, mask, mask)
    assert scores is not None
    assert skill(truth, scores).value > 0.97
    assert score_by_value(pd.Series(list("ab") * 50, dtype="category"), truth, 2, mask, mask) is None


# --- what follows ----------------------------------------------------------------------------------------------------


def test_levels_are_in_order() -> None:
    for check in CHECKS.values():
        for warn, withhold in (
            (check.warn, check.withhold),
            *([check.regression_levels] if check.regression_levels else []),
        ):
            assert warn is None or warn > withhold
    assert [CHECKS["same_as_target"].level(figure) for figure in (0.05, 0.1, 0.11)] == ["withhold", "warn", "none"]
    assert [CHECKS["same_as_target"].level(figure, regression=True) for figure in (0.005, 0.05)] == ["withhold", "none"]


def test_a_verdict_names_columns_and_the_way_out() -> None:
    held, fine = Suspicion("x", "alone", WITHHOLD, "it does all"), Suspicion("y", "alone", NONE, "little")
    assert verdict([fine], True, "better") == ("promoted", "better")
    assert verdict([fine], False, "worse") == ("rejected", "worse")
    outcome, reason = verdict([held, fine], True, "better")
    assert outcome == "withheld"
    assert reason == (
        "withheld: 'x' looks like a leak (it does all). Exclude 'x' (`features: {exclude: [...]}`), or say in "
        "`allow_leakage` why it is known at the prediction. Without that it would be promoted: better"
    )
    after = verdict([Suspicion("x", "alone", WITHHOLD, "it does all", "known"), fine], True, "better")
    assert after == ("promoted", "better; 'x' is allowed to look like a leak: known")


def test_a_copy_of_the_target_is_withheld_and_never_scores_not_even_in_shadow() -> None:
    branch = Branch()
    assert branch.train()["outcome"] == "promoted"
    branch.split(ECHO)
    row = branch.train(shadow=True)
    assert (row["outcome"], row["version"]) == ("withheld", 2)
    assert row["artifact"] is not None
    assert row["scoring_sql"] is None
    # The champion is met as by any challenger, so that one knows what the leak is worth.
    assert "Without that it would be " in row["reason"]
    found = [each for each in json.loads(row["leaks"]) if each["level"] == WITHHOLD]
    assert {(each["feature"], each["reason"]) for each in found} == {("echo", None)}
    assert {each["version"] for each in branch.predict()} == {1}
    assert branch.train()["outcome"] == "skipped"
    # Without the champion, which sixty rows that judge for the third time could not tell from perfect.
    row = branch.train(allow_leakage={"echo": "known at the prediction"}, retire=[1])
    assert (row["outcome"], row["version"]) == ("promoted", 3)
    assert row["reason"].startswith("the spec changed: allow_leakage; ")
    assert "; 'echo' is allowed to look like a leak: known at the prediction" in row["reason"]


def test_outcomes_known_before_the_prediction_are_a_leak_by_their_moment() -> None:
    branch = Branch({"known_at": "timestamp '2024-01-01' + to_hours(i + case when i % 10 = 0 then -1 else 1 end)"})
    row = branch.train(label_time="known_at", features=["x", "carrier"])
    assert row["outcome"] == "withheld"
    assert "'known_at' looks like a leak (in 40 of 400 labelled rows it lies before 'at')" in row["reason"]


def test_an_outcome_of_the_same_day_is_not_known_too_early_by_its_date() -> None:
    branch = Branch({"known_on": "cast(timestamp '2024-01-01' + to_hours(i) as date)"})
    row = branch.train(label_time="known_on", features=["x", "carrier"])
    assert [each["level"] for each in json.loads(row["leaks"]) if each["check"] == "label_time"] == [NONE]


def test_what_is_said_of_rows_is_no_advice_about_a_column() -> None:
    early, column = Suspicion("known_at", "label_time", WITHHOLD, "early"), Suspicion("x", "alone", WITHHOLD, "all")
    assert remedies([early]) == [
        "Correct it in the features node, or filter those rows out, or say in `allow_leakage` why it is no leak"
    ]
    assert len(remedies([early, column])) == 2
    assert "Exclude 'x' (" in remedies([early, column])[0]


def test_a_number_beyond_32_bits_and_a_column_without_values_are_looked_at_like_others() -> None:
    rng = np.random.default_rng(0)
    truth, half = rng.integers(0, 2, 600), np.arange(600) % 2 == 0
    numbers = pd.Series(rng.normal(size=600))
    numbers[5] = 1e39
    assert np.isfinite(cross_fitted(numbers, truth, 2, half)).all()
    lacking = pd.Series(np.where(half, np.nan, numbers))
    assert score_by_value(lacking, truth, 2, half, ~half) is None


@pytest.mark.parametrize("rows", [(984, 16, 0), (949, 1038, 13)])
def test_a_copy_of_the_target_is_found_where_a_class_is_rare(rows: tuple[int, int, int]) -> None:
    made = world(2, TASKS[1] if rows[2] else TASKS[0], sum(rows), by="hash")
    code = np.repeat([0, 1, 2], rows)
    words = np.array(["train"] * 6 + ["validation"] * 5 + ["test"] * 5)
    of_class = np.concatenate([np.arange(count) for count in rows])
    planted = {"target": [f"c{each}" for each in code], "echo": code * 2.0, "ml_split": words[of_class % 16]}
    rows_of = np.random.default_rng(0).permutation(len(code))
    for name, values in planted.items():
        made.rows[name] = np.array(values)[rows_of]
    found = [each for each in search(made) if each.feature == "echo" and each.check == "same_as_target"]
    assert [each.level for each in found] == [WITHHOLD]
