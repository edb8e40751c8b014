"""How often performance alarms where nothing is the matter, and whether it does where all skill is gone.

And how often the intervals hold the true value. `benchmarks/performance_alarms.py` is the long form.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from simulated import (
    CLASSES,
    TAILS,
    expected_classes,
    expected_numbers,
    heavy_tails,
    judged,
    many_classes,
    measured,
    months,
    numbers,
    package,
    replaced,
    two_classes,
)  # fmt: skip

from mlbridge.evaluation.blocks import Blocks
from mlbridge.evaluation.influence import influence
from mlbridge.evaluation.intervals import interval, optimism, sampling_error
from mlbridge.evaluation.metrics import measure
from mlbridge.evaluation.sample import Sample

pytestmark = pytest.mark.slow

SEES = ("average_precision", "roc_auc", "log_loss", "brier", "recall")


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@pytest.fixture(scope="module")
def worlds(connection: duckdb.DuckDBPyConnection) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Rows that are watched, what was measured of the reference, and what is said of the model as it is."""
    rng = np.random.default_rng(0)
    parameters = {"worlds": 60, "rate": 0.3, "slope": 1.2, "shock": 0.5}
    reference = measured(connection, two_classes(rng, windows=months(0, 4, 500), **parameters), CLASSES)
    watched = two_classes(rng, windows=months(4, 3, 500), **parameters)
    return watched, reference, judged(connection, measured(connection, watched, CLASSES), reference)


def test_a_world_that_stands_still_hardly_alarms(worlds: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> None:
    """1 % a window, all metrics together, is 1.8 of 180 windows; more than 6 of them would be a miracle."""
    judgement = worlds[2]
    assert judgement.groupby(["version", "window"])["alert"].any().sum() <= 6
    assert set(judgement.loc[judgement["muted"].isna(), "metric"]) >= {*SEES, "precision"}


@pytest.mark.parametrize(("rows", "world"), [(1500, (0.01, 1.5, 0.3)), (500, (0.95, 1.2, 0.3))])
def test_where_nearly_all_rows_are_predicted_alike_hardly_any_alarm(
    rows: int, world: tuple[float, ...], connection: duckdb.DuckDBPyConnection
) -> None:
    """A few rows are predicted otherwise, often wrongly, which is no sign of a loss. 1 % of 90 windows is 0.9."""
    rng = np.random.default_rng(14)
    reference = measured(connection, two_classes(rng, 30, months(0, 4, rows), *world), CLASSES)
    watched = two_classes(rng, 30, months(4, 3, rows), *world)
    fine = judged(connection, measured(connection, watched, CLASSES), reference)
    assert watched.groupby("prediction").size().min() < 0.02 * len(watched)
    assert fine.groupby(["version", "window"])["alert"].any().sum() <= 4
    turned = measured(connection, replaced(watched, "scores turned", rng), CLASSES)
    lost = judged(connection, turned, reference)
    assert lost.groupby(["version", "window"])["alert"].any().mean() > 0.95


@pytest.mark.parametrize("how", ["a constant", "scores shuffled", "scores turned"])
def test_a_model_without_skill_alarms_in_the_first_or_second_window(
    how: str, worlds: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], connection: duckdb.DuckDBPyConnection
) -> None:
    watched, reference, before = worlds
    lost = measured(connection, replaced(watched, how, np.random.default_rng(1)), CLASSES)
    found = judged(connection, lost, reference)
    first = found[found["window"] < found["window"].max()]
    could = before[before["muted"].isna()][["version", "metric"]].drop_duplicates()
    alarmed = first.groupby(["version", "metric"], as_index=False)["alert"].any().merge(could)
    rates = alarmed.groupby("metric")["alert"].mean()
    for metric in SEES:
        assert rates[metric] > 0.95, metric
    assert first.groupby("version")["alert"].any().all()
    # the threshold is never looser than the naive baseline
    better = found["metric"].isin(["log_loss", "brier"]).map({True: -1, False: 1})
    judgeable = found["muted"].isna()
    assert ((found["threshold"] - found["baseline"]) * better)[judgeable].min() >= 0


