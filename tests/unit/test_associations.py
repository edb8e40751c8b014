"""Partners: which features went together in training, against numpy, pandas, scipy and scikit-learn."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from mlbridge.reference.associations import BLOCKS, GAIN, MIN_CORRELATION, MOST_PARTNERS, MOST_ROWS, with_partners
from mlbridge.reference.profile import FOLDED, bins_of, profile_rows

Records = list[dict[str, Any]]
Array = np.ndarray[Any, Any]
FOUR = ("partner", "partners", "partner_mean", "partner_correlation")


def found(frame: pd.DataFrame, seed: int = 0) -> dict[str, Records]:
    """Give the records of each column, with their partners."""
    kinds = {name: "numeric" if frame[name].dtype.kind in "iuf" else "category" for name in frame}
    profile = profile_rows(frame, kinds)
    records = with_partners(frame, profile, seed)
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert [{key: each[key] for key in each if key not in FOUR} for each in records] == profile
    return {name: [each for each in records if each["feature"] == name] for name in frame}


def partner(records: Records) -> Any:
    """Give what all records of a feature must agree on: names and correlation."""
    ((name, weights, correlation),) = {
        (each["partner"], json.dumps(each["partners"]), each["partner_correlation"]) for each in records
    }
    if name is None:
        assert (weights, correlation) == ("null", None)
        assert all(each["partner_mean"] is None for each in records)
    else:
        assert name == " + ".join(named for named, _ in json.loads(weights))
        assert 1 <= len(json.loads(weights)) <= MOST_PARTNERS
        assert sum(abs(weight) for _, weight in json.loads(weights)) == pytest.approx(1, abs=1e-5)
        assert all(round(weight, 6) == weight for _, weight in json.loads(weights))
        assert MIN_CORRELATION <= correlation <= 1
    return name, correlation


def partners(records: Records) -> dict[str, float]:
    """Give a feature's partners and their weights."""
    partner(records)
    return dict(records[0]["partners"] or {})


def bins_of_rows(frame: pd.DataFrame, records: Records) -> Array:
    """Give the bins of a column, a category's folded."""
    return np.minimum(bins_of(frame[records[0]["feature"]], records), FOLDED)


def ranks(frame: pd.DataFrame, records: Records) -> Array:
    """Give the mid-ranks of a numeric column by the definition: the share below, and half the share of the bin."""
    bins = bins_of(frame[records[0]["feature"]], records)
    known = np.sort(bins[bins >= 0])
    middle = (np.searchsorted(known, bins, "left") + np.searchsorted(known, bins, "right")) / 2 / max(len(known), 1)
    return np.where(bins >= 0, middle, np.nan)


def sums(frame: pd.DataFrame, records: dict[str, Records], name: str) -> Array:
    """Give the weighted sum of the ranks of a feature's partners, NaN where one is missing."""
    return np.sum([weight * ranks(frame, records[its]) for its, weight in partners(records[name]).items()], axis=0)


def eta(bins: Array, total: Array) -> float:
    """Give the square root of the correlation ratio of the sums by bin."""
    known = ~np.isnan(total)
    table = pd.DataFrame({"bin": bins[known], "sum": total[known]})
    means = table.groupby("bin")["sum"].transform("mean")
    return float(
        np.sqrt(((means - table["sum"].mean()) ** 2).sum() / ((table["sum"] - table["sum"].mean()) ** 2).sum())
    )


def holds(frame: pd.DataFrame, records: dict[str, Records], name: str, others: Iterable[str]) -> float:
    """Give what the correlation of a feature with others stays above, block by block from the rows."""
    bins = bins_of_rows(frame, records[name])
    beside = np.column_stack([np.nan_to_num(ranks(frame, records[other]), nan=0.5) for other in others])
    correlations = []
    for block in np.array_split(np.arange(len(frame)), BLOCKS):
        rest = np.delete(np.arange(len(frame)), block)
        total = (beside - 0.5) @ LinearDiscriminantAnalysis().fit(beside[rest], bins[rest]).scalings_[:, 0]
        means = pd.Series(total[rest]).groupby(bins[rest]).mean().reindex(bins[block]).fillna(0.0)
        correlations.append(stats.pearsonr(means, total[block]).statistic)
    return float(np.mean(correlations) - 2 * np.std(correlations))


def close(number: float) -> Any:
    """Allow for the weights' rounding."""
    return pytest.approx(number, abs=1e-6)


