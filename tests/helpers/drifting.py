"""Worlds whose drift is known, and what the package's own SQL says of them: many models in one warehouse, no training.

Rows are drawn and counted by the bins of a profile as the package counts them; `ml_drift` as dbt compiles it does the
rest.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm, pareto

from mlbridge.reference.associations import with_partners
from mlbridge.reference.profile import FOLDED, NULL_BIN, UNSEEN_BIN, bins_of, profile_rows

Floats = npt.NDArray[np.float64]
Generator = np.random.Generator
DAYS = 30  # of a window
SHARED = 0.3  # how much of a value all rows of its day have in common, where they have something
SWING = 1.0  # of a season, in standard deviations


def _words(shares: Floats) -> Callable[[Floats], Any]:
    names = np.array([f"c{index:04}" for index in range(len(shares))], dtype=object)
    ends = np.cumsum(shares / shares.sum())
    return lambda share: names[np.minimum(np.searchsorted(ends, share), len(names) - 1)]


def _mostly_missing(share: Floats) -> Floats:
    return np.where(share < 0.95, np.nan, norm.ppf(np.clip((share - 0.95) / 0.05, 1e-9, 1 - 1e-9)))


# How a share of 1, uniform over a standing world, becomes a value of each kind.
KINDS: dict[str, Callable[[Floats], Any]] = {
    "normal": norm.ppf,
    "lognormal": lambda share: np.exp(2 * norm.ppf(share)),
    "pareto": lambda share: pareto.ppf(share, 1.5),
    "exponential": lambda share: -np.log1p(-share),
    "counts": lambda share: np.floor(-3 * np.log1p(-share)),
    "mostly_zero": lambda share: np.where(share < 0.9, 0.0, share * 10),
    "flag": lambda share: (share > 0.99).astype(float),
    "mostly_missing": _mostly_missing,
    "weekday": lambda share: np.floor(share * 7),
    "few_words": _words(np.array([0.5, 0.3, 0.1, 0.09, 0.01])),
    "zipf_words": _words(1 / np.arange(1, 301) ** 1.3),
    "rare_words": _words(np.ones(1000)),
}
WORDS = tuple(name for name in KINDS if name.endswith("words"))


@dataclass(frozen=True)
class World:
    """A kind of world: `rows` a window, `trained` windows of training and `watched` ones of what is scored."""

    rows: int
    features: int = 30
    trained: int = 9
    watched: int = 3
    days: bool = False
    season: bool = False
    rows_watched: int | None = None
    planted: Mapping[str, Callable[[Any, Generator], Any]] = field(default_factory=dict)
    """What is done to the values of a feature, by its name, in every watched window."""

    def names(self) -> list[str]:
        kinds = list(KINDS)
        return [f"{kinds[index % len(kinds)]}_{index}" for index in range(self.features)]


def draw(world: World, seed: int) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """Give the rows and their windows; every third number goes with the one before it."""
    rng = np.random.default_rng(seed)
    sizes = [world.rows] * world.trained + [world.rows_watched or world.rows] * world.watched
    windows = np.repeat(np.arange(len(sizes)), sizes)
    days = windows * DAYS + rng.integers(0, DAYS, len(windows))
    columns, before = {}, np.zeros(len(windows))
    for index, name in enumerate(world.names()):
        latent = rng.normal(size=len(windows))
        if index % 3 == 1:
            latent = 0.9 * before + np.sqrt(1 - 0.81) * latent
        elif world.days:
            latent = np.sqrt(1 - SHARED) * latent + np.sqrt(SHARED) * rng.normal(size=days.max() + 1)[days]
        before = latent
        if world.season:
            latent = latent + SWING * np.sin(2 * np.pi * (days / DAYS / 12 + index / 7))
        values = KINDS[name.rsplit("_", 1)[0]](norm.cdf(latent))
        if name in world.planted:
            values = values.copy()
            for window in range(world.trained, len(sizes)):
                here = windows == window
                values[here] = world.planted[name](values[here], rng)
        columns[name] = values
    return pd.DataFrame(columns), windows


def counted(world: World, seed: int) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Give the profile of the training windows, and the rows of every window by bin."""
    rows, windows = draw(world, seed)
    past = windows < world.trained
    kinds = {name: "category" if name.startswith(WORDS) else "numeric" for name in rows}
    profile = with_partners(rows[past].reset_index(drop=True), profile_rows(rows[past], kinds), seed)
    by_feature = {name: [each for each in profile if each["feature"] == name] for name in rows}
    bin_of_row = {name: bins_of(rows[name], by_feature[name]) for name in rows}
    for name in kinds:
        if kinds[name] == "category":
            bin_of_row[name] = np.where(past, bin_of_row[name], np.minimum(bin_of_row[name], FOLDED))
    ranks = {name: _ranks(bin_of_row[name], by_feature[name]) for name, kind in kinds.items() if kind == "numeric"}
    found = [_by_bin(name, kinds[name], rows[name], windows, bin_of_row[name], by_feature, ranks) for name in rows]
    return profile, pd.concat(found, ignore_index=True)


