"""The drift map, the distributions behind it and the card of a world with strange names and values, really built."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dbt_host import Host
from markdown_it import MarkdownIt
from monitored import build, document, frame, monitored_host
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency
from warm import Warm

from mlbridge.model_card.card import markdown_card
from mlbridge.monitor import MonitorError, State, open_folder
from mlbridge.monitor.distribution import distribution
from mlbridge.monitor.drift import BASELINES, drift, drift_history

TRAINED, NOW = "2024-06-01", "2024-08-01"
MAY, JUNE, JULY = (datetime(2024, month, 1) for month in (5, 6, 7))
HOSTILE = 'sel"ect <b>*x*</b> | y'
SCRIPT = "<script>alert(1)</script>"
SPEC = {
    "task": "classification",
    "target": "outcome",
    "entity": "id",
    "time": "moment",
    "candidates": ["logistic_regression"],
    "monitor": {"slices": ["city"]},
}
WHOLE = ("build", "--exclude-resource-type", "test")


def world() -> pa.Table:
    """One row an hour from January to July; later months have values that the earlier ones did not have."""
    rng = np.random.default_rng(23)
    n = 24 * 213
    moment = np.datetime64("2024-01-01T00:00:00", "us") + np.arange(n) * np.timedelta64(1, "h")
    month = moment.astype("datetime64[M]").astype(int) % 12 + 1
    x = rng.normal(size=n) * np.where(month == 7, 3, 1)
    city = rng.choice(
        ["north", "missing", "others", SCRIPT, "not in training", ""], n, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1]
    )
    city[(month >= 6) & (rng.random(n) < 0.3)] = "new"
    missing = rng.random(n)
    return pa.table(
        {
            "id": np.arange(n),
            "moment": moment,
            "x": pa.array(np.where(missing < 0.1, np.nan, x), from_pandas=True),
            "whole": rng.integers(-300, 300, n) + 500 * (month == 7),
            "few": rng.choice([0.5, 1.25, 2.0], n),
            "flag": pa.array(rng.random(n) < 0.3 + 0.4 * (month == 7), mask=missing < 0.05),
            "opened": (moment - (rng.exponential(60, n) * 86_400e6).astype("timedelta64[us]")).astype("datetime64[D]"),
            "seen": moment - (rng.exponential(5, n) * 3600e6).astype("timedelta64[us]"),
            "gone": pa.array(rng.normal(size=n), mask=month == 7),
            "city": pa.array(city, mask=missing > 0.97),
            "code": [f"c{each}" for each in np.minimum(rng.zipf(1.4, n), 400)],
            HOSTILE: rng.choice(["it's", '"'], n),
            "outcome": pa.array(np.where(x + rng.normal(size=n) > 0, "<i>yes", "*no*"), mask=rng.random(n) < 0.1),
        }
    )


@dataclass(frozen=True)
class Built:
    """A host built at two moments, its published state, its rows, and those that its version 1 was fitted on."""

    host: Host
    state: State
    rows: pd.DataFrame
    trained: pd.DataFrame


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Built:
    """Trained on 1 June, built again on 1 August."""
    host = monitored_host(tmp_path_factory.mktemp("monitor") / "host", {"world": (world(), SPEC)})
    warm.dbt(host.path, "deps")
    warm.parse(host.path)
    build(warm, host, TRAINED, command=WHOLE)
    trained = frame(host, f"{ROWS} where ml_split = 'train'")
    build(warm, host, NOW, command=WHOLE)
    state = open_folder(host.published).state()
    known = f"{ROWS} inner join world_predictions as p on p.entity = id::varchar and p.version = 1"
    return Built(host, state, frame(host, f"{known} where moment >= (select holdout_from from ml_champions)"), trained)


# As the model sees them: dates and moments in seconds, truth as 0 and 1.
ROWS = """
select * replace (epoch(opened) as opened, epoch(seen) as seen, flag::int as flag),
    date_trunc('month', moment)::timestamp as start
