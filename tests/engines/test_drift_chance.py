"""The bounds of drift where nothing drifts: moments and quantiles against simulation and scipy; worlds by real SQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from dbt_host import ROOT
from drifting import World, alerts, drifted, warehouse
from expected.chance import bin_moments, chi_square_quantile, moments, normal_quantile, student_quantile
from scipy.stats import chi2, norm, wasserstein_distance
from scipy.stats import t as student
from warm import Warm

pytestmark = pytest.mark.slow

SEED_FILE = ROOT / "seeds" / "ml_thresholds.csv"
EXPECTED = (0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 15.0, 40.0)


@pytest.mark.parametrize("alpha", [0.01, 1e-3, 1e-5, 1e-7])
def test_normal_quantiles_are_those_of_scipy(alpha: float) -> None:
    assert normal_quantile(alpha) == pytest.approx(norm.isf(alpha), abs=5e-4)


@pytest.mark.parametrize("freedom", [5, 6, 9, 12, 40])
def test_students_quantiles_are_those_of_scipy(freedom: int) -> None:
    for k in (3.0, 3.7, 4.5):
        exact = student.isf(norm.sf(k), freedom)
        assert exact * 0.999 < student_quantile(k, freedom) < exact * 1.07


@pytest.mark.parametrize("freedom", [1, 3, 31, 100])
def test_chi_square_quantiles_are_those_of_scipy(freedom: int) -> None:
    for k in (3.0, 4.0):
        exact = chi2.isf(norm.sf(k), freedom)
        assert exact * 0.99 < chi_square_quantile(freedom, 2 * freedom, k) < exact * 1.1


@pytest.mark.parametrize("ratio", [1.0, 0.3, 0.03])
@pytest.mark.parametrize("expected", EXPECTED)
def test_a_bin_adds_no_more_than_is_said(expected: float, ratio: float) -> None:
    """Poisson counts in the smaller sample and in one `1 / ratio` as large; a bin that both leave empty adds 0."""
    rng = np.random.default_rng(0)
    draws = 200_000
    x = rng.poisson(expected, draws).astype(float)
    y = rng.poisson(expected / ratio, draws).astype(float)
    there = x + y > 0
    p, q = np.where(x > 0, x, 0.5), np.where(y > 0, y, 0.5) * ratio
    psi = np.where(there, (p - q) * np.log(p / q), 0.0) / (1 + ratio)
    p, q = x, y * ratio
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(each > 0, each * np.log(2 * each / (p + q)), 0.0) for each in (p, q)]
    js = 4 * sum(parts) / (1 + ratio)
    psi_mean, psi_variance, js_mean, js_variance = bin_moments(expected)
    assert psi.mean() <= psi_mean * 1.03 + 0.03
    assert js.mean() <= js_mean * 1.03 + 0.01
    assert psi.var() <= psi_variance * 1.1 + 0.1
    assert js.var() <= js_variance * 1.1 + 0.05


def test_the_moments_of_chi_square_are_exact() -> None:
    """Over all tables with the same margins, by drawing them."""
    rng = np.random.default_rng(1)
    columns = np.array([1, 2, 3, 10, 24])
    drawn = rng.multivariate_hypergeometric(columns, 15, size=400_000)
    found = moments(np.array([1.0, 0.0, 1.0, 4.0, 9.0]), np.array([0.0, 2.0, 2.0, 6.0, 15.0]))
    expected = columns * 15 / 40
    rest = columns * 25 / 40
    statistic = ((drawn - expected) ** 2 / expected + (drawn - expected) ** 2 / rest).sum(axis=1)
    assert statistic.mean() == pytest.approx(found.chi_square[0], rel=0.005)
    assert statistic.var() == pytest.approx(found.chi_square[1], rel=0.02)


# --- worlds, by the package's own SQL ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> tuple[str, str]:
    """Give the SQL of `ml_drift` as dbt writes it for a small host, and the name of that host's warehouse."""
    from dbt_host import small_host

    host = small_host(tmp_path_factory.mktemp("drift_chance") / "host", [])
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, "compile", "--select", "ml_drift", "--vars", "{mlbridge_as_of: '2026-01-01'}")
    (file,) = (host.path / "target" / "compiled").rglob("ml_drift.sql")
    return file.read_text(), host.database.stem


def found(folder: Path, compiled: tuple[str, str], world: World, models: int) -> duckdb.DuckDBPyRelation:
    worlds = ((f"m{seed}", world, seed) for seed in range(models))
    return drifted(warehouse(folder, SEED_FILE, worlds), *compiled)


