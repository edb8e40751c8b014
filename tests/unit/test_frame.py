"""The frame: the rows that a model sees, in the narrowest types that lose nothing, and their fingerprint."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from branch import WORDS, Branch

from mlbridge.engines.warehouse import Warehouse, select
from mlbridge.errors import FeatureError
from mlbridge.features.columns import checked_columns, features_of, split_summary_query, target_type
from mlbridge.features.frame import Frame, read_frame, scoring_columns, scoring_frame, training_query
from mlbridge.spec.reading import read_spec


def _frame(branch: Branch, rows: int = 100_000) -> Frame:
    """Read the branch's frame as a training does, `rows` at a time."""
    spec = read_spec("late_training", branch.spec)
    warehouse, split = Warehouse(branch.connection), branch._ref("late_split")
    columns, table = warehouse.columns(split), warehouse.table(split, "split")
    features = features_of("late_training", columns, spec)
    facts = {row["ml_split"]: row for row in warehouse.rows(split_summary_query(features, spec, table))}
    read_as = checked_columns("late_training", features, facts)
    query = training_query(read_as, spec, target_type("late_training", columns, spec), table)
    return read_frame(warehouse.batches(query, rows), {part: row["rows"] for part, row in facts.items()})


@pytest.mark.parametrize(
    ("sql", "dtype"),
    [
        ("i % 2 = 0", "int8"),
        ("i % 128", "int8"),
        ("i % 129", "int16"),
        ("-i", "int16"),
        ("i * 1000", "int32"),
        ("i * 10000000000", "int64"),
        ("case when i % 9 > 0 then i end", "float32"),
        ("case when i % 9 > 0 then i + 16777217 end", "float64"),
        ("i / 4", "float32"),
        ("x", "float64"),
        ("cast(x as float)", "float32"),
        ("cast(i as hugeint)", "int16"),
        ("cast(i / 8 as decimal(9, 3))", "float32"),
        ("cast(x as decimal(18, 9))", "float64"),
        ("case when i < 380 then i % 100 else 300 end", "int16"),
        ("case when i < 400 then i % 100 else 100000 end", "int8"),
        ("timestamp '2024-01-01' + to_hours(i)", "float64"),
        ("'a' || i % 7", "category"),
    ],
)
def test_each_column_has_the_narrowest_type_that_loses_nothing(sql: str, dtype: str) -> None:
    branch = Branch({"f": sql})
    found = _frame(branch).features["f"]
    assert str(found.dtype) == dtype
    values = branch.values(f"select {sql} from base where i < 400 order by i")
    if dtype == "category":
        assert found.tolist() == values
    elif not sql.startswith("timestamp"):
        np.testing.assert_array_equal(
            found.to_numpy(dtype=float), np.array([np.nan if v is None else float(v) for v in values])
        )


def test_the_rows_lie_by_word_time_and_entity_whatever_the_order_in_the_table() -> None:
    branch = Branch({"at": "timestamp '2024-01-01' + to_hours(i // 2)", "place": "i"})
    branch.execute("create or replace table base as select * from base order by hash(i)")
    branch.split(
        {"at": "timestamp '2024-01-01' + to_hours(i // 2)", "id": "'k' || lpad(i::varchar, 4, '0')", "place": "i"}
    )
    frame = _frame(branch)
    assert frame.features["place"].tolist() == list(range(400))
    assert [len(frame.part(part)) for part in ("train", "validation", "test")] == [280, 60, 60]
    truth = branch.values("select is_late from late_split where ml_split = 'test' order by id")
    assert frame.truth("test").tolist() == truth


def test_the_size_of_the_batches_does_not_show() -> None:
    branch = Branch({"text": "case when i % 5 > 0 then 't' || hash(i) % 30 end", "n": "case when i % 7 > 0 then i end"},
                    monitor={"slices": ["text"]})  # fmt: skip
    whole, parts = _frame(branch), _frame(branch, rows=64)
    pd.testing.assert_frame_equal(whole.features, parts.features)
    assert whole.data_hash == parts.data_hash
    assert whole.slice_values("test")["text"].tolist() == parts.slice_values("test")["text"].tolist()


def test_texts_are_categories_in_order_and_missing_ones_are_missing() -> None:
    frame = _frame(Branch({"text": "['b', '', null, 'a', '🛫'][1 + i % 5]"}))
    found = frame.features["text"]
    assert list(found.cat.categories) == ["", "a", "b", "🛫"]
    assert found.isna().sum() == 80


def test_slices_are_texts_or_none() -> None:
    branch = Branch({"hour": "case when i % 2 = 0 then i % 24 end"}, monitor={"slices": ["hour", "carrier"]})
    labels = _frame(branch).slice_values("validation")
    assert set(labels["hour"]) == {None, *(str(hour) for hour in range(0, 24, 2))}
    assert labels["carrier"][:3].tolist() == ["B6", "UA", "AA"]


# --- the windows ------------------------------------------------------------------------------------------

OVER_YEARS = {"at": "timestamp '2023-12-30 22:30:00' + to_hours(i * 7)"}