@pytest.mark.parametrize(
    ("rows", "rates", "slope", "can"),
    [(60, (0.94, 0.02, 0.02, 0.02), 1.0, False), (300, (0.5, 0.25, 0.15, 0.1), 1.5, True)],
)
def test_many_classes_that_stand_still_hardly_alarm(
    rows: int, rates: tuple[float, ...], slope: float, can: bool, connection: duckdb.DuckDBPyConnection
) -> None:
    """Where next to all rows are of one class nothing can be told; 1 % of 90 windows is 0.9."""
    rng, classes = np.random.default_rng(7), [str(index) for index in range(len(rates))]
    reference = measured(connection, many_classes(rng, 30, months(0, 4, rows), rates, slope), classes)
    watched = many_classes(rng, 30, months(4, 3, rows), rates, slope)
    fine = judged(connection, measured(connection, watched, classes), reference)
    assert fine.groupby(["version", "window"])["alert"].any().sum() <= 4
    shuffled = watched.assign(truth=rng.permutation(watched["truth"]))
    lost = judged(connection, measured(connection, shuffled, classes), reference)
    seen = lost.groupby(["version", "window"])["alert"].any().mean()
    assert seen > 0.95 if can else fine["muted"].notna().mean() > 0.95


def test_one_class_only_is_muted(connection: duckdb.DuckDBPyConnection) -> None:
    """No constant is wrong there, so nothing that errs is worse than it by a lack of skill."""
    rng, classes = np.random.default_rng(8), ["0", "1", "2"]
    reference = measured(connection, many_classes(rng, 1, months(0, 4, 300), (0.5, 0.3, 0.2), 1.5), classes)
    watched = many_classes(rng, 1, months(4, 1, 300), (0.5, 0.3, 0.2), 1.5).assign(truth="0")
    found = judged(connection, measured(connection, watched, classes), reference)
    assert found["muted"].notna().all()
    assert not found["alert"].any()


def test_a_regression_without_skill_alarms_and_one_with_it_does_not(connection: duckdb.DuckDBPyConnection) -> None:
    rng = np.random.default_rng(2)
    reference = measured(connection, numbers(rng, 60, months(0, 4, 300), 1.0, 0.3), None)
    watched = numbers(rng, 60, months(4, 2, 300), 1.0, 0.3)
    fine = judged(connection, measured(connection, watched, None), reference)
    assert fine.groupby(["version", "window"])["alert"].any().sum() <= 5
    constant = watched.assign(prediction=watched["truth"].mean())
    lost = judged(connection, measured(connection, constant, None), reference)
    rates = lost.loc[lost["window"] == lost["window"].min()].groupby("metric")["alert"].mean()
    assert rates[["rmse", "mae", "r2"]].min() > 0.95
    assert rates["median_absolute_error"] > 0.75  # half of the rows say little of it


@pytest.mark.parametrize("tails", list(TAILS))
@pytest.mark.parametrize(("rows", "windows", "before"), [(60, 1, 100), (300, 4, 300)])
def test_heavy_tails_that_stand_still_hardly_alarm(
    tails: str, rows: int, windows: int, before: int, connection: duckdb.DuckDBPyConnection
) -> None:
    """1 % of 120 windows is 1.2; where errors are normal, all skill gone is seen in the first or second window."""
    rng = np.random.default_rng(10)
    reference = measured(connection, heavy_tails(rng, 60, months(0, windows, before), tails), None)
    watched = heavy_tails(rng, 60, months(4, 2, rows), tails)
    fine = judged(connection, measured(connection, watched, None), reference)
    assert fine.groupby(["version", "window"])["alert"].any().sum() <= 4
    if "normal errors" in tails:
        constant = watched.assign(prediction=watched["truth"].mean())
        lost = judged(connection, measured(connection, constant, None), reference)
        assert lost.groupby("version")["alert"].any().mean() > 0.95


