"""How often the 95 % intervals of `ml_metrics` hold the truth, in worlds with few rows, rare classes and days.

    .venv/bin/python benchmarks/intervals.py [TRIALS]

Every figure is a percentage of the trials in which an interval was stated; its standard error is 0.7 points with 1,000
trials. A dash stands where fewer than a tenth of the trials stated one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from promotion import of_days

from mlbridge.catalogue.metrics import metrics_for
from mlbridge.evaluation.blocks import Blocks
from mlbridge.evaluation.intervals import interval, sampling_error
from mlbridge.evaluation.metrics import metric_value
from mlbridge.evaluation.sample import Sample, Weighted

Noise = Callable[[np.random.Generator, int], np.ndarray]


def classes(rng: np.random.Generator, rows: int, days: int, share: float, common: float, carried: float = 0) -> Sample:
    """Draw two classes that depend on a score and, by `common`, on the day; `carried` as in `of_days`."""
    base = np.log(share / (1 - share)) + rng.normal(size=rows)
    moved = base + of_days(rng, days, carried)[np.arange(rows) * days // rows] * common
    truth = (rng.random(rows) < 1 / (1 + np.exp(-moved))).astype(int)
    chance = 1 / (1 + np.exp(-base))
    return Sample(truth, np.column_stack([1 - chance, chance]))


def numbers(rng: np.random.Generator, rows: int, days: int, noise: Noise, common: float, carried: float = 0) -> Sample:
    """Draw numbers that depend on a score, on noise and, by `common`, on the day; `carried` as in `of_days`."""
    score = rng.normal(size=rows)
    day = of_days(rng, days, carried)[np.arange(rows) * days // rows] * common
    return Sample(score + day + noise(rng, rows), score)


def held(draw: Callable[[np.random.Generator, int, int], Sample], rows: int, days: int, trials: int) -> list[str]:
    """Count for each metric how often its interval holds the value of a very large sample."""
    rng = np.random.default_rng(1)
    large = draw(rng, rows // days * 40_000 if rows > days else 400_000, 40_000 if rows > days else 400_000)
    names = metrics_for(large.task)
    truth = {metric: metric_value(Weighted(large), metric) for metric in names}
    hits, stated = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for _ in range(trials):
        sample = draw(rng, rows, days)
        blocks = Blocks.of("day", np.arange(rows) * days // rows) if rows > days else Blocks.rows(rows)
        for metric in names:
            found = metric_value(Weighted(sample), metric)
            if not np.isfinite(found):
                continue
            low, high = interval(sample, metric, found, sampling_error(sample, metric, blocks))
            if low is not None and high is not None:
                stated[metric] += 1
                hits[metric] += low <= truth[metric] <= high
    return [f"{100 * hits[name] / stated[name]:.1f}" if stated[name] >= trials / 10 else "-" for name in names]


def carried_over(trials: int) -> None:
    """Print how often they hold it where days correlate by 0.7 with the day before."""
    for metrics, draw in (
        (metrics_for("classification"), lambda rng, n, d: classes(rng, n, d, 0.3, 0.7, 0.7)),
        (metrics_for("regression"), lambda rng, n, d: numbers(rng, n, d, lambda r, k: r.normal(size=k), 0.7, 0.7)),
    ):
        print(f"\n| world | {' | '.join(metrics)} |\n|---|{'---|' * len(metrics)}")
        for rows, days in ((600, 30), (1820, 91)):
            name = f"{rows:,} rows of {days} days that carry over"
            print(f"| {name} | {' | '.join(held(draw, rows, days, trials))} |", flush=True)


def main() -> None:
    """Print all tables."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"| world | {' | '.join(metrics_for('classification'))} |\n|---|{'---|' * 8}")
    for rows, share, days, common in (
        (30, 0.3, 30, 0), (48, 0.05, 48, 0), (48, 0.95, 48, 0), (200, 0.05, 200, 0), (200, 0.3, 200, 0),
        (1000, 0.01, 1000, 0), (300, 0.3, 15, 1), (300, 0.3, 30, 1), (3000, 0.2, 30, 1), (3000, 0.05, 60, 1),
    ):  # fmt: skip
        name = f"{rows:,} rows, {share:.0%} positive" + (f", {days} days that differ" if common else "")

        def two(rng: np.random.Generator, n: int, d: int, share: float = share, common: float = common) -> Sample:
            return classes(rng, n, d, share, common)

        print(f"| {name} | {' | '.join(held(two, rows, days, trials))} |", flush=True)
    print(f"\n| world | {' | '.join(metrics_for('regression'))} |\n|---|{'---|' * 4}")
    kinds: dict[str, Noise] = {
        "normal errors": lambda rng, n: rng.normal(size=n),
        "exponential errors": lambda rng, n: rng.standard_exponential(n) - 1,
        "errors of Student's t (4)": lambda rng, n: rng.standard_t(4, n),
    }
    for rows, kind, days, common in (
        (30, "normal errors", 30, 0), (200, "exponential errors", 200, 0), (200, "errors of Student's t (4)", 200, 0),
        (1000, "errors of Student's t (4)", 1000, 0), (300, "normal errors", 15, 1),
        (3000, "normal errors", 30, 1), (3000, "exponential errors", 60, 1),
    ):  # fmt: skip
        name = f"{rows:,} rows, {kind}" + (f", {days} days that differ" if common else "")

        def one(rng: np.random.Generator, n: int, d: int, kind: str = kind, common: float = common) -> Sample:
            return numbers(rng, n, d, kinds[kind], common)

        print(f"| {name} | {' | '.join(held(one, rows, days, trials))} |", flush=True)
    carried_over(trials)


if __name__ == "__main__":
    main()
