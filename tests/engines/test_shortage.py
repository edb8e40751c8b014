"""Shortage: rows that do not suffice yet are a state that is logged and warned of, and the branch goes on."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from branch import START, WORDS, Branch
from estimators import Tripwire

from mlbridge.errors import SplitError

FEW = "case when i < 40 then 'train' when i < 340 then 'validation' when i < 352 then 'test' else 'score' end"
# By case: what the split says otherwise, and words of the one reason.
LACKING: dict[str, tuple[dict[str, str], list[str]]] = {
    "no outcome": (
        {"is_late": "cast(null as boolean)", "ml_split": "'score'"},
        ["the target 'is_late' is NULL in every one of 440 rows", "train has 0 of at least 50 rows", "`label_time`"],
    ),
    "few rows of two words": (
        {"ml_split": FEW},
        ["train has 40 of at least 50 rows", "test has 12 of at least 20 rows", "48 rows take no part"],
    ),
    "a word without rows": (
        {"ml_split": "case when i < 380 then 'train' when i < 400 then 'test' else 'score' end"},
        ["validation has 0 of at least 20 rows", "change `mlbridge.split`"],
    ),
    "one class": (
        {"is_late": "case when i < 400 then true end"},
        ["the target 'is_late' has one class only, 'True', of at least two", "merge rare classes"],
    ),
    "one class in a word": (
        {"is_late": "case when i < 400 then i < 340 and x > 0 end"},
        ["test has 0 of at least 5 rows of the class 'True'"],
    ),
    "few of a class in every word": (
        {"is_late": "case when i < 400 then i in (3, 50, 300, 350, 351) end"},
        [
            "train has 2 of at least 5 rows of the class 'True'",
            "validation has 1 of at least 5 rows of the class 'True'",
            "test has 2 of at least 5 rows of the class 'True'",
        ],
    ),
    "a class that training has not seen": (
        {"is_late": "case when i < 400 then case when i = 390 then 'c' when x > 0 then 'b' else 'a' end end"},
        ["train has no row of the class 'c', of which there are 1 rows among validation and test"],
    ),
}  # fmt: skip


def _not_trained(branch: Branch, **changes: Any) -> dict[str, Any]:
    """Build a training that must not begin to fit."""
    row = branch.train({"tripwire": Tripwire()}, trusted=["estimators.Tripwire"], **changes)
    assert (row["outcome"], row["version"], row["candidate"]) == ("not_trained", None, None)
    return row


@pytest.mark.parametrize("case", LACKING)
def test_all_that_is_lacking_is_logged_at_once_and_warned_of(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[tuple[str, str]] = []
    monkeypatch.setattr("mlbridge.nodes.new_version.warn", lambda *arguments: warned.append(arguments))
    columns, words = LACKING[case]
    branch = Branch(columns)
    row = _not_trained(branch)
    assert row["reason"].startswith("no version yet; not trained, because ")
    for word in words:
        assert word in row["reason"]
    assert warned == [("late_training", row["reason"])]
    assert branch.predict() == []


def test_the_numbers_found_and_needed_stand_in_the_decision() -> None:
    figures = json.loads(_not_trained(Branch({"ml_split": FEW}))["decision"])
    found = {part: figures[f"rows_{part}"] for part in ("train", "validation", "test")}
    needed = {part: figures[f"rows_{part}_needed"] for part in found}
    assert found == {"train": 40, "validation": 300, "test": 12}
    assert needed == {"train": 50, "validation": 20, "test": 20}
    assert sum(figures["classes_train"].values()) == 40
    assert figures["rows_of_a_class_needed"] == 5
    assert figures["known_too_late"] == 48


def test_only_a_split_by_time_counts_outcomes_that_came_too_late() -> None:
    row = _not_trained(Branch({"season": FEW, "ml_split": FEW}, split={"by": "season"}))
    assert "take no part" not in row["reason"]
    assert "known_too_late" not in json.loads(row["decision"])


def test_an_empty_split_is_a_state() -> None:
    branch = Branch()
    branch.split(where="false")
    assert "the split has no rows" in _not_trained(branch)["reason"]
    assert branch.predict() == []


def test_an_outcome_that_is_one_number_only_is_a_state() -> None:
    branch = Branch({"is_late": "case when i < 340 then x when i < 400 then 7 end"}, task="regression", metric="r2",
                    candidates=["ridge"])  # fmt: skip
    assert "test has one value only, 7, in 60 rows" in _not_trained(branch)["reason"]


def test_every_build_tries_again_and_trains_once_the_rows_suffice() -> None:
    branch = Branch({"ml_split": FEW}, retrain={"max_age": "900 days"})
    reasons = {_not_trained(branch)["reason"] for _ in range(2)}
    assert len(reasons) == 1
    branch.overrides = {"retrain": "never"}
    _not_trained(branch)
    branch.split()
    row = branch.train()
    assert (row["version"], [each["outcome"] for each in branch.logbook()].count("not_trained")) == (1, 3)
    assert row["reason"].startswith("no version yet; ")


def test_a_champion_goes_on_scoring_while_the_rows_do_not_suffice() -> None:
    branch = Branch()
    assert branch.train()["outcome"] == "promoted"
    branch.split({"ml_split": FEW, "y": "other"})
    row = branch.train()
    assert row["outcome"] == "not_trained"
    assert row["reason"].startswith("the features changed: 'y' is new; not trained, because ")
    assert {each["version"] for each in branch.predict()} == {1}
    # It is no training: with the rows back, the change is still one since version 1.
    branch.split({"ml_split": WORDS, "y": "other"})
    assert branch.train()["reason"].startswith("the features changed: 'y' is new; ")
    assert branch.logbook()[-1]["version"] == 2


def test_the_figures_of_a_policy_stay_beside_those_of_the_rows() -> None:
    branch = Branch()
    branch.train(retrain={"max_age": "10 days"})
    branch.split({"ml_split": FEW})
    branch.as_of = START + timedelta(days=90)
    row = branch.train()
    assert row["outcome"] == "not_trained"
    assert json.loads(row["decision"]) | {"age_days": 30.0, "rows_train": 40} == json.loads(row["decision"])


def test_a_mistake_stays_an_error_however_few_the_rows_are() -> None:
    branch = Branch({"ml_split": f"case when i = 7 then 'trian' else {FEW} end"})
    branch.refuses(SplitError, "`ml_split` holds 'trian'")