@pytest.mark.parametrize("size", ["day", "week", "month"])
@pytest.mark.parametrize("type_", ["timestamp", "timestamp_ns", "date"])
def test_a_row_is_in_the_window_of_its_time(size: str, type_: str) -> None:
    branch = Branch({"at": f"cast({OVER_YEARS['at']} as {type_})"}, monitor={"window": size})
    frame = _frame(branch, rows=64)
    starts = []
    for moment in branch.values('select "at"::timestamp from late_split where is_late is not null order by "at", id'):
        day = moment.replace(hour=0, minute=0)
        back = {"day": 0, "week": day.weekday(), "month": day.day - 1}[size]
        starts.append(np.datetime64(day - timedelta(days=back)))
    assert frame.windows.tolist() == np.array(starts, dtype="datetime64[us]").tolist()
    assert [len(frame.window(part)) for part in ("train", "validation", "test")] == [280, 60, 60]
    assert frame.window("test").tolist() == frame.windows[340:].tolist()


def test_a_feature_cannot_have_the_name_of_the_window() -> None:
    with pytest.raises(FeatureError, match="'ml window' has a name that mlbridge uses itself"):
        _frame(Branch({"ml window": "i"}))


# --- the fingerprint --------------------------------------------------------------------------------------

PADDED = "'k' || lpad(i::varchar, 4, '0')"
BASE: dict[str, str | None] = {
    "n": "case when i % 7 > 0 then i end",
    "text": "case when i % 5 > 0 then ['a', 'b'][1 + i % 2] end",
}


@pytest.mark.parametrize(
    "change",
    [
        {"n": "case when i % 7 > 0 then case when i = 8 then 9 else i end end"},
        {"n": "case when i % 7 > 0 and i <> 8 then i end"},
        {"n": "case when i % 7 > 0 then i + case when i = 398 then 0.001 else 0 end end"},
        {"text": "case when i % 5 > 0 then case when i = 8 then 'c' else ['a', 'b'][1 + i % 2] end end"},
        {"text": "case when i % 5 > 0 and i <> 8 then ['a', 'b'][1 + i % 2] end"},
        {"text": "case when i % 5 > 0 then ['b', 'a'][1 + i % 2] end"},
        {"is_late": "case when i = 8 then x + noise <= 0 when i < 400 then x + noise > 0 end"},
        {"ml_split": WORDS.replace("i < 280", "i < 279")},
        {"ml_split": WORDS.replace("i < 400", "i < 399")},
    ],
)
def test_one_changed_value_changes_the_fingerprint(change: dict[str, str]) -> None:
    assert _frame(Branch({**BASE, **change})).data_hash != _frame(Branch(BASE)).data_hash


@pytest.mark.parametrize(
    "change", [{"at": "timestamp '2024-01-01' + to_days(i::int)"}, {"id": "'k' || lpad(i::varchar, 4, '0')"}]
)
def test_what_no_model_sees_does_not_change_the_fingerprint(change: dict[str, str]) -> None:
    assert _frame(Branch({**BASE, **change})).data_hash == _frame(Branch(BASE)).data_hash


def test_another_window_does_not_change_the_fingerprint() -> None:
    assert _frame(Branch(BASE, monitor={"window": "day"})).data_hash == _frame(Branch(BASE)).data_hash


def test_open_rows_do_not_change_the_fingerprint() -> None:
    more = Branch(BASE)
    more.split(BASE, where="i < 500")
    assert _frame(more).data_hash == _frame(Branch(BASE)).data_hash


# --- scoring sees what training saw -----------------------------------------------------------------------


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_model_sees_the_same_to_the_bit_in_training_and_scoring(part: str) -> None:
    columns: dict[str, str | None] = {
        **BASE,
        "flag": "i % 2 = 0",
        "whole": "i % 100",
        "large": "i * 10000000000000001",
        "day": "date '2024-01-01' + cast(i as integer)",
        "money": "cast(x as decimal(9, 2))",
        "much": "cast(i as decimal(38, 20)) / 8",
        "single": "cast(x as float)",
        "nan": "case when i % 3 > 0 then x else cast('nan' as double) end",
        "unseen": "case when i < 300 then ['b', 'd'][1 + i % 2] else ['a', 'b', 'z'][1 + i % 3] end",
    }
    branch = Branch(columns)
    frame = _frame(branch)
    warehouse, split = Warehouse(branch.connection), branch._ref("late_split")
    features = features_of("late_training", warehouse.columns(split), read_spec("late_training", branch.spec))
    query = select(scoring_columns(features), warehouse.table(split, "split")).order_by('"at"')
    (batch,) = warehouse.batches(query.where(f"ml_split = '{part}'"), 1000)
    seen, scored = frame.part(part), scoring_frame(batch, features, frame.texts)
    pd.testing.assert_frame_equal(seen, scored, check_exact=True)
    assert {str(dtype) for dtype in seen.dtypes} == {"float64", "category"}
    assert list(seen["unseen"].cat.categories) == ["b", "d", *(["a", "z"] if part != "train" else [])]


def test_the_texts_of_training_keep_their_places_in_every_batch() -> None:
    late = "case when i < 280 then ['b', 'd', null][1 + i % 3] else ['d', 'e', 'a'][1 + i % 3] end"
    frame = _frame(Branch({"text": late}))
    assert frame.texts["text"] == ["b", "d"]
    assert frame.part("train")["text"].cat.codes[:3].tolist() == [0, 1, -1]
    found = frame.part("test")["text"]
    assert found[:3].tolist() == ["e", "a", "d"]
    assert found.cat.codes[:3].tolist() == [3, 2, 1]