from world_split
"""
NUMBERS = ("x", "whole", "few", "flag", "opened", "seen", "gone")
CATEGORIES = ("city", "code", HOSTILE)
FEATURES = (*NUMBERS, *CATEGORIES)


def inside(rows: pd.DataFrame, feature: str, bin_: Any) -> int:
    """Count the raw rows that fall into a bin."""
    values = rows[feature]
    if bin_["label"] == "missing":
        return int(values.isna().sum())
    if isinstance(bin_["category"], str):
        return int((values == bin_["category"]).sum())
    above = values >= bin_["lower"] if bin_["bin"] == 0 else values > bin_["lower"]
    below = values < bin_["upper"] if bin_["bin"] == -2 else values <= bin_["upper"]
    return int(((above | np.isnan(bin_["lower"])) & (below | np.isnan(bin_["upper"])) & values.notna()).sum())


@pytest.mark.parametrize("window", [JUNE, JULY])
@pytest.mark.parametrize("feature", FEATURES)
def test_the_counts_are_those_of_the_raw_rows(built: Built, feature: str, window: datetime) -> None:
    found = distribution(built.state, "world", 1, feature, window)
    rows = built.rows[built.rows["start"] == window]
    exact = found[~found["label"].isin(["others", "not in training"])]
    assert len(exact) >= 2
    assert exact["n"].tolist() == [inside(rows, feature, each) for each in exact.to_dict("records")]
    assert exact["n_baseline"].tolist() == [inside(built.trained, feature, each) for each in exact.to_dict("records")]
    assert (found["n"].sum(), found["n_baseline"].sum()) == (len(rows), len(built.trained))


@pytest.mark.parametrize("feature", FEATURES)
def test_the_window_before_is_the_other_baseline(built: Built, feature: str) -> None:
    before = distribution(built.state, "world", 1, feature, JUNE).set_index("bin")["n"]
    found = distribution(built.state, "world", 1, feature, JULY, "previous").set_index("bin")
    now = distribution(built.state, "world", 1, feature, JULY).set_index("bin")["n"]
    assert found["n_baseline"].equals(before.reindex(found.index, fill_value=0))
    assert found["n_baseline"].sum() == before.sum()
    assert found["n"].equals(now.reindex(found.index, fill_value=0))


def test_shares_are_of_the_rows_with_a_value(built: Built) -> None:
    found = distribution(built.state, "world", 1, "x", JULY).set_index("label")
    rows = built.rows.loc[built.rows["start"] == JULY, "x"]
    known = found.drop("missing")
    assert known["share"].sum() == pytest.approx(1)
    assert known["share_baseline"].sum() == pytest.approx(1)
    assert known["share"].tolist() == pytest.approx((known["n"] / rows.notna().sum()).tolist())
    assert found.loc["missing", "share"] == pytest.approx(rows.isna().mean())
    assert found.loc["missing", "share_baseline"] == pytest.approx(built.trained["x"].isna().mean())
    gone = distribution(built.state, "world", 1, "gone", JULY).set_index("label")
    assert gone.loc["missing", "share"] == 1
    assert gone.drop("missing")["share"].isna().all()


# --- the shares are those that the metrics compare -------------------------------------------------------------


def compared(found: pd.DataFrame) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Sum both counts by the bin in which the metrics count them."""
    summed = found[found["counted_in"] >= 0].groupby("counted_in")[["n", "n_baseline"]].sum()
    return summed["n"].astype("float64"), summed["n_baseline"].astype("float64")