def in_any_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the rows in an order that says nothing."""
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


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


def test_one_partner_by_hand() -> None:
    frame = pd.DataFrame({"a": [1.0, 1.0, 2.0, 2.0, math.nan, math.nan] * 20, "b": [1, 1, 1, 2, 3, 3] * 20})
    a, b = found(frame).values()
    # b's bins hold 3/6, 1/6 and 2/6 of the rows, so their mid-ranks are 3/12, 7/12 and 10/12.
    assert partners(a) == {"b": 1.0}
    assert [each["partner_mean"] for each in a] == pytest.approx([10 / 12, 3 / 12, 5 / 12])
    rank, mean = [3, 3, 3, 7, 10, 10], [3, 3, 5, 5, 10, 10]
    assert partner(a)[1] == pytest.approx(np.corrcoef(rank, mean)[0, 1])
    # Of the four known values of a, two each are in either bin: the mid-ranks are 1/4 and 3/4.
    assert partner(b) == ("a", pytest.approx(np.corrcoef([1, 1, 3, 3], [5 / 3, 5 / 3, 5 / 3, 3])[0, 1]))
    assert [each["partner_mean"] for each in b] == [None, pytest.approx(5 / 12), 3 / 4, None]


def test_two_partners_by_hand() -> None:
    frame = pd.DataFrame({"a": [0, 0, 1, 1] * 30, "b": [0, 1, 0, 1] * 30})
    frame["sum"] = frame["a"] + frame["b"]
    records = found(frame)
    # The ranks of a and b are 1/4 and 3/4, those of the sum 1/8, 1/2 and 7/8.
    assert partners(records["sum"]) == pytest.approx({"a": 0.5, "b": 0.5}, abs=1e-6)
    assert [each["partner_mean"] for each in records["sum"]] == [None, close(1 / 4), close(1 / 2), close(3 / 4)]
    # Where a is 0, one more in b (4/8 in its rank) goes with one more in the sum (3/8): 4 : -3 lets them cancel.
    assert partners(records["a"]) == pytest.approx({"sum": 4 / 7, "b": -3 / 7}, abs=1e-6)
    assert [each["partner_mean"] for each in records["a"]] == [None, close(-1 / 28), close(5 / 28)]
    assert {name: partner(each)[1] for name, each in records.items()} == pytest.approx(
        {"a": 1.0, "b": 1.0, "sum": 1.0}, abs=1e-6
    )


def test_mean_and_correlation_are_those_of_the_rows(rows: pd.DataFrame) -> None:
    records = found(rows)
    assert {name for name, each in records.items() if partner(each)[0] is None} == {"count", "bent"}
    for name in ("x", "near", "far", "word"):
        total, bins = sums(rows, records, name), bins_of(rows[name], records[name])
        by_bin = {each["bin"]: each["partner_mean"] for each in records[name]}
        expected = pd.Series(total).groupby(bins).mean()
        assert {bin_: mean for bin_, mean in by_bin.items() if mean is not None} == pytest.approx(expected.to_dict())
        known = ~np.isnan(total)
        means = np.array([by_bin[bin_] for bin_ in bins[known]])
        correlation = partner(records[name])[1]
        assert correlation == pytest.approx(stats.pearsonr(means, total[known]).statistic)
        assert correlation == pytest.approx(eta(bins, total))


@pytest.mark.slow
def test_the_partners_are_those_that_hold_best_of_all_sets(rows: pd.DataFrame) -> None:
    records = found(rows)
    for name in rows:
        others = [other for other in ("x", "near", "far", "bent", "count") if other != name]
        sets = [chosen for size in (1, 2) for chosen in combinations(others, size)]
        held = {chosen: holds(rows, records, name, chosen) for chosen in sets}
        best = max(held, key=lambda chosen: held[chosen] - GAIN * len(chosen))
        assert (held[best] < MIN_CORRELATION) == (partner(records[name])[0] is None) == (name in ("count", "bent"))
        if held[best] >= MIN_CORRELATION:
            third = {other: holds(rows, records, name, (*best, other)) for other in others if other not in best}
            further = max(third, key=lambda other: third[other])
            helps = len(best) == 2 and third[further] >= held[best] + GAIN
            assert set(partners(records[name])) == {*best, further} if helps else set(best)


def test_the_weights_are_those_of_the_linear_discriminant(rows: pd.DataFrame) -> None:
    rows = rows.fillna({"near": 0.0, "bent": 0.0})
    records = found(rows)
    weighed = {name: list(each) for name, each in ((name, partners(records[name])) for name in rows) if len(each) > 1}
    assert weighed
    for name, its in weighed.items():
        beside = np.column_stack([ranks(rows, records[other]) for other in its])
        expected = LinearDiscriminantAnalysis().fit(beside, bins_of_rows(rows, records[name])).scalings_[:, 0]
        expected *= np.sign(expected[0]) / np.abs(expected).sum()
        assert list(partners(records[name]).values()) == pytest.approx(expected, abs=1e-5)


def test_a_missing_value_is_a_bin_of_its_own(rows: pd.DataFrame) -> None:
    missing = found(rows[["x", "word"]])["word"][0]
    assert (missing["bin"], missing["partner"]) == (-1, "x")
    assert missing["partner_mean"] < 0.2


values = st.integers(0, 3) | st.none()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(values, values, values, st.sampled_from("uvw") | st.none()), max_size=60), st.integers(1, 8))
def test_small_tables_agree_with_the_definition(drawn: list[tuple[Any, ...]], times: int) -> None:
    frame = pd.DataFrame(drawn * times, columns=["a", "b", "c", "word"])
    frame = frame.astype({"a": "float64", "b": "float64", "c": "float64", "word": "object"})
    frame["both"] = frame["a"] - frame["b"]
    records = found(frame)
    for name in frame:
        its, correlation = partner(records[name])
        if its is not None:
            assert {*partners(records[name])} <= {"a", "b", "c", "both"} - {name}
            assert correlation == pytest.approx(
                eta(bins_of(frame[name], records[name]), sums(frame, records, name)), abs=1e-9
            )


# --- what it is for ---------------------------------------------------------------------------------------


def now(frame: pd.DataFrame, records: dict[str, Records], name: str, column: Any) -> float:
    """Correlate with its partners what stands in a feature's place."""
    by_bin = {each["bin"]: each["partner_mean"] for each in records[name]}
    bins, total = bins_of(pd.Series(column), records[name]), sums(frame, records, name)
    known = ~np.isnan(total)
    return float(stats.pearsonr([by_bin[bin_] for bin_ in bins[known]], total[known]).statistic)


