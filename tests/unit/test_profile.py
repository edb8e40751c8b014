"""Profiles: every value in exactly one bin, exact counts, and edges that survive JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbridge.reference.profile import CATEGORIES, bins_of, feature_stats, profile_rows

KEYS = ["feature", "role", "kind", "bin", "lower", "upper", "category", "rows", "share", "std", "mean"]


def _profile(values: Any, kind: str = "numeric", **options: Any) -> list[dict[str, Any]]:
    column = values if isinstance(values, pd.Series) else pd.Series(values)
    rows = profile_rows(pd.DataFrame({"x": column}), {"x": kind}, **options)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    return rows


def _bins(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["bin"], row["lower"], row["upper"], row["rows"]) for row in rows]


def _words(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["bin"], row["category"], row["rows"]) for row in rows]


# --- numeric ----------------------------------------------------------------------------------------------


def test_quantile_bins_by_hand() -> None:
    rows = _profile([8.0, 1.0, 3.0, math.nan, 2.0, 5.0, 4.0, 7.0, 6.0], bins=4)
    assert _bins(rows) == [
        (-1, None, None, 1),
        (0, 1.0, 2.0, 2),
        (1, 2.0, 4.0, 2),
        (2, 4.0, 6.0, 2),
        (3, 6.0, 8.0, 2),
    ]
    assert list(rows[0]) == KEYS
    assert rows[1] == dict(
        zip(KEYS, ["x", "feature", "numeric", 0, 1.0, 2.0, None, 2, 2 / 9, 21**0.5 / 2, 1.5], strict=True)
    )


def test_means_of_bins_are_those_of_their_values() -> None:
    values = np.random.default_rng(3).lognormal(0, 2, 5_000)
    for row in _profile(values, bins=32)[1:]:
        inside = (values > row["lower"]) | ((row["bin"] == 0) & (values == row["lower"]))
        assert row["mean"] == pytest.approx(values[inside & (values <= row["upper"])].mean(), rel=1e-12)
    assert [row["mean"] for row in _profile([math.inf, 1.0])] == [None, 1.0, None]
    assert [row["mean"] for row in _profile(["a", None], kind="category")] == [None, None, None]


def test_edges_are_the_quantiles_of_numpy() -> None:
    values = np.random.default_rng(0).normal(size=1001)
    rows = _profile(values, bins=32)[1:]
    edges = [rows[0]["lower"], *(row["upper"] for row in rows)]
    expected = np.quantile(values, np.arange(33) / 32, method="inverted_cdf")
    assert [each for each in edges if expected[1] <= each <= expected[-2]] == expected[1:-1].tolist()
    assert (edges[0], edges[-1]) == (expected[0], expected[-1])
    assert [row["lower"] for row in rows[1:]] == [row["upper"] for row in rows[:-1]]
    counts = pd.cut(values, edges, include_lowest=True).value_counts()
    assert [row["rows"] for row in rows] == counts.tolist()


def test_mostly_zero_keeps_the_zeros_apart() -> None:
    rows = _profile([0.0] * 90 + list(range(1, 11)), bins=10)
    # 1.5 standard deviations times ten rows are 27.4: (0, 10] has nine rows below its edge, (0, 5] four, (5, 10] four.
    assert _bins(rows) == [(-1, None, None, 0), (0, 0.0, 0.0, 90), (1, 0.0, 5.0, 5), (2, 5.0, 10.0, 5)]


def test_the_bins_of_a_long_tail_are_as_narrow_as_their_rows_ask() -> None:
    values = np.random.default_rng(5).pareto(1.5, 6_000)
    rows = _profile(values, bins=32)[1:]
    assert 32 < len(rows) <= 44
    for row in (rows[0], *rows[31:]):
        inside = ((values > row["lower"]) & (values < row["upper"])).sum()
        assert (row["upper"] - row["lower"]) * (inside + 1) <= 1.5 * values.std() * 6_000 / 32


def test_half_of_a_bin_may_be_empty() -> None:
    rows = _profile([*np.arange(100.0), 1e5], bins=32)[1:]
    empty = [row for row in rows if not row["rows"]]
    assert [(row["upper"], row["mean"]) for row in empty][-1] == (75_024.0, None)
    assert [row["bin"] for row in rows] == list(range(len(rows)))


@pytest.mark.parametrize("unit", [1, 86_400])
def test_the_edges_of_whole_numbers_are_some_that_the_column_can_have(unit: int) -> None:
    values = unit * np.floor(np.random.default_rng(6).pareto(1.5, 3_000) * 1_000)
    rows = _profile(values, bins=32)[1:]
    assert len(rows) > 32
    assert {row["upper"] % unit for row in rows} == {0.0}


def test_tied_quantiles_merge_and_counts_stay_exact() -> None:
    rows = _profile([1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 4.0, 5.0], bins=3)
    # The quantiles at 4, 7 and 10 of 10 rows are 3, 3 and 5.
    assert _bins(rows) == [(-1, None, None, 0), (0, 1.0, 3.0, 8), (1, 3.0, 5.0, 2)]


@pytest.mark.parametrize("bins", [2, 32])
def test_few_distinct_values_have_a_bin_each(bins: int) -> None:
    flags = pd.Series([0] * 1 + [1] * 999, dtype="int8")
    assert _bins(_profile(flags, bins=bins)) == [(-1, None, None, 0), (0, 0.0, 0.0, 1), (1, 0.0, 1.0, 999)]


def test_a_single_value() -> None:
    assert _bins(_profile([7.5, math.nan, 7.5])) == [(-1, None, None, 1), (0, 7.5, 7.5, 2)]


def test_all_null_and_no_rows() -> None:
    assert _bins(_profile([math.nan] * 3)) == [(-1, None, None, 3)]
    empty = _profile(pd.Series([], dtype="float64"))
    assert _bins(empty) == [(-1, None, None, 0)]
    assert empty[0]["share"] == 0.0


def test_float32_edges_are_the_values_themselves() -> None:
    values = pd.Series([0.1, 0.2, 0.3, np.nan], dtype="float32")
    edges = [float(np.float32(value)) for value in (0.1, 0.2, 0.3)]
    rows = _profile(values)
    assert [row["upper"] for row in rows] == [None, *edges]
    assert all(isinstance(row["upper"], float) for row in rows[1:])
    assert [row["rows"] for row in rows] == [1, 1, 1, 1]


@pytest.mark.parametrize("dtype", ["int8", "int64", "Int64", "Float32", "bool", "boolean", "object"])
def test_other_number_types(dtype: str) -> None:
    missing = [None] if dtype in ("Int64", "Float32", "boolean", "object") else []
    rows = _profile(pd.Series([0, 1, 1, *missing], dtype=dtype))
    assert _bins(rows) == [(-1, None, None, len(missing)), (0, 0.0, 0.0, 1), (1, 0.0, 1.0, 2)]


def test_an_infinite_edge_is_written_as_none() -> None:
    rows = _profile([-math.inf, 1.0, math.inf])
    assert _bins(rows) == [(-1, None, None, 0), (0, None, None, 1), (1, None, 1.0, 1), (2, 1.0, None, 1)]


@pytest.mark.parametrize(
    ("values", "kind", "std"),
    [
        ([1.0, 3.0, 3.0, math.nan], "numeric", pytest.approx(math.sqrt(8 / 9))),
        ([5.0, 5.0], "numeric", 0.0),
        ([math.nan, math.nan], "numeric", None),
        ([1.0, math.inf], "numeric", None),
        (["a", "b", None], "category", None),
    ],
)
def test_every_record_has_the_standard_deviation_of_the_column(values: list[Any], kind: str, std: Any) -> None:
    rows = _profile(values, kind)
    assert [row["std"] for row in rows] == [std] * len(rows)
    assert rows[0]["std"] == feature_stats(pd.DataFrame({"x": values}), {"x": kind})["x"]["std"]


def _place(value: float, rows: list[dict[str, Any]]) -> list[int]:
    """Name the bins that hold a value, from the documented rule alone."""
    if math.isnan(value):
        return [-1]
    found = []
    for row in rows:
        if row["bin"] >= 0:
            above = value >= row["lower"] if row["bin"] == 0 else value > row["lower"]
            if above and value <= row["upper"]:
                found.append(row["bin"])
    return found


numbers = st.floats(-1e6, 1e6, width=32) | st.integers(-3, 3).map(float) | st.just(math.nan) | st.just(0.0)


@given(st.lists(numbers, max_size=120), st.integers(1, 12), st.sampled_from(["float64", "float32"]))
def test_every_number_is_in_exactly_one_bin(values: list[float], bins: int, dtype: str) -> None:
    rows = _profile(pd.Series(values, dtype=dtype), bins=bins)
    found_bins = [_place(value, rows) for value in values]
    assert all(len(found) == 1 for found in found_bins)
    counted = {row["bin"]: row["rows"] for row in rows}
    assert counted == {bin_: sum(found == [bin_] for found in found_bins) for bin_ in counted}
    assert list(counted) == list(range(-1, len(counted) - 1))
    assert len(counted) <= bins + 20
    assert all((row["mean"] is not None) == (row["rows"] > 0) for row in rows[1:])
    known = [value for value in values if not math.isnan(value)]
    if known:
        assert (rows[1]["lower"], rows[-1]["upper"]) == (min(known), max(known))
    if values:
        assert sum(row["share"] for row in rows) == pytest.approx(1.0)


# --- category ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["object", "str", "category"])
def test_categories_by_hand(dtype: str) -> None:
    rows = _profile(pd.Series(["b", "a", None, "b", "c"], dtype=dtype), "category")
    assert _words(rows) == [(-1, None, 1), (0, "b", 2), (1, "a", 1), (2, "c", 1), (3, None, 0)]
    assert {row["kind"] for row in rows} == {"category"}
    assert all(row["lower"] is None and row["upper"] is None for row in rows)


def test_what_is_not_frequent_is_counted_in_the_bin_after_the_last() -> None:
    values = [f"v{i:05d}" for i in range(CATEGORIES + 5)] + ["v10004"] * 2
    rows = _profile(values, "category")
    assert len(rows) == CATEGORIES + 2
    assert _words(rows)[:3] == [(-1, None, 0), (0, "v10004", 3), (1, "v00000", 1)]
    assert _words(rows)[-2:] == [(CATEGORIES - 1, "v09998", 1), (CATEGORIES, None, 5)]


def test_a_category_that_no_row_has_gets_no_bin() -> None:
    rows = _profile(pd.Series(pd.Categorical(["a", None], categories=["a", "gone"])), "category")
    assert _words(rows) == [(-1, None, 1), (0, "a", 1), (1, None, 0)]


def test_all_null_categories() -> None:
    assert _words(_profile(pd.Series([None, None], dtype="object"), "category")) == [
        (-1, None, 2),
        (0, None, 0),
    ]


def test_hostile_texts_and_values_with_the_same_text() -> None:
    values = ["'); drop table t; --", "NULL", "None", "", "1", 1, "ü\n"]
    rows = _profile(pd.Series(values, dtype="object"), "category")
    assert {row["category"]: row["rows"] for row in rows[1:-1]} == {
        "'); drop table t; --": 1, "NULL": 1, "None": 1, "": 1, "1": 2, "ü\n": 1,
    }  # fmt: skip


@given(st.lists(st.none() | st.text(max_size=2), max_size=80))
def test_every_category_is_counted_once(values: list[str | None]) -> None:
    rows = _profile(pd.Series(values, dtype="object"), "category")
    kept = {row["category"]: row["rows"] for row in rows[1:-1]}
    assert kept == {text: values.count(text) for text in set(values) - {None}}
    assert list(kept) == sorted(kept, key=lambda text: (-kept[text], text))
    assert rows[0]["rows"] == values.count(None)
    assert sum(row["rows"] for row in rows) == len(values)


# --- which bin a value is in ------------------------------------------------------------------------------


def _found(values: Any, rows: list[dict[str, Any]]) -> list[int]:
    return bins_of(values if isinstance(values, pd.Series) else pd.Series(values), rows).tolist()


@given(st.lists(numbers, min_size=1, max_size=120), st.integers(1, 12), st.sampled_from(["float64", "float32"]))
def test_a_value_is_in_the_bin_that_counted_it(values: list[float], bins: int, dtype: str) -> None:
    column = pd.Series(values, dtype=dtype)
    rows = _profile(column, bins=bins)
    assert [[bin_] for bin_ in _found(column, rows)] == [_place(value, rows) for value in values]


def test_other_numbers_are_below_within_or_above() -> None:
    rows = _profile([8.0, 1.0, 3.0, 2.0, 5.0, 4.0, 7.0, 6.0], bins=4)
    assert _found([0.9, 1.0, 2.0, math.nextafter(2, 3), 8.0, math.nextafter(8, 9), math.nan], rows) == [
        -2, 0, 0, 1, 3, 4, -1,
    ]  # fmt: skip
    assert _found(pd.Series([-math.inf, math.inf]), rows) == [-2, 4]
    assert _found(pd.Series([True, False]), _profile(pd.Series([0, 1]))) == [1, 0]


def test_a_profile_of_one_value_and_one_of_none() -> None:
    assert _found([7.0, 7.5, 8.0, math.nan], _profile([7.5])) == [-2, 0, 1, -1]
    assert _found([7.0, math.nan], _profile([math.nan])) == [0, -1]


def test_an_infinite_edge_lets_every_number_in() -> None:
    rows = _profile([-math.inf, 1.0, math.inf])
    assert _found([-math.inf, -9e9, 1.0, 9e9, math.inf], rows) == [0, 1, 1, 2, 2]
    assert _found([-9e9, 9e9], _profile([1.0, math.inf])) == [-2, 1]


@given(st.lists(st.none() | st.text(max_size=2), min_size=1, max_size=80), st.sampled_from(["object", "category"]))
def test_a_category_is_in_the_bin_that_counted_it(values: list[str | None], dtype: str) -> None:
    column = pd.Series(values, dtype="object").astype(dtype)
    rows = _profile(column, "category")
    bin_of = {row["category"]: row["bin"] for row in rows[1:-1]} | {None: -1}
    assert _found(column, rows) == [bin_of[value] for value in values]


def test_a_category_that_is_not_listed_is_unseen_or_one_of_the_others() -> None:
    rows = _profile(["b", "a", "b"], "category")
    assert _found(["a", "c", None, "b"], rows) == [1, -2, -1, 0]
    crowd = [f"v{i}" for i in range(CATEGORIES)]
    rows = _profile([*crowd, *crowd, "rare"], "category")
    assert _found(["rare", "new", None, rows[-2]["category"]], rows) == [CATEGORIES, CATEGORIES, -1, CATEGORIES - 1]


# --- several columns --------------------------------------------------------------------------------------


def test_columns_come_in_the_order_of_their_kinds_with_the_role_that_was_said() -> None:
    odd = 'select "x"'
    frame = pd.DataFrame({"a": [1.0, 2.0], odd: ["u", "v"], "not named": [0, 0]})
    rows = profile_rows(frame, {odd: "category", "a": "numeric"}, role="prediction")
    assert [row["feature"] for row in rows] == [odd] * 4 + ["a"] * 3
    assert {row["role"] for row in rows} == {"prediction"}


@pytest.mark.parametrize("read", [profile_rows, feature_stats])
def test_an_unknown_kind_is_refused(read: Any) -> None:
    with pytest.raises(ValueError, match="'x' has the kind 'text'; allowed are numeric and category"):
        read(pd.DataFrame({"x": [1]}), {"x": "text"})


# --- feature_stats ----------------------------------------------------------------------------------------


def test_stats_by_hand() -> None:
    frame = pd.DataFrame({"n": [1.0, 3.0, 3.0, None], "c": ["a", None, "a", "b"], "void": [math.nan] * 4})
    stats = feature_stats(frame, {"n": "numeric", "c": "category", "void": "numeric"})
    nothing = {"mean": None, "std": None, "min": None, "max": None}
    assert stats["n"] == {
        "rows": 4, "nulls": 1, "distinct": 2,
        "mean": 7 / 3, "std": pytest.approx(math.sqrt(8 / 9)), "min": 1.0, "max": 3.0,
    }  # fmt: skip
    assert stats["c"] == {"rows": 4, "nulls": 1, "distinct": 2} | nothing
    assert stats["void"] == {"rows": 4, "nulls": 4, "distinct": 0} | nothing
    assert json.loads(json.dumps(stats)) == json.loads(json.dumps(stats, allow_nan=False))


@given(st.lists(numbers, min_size=1, max_size=60))
def test_stats_are_those_of_pandas(values: list[float]) -> None:
    column = pd.Series(values, dtype="float32")
    found = feature_stats(pd.DataFrame({"x": column}), {"x": "numeric"})["x"]
    wide = column.astype("float64")
    assert (found["nulls"], found["distinct"]) == (wide.isna().sum(), wide.nunique())
    for name, expected in {
        "mean": wide.mean(),
        "std": wide.std(ddof=0),
        "min": wide.min(),
        "max": wide.max(),
    }.items():
        if math.isnan(expected):
            assert found[name] is None
        else:
            assert type(found[name]) is float
            assert found[name] == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_infinite_values_leave_the_mean_undefined() -> None:
    found = feature_stats(pd.DataFrame({"x": [1.0, math.inf]}), {"x": "numeric"})["x"]
    assert (found["mean"], found["std"], found["min"], found["max"]) == (None, None, 1.0, None)