@pytest.mark.parametrize(
    "world",
    [
        World(30, features=24), World(100, features=24), World(400, features=24),
        World(400, features=24, days=True), World(400, features=24, season=True, trained=12),
        World(400, features=24, rows_watched=60), World(60, features=24, days=True, season=True, trained=12),
    ],
)  # fmt: skip
def test_what_stands_still_makes_one_alert_a_quarter_at_most(
    tmp_path: Path, compiled: tuple[str, str], world: World
) -> None:
    drift = found(tmp_path, compiled, world, models=5)
    assert drift["model"].nunique() == 5
    assert len(alerts(drift)) <= 5, alerts(drift)[["feature", "metric", "baseline", "value", "threshold"]]


def test_what_moved_alarms(tmp_path: Path, compiled: tuple[str, str]) -> None:
    """A feature that moved to where training never was always does, however its training windows swing."""
    planted = {
        "normal_0": lambda values, _: values + 1.0,
        "exponential_3": lambda values, _: values + 1e3,
        "few_words_9": lambda values, rng: np.where(rng.random(len(values)) < 0.2, "never seen", values),
        "normal_12": lambda values, rng: np.where(rng.random(len(values)) < 0.3, np.nan, values),
    }
    for season in (False, True):
        folder = tmp_path / str(season)
        folder.mkdir()
        drift = found(folder, compiled, World(400, features=24, season=season, trained=5, planted=planted), models=3)
        alarmed = alerts(drift).groupby("feature")["model"].nunique()
        assert alarmed["exponential_3"] == 3
        if not season:
            assert {alarmed[name] for name in planted} == {3}
        bounded = drift[drift["metric"].isin(["ks", "js_distance"])]
        assert bounded.loc[bounded["threshold_from"] == "reference", "threshold"].max() <= 0.9
        assert not (drift["alert"] & drift["muted"].notna()).any()


def every(n: int, value: object) -> Callable[[Any, Any], Any]:
    """Put a value in place of every `n`th row."""
    return lambda values, _: np.where(np.arange(len(values)) % n == 0, value, values)


@pytest.mark.parametrize("rows", [30, 100])
def test_a_category_never_seen_alarms_whatever_season_and_days_do(
    tmp_path: Path, compiled: tuple[str, str], rows: int
) -> None:
    """In a fifth of the rows; not where new categories come all the time, by 300 or by 1,000 rare ones."""
    planted = {"few_words_9": every(5, "never seen")}
    world = World(rows, features=12, days=True, season=True, trained=12, planted=planted)
    drift = found(tmp_path, compiled, world, models=4).query("metric == 'unseen_share'")
    alerts_of = drift.groupby("feature")["alert"].sum()
    assert alerts_of["few_words_9"] == 4 * 3
    assert alerts_of["zipf_words_10"] == alerts_of["rare_words_11"] == 0
    assert drift.loc[drift["feature"].isin(["zipf_words_10", "rare_words_11"]), "value"].max() > 0.02


def test_few_values_alarm_where_no_tail_reaches(tmp_path: Path, compiled: tuple[str, str]) -> None:
    """Every fiftieth of 100 rows at 10,000 times the mean; five times the value are within a tail."""
    planted = {
        "exponential_3": every(50, 1e4),
        "exponential_15": lambda values, _: np.where(np.arange(len(values)) % 50 == 0, values * 5, values),
    }
    drift = found(tmp_path, compiled, World(100, features=24, planted=planted), models=4)
    of = drift[(drift["metric"] == "wasserstein") & (drift["baseline"] == "training")].groupby("feature")["alert"].sum()
    assert of["exponential_3"] == 4 * 3
    assert of["exponential_15"] == of["pareto_2"] == of["lognormal_1"] == 0


def test_the_window_before_must_hold_enough_rows(tmp_path: Path, compiled: tuple[str, str]) -> None:
    drift = found(tmp_path, compiled, World(400, features=12, rows_watched=20), models=1)
    assert set(drift.loc[drift["value"].notna(), "muted"]) >= {"fewer than 30 rows"}
    assert not drift["alert"].any()


HEAVY = ("lognormal_1", "pareto_2", "exponential_3")


@pytest.mark.parametrize("factor", [1.5, 3.0])
def test_wasserstein_is_that_of_the_raw_values_for_heavy_tails(
    tmp_path: Path, compiled: tuple[str, str], factor: float
) -> None:
    """Within a tenth of that of the same rows, normed by the standard deviation of the training, which is infinite for
    more and more Pareto rows."""
    from drifting import draw

    planted = {name: lambda values, _: values * factor for name in HEAVY}
    world = World(2_000, features=5, trained=3, watched=1, planted=planted)
    drift = found(tmp_path, compiled, world, models=3).query("metric == 'wasserstein'").set_index(["model", "feature"])
    for seed in range(3):
        rows, windows = draw(world, seed)
        for name in HEAVY:
            values = rows[name].to_numpy()
            now, past = values[windows == 3], values[windows < 3]
            in_sql = drift.loc[(f"m{seed}", name), "value"]
            assert in_sql == pytest.approx(wasserstein_distance(now, past) / past.std(), rel=0.1), name