def _ranks(bin_of_row: npt.NDArray[np.int64], records: Sequence[Mapping[str, Any]]) -> Floats:
    known = [each["rows"] for each in records if each["bin"] >= 0]
    middles = (np.cumsum(known) - np.array(known) / 2) / sum(known)
    found = np.append(middles, [1.0, 0.0, np.nan])  # above, below, missing: the last two read by their bins -2 and -1
    return found[bin_of_row]


def _by_bin(
    name: str, kind: str, values: Any, windows: Any, bin_of_row: Any, by_feature: Mapping[str, Any], ranks: Any
) -> pd.DataFrame:
    records = by_feature[name]
    numbers = values.to_numpy(dtype=float) if kind == "numeric" else np.full(len(values), np.nan)
    known = [each for each in records if each["bin"] >= 0]
    last = known[-1]["bin"]
    companion = np.full(len(values), np.nan)
    if records[0]["partners"]:
        companion = np.sum([weight * ranks[partner] for partner, weight in records[0]["partners"]], axis=0)
    outside = np.zeros(len(values)) * np.nan
    if kind == "numeric":
        outside = np.where(bin_of_row == UNSEEN_BIN, known[0]["lower"] - numbers, outside)
        outside = np.where(bin_of_row > last, numbers - known[-1]["upper"], outside)
    frame = pd.DataFrame(
        {
            "window_start": windows,
            "bin": bin_of_row,
            "value_sum": np.where(bin_of_row == NULL_BIN, np.nan, numbers),
            "overshoot": outside,
            "companions": np.isfinite(companion),
            "companion_sum": companion,
            "companion_square": companion**2,
        }
    )
    groups = frame.groupby(["window_start", "bin"])
    summed = groups.sum(min_count=1).assign(n=groups.size()).reset_index()
    return summed.assign(feature=name)


def warehouse(folder: Path, seed_file: Path, worlds: Iterator[tuple[str, World, int]]) -> Path:
    """Write what `ml_drift` reads: a model for each world, whose windows are months from 2020 on."""
    profiles, distributions, windows = [], [], []
    for model, world, seed in worlds:
        profile, rows = counted(world, seed)
        profiles.append(pd.DataFrame(profile).drop(columns=["partners", "share"]).assign(model=model, version=1))
        starts = pd.date_range("2020-01-01", periods=world.trained + world.watched, freq="MS")
        sizes = rows[rows["feature"] == rows["feature"].iloc[0]].groupby("window_start")["n"].sum()
        period = np.where(rows["window_start"] < world.trained, "training", "scored")
        rows = rows.assign(
            model=model, version=1, slice="all", window_size="month", period=period,
            rows_new=rows["window_start"].map(sizes), window_start=starts[rows["window_start"]],
        )  # fmt: skip
        distributions.append(rows)
        watched = starts[world.trained :]
        windows.append(
            pd.DataFrame({"model": model, "version": 1, "window_size": "month", "window_start": watched}).assign(
                window_end=watched + pd.offsets.MonthBegin(), rows_scored=sizes.to_numpy()[world.trained :]
            )
        )
    return _written(folder, seed_file, pd.concat(profiles), pd.concat(distributions), pd.concat(windows))


def _written(
    folder: Path, seed_file: Path, profiles: pd.DataFrame, distributions: pd.DataFrame, windows: pd.DataFrame
) -> Path:
    file = folder / "worlds.duckdb"
    distributions["companions"] = distributions["companions"].astype("int64")
    numbers = ["lower", "upper", "std", "mean", "partner_mean", "partner_correlation"]
    profiles = profiles.astype(dict.fromkeys(numbers, "float64"))
    with duckdb.connect(str(file)) as connection:
        for name, frame in (("ml_profiles", profiles), ("ml_distributions", distributions), ("ml_windows", windows)):
            connection.register("written", frame)
            connection.execute(f"create table {name} as from written")
            connection.unregister("written")
        connection.execute(f"create table ml_thresholds as from read_csv('{seed_file}')")
        connection.execute("create table ml_versions (model text, version int, outcome text, reference text)")
    return file


def floors(seed_file: Path) -> dict[str, float]:
    """Read the floors of the seed."""
    with seed_file.open() as file:
        return {row["metric"]: float(row["floor"]) for row in csv.DictReader(file)}


def drifted(file: Path, compiled: str, name: str) -> pd.DataFrame:
    """Ask a warehouse for `ml_drift`, by its SQL as dbt compiled it for a warehouse of that name."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{file}' as \"{name}\" (read_only)")
        connection.execute("set timezone = 'UTC'; set threads = 1")
        return connection.sql(compiled).df()


def alerts(drift: pd.DataFrame) -> pd.DataFrame:
    """Give the decisions: a row per model, feature and window with an alert."""
    return drift[drift["alert"]].drop_duplicates(["model", "feature", "window"])