def test_slices_that_stand_still_hardly_alarm(connection: duckdb.DuckDBPyConnection) -> None:
    """Any of six slices in 1 % of 60 windows is 0.6; the limit of each is wider than that of one alone."""
    rng, parameters = np.random.default_rng(12), (80, 0.1, 2.0, 0.0)
    size, *world = parameters
    before = measured(connection, two_classes(rng, 120, months(0, 4, size), *world), CLASSES)
    watched = two_classes(rng, 120, months(4, 3, size), *world)
    found = measured(connection, watched, CLASSES)
    together, alone = (judged(connection, found, before, slices=each) for each in (6, 1))
    assert together.groupby(["version", "window"])["alert"].any().sum() <= 3
    assert together["muted"].notna().mean() > alone["muted"].notna().mean()
    turned = measured(connection, replaced(watched, "scores turned", rng), CLASSES)
    lost = judged(connection, turned, before, slices=6)
    assert lost.groupby(["version", "window"])["alert"].any().mean() > 0.95


def test_estimates_that_stand_still_hardly_alarm(connection: duckdb.DuckDBPyConnection) -> None:
    """1 % of 90 windows is 0.9; scores that say nothing any more are seen."""
    rng, march = np.random.default_rng(13), np.datetime64("2024-03-01")
    before = two_classes(rng, 30, months(0, 4, 300), 0.3, 1.5, 0.5)
    watched = two_classes(rng, 30, months(4, 3, 300), 0.3, 1.5, 0.5)
    known, reference = before[before["window_start"] < march], measured(connection, before, CLASSES)
    for rows, seen in ((watched, False), (replaced(watched, "a constant", rng), True)):
        expected = expected_classes(rows, known)
        found = judged(connection, measured(connection, rows, CLASSES), reference, expected=expected)
        alerts = found[found["kind"] == "estimated"].groupby(["version", "window"])["alert"].any()
        assert alerts.mean() > 0.95 if seen else alerts.sum() <= 3
    before = heavy_tails(rng, 30, months(0, 4, 300), "errors of a squared exponential")
    watched = heavy_tails(rng, 30, months(4, 3, 300), "errors of a squared exponential")
    expected = expected_numbers(watched, before[before["window_start"] < march])
    reference, realized = measured(connection, before, None), measured(connection, watched, None)
    found = judged(connection, realized, reference, expected=expected)
    fine = found[found["kind"] == "estimated"]
    assert fine["muted"].isna().any()
    assert fine.groupby(["version", "window"])["alert"].any().sum() <= 3


def test_a_loss_that_rests_on_few_rows_says_so(connection: duckdb.DuckDBPyConnection) -> None:
    """One error of 100 rows is all of the squared ones: (sum e^2)^2 / sum e^4 by hand."""
    rng = np.random.default_rng(11)
    rows = heavy_tails(rng, 1, months(0, 2, 100), "normal errors")
    rows.loc[150, "truth"] += 1000
    found = measured(connection, rows, None)
    error = (rows["truth"] - rows["prediction"])[100:]
    last = found[found["window_start"] == found["window_start"].max()].set_index("metric")["support"]
    assert last["rmse"] == pytest.approx((error**2).sum() ** 2 / (error**4).sum())
    judgement = judged(connection, found, found)
    muted = judgement[judgement["window"] == judgement["window"].max()].set_index("metric")["muted"]
    assert set(muted[["rmse", "r2"]]) == {"it rests on fewer than 10 rows"}