def test_a_shuffled_feature_keeps_its_distribution_and_loses_its_correlation(rows: pd.DataFrame) -> None:
    records = found(rows)
    shuffled = np.random.default_rng(2).permutation(len(rows))
    for name in ("x", "near", "far", "word"):
        correlation = partner(records[name])[1]
        assert now(rows, records, name, rows[name]) == pytest.approx(correlation)
        assert correlation > 0.4
        assert abs(now(rows, records, name, rows[name].to_numpy()[shuffled])) < 0.08
        again = found(rows.assign(**{name: rows[name].to_numpy()[shuffled]}))
        assert partner(again[name])[0] is None


def seasonal() -> pd.DataFrame:
    """Make a year in which a temperature follows from dew point and humidity, all three with the season."""
    rng = np.random.default_rng(0)
    n = 6000
    season = np.sin(np.linspace(0, 2 * np.pi, n))
    dew, humidity = 8 * season + 4 * rng.normal(size=n), 3 * season + 4 * rng.normal(size=n)
    return pd.DataFrame(
        {
            "temperature": dew - humidity,
            "dew": dew,
            "humidity": humidity,
            "season": season + 0.1 * rng.normal(size=n),
            "noise": rng.normal(size=n),
        }
    )


def test_two_partners_that_only_together_determine_a_feature_are_found() -> None:
    frame = seasonal()
    records = found(frame)
    weights = partners(records["temperature"])
    assert weights.keys() == {"dew", "humidity"}
    assert weights["dew"] * weights["humidity"] < 0
    assert partner(records["temperature"])[1] > 0.97
    bins = bins_of(frame["temperature"], records["temperature"])
    assert max(eta(bins, ranks(frame, records[name])) for name in frame.columns[1:]) < 0.8
    for name in ("dew", "humidity"):
        assert {"temperature"} < partners(records[name]).keys()
    assert partner(records["noise"])[0] is None


def test_two_that_together_say_all_are_found_beside_one_that_alone_says_more() -> None:
    rng = np.random.default_rng(0)
    y, common = rng.normal(size=4000), 2 * rng.normal(size=4000)
    frame = pd.DataFrame({"y": y, "more": y + common, "less": common, "alone": y + rng.normal(size=4000)})
    assert partners(found(frame[["y", "alone", "less"]])["y"]) == {"alone": 1.0}
    assert partners(found(frame)["y"]).keys() == {"more", "less"}