def psi(n: pd.Series[Any], m: pd.Series[Any]) -> float:
    """Compute the population stability index; an empty bin as half a row (Yurdakul 2018)."""
    p, q = n.where(n > 0, 0.5) / n.sum(), m.where(m > 0, 0.5) / m.sum()
    return float(((p - q) * np.log(p / q)).sum())


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("feature", [*FEATURES, "ml_prediction", "ml_target"])
def test_the_metrics_follow_from_the_distribution(built: Built, feature: str, baseline: str) -> None:
    history = drift_history(built.state, "world", 1, feature, baseline).set_index(["window", "metric"])["value"]
    checked = 0
    for window in history.index.unique("window"):
        n, m = compared(distribution(built.state, "world", 1, feature, window, baseline))
        if not (n.sum() and m.sum()):
            assert np.isnan(history[window, "psi"])
            continue
        assert history[window, "psi"] == pytest.approx(psi(n, m), rel=1e-9)
        assert history[window, "js_distance"] == pytest.approx(jensenshannon(n, m), rel=1e-7)
        if (window, "ks") in history:
            gaps = (n.cumsum() / n.sum() - m.cumsum() / m.sum()).abs()
            assert history[window, "ks"] == pytest.approx(gaps.max(), rel=1e-9)
        if (window, "chi_square") in history:
            statistic = chi2_contingency([n, m], correction=False).statistic
            assert history[window, "chi_square"] == pytest.approx(statistic, rel=1e-9)
        checked += 1
    assert checked >= (2 if baseline == "training" else 1)


# --- what the bins are called ----------------------------------------------------------------------------------


def label_set(built: Built, feature: str, window: datetime = JULY) -> list[str]:
    found = list(distribution(built.state, "world", 1, feature, window)["label"])
    assert len(set(found)) == len(found)
    return found


def test_labels_of_numbers(built: Built) -> None:
    assert label_set(built, "few") == ["0.5", "1.25", "2"]
    assert label_set(built, "flag") == ["false", "true", "missing"]
    x = label_set(built, "x")
    assert (x[0], x[-2], x[-1]) == ("below training", "above training", "missing")
    assert all(re.fullmatch(r"-?\d(\.\d{1,4})? to -?\d(\.\d{1,4})?", each) for each in x[1:-2])
    whole = label_set(built, "whole")
    assert whole[-1] == "above training"
    ends = [tuple(map(int, each.split(" to "))) for each in whole[:-1]]
    assert [low for low, _ in ends[1:]] == [high + 1 for _, high in ends[:-1]]


def test_labels_of_days_and_moments(built: Built) -> None:
    for feature in ("opened", "seen"):
        found = [each for each in label_set(built, feature) if each != "above training"]
        assert all(re.fullmatch(r"20\d\d-\d\d-\d\d( to 20\d\d-\d\d-\d\d)?", each) for each in found)
        assert len(found) > 20
    first = distribution(built.state, "world", 1, "opened", JULY).iloc[0]
    low, high = (pd.Timestamp(first[end], unit="s") for end in ("lower", "upper"))
    assert first["label"] == f"{low:%Y-%m-%d} to {high:%Y-%m-%d}"


def test_labels_of_categories(built: Built) -> None:
    found = label_set(built, "city")
    assert set(found) == {
        "north", "'missing'", "'others'", "'not in training'", "''", SCRIPT, "not in training", "missing",
    }  # fmt: skip
    assert (found[0], found[-2:]) == ("north", ["not in training", "missing"])
    assert set(label_set(built, HOSTILE)) == {"it's", '"'}
    assert set(label_set(built, "ml_target")) == {"<i>yes", "*no*", "missing"}


def test_rare_categories_are_shown_together(built: Built) -> None:
    found = distribution(built.state, "world", 1, "code", JULY)
    counts = built.trained["code"].value_counts()
    assert len(counts) > 101
    frequent = sorted(counts.index, key=lambda code: (-counts[code], code))[:100]
    rows = built.rows[built.rows["start"] == JULY]["code"]
    rare = found[found["label"].isin(["others", "not in training"])].set_index("label")
    assert rare.loc["others", "n_baseline"] == len(built.trained) - counts[frequent].sum()
    assert rare.loc["others", "n"] == rows.isin(set(counts.index) - set(frequent)).sum()
    assert rare.loc["not in training", "n"] == (~rows.isin(counts.index)).sum()
    assert rare.loc["not in training", "counted_in"] == rare.loc["others", "bin"] == 100
    assert found["category"].tolist()[:10] == frequent[:10]