@pytest.mark.parametrize(
    ("rows", "rate", "slope", "shock"), [(60, 0.3, 1.0, 0.0), (300, 0.05, 1.5, 0.0), (400, 0.3, 1.0, 0.6)]
)
def test_intervals_hold_the_true_value(
    rows: int, rate: float, slope: float, shock: float, connection: duckdb.DuckDBPyConnection
) -> None:
    """93 to 97 % are asked for; 500 worlds tell that to 1 % either way. Few rows make some figures more cautious."""
    rng = np.random.default_rng(6)
    many = two_classes(rng, 40, months(0, 10, 500), rate, slope, shock)
    score = many["probability"].to_numpy()
    true = measure(Sample((many["truth"] == "yes").to_numpy().astype(int), np.column_stack([1 - score, score])))
    found = measured(connection, two_classes(rng, 500, months(0, 1, rows), rate, slope, shock), CLASSES)
    judgement = judged(connection, found, found)
    assert (judgement["low"] < judgement["high"])[judgement["low"].notna()].all()
    for metric in ("roc_auc", "log_loss", "brier", "accuracy", "average_precision"):
        stated = judgement[(judgement["metric"] == metric) & judgement["low"].notna()]
        inside = ((stated["low"] <= true[metric]) & (true[metric] <= stated["high"])).mean()
        assert 0.92 <= inside <= 0.985, metric


def _three_classes(rng: np.random.Generator, windows: Any) -> tuple[pd.DataFrame, Sample, list[str]]:
    classes = ["0", "1", "2"]
    rows = many_classes(rng, 1, windows, (0.5, 0.3, 0.2), 1.5).assign(block=rng.integers(0, 20, len(windows)))
    scores = np.array([json.loads(each) for each in rows["probabilities"]])
    return rows, Sample(rows["truth"].astype(int).to_numpy(), scores), classes


def _two_classes(rng: np.random.Generator, windows: Any) -> tuple[pd.DataFrame, Sample, list[str]]:
    rows = two_classes(rng, 1, windows, 0.2, 1.0, 0.5)
    rows = rows.assign(probability=rows["probability"].round(2))
    score = rows["probability"].to_numpy()
    return rows, Sample((rows["truth"] == "yes").to_numpy().astype(int), np.column_stack([1 - score, score])), CLASSES


def _numbers(rng: np.random.Generator, windows: Any) -> tuple[pd.DataFrame, Sample, None]:
    rows = numbers(rng, 1, windows, 1.0, 0.5)
    return rows, Sample(rows["truth"].to_numpy(), rows["prediction"].to_numpy()), None


@pytest.mark.parametrize("world", [_two_classes, _three_classes, _numbers])
@pytest.mark.parametrize("by_day", [True, False])
def test_what_makes_an_interval_lopsided_is_that_of_the_training(
    world: Any, by_day: bool, connection: duckdb.DuckDBPyConnection
) -> None:
    """Skewness of losses and optimism of average precision; with too few blocks those of rows, and a known effect."""
    rows, sample, classes = world(np.random.default_rng(11), months(0, 1, 240))
    blocks = Blocks.of("day", rows["block"].to_numpy() if by_day else np.zeros(len(rows)))
    metrics = ("rmse", "mae", "r2") if classes is None else ("log_loss", "brier")
    effects = dict.fromkeys(metrics, 2.0)
    found = measured(connection, rows.assign(block=blocks.codes), classes, effects).set_index("metric")
    for metric in metrics:
        mine = sampling_error(sample, metric, blocks, 2.0)
        sign = -1 if metric == "r2" else 1
        assert found.loc[metric, "skewness"] == pytest.approx(sign * mine.skewness, rel=1e-9), metric
        if not by_day:
            errors = np.sqrt(2 * (influence(sample, metric) ** 2).sum() / (len(sample) - 1) / len(sample))
            least, most = (1 - 1 / len(sample), 1 + 1e-9) if metric == "r2" else (1 - 1e-9, 1 + 1e-9)
            assert least <= found.loc[metric, "se"] / errors <= most, metric
    if classes:
        assert found.loc["average_precision", "optimism"] == pytest.approx(optimism(sample), rel=1e-9)
    assert found["skewness"].notna().sum() == len(metrics)


