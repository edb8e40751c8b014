"""How often the performance alarms in worlds that stand still, how often where skill is gone, and what intervals hold.

Each world is a model with four windows of its training and three that are watched; rows of a day share luck that the
scores do not know. Measured and judged by the package's own SQL on DuckDB. Prints Markdown tables: false alarms a
window, all metrics together, with the share of metrics that could alarm; the share of metrics that alarm in the first
window, and in the first or second, once the model is replaced; the same of many classes, in a quarter as many worlds,
and of regressions with normal errors and with heavy tails, of slices and of estimates, in half as many; by metric how
often the 95 % interval holds the true value; and what is taken for a decay by `retrain`, by two point values and with
the interval.
Run: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/performance_alarms.py [worlds]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from mlbridge.evaluation.blocks import Blocks
from mlbridge.evaluation.intervals import sampling_error
from mlbridge.evaluation.metrics import measure
from mlbridge.evaluation.sample import Sample
from mlbridge.scoring.champion import QUANTILE

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
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
    replaced,
    two_classes,
)  # fmt: skip

WORLDS = 400
# rows a window, chance of the positive class at the middle, what the feature is worth, a day's luck
WORLDS_OF_CLASSES = (
    (300, 0.3, 1.5, 0.5), (600, 0.2, 1.0, 0.5), (600, 0.45, 0.7, 0.3), (3000, 0.05, 1.0, 0.5), (3000, 0.3, 0.6, 0.8),
    (1500, 0.01, 1.5, 0.3), (500, 0.95, 1.2, 0.3),
)  # fmt: skip
# rows a window, odds of the classes, what the feature of each is worth
MANY_CLASSES = (
    (60, (0.94, 0.02, 0.02, 0.02), 1.0), (60, (0.4, 0.3, 0.2, 0.1), 1.0), (100, (0.7, 0.2, 0.06, 0.03, 0.01), 1.0),
    (100, (0.97, 0.02, 0.01), 1.0), (100, (1, 1, 1, 1, 1, 1, 1, 1), 1.0), (300, (0.7, 0.2, 0.06, 0.03, 0.01), 2.0),
    (300, (0.5, 0.25, 0.15, 0.1), 1.5),
)  # fmt: skip
COVERED = (
    (40, 0.3, 1.0, 0.0), (100, 0.1, 1.0, 0.0), (100, 0.5, 2.0, 0.0), (300, 0.03, 1.5, 0.0), (1000, 0.02, 1.0, 0.0),
    (200, 0.3, 1.0, 0.5), (600, 0.2, 1.0, 0.5), (3000, 0.05, 1.0, 0.5),
)  # fmt: skip
# rows a window, windows of the reference and rows of each
WORLDS_OF_NUMBERS = ((60, 1, 100), (60, 4, 25), (60, 4, 60), (300, 4, 300))
SLICES = 6
# as those of classes, rows a slice and window
WORLDS_OF_SLICES = (
    (40, 0.3, 1.5, 0.0), (80, 0.3, 1.5, 0.0), (80, 0.5, 3.0, 0.0), (80, 0.1, 2.0, 0.0), (160, 0.3, 1.5, 0.5),
)  # fmt: skip
# rows, a day's luck, degrees of freedom of the errors' Student's t, None where they are normal
COVERED_NUMBERS = ((40, 0.0, None), (200, 0.0, None), (200, 0.0, 4), (200, 0.5, None), (600, 0.5, None))
LOST_NUMBERS = ("the mean: seen by any metric", "predictions shuffled: seen by any metric")
LOST = ("a constant", "scores shuffled", "scores turned")


def row(*cells: Any) -> None:
    """Print a row of a table."""
    print(
        "| " + " | ".join(f"{each:.3f}" if isinstance(each, float) else str(each) for each in cells) + " |", flush=True
    )


def alarms(connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, worlds: int) -> None:
    """Print false alarms, and what is seen of a model that was replaced."""
    row("rows a window, rate, slope, luck of days", "windows with a false alarm", "figures muted", *LOST)
    row(*["---"] * 6)
    for size, *world in WORLDS_OF_CLASSES:
        reference = measured(connection, two_classes(rng, worlds, months(0, 4, size), *world), CLASSES)
        watched = two_classes(rng, worlds, months(4, 3, size), *world)
        fine = judged(connection, measured(connection, watched, CLASSES), reference)
        could = fine[fine["muted"].isna()][["version", "metric"]].drop_duplicates()
        seen = []
        for how in LOST:
            lost = judged(connection, measured(connection, replaced(watched, how, rng), CLASSES), reference)
            rates = []
            for last in sorted(lost["window"].unique())[:2]:
                until = lost[lost["window"] <= last].groupby(["version", "metric"], as_index=False)["alert"].any()
                rates.append(until.merge(could)["alert"].mean())
            first = lost[lost["window"] == lost["window"].min()].groupby("version")["alert"].any().mean()
            seen.append(f"{rates[0]:.2f}, {rates[1]:.2f}; any metric {first:.2f}")
        false = float(fine.groupby(["version", "window"])["alert"].any().mean())
        row((size, *world), false, float(fine["muted"].notna().mean()), *seen)


def alarms_of_many(connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, worlds: int) -> None:
    """Print the same of many classes: false alarms, what is muted, and what is seen of outcomes that are shuffled."""
    row("rows a window, odds of the classes, slope", "windows with a false alarm", "figures muted", "seen, any metric")
    row(*["---"] * 4)
    for size, rates, slope in MANY_CLASSES:
        classes = [str(place) for place in range(len(rates))]
        reference = measured(connection, many_classes(rng, worlds, months(0, 4, size), rates, slope), classes)
        watched = many_classes(rng, worlds, months(4, 3, size), rates, slope)
        fine = judged(connection, measured(connection, watched, classes), reference)
        shuffled = watched.assign(truth=rng.permutation(watched["truth"]))
        lost = judged(connection, measured(connection, shuffled, classes), reference)
        false, seen = (float(each.groupby(["version", "window"])["alert"].any().mean()) for each in (fine, lost))
        row((size, rates, slope), false, float(fine["muted"].notna().mean()), seen)


def alarms_of_numbers(connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, worlds: int) -> None:
    """Print the same of regressions, with normal errors and with heavy tails."""
    row(
        "rows a window, windows and rows of the reference",
        "world",
        "windows with a false alarm",
        "figures muted",
        *LOST_NUMBERS,
    )
    row(*["---"] * 6)
    for size, windows, rows in WORLDS_OF_NUMBERS:
        for name in TAILS:
            reference = measured(connection, heavy_tails(rng, worlds, months(0, windows, rows), name), None)
            watched = heavy_tails(rng, worlds, months(4, 3, size), name)
            fine = judged(connection, measured(connection, watched, None), reference)
            false = float(fine.groupby(["version", "window"])["alert"].any().mean())
            seen = []
            means = watched.groupby(["slice", "window_start"])["truth"].transform("mean")
            for other in (means, rng.permutation(watched["prediction"])):
                lost = judged(connection, measured(connection, watched.assign(prediction=other), None), reference)
                first = lost[lost["window"] <= sorted(lost["window"].unique())[1]]
                found = first.pivot_table(index="version", columns="window", values="alert", aggfunc="any")
                seen.append(f"{found.iloc[:, 0].mean():.2f}, {found.any(axis=1).mean():.2f}")
            row((size, windows, rows), name, false, float(fine["muted"].notna().mean()), *seen)


def alarms_of_slices(connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, worlds: int) -> None:
    """Print how often any of the slices of a window alarms, and one of them."""
    row(f"rows a slice, rate, slope, luck of days; {SLICES} slices", "windows with a false alarm", "slices and windows")
    row(*["---"] * 3)
    for size, *world in WORLDS_OF_SLICES:
        reference, watched = (
            measured(connection, two_classes(rng, SLICES * worlds, months(first, count, size), *world), CLASSES)
            for first, count in ((0, 4), (4, 3))
        )
        fine = judged(connection, watched, reference, slices=SLICES)
        rates = [fine.groupby(["version", "window", *by])["alert"].any().mean() for by in ([], ["slice"])]
        row((size, *world), *map(float, rates))


def alarms_of_estimates(connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, worlds: int) -> None:
    """Print the false alarms of what is estimated; the first two windows of the reference are the validation rows."""
    row("rows a window, world", "windows with a false alarm", "figures muted")
    row(*["---"] * 3)
    of_classes = [(size, world, two_classes, CLASSES, expected_classes) for size, *world in WORLDS_OF_CLASSES]
    of_numbers = [(size, [name], heavy_tails, None, expected_numbers) for size in (60, 300) for name in TAILS]
    for size, world, draw, classes, expect in (*of_classes, *of_numbers):
        before, watched = (draw(rng, worlds, months(first, count, size), *world) for first, count in ((0, 4), (4, 3)))
        found = judged(
            connection,
            measured(connection, watched, classes),
            measured(connection, before, classes),
            expected=expect(watched, before[before["window_start"] < np.datetime64("2024-03-01")]),
        )
        fine = found[found["kind"] == "estimated"]
        false = float(fine.groupby(["version", "window"])["alert"].any().mean())
        row((size, *world), false, float(fine["muted"].notna().mean()))


def coverage(connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, worlds: int) -> None:
    """Print how often intervals hold the true value; in brackets the share of windows where one is stated."""
    for size, *world in COVERED:
        many = two_classes(rng, 40, months(0, 10, 1000), *world)
        score = many["probability"].to_numpy()
        true = measure(Sample((many["truth"] == "yes").to_numpy().astype(int), np.column_stack([1 - score, score])))
        inside(connection, two_classes(rng, worlds, months(0, 1, size), *world), CLASSES, true, (size, *world))
    for size, shock, freedom in COVERED_NUMBERS:
        many, rows = (
            with_tails(rng, numbers(rng, count, months(0, 1, each), 1.0, shock), freedom)
            for count, each in ((200, 3000), (worlds, size))
        )
        true = measure(Sample(many["truth"].to_numpy(), many["prediction"].to_numpy()))
        inside(connection, rows, None, true, (size, shock, freedom))


def with_tails(rng: np.random.Generator, rows: pd.DataFrame, freedom: int | None) -> pd.DataFrame:
    """Give the outcomes errors of Student's t in place of normal ones."""
    return rows if freedom is None else rows.assign(truth=rows["prediction"] + rng.standard_t(freedom, len(rows)))


