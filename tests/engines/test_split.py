"""Split: which rows a training takes, and which sets of rows it refuses before any fit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from branch import WORDS, Branch

from mlbridge.errors import SplitError


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"ml_split": f"case when i = 7 then 'trian' else {WORDS} end"}, ["`ml_split` holds 'trian'", "'train'"]),
        ({"ml_split": f"case when i <> 7 then {WORDS} end"}, ["`ml_split` holds 'None'", "`split: {by: time}`"]),
        ({"id": "case when i % 10 <> 0 then 'k' || i end"}, ["'id' is NULL in 44 row(s)", "Filter those rows out"]),
        ({"at": "case when i <> 7 then timestamp '2024-01-01' + to_hours(i) end"}, ["'at' is NULL in 1 row(s)"]),
        ({"is_late": "case when i <> 7 then x > 0 end"}, ["'is_late' is NULL in 1 rows", "calls train"]),
        ({"is_late": "case when i < 400 then i % 150 end"}, ["150 classes, more than 100", "`task: regression`"]),
        ({"id": "'k' || least(i, 398)", "at": "timestamp '2024-01-01' + to_hours(least(i, 398))"},
         ["id = k398 at 2024-01-17 14:00:00 stands in 42 rows", "add a column to `entity`"]),
    ],
)  # fmt: skip
def test_rows_that_do_not_allow_a_training_are_refused(columns: dict[str, str], words: list[str]) -> None:
    branch = Branch(columns)
    if "150 classes" in words[0]:
        branch.split({**columns, "ml_split": "case when i < 1500 then 'train' when i < 1700 then 'validation' else "
                      "'test' end", "is_late": "i % 150"}, where="true")  # fmt: skip
    branch.refuses(SplitError, *words)


def test_a_class_that_a_column_of_the_host_keeps_from_training_is_refused() -> None:
    branch = Branch({"season": WORDS, "is_late": "case when i < 400 then case when i >= 340 then 'c' when x > 0 then "
                     "'b' else 'a' end end"}, split={"by": "season"})  # fmt: skip
    branch.refuses(SplitError, "has 'c' among the validation or test rows", "never in training", "let 'season' give")


@pytest.mark.parametrize("value", ["nan", "infinity", "-infinity"])
def test_an_outcome_that_is_no_finite_number_is_refused(value: str) -> None:
    branch = Branch({"is_late": f"case when i = 7 then cast('{value}' as double) when i < 400 then x end"})
    branch.refuses(
        SplitError, "'is_late' is NaN or infinite in some train rows", "must be NULL",
        own=None, task="regression", metric="rmse", candidates=["ridge"],
    )  # fmt: skip


def test_one_row_of_two_keys_with_a_composite_entity_is_named_by_both() -> None:
    branch = Branch({"leg": "case when i % 2 = 0 then 'a' else 'b' end", "id": "'k' || (i // 4)", "at": "timestamp "
                     "'2024-01-01' + to_hours(i // 4)"}, entity=["id", "leg"])  # fmt: skip
    branch.refuses(SplitError, 'id, leg = ["k', "stands in 2 rows")


def test_the_same_entity_at_two_times_is_two_rows() -> None:
    branch = Branch({"id": "'k' || (i // 2)"})
    assert branch.train()["outcome"] == "promoted"
    assert len(branch.predict()) == 100


def test_a_refused_training_leaves_an_earlier_logbook_as_it_was() -> None:
    branch = Branch()
    branch.train()
    branch.split({"id": "'k'", "at": "timestamp '2024-01-01'", "y": "other"})
    branch.refuses(SplitError, "stands in 440 rows")
    assert len(branch.logbook()) == 1


# --- the words, whoever made them -------------------------------------------------------------------------

HASH = "md5(cast({} as varchar))[1:2]"
BY_HASH = (
    "case when i >= 400 then 'score' when {0} < '26' then 'validation' when {0} < '4c' then 'test' else 'train' end"
)


def _counted(row: dict[str, Any]) -> tuple[int, int, int]:
    return row["rows_train"], row["rows_validation"], row["rows_test"]


def test_a_split_by_time_says_from_when_on_rows_are_held_out() -> None:
    branch = Branch()
    row = branch.train()
    assert _counted(row) == (280, 60, 60)
    facts = branch.rows(
        "select min(\"at\") filter (ml_split = 'train') as train_from,"
        " max(\"at\") filter (ml_split = 'train') as train_to,"
        " min(\"at\") filter (ml_split = 'test') as holdout_from from late_split"
    )
    assert facts == [{key: row[key] for key in ("train_from", "train_to", "holdout_from")}]


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"by": "hash"}, BY_HASH.format(HASH.format("i"))),
        ({"by": "hash", "group": "crew"}, BY_HASH.format(HASH.format("i % 37"))),
        ({"by": "season"}, WORDS),
    ],
)
def test_other_splits_train_and_predict_only_what_was_not_trained_on(split: dict[str, Any], words: str) -> None:
    season = words if split["by"] == "season" else "['dry', 'wet'][1 + i % 2]"
    branch = Branch({"crew": "i % 37", "season": season, "ml_split": words}, split=split)
    row = branch.train()
    assert row["outcome"] == "promoted"
    # Here the column's words follow the time, so the test rows come after all that was seen.
    assert (row["holdout_from"] is None) == (split["by"] == "hash")
    found = dict(branch.connection.execute("select ml_split, count(*) from late_split group by 1").fetchall())
    assert _counted(row) == (found["train"], found["validation"], found["test"])
    features = {each["name"] for each in json.loads(row["features"])}
    assert features == {"x", "carrier", "crew", "season"} - set(split.values())
    assert len(branch.predict()) == found["test"] + 40
    assert branch.values(
        "select distinct ml_split from late_predictions join late_split on id = entity order by 1"
    ) == ["score", "test"]