def test_three_partners_are_found_and_a_fourth_is_not() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(4000, 4)), columns=list("abcd"))
    frame["three"] = frame["a"] + frame["b"] - frame["c"]
    frame["four"] = frame["three"] + frame["d"]
    records = found(frame.drop(columns="four"))
    weights = partners(records["three"])
    assert {name: np.sign(weight * weights["a"]) for name, weight in weights.items()} == {"a": 1, "b": 1, "c": -1}
    assert partner(records["three"])[1] > 0.97
    assert len(partners(found(frame.drop(columns="three"))["four"])) == MOST_PARTNERS


def test_days_that_changed_places_within_the_season_are_seen() -> None:
    frame = seasonal()
    records = found(frame)
    month = np.random.default_rng(1).permutation(500)
    moved = frame["temperature"].to_numpy().reshape(12, 500)[:, month].ravel()
    assert now(frame, records, "temperature", moved) < 0.5


# --- which pairs count ------------------------------------------------------------------------------------


def test_what_goes_with_it_in_one_half_and_against_it_in_the_other_is_no_partner() -> None:
    rng = np.random.default_rng(0)
    n = 4000
    y = rng.normal(size=n)
    turned = np.where(np.arange(n) < n / 2, y, -y) + 0.1 * rng.normal(size=n)
    steady = y + 2 * rng.normal(size=n)
    frame = pd.DataFrame({"y": y, "turned": turned})
    assert partner(found(frame)["y"])[0] is None
    records = found(frame.assign(steady=steady))
    assert partner(records["y"])[0] == partner(records["turned"])[0] or partner(records["turned"])[0] is None
    assert partners(records["y"]) == {"steady": 1.0}
    # In each half alone it is the closest of all.
    assert partners(found(frame.assign(steady=steady).head(n // 2))["y"]).keys() >= {"turned"}


def test_what_only_grows_at_the_same_time_is_no_partner() -> None:
    rng = np.random.default_rng(0)
    level = np.repeat(np.arange(BLOCKS), 500)
    frame = pd.DataFrame({"a": level + rng.normal(size=3000), "b": level + rng.normal(size=3000)})
    records = found(frame)
    assert eta(bins_of_rows(frame, records["a"]), ranks(frame, records["b"])) > 0.6
    assert {partner(each)[0] for each in records.values()} == {None}
    assert {partner(each)[0] for each in found(in_any_order(frame)).values()} == {"a", "b"}


def test_partners_that_are_never_known_together_do_not_join() -> None:
    rng = np.random.default_rng(0)
    y, even = rng.normal(size=4000), rng.random(4000) < 0.55
    near = y + 0.3 * rng.normal(size=4000)
    frame = pd.DataFrame({"y": y, "a": np.where(even, near, np.nan), "b": np.where(even, np.nan, near)})
    records = found(frame)
    assert partners(records["y"]) == {"a": 1.0}
    assert partners(records["a"]) == partners(records["b"]) == {"y": 1.0}


def test_partners_that_say_nothing_where_they_are_all_known_are_none() -> None:
    rng = np.random.default_rng(0)
    y, noise, known = rng.integers(0, 4, 6000), rng.integers(0, 4, 6000), np.arange(6000) % 2 == 0
    # Where b is known, a is b: b helps by taking out what says nothing, and no more is left there.
    frame = pd.DataFrame({"y": y, "a": np.where(known, noise, y), "b": np.where(known, noise, np.nan)})
    assert partners(found(frame[["y", "a"]])["y"]) == {"a": 1.0}
    assert partner(found(frame)["y"])[0] is None


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


def test_ties_go_to_the_first_name() -> None:
    values = np.random.default_rng(0).normal(size=400)
    frame = pd.DataFrame(dict.fromkeys(("c", "a", "b"), values))
    assert {name: partner(each)[0] for name, each in found(frame).items()} == {"c": "a", "a": "b", "b": "a"}
    assert partner(found(frame)["c"])[1] == pytest.approx(1.0)
    frame = pd.DataFrame(dict.fromkeys(map(str, range(12)), values))
    assert {partner(each)[0] for each in found(frame).values()} == {"0", "1"}


def test_a_weak_correlation_makes_no_partner() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=20_000)
    for weight, expected in ((0.05, None), (0.1, None), (0.2, "b")):
        frame = pd.DataFrame({"a": a, "b": weight * a + rng.normal(size=20_000)})
        name, correlation = partner(found(frame)["a"])
        assert name == expected
        assert correlation is None or correlation > MIN_CORRELATION


@pytest.mark.parametrize(("rows", "columns"), [(60, 12), (280, 40), (1000, 40)])
def test_chance_makes_no_partner_among_few_rows(rows: int, columns: int) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(rows, columns)), columns=[*map(str, range(columns))])
    records = found(frame)
    assert {partner(each)[0] for each in records.values()} == {None}
    # By the correlation ratio alone any other would do.
    assert eta(bins_of_rows(frame, records["0"]), ranks(frame, records["1"])) > MIN_CORRELATION