def inside(
    connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame, classes: Any, true: dict[str, Any], name: tuple[Any, ...]
) -> None:
    """Print one row of the coverage."""
    found = measured(connection, rows, classes)
    judgement = judged(connection, found, found)
    cells = []
    for metric, figures in judgement.groupby("metric"):
        stated = figures["low"].notna()
        holds = (figures["low"] <= true[str(metric)]) & (true[str(metric)] <= figures["high"])
        cells.append(f"{metric} {holds[stated].mean():.3f}" + (f" ({stated.mean():.2f})" if not stated.all() else ""))
    row(name, *cells)


def decays(rng: np.random.Generator, worlds: int) -> None:
    """Print how often a champion counts as decayed by more than 0.02 of ROC AUC on 600 rows of 30 days."""
    row("worth of the feature on the newer rows", "by two point values", "and chance does not explain it")
    row(*["---"] * 3)
    for slope in (1.0, 0.75, 0.5, 0.25):
        points, beyond = 0, 0
        for _ in range(worlds):
            samples = [sample(two_classes(rng, 1, months(0, 1, 600), 0.3, each, 0.5)) for each in (1.0, slope)]
            values = [measure(each)["roc_auc"] or 0.0 for each, _ in samples]
            errors = [sampling_error(each, "roc_auc", Blocks.of("day", days)).error for each, days in samples]
            lost = values[0] - values[1]
            points += lost > 0.02
            beyond += lost > 0.02 and lost > QUANTILE * float(np.hypot(*errors))
        row(slope, points / worlds, beyond / worlds)


def sample(rows: pd.DataFrame) -> tuple[Sample, Any]:
    """Give the rows as a sample, and their days."""
    score = rows["probability"].to_numpy()
    truth = (rows["truth"] == "yes").to_numpy().astype(int)
    return Sample(truth, np.column_stack([1 - score, score])), rows["block"].to_numpy()


def main(worlds: int) -> None:
    """Print all tables."""
    with duckdb.connect() as connection:
        alarms(connection, np.random.default_rng(0), worlds)
        alarms_of_many(connection, np.random.default_rng(3), worlds // 4)
        alarms_of_numbers(connection, np.random.default_rng(4), worlds // 2)
        alarms_of_slices(connection, np.random.default_rng(5), worlds // 2)
        alarms_of_estimates(connection, np.random.default_rng(6), worlds // 2)
        coverage(connection, np.random.default_rng(1), 3 * worlds)
        decays(np.random.default_rng(2), worlds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else WORLDS)