def test_the_ends_of_an_interval_are_those_of_the_training(connection: duckdb.DuckDBPyConnection) -> None:
    """By the rows, each of which is a block: the same errors, degrees of freedom and ends, skewed to either side."""
    skewed = set()
    for seed, world, count in ((0, _two_classes, 240), (1, _three_classes, 240), (7, _numbers, 40), (9, _numbers, 40)):
        rows, sample, classes = world(np.random.default_rng(seed), months(0, 1, count))
        found = measured(connection, rows.assign(block=np.arange(len(rows)), slice="0"), classes)
        judgement = judged(connection, found, found, "row").set_index("metric")
        for metric in ("rmse", "mae", "r2") if classes is None else ("log_loss", "brier"):
            mine = sampling_error(sample, metric, Blocks.rows(len(sample)))
            ends = interval(sample, metric, judgement.loc[metric, "value"], mine)
            assert judgement.loc[metric, ["low", "high"]].tolist() == pytest.approx(ends, rel=1e-5), metric
            skewed.add((metric, mine.skewness > 0))
    assert {("r2", True), ("r2", False), ("rmse", True)} <= skewed


def test_no_interval_has_the_width_zero(connection: duckdb.DuckDBPyConnection) -> None:
    """All right, none found, or one class only; what cannot be stated is NULL."""
    rows = pd.DataFrame({"window_start": months(0, 1, 48), "slice": "0", "block": 0, "probabilities": ""})
    truth = np.where(np.arange(48) < 12, "yes", "no")
    for label in (truth, np.full(48, "no"), np.full(48, "yes")):
        measured_rows = rows.assign(truth=truth, prediction=label, probability=np.where(label == "yes", 0.9, 0.1))
        found = measured(connection, measured_rows, CLASSES)
        judgement = judged(connection, found, found).set_index("metric")
        assert (judgement["low"] < judgement["high"])[judgement["low"].notna()].all()
        assert judgement.loc[["accuracy", "recall"], "low"].notna().all()


@pytest.mark.parametrize("df", [3, 9, 29, 400])
def test_the_quantile_of_students_t(df: int, connection: duckdb.DuckDBPyConnection) -> None:
    ((found,),) = connection.sql(f"select {package().sql('t_quantile', str(df))}").fetchall()
    assert found == pytest.approx(t.ppf(0.975, df), rel=2e-3 if df < 9 else 1e-5)


def influence_of_average_precision(truth: Any, score: Any) -> Any:
    """Move each row's weight a little, and see what the average precision does."""
    from sklearn.metrics import average_precision_score

    base, step = average_precision_score(truth, score), 1e-6
    moved = []
    for row in range(len(truth)):
        weights = np.ones(len(truth))
        weights[row] += step
        moved.append((average_precision_score(truth, score, sample_weight=weights) - base) / step)
    return np.array(moved)


def test_the_error_of_average_precision_is_that_of_its_influence(connection: duckdb.DuckDBPyConnection) -> None:
    """By moving each row's weight, ties among the scores included; summed by block."""
    rng = np.random.default_rng(9)
    rows = two_classes(rng, 1, months(0, 1, 240), 0.2, 1.0, 0.5)
    rows = rows.assign(probability=rows["probability"].round(2))
    moved = influence_of_average_precision(rows["truth"] == "yes", rows["probability"])
    sums = pd.Series(moved).groupby(rows["block"].to_numpy()).sum()
    expected = np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum())
    found = measured(connection, rows, CLASSES).set_index("metric")
    assert found.loc["average_precision", "se"] == pytest.approx(expected, rel=1e-3)
    alone = measured(connection, rows.assign(block=0), CLASSES).set_index("metric")
    assert alone.loc["average_precision", "se"] == pytest.approx(np.sqrt((moved**2).sum()), rel=1e-3)