def test_constant_and_missing_columns_are_nobodys_partner() -> None:
    frame = pd.DataFrame({"a": np.arange(200.0), "one": 1.0, "void": math.nan, "word": ["u", "v"] * 100})
    frame["gap"] = np.where(frame["a"] < 150, 2.0, np.nan)
    records = found(in_any_order(frame))
    assert {name: partner(each)[0] for name, each in records.items()} == {
        "a": None, "one": None, "void": None, "word": None, "gap": "a",
    }  # fmt: skip


@pytest.mark.parametrize("rows", [0, 1, 2, 3, BLOCKS - 1, BLOCKS, BLOCKS + 1])
def test_hardly_any_rows(rows: int) -> None:
    frame = pd.DataFrame(dict.fromkeys("abcd", np.arange(float(rows)))).assign(word="w", void=math.nan)
    assert {partner(each) for each in found(frame).values()} == {(None, None)}


def test_what_is_no_feature_has_no_partner() -> None:
    frame = in_any_order(pd.DataFrame({"a": np.arange(300.0), "b": np.arange(300.0)}))
    profile = [
        *profile_rows(frame, {"a": "numeric", "b": "numeric"}),
        *profile_rows(pd.DataFrame({"ml_prediction": frame["a"]}), {"ml_prediction": "numeric"}, role="prediction"),
    ]
    records = with_partners(frame, profile)
    assert {(each["feature"], each["partner"]) for each in records} == {
        ("a", "b"), ("b", "a"), ("ml_prediction", None),
    }  # fmt: skip
    assert [list(each) for each in records] == [[*profile[0], *FOUR]] * len(profile)


# --- many categories, many rows ---------------------------------------------------------------------------


def test_categories_from_the_hundredth_on_count_as_one() -> None:
    rng = np.random.default_rng(0)
    codes = np.concatenate([np.repeat(np.arange(150), 20), rng.integers(0, 100, 2000)])
    frame = pd.DataFrame({"n": codes + rng.normal(size=len(codes)), "word": [f"w{i:03d}" for i in codes]})
    frame = in_any_order(frame)
    records = found(frame)
    by_bin = {each["bin"]: each["partner_mean"] for each in records["word"]}
    rank, bins = ranks(frame, records["n"]), bins_of(frame["word"], records["word"])
    assert max(by_bin) == 150
    (folded,) = {by_bin[bin_] for bin_ in range(FOLDED, 151)}
    assert folded == pytest.approx(rank[bins >= FOLDED].mean())
    assert [by_bin[bin_] for bin_ in range(FOLDED)] == pytest.approx(
        [rank[bins == bin_].mean() for bin_ in range(FOLDED)]
    )
    assert partner(records["word"]) == ("n", pytest.approx(eta(np.minimum(bins, FOLDED), rank)))


def test_few_categories_leave_the_bin_of_all_others_without_a_mean() -> None:
    frame = pd.DataFrame({"n": np.arange(200.0), "word": ["a"] * 100 + ["b"] * 100})
    records = found(in_any_order(frame))
    assert [each["partner_mean"] for each in records["word"]] == [None, close(0.25), close(0.75), None]


def test_beyond_a_sample_the_choice_is_the_seeds_and_the_figures_are_of_all_rows() -> None:
    rng = np.random.default_rng(0)
    n = MOST_ROWS + 5000
    a = rng.normal(size=n)
    frame = pd.DataFrame({"a": a, "b": a + rng.normal(size=n), "c": a + rng.normal(size=n)})
    first = found(frame)
    assert found(frame) == first
    assert found(frame, seed=1) != first
    assert partners(first["a"]).keys() == {"b", "c"}
    assert partner(first["a"])[1] == pytest.approx(eta(bins_of(frame["a"], first["a"]), sums(frame, first, "a")))
