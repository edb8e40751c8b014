"""How often drift is called where there is none, and how often it is where there is, in worlds of which both are known.

Months of rows are drawn for models with up to 40 features of many kinds (tests/helpers/drifting.py), counted by bin,
and given to the package's own SQL of `ml_drift` on DuckDB. Prints the false alerts (features and windows) a model and
quarter by world, and the share of planted changes that alarm in their first month by size. A second checkout is
measured, too.
Run: .venv/bin/python benchmarks/drift_alarms.py [models a world] [another checkout, such as one of the release before]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))
from drifting import World, alerts, drifted, warehouse  # noqa: E402 - the tests are no package

SEED = ROOT / "seeds" / "ml_thresholds.csv"
STANDING = {
    "30 rows a month, 30 features": World(30),
    "100 rows": World(100),
    "1,000 rows": World(1_000),
    "1,000 rows, 40 features": World(1_000, features=40),
    "150 rows after months of 1,000": World(1_000, rows_watched=150),
    "20,000 rows": World(20_000, features=25),
    "1,000 rows that share 30 % by day": World(1_000, days=True),
    "the same, 4 months of training": World(1_000, days=True, trained=4),
    "1,000 rows with a season, a year of training": World(1_000, season=True, trained=12),
    "season and days": World(1_000, season=True, days=True, trained=12),
}


def put(share: float, value: Any) -> Callable[[Any, Any], Any]:
    """Put a value in place of a share of the rows."""

    def changed(values: Any, rng: np.random.Generator) -> Any:
        values = values.copy()
        values[rng.random(len(values)) < share] = value
        return values

    return changed


def planted(size: float) -> dict[str, Callable[[Any, Any], Any]]:
    """Give what is done to features, by the size of a shift in standard deviations."""
    return {
        "normal_0": lambda values, _: values + size,
        "lognormal_1": lambda values, _: values * np.exp(2 * size),
        "pareto_2": lambda values, _: values * (1 + size),
        "exponential_3": lambda values, _: values * (1 + size),
        "counts_4": lambda values, rng: rng.permutation(values),
        "few_words_9": put(size / 10, "never seen"),
        "normal_12": put(size / 5, np.nan),
        "exponential_15": put(size / 50, 1e4),
        "few_words_21": put(0.2, "never seen"),
        "normal_24": lambda values, _: 0 * values + 9.0,
    }


KINDS_OF_TIME: dict[str, dict[str, Any]] = {
    "": {},
    " by day": {"days": True},
    " by day and season": {"days": True, "season": True, "trained": 12},
}
CHANGES = (
    "normal shifted", "lognormal shifted", "Pareto scaled", "exponential scaled", "shuffled", "unseen category",
    "emptied in part", "far values", "a fifth unseen", "moved beyond training",
)  # fmt: skip


def compiled(checkout: Path, folder: Path) -> str:
    """Give the SQL of `ml_drift` of a checkout, as dbt writes it for the flights."""
    host = checkout / "dbt_project"
    dbt = [Path(sys.executable).with_name("dbt")]
    environment = {**os.environ, "FLIGHTS_DUCKDB": str(folder / "flights.duckdb"), "DO_NOT_TRACK": "1"}
    options = ["--vars", "{mlbridge_as_of: '2026-01-01'}", "--profiles-dir", host, "--target-path", folder / "target"]
    subprocess.run([*dbt, "deps", "--quiet"], cwd=host, check=True)
    command = [*dbt, "compile", "--quiet", "--select", "ml_drift", *options]
    subprocess.run(command, cwd=host, env=environment, check=True, capture_output=True)
    return (folder / "target/compiled/mlbridge/models/monitor/ml_drift.sql").read_text()


def measured(world: World, models: int, checkouts: list[str]) -> Iterator[Any]:
    """Give the alerts of each checkout's SQL over models of one world."""
    names = [f"m{seed}" for seed in range(models)]
    with tempfile.TemporaryDirectory() as folder:
        file = warehouse(Path(folder), SEED, ((name, world, seed) for seed, name in enumerate(names)))
        for sql in checkouts:
            yield alerts(drifted(file, sql, "flights"))


def main() -> None:
    """Print the tables; of checkouts, the one given first."""
    models = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    paths = [*(Path(each).resolve() for each in sys.argv[2:]), ROOT]
    checkouts = []
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            checkouts.append(compiled(path, Path(folder)))
    print(f"False alerts a model and quarter, {models} models a world: mean (share with more than one)", flush=True)
    for name, world in STANDING.items():
        cells = []
        few = max(models // 5, 4) if world.rows > 5_000 else models
        for found in measured(world, few, checkouts):
            counts = found.groupby("model").size().reindex([f"m{seed}" for seed in range(few)], fill_value=0)
            cells.append(f"{counts.mean():.2f} ({(counts > 1).mean():.0%})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    few = max(models // 4, 4)
    print(f"Planted changes that alarm in their first month, {few} models a world")
    for suffix, time in KINDS_OF_TIME.items():
        for rows in (30, 100, 1_000):
            for size in (0.25, 0.5, 1.0):
                world = World(rows, planted=planted(size), **time)
                shares = [by_change(found, world, few) for found in measured(world, few, checkouts)]
                for place, change in enumerate(CHANGES):
                    cells = [f"{share[place]:.2f}" for share in shares]
                    print(f"| {rows}{suffix} | {size} | {change} | {' | '.join(cells)} |", flush=True)


def by_change(found: Any, world: World, models: int) -> list[float]:
    """Give the share of models of which each planted feature alarms in the first watched month."""
    first = found[found["window"] == np.datetime64("2020-01-01", "M") + world.trained]
    return [float(first.loc[first["feature"] == name, "model"].nunique() / models) for name in world.planted]


if __name__ == "__main__":
    main()
