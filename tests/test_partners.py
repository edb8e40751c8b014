"""Partners: which features went together in training, against numpy, pandas and scipy."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlbridge.partners import LEAST, MOST_ROWS, with_partners
from mlbridge.profile import FOLDED, bins_of, profile_rows

Records = list[dict[str, Any]]
THREE = ("partner", "partner_mean", "partner_correlation")


def found(frame: pd.DataFrame, seed: int = 0) -> dict[str, Records]:
    """Give the records of each column, with their partners."""
    kinds = {name: "numeric" if frame[name].dtype.kind in "iuf" else "category" for name in frame}
    profile = profile_rows(frame, kinds)
    records = with_partners(frame, profile, seed)
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert [{key: each[key] for key in each if key not in THREE} for each in records] == profile
    return {name: [each for each in records if each["feature"] == name] for name in frame}


def partner(records: Records) -> Any:
    """Give what all records of a feature must agree on: partner and correlation."""
    ((name, correlation),) = {(each["partner"], each["partner_correlation"]) for each in records}
    return name, correlation


def ranks(frame: pd.DataFrame, records: Records) -> np.ndarray[Any, Any]:
    """Give the mid-ranks of a numeric column by the definition: the share below, and half the share of the bin."""
    places = bins_of(frame[records[0]["feature"]], records)
    known = np.sort(places[places >= 0])
    middle = (np.searchsorted(known, places, "left") + np.searchsorted(known, places, "right")) / 2 / len(known)
    return np.where(places >= 0, middle, np.nan)


def eta(bins: np.ndarray[Any, Any], rank: np.ndarray[Any, Any]) -> float:
    """Give the square root of the correlation ratio of the ranks by bin."""
    known = ~np.isnan(rank)
    table = pd.DataFrame({"bin": bins[known], "rank": rank[known]})
    means = table.groupby("bin")["rank"].transform("mean")
    return float(
        np.sqrt(((means - table["rank"].mean()) ** 2).sum() / ((table["rank"] - table["rank"].mean()) ** 2).sum())
    )


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n = 3000
    x, noise = rng.normal(size=n), rng.normal(size=n)
    return pd.DataFrame(
        {
            "x": x.astype("float32"),
            "near": np.where(rng.random(n) < 0.1, np.nan, x + 0.2 * noise),
            "far": x + 2 * noise,
            "bent": np.where(rng.random(n) < 0.2, np.nan, x**2 + 0.1 * rng.normal(size=n)),
            "count": rng.poisson(2, n),
            "word": pd.Categorical(np.where(x > 1, "high", np.where(x < -1, None, "low"))),
        }
    )


# --- the figures ------------------------------------------------------------------------------------------


def test_a_pair_by_hand() -> None:
    frame = pd.DataFrame({"a": [1.0, 1.0, 2.0, 2.0, math.nan, math.nan] * 20, "b": [1, 1, 1, 2, 3, 3] * 20})
    a, b = found(frame).values()
    # b's bins hold 3/6, 1/6 and 2/6 of the rows, so their mid-ranks are 3/12, 7/12 and 10/12.
    assert partner(a)[0] == "b"
    assert [each["partner_mean"] for each in a] == pytest.approx([10 / 12, 3 / 12, 5 / 12])
    rank, mean = [3, 3, 3, 7, 10, 10], [3, 3, 5, 5, 10, 10]
    assert partner(a)[1] == pytest.approx(np.corrcoef(rank, mean)[0, 1])
    # Of the four known values of a, two each are in either bin: the mid-ranks are 1/4 and 3/4.
    assert partner(b) == ("a", pytest.approx(np.corrcoef([1, 1, 3, 3], [5 / 3, 5 / 3, 5 / 3, 3])[0, 1]))
    assert [each["partner_mean"] for each in b] == [None, pytest.approx(5 / 12), 3 / 4, None]


def test_mean_and_correlation_are_those_of_the_rows(rows: pd.DataFrame) -> None:
    records = found(rows)
    assert {name: partner(each)[0] for name, each in records.items()} == {
        "x": "near", "near": "x", "far": "near", "bent": None, "count": None, "word": "x",
    }  # fmt: skip
    for name in ("x", "near", "far", "word"):
        its, correlation = partner(records[name])
        rank, bins = ranks(rows, records[its]), bins_of(rows[name], records[name])
        by_bin = {each["bin"]: each["partner_mean"] for each in records[name]}
        expected = pd.Series(rank).groupby(bins).mean()
        assert {place: mean for place, mean in by_bin.items() if mean is not None} == pytest.approx(expected.to_dict())
        known = ~np.isnan(rank)
        means = np.array([by_bin[place] for place in bins[known]])
        assert correlation == pytest.approx(stats.pearsonr(means, rank[known]).statistic)
        assert correlation == pytest.approx(eta(bins, rank))


def test_the_partner_is_the_one_that_goes_most_closely(rows: pd.DataFrame) -> None:
    records = found(rows)
    for name in rows:
        by_other = {
            other: eta(bins_of(rows[name], records[name]), ranks(rows, records[other]))
            for other in rows
            if other != name and other != "word"
        }
        best = max(by_other, key=lambda other: by_other[other])
        assert partner(records[name])[0] in (best, None)
        assert (partner(records[name])[0] is None) == (name in ("count", "bent"))


def test_a_missing_value_is_a_bin_of_its_own(rows: pd.DataFrame) -> None:
    missing = found(rows)["word"][0]
    assert (missing["bin"], missing["partner"]) == (-1, "x")
    assert missing["partner_mean"] < 0.2


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3) | st.none()), min_size=1, max_size=200))
def test_small_tables_agree_with_the_definition(drawn: list[tuple[int, int | None]]) -> None:
    frame = pd.DataFrame(drawn, columns=["a", "b"], dtype="float64")
    records = found(frame)
    for name, other in (("a", "b"), ("b", "a")):
        its, correlation = partner(records[name])
        assert its in (other, None)
        if its is not None:
            bins, rank = bins_of(frame[name], records[name]), ranks(frame, records[other])
            assert correlation == pytest.approx(eta(bins, rank), abs=1e-9)


# --- what it is for ---------------------------------------------------------------------------------------


def test_a_shuffled_feature_keeps_its_distribution_and_loses_its_correlation(rows: pd.DataFrame) -> None:
    records = found(rows)
    shuffled = np.random.default_rng(2).permutation(len(rows))
    for name in ("x", "near", "far", "word"):
        its, correlation = partner(records[name])
        by_bin = {each["bin"]: each["partner_mean"] for each in records[name]}
        rank = ranks(rows, records[its])

        def now(bins: Any, by_bin: Any = by_bin, rank: Any = rank) -> float:
            known = ~np.isnan(rank)
            return float(stats.pearsonr([by_bin[place] for place in bins[known]], rank[known]).statistic)

        bins = bins_of(rows[name], records[name])
        assert now(bins) == pytest.approx(correlation)
        assert correlation > 0.4
        assert abs(now(bins[shuffled])) < 0.08
        again = found(rows.assign(**{name: rows[name].to_numpy()[shuffled]}))
        assert partner(again[name])[0] is None


# --- which pairs count ------------------------------------------------------------------------------------


def test_a_numeric_feature_alone_and_categories_alone() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"n": rng.normal(size=500)})
    frame["word"] = np.where(frame["n"] > 0, "up", "down")
    frame["other"] = frame["word"].str[:1]
    records = found(frame)
    assert partner(records["n"]) == (None, None)
    assert partner(records["word"])[0] == partner(records["other"])[0] == "n"
    records = found(frame[["word", "other"]])
    assert {partner(each) for each in records.values()} == {(None, None)}
    assert all(each["partner_mean"] is None for each in records["word"])


def test_ties_go_to_the_first_name() -> None:
    values = np.random.default_rng(0).normal(size=400)
    frame = pd.DataFrame(dict.fromkeys(("c", "a", "b"), values))
    assert {name: partner(each)[0] for name, each in found(frame).items()} == {"c": "a", "a": "b", "b": "a"}
    assert partner(found(frame)["c"])[1] == pytest.approx(1.0)


def test_a_weak_correlation_makes_no_partner() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=20_000)
    for weight, expected in ((0.05, None), (0.2, "b")):
        frame = pd.DataFrame({"a": a, "b": weight * a + rng.normal(size=20_000)})
        name, correlation = partner(found(frame)["a"])
        assert name == expected
        assert correlation is None or correlation > LEAST


def test_chance_makes_no_partner_among_few_rows() -> None:
    rng = np.random.default_rng(0)
    made = 0
    for _ in range(20):
        frame = pd.DataFrame(rng.normal(size=(280, 6)), columns=list("abcdef"))
        made += sum(partner(each)[0] is not None for each in found(frame).values())
    assert made <= 2  # of 120; by eta alone all of them would have one
    assert eta(np.arange(280) % 32, np.random.default_rng(0).random(280)) > LEAST


def test_constant_and_missing_columns_are_nobodys_partner() -> None:
    frame = pd.DataFrame({"a": np.arange(200.0), "one": 1.0, "void": math.nan, "word": ["u", "v"] * 100})
    frame["gap"] = np.where(frame["a"] < 150, 2.0, np.nan)
    records = found(frame)
    assert {name: partner(each)[0] for name, each in records.items()} == {
        "a": None, "one": None, "void": None, "word": None, "gap": "a",
    }  # fmt: skip


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_hardly_any_rows(rows: int) -> None:
    frame = pd.DataFrame({"a": np.arange(float(rows)), "b": np.arange(float(rows))})
    assert {partner(each) for each in found(frame).values()} == {(None, None)}


def test_what_is_no_feature_has_no_partner() -> None:
    frame = pd.DataFrame({"a": np.arange(100.0), "b": np.arange(100.0)})
    profile = [
        *profile_rows(frame, {"a": "numeric", "b": "numeric"}),
        *profile_rows(pd.DataFrame({"ml_prediction": frame["a"]}), {"ml_prediction": "numeric"}, role="prediction"),
    ]
    records = with_partners(frame, profile)
    assert {(each["feature"], each["partner"]) for each in records} == {
        ("a", "b"), ("b", "a"), ("ml_prediction", None),
    }  # fmt: skip
    assert [list(each) for each in records] == [[*profile[0], *THREE]] * len(profile)


# --- many categories, many rows ---------------------------------------------------------------------------


def test_categories_from_the_hundredth_on_count_as_one() -> None:
    rng = np.random.default_rng(0)
    place = np.concatenate([np.repeat(np.arange(150), 20), rng.integers(0, 100, 2000)])
    frame = pd.DataFrame({"n": place + rng.normal(size=len(place)), "word": [f"w{i:03d}" for i in place]})
    records = found(frame)
    by_bin = {each["bin"]: each["partner_mean"] for each in records["word"]}
    rank, bins = ranks(frame, records["n"]), bins_of(frame["word"], records["word"])
    assert max(by_bin) == 150
    (folded,) = {by_bin[place] for place in range(FOLDED, 151)}
    assert folded == pytest.approx(rank[bins >= FOLDED].mean())
    assert [by_bin[place] for place in range(FOLDED)] == pytest.approx(
        [rank[bins == place].mean() for place in range(FOLDED)]
    )
    assert partner(records["word"]) == ("n", pytest.approx(eta(np.minimum(bins, FOLDED), rank)))


def test_few_categories_leave_the_bin_of_all_others_without_a_mean() -> None:
    frame = pd.DataFrame({"n": np.arange(200.0), "word": ["a"] * 100 + ["b"] * 100})
    assert [each["partner_mean"] for each in found(frame)["word"]] == [None, 0.25, 0.75, None]


def test_beyond_a_sample_the_choice_is_the_seeds_and_the_figures_are_of_all_rows() -> None:
    rng = np.random.default_rng(0)
    n = MOST_ROWS + 5000
    a = rng.normal(size=n)
    frame = pd.DataFrame({"a": a, "b": a + rng.normal(size=n), "c": a + rng.normal(size=n)})
    first = found(frame)
    assert found(frame) == first
    its, correlation = partner(first["a"])
    assert correlation == pytest.approx(eta(bins_of(frame["a"], first["a"]), ranks(frame, first[its])))