# --- the map ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", BASELINES)
def test_the_map_holds_the_worst_of_each_cell(built: Built, baseline: str) -> None:
    found = drift(built.state, "world", 1, baseline)
    every = frame(built.host, f"select * from ml_drift where version = 1 and baseline = '{baseline}'")
    every["ratio"] = every["value"].abs() / every["threshold"]
    cells = every.groupby(["feature", "window"])
    expected = pd.DataFrame({"ratio": cells["ratio"].max(), "alert": cells["alert"].any()})
    ours = found.set_index(["feature", "window"]).sort_index()
    pd.testing.assert_frame_equal(ours[["ratio", "alert"]], expected.sort_index(), check_dtype=False)
    at = every.set_index(["feature", "window", "metric"])
    for feature, window, metric, value in found[["feature", "window", "metric", "value"]].itertuples(index=False):
        assert value == pytest.approx(at.loc[(feature, window, metric), "value"], nan_ok=True)
    assert set(found["feature"]) == {*FEATURES, "ml_prediction", "ml_target"}
    assert found["feature"].tolist()[:1] == ["ml_prediction"]


def test_what_has_moved_is_on_the_map(built: Built) -> None:
    found = drift(built.state, "world", 1).set_index(["feature", "window"])
    assert found.loc[("gone", JULY), "metric"] == "null_share_change"
    assert found.loc[("city", JUNE), "metric"] == "unseen_share"
    for feature in ("x", "whole", "gone", "city", "flag"):
        assert found.loc[(feature, JULY), "alert"], feature
    assert not found.loc[("few", JULY), "alert"]


def test_what_is_not_there_is_named(built: Built) -> None:
    with pytest.raises(MonitorError, match="there is no window before 2024-05-01"):
        distribution(built.state, "world", 1, "x", MAY, "previous")
    with pytest.raises(MonitorError, match=r"no window of 'x' '2024-07-02 00:00:00'"):
        distribution(built.state, "world", 1, "x", datetime(2024, 7, 2))
    with pytest.raises(MonitorError, match=r"no feature 'citi'. Did you mean 'city'\?"):
        distribution(built.state, "world", 1, "citi", JULY)
    with pytest.raises(MonitorError, match=r"no feature 'x' or 1=1'"):
        distribution(built.state, "world", 1, "x' or 1=1", JULY)


# --- the card --------------------------------------------------------------------------------------------------


def test_names_are_only_text_in_the_card(built: Built) -> None:
    found = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown_card(built.state, "world", 1))
    tags = set(re.findall(r"</?(\w+)", found))
    assert tags == {
        "h1", "h2", "h3", "p", "ul", "li", "strong", "table", "thead", "tbody", "tr", "th", "td", "pre", "code",
    }  # fmt: skip
    cells = [html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", found)]
    assert {HOSTILE, f"city={SCRIPT}", "city=missing", "city=NULL"} <= set(cells)
    assert "share of <i>yes" in html.unescape(found)
    assert "which of *no*, <i>yes outcome will be, with the probability of <i>yes." in html.unescape(found)


def test_the_figures_of_the_card_are_those_of_the_training(built: Built) -> None:
    lines = markdown_card(built.state, "world", 1).splitlines()
    metrics = document(built.host, "world", "metrics")
    (main,) = (each for each in metrics if (each["split"], each["slice"], each["metric"]) == ("test", "all", "roc_auc"))
    value, low, high, naive = (f"{main[key]:.4g}" for key in ("value", "low", "high", "baseline"))
    figures = f"| roc_auc | test | {value} | {low} to {high} | {naive} | {main['n']:,} | {main['baseline_name']} |"
    assert figures in lines
    for each in document(built.host, "world", "calibration"):
        assert f"| {each['mean_predicted']:.4g} | {each['observed']:.4g} | {each['n']:,} |" in lines
    first, last = (pd.Timestamp(built.trained["opened"].agg(end), unit="s") for end in ("min", "max"))
    (opened,) = (each for each in lines if each.startswith("| opened | DATE |"))
    assert opened.startswith(f"| opened | DATE | {first:%Y-%m-%d} to {last:%Y-%m-%d} | 0.0 % |")
    (x,) = (each for each in lines if each.startswith("| x | DOUBLE |"))
    trained = built.trained["x"]
    assert f"| {trained.min():.4g} to {trained.max():.4g} | {100 * trained.isna().mean():.1f} % |" in x
