"""How often a model that knows no more than a naive baseline is promoted, and how often chance alone gives a warning.

In each world outcomes come four a day, and the gate compares a candidate with a baseline on the test rows. "One
constant" is the mean (for absolute errors the median), or the classes' shares; "the strongest" is that of
`mlbridge.evaluation.baselines`. Fixed seeds; prints Markdown.
Run: .venv/bin/python benchmarks/naive_baselines.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from mlbridge.evaluation.baselines import Outcomes, baselines, competing, shortest_half, strongest
from mlbridge.evaluation.comparison import paired_gain
from mlbridge.evaluation.evaluate import metric_rows
from mlbridge.evaluation.sample import Sample
from mlbridge.evaluation.strength import ranking, strength

TRAIN, VALIDATION, TEST = 800, 200, 200
ROWS = TRAIN + VALIDATION + TEST
SEEN = slice(0, TRAIN)
BOUNDS = {
    "train": SEEN,
    "validation": slice(TRAIN, TRAIN + VALIDATION),
    "test": slice(TRAIN + VALIDATION, ROWS),
}
TIMES = np.datetime64("2024-01-01", "us") + np.arange(ROWS) * np.timedelta64(6, "h")

World = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]
"""Gives outcomes, a candidate's scores of all rows, and categories."""


def skewed_constant(rng: np.random.Generator) -> Any:
    """Skewed outcomes; the candidate is a constant that half of the training rows show to be best."""
    truth = rng.exponential(20, ROWS) - 10
    return truth, np.full(ROWS, shortest_half(truth[SEEN][::2])), {}


def last_level(rng: np.random.Generator) -> Any:
    """The level wanders; the candidate is the mean of the last thirty days of training, and knows nothing else."""
    truth = np.cumsum(rng.normal(0, 0.12, ROWS)) + rng.normal(0, 2, ROWS)
    return truth, np.full(ROWS, truth[TRAIN - 120 : TRAIN].mean()), {}


def real_skill(rng: np.random.Generator) -> Any:
    """A feature explains a tenth of the variance, and the candidate knows it; the level stays."""
    known = rng.normal(size=ROWS)
    return known + rng.normal(0, 3, ROWS), known, {"group": rng.integers(0, 5, ROWS)}


def real_skill_in_a_wandering_level(rng: np.random.Generator) -> Any:
    """A feature explains a third of the variance, and the candidate knows the level of last week besides."""
    known, level = rng.normal(size=ROWS), np.cumsum(rng.normal(0, 0.12, ROWS))
    return known + level + rng.normal(0, 1.4, ROWS), known + np.roll(level, 28), {}


def rate_of_last_month(rng: np.random.Generator) -> Any:
    """The rate changes by the month; the candidate is the share of positives of the forty days before."""
    rates = np.repeat(rng.uniform(0.05, 0.6, ROWS // 120 + 1), 120)[:ROWS]
    truth = (rng.random(ROWS) < rates).astype(int)
    so_far = np.append(0, np.cumsum(truth))
    places = np.arange(ROWS)
    first = np.maximum(places - 160, 0)
    share = (so_far[places] - so_far[first] + 0.2) / (places - first + 1)
    return truth, np.column_stack([1 - share, share]), {}


def ranked(rng: np.random.Generator) -> Any:
    """A fifth are positive, and the candidate ranks them with a ROC AUC of 0.75."""
    truth = (rng.random(ROWS) < 0.2).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal(size=ROWS) + 0.954 * truth - 1.7)))
    return truth, np.column_stack([1 - score, score]), {"group": rng.integers(0, 5, ROWS)}


WORLDS: tuple[tuple[World, tuple[str, ...]], ...] = (
    (skewed_constant, ("mae", "median_absolute_error")),
    (last_level, ("rmse", "mae", "r2")),
    (rate_of_last_month, ("average_precision", "roc_auc", "brier")),
    (real_skill, ("rmse", "mae")),
    (real_skill_in_a_wandering_level, ("rmse", "mae")),
    (ranked, ("average_precision", "roc_auc", "brier")),
)
BEFORE = {"mae": "median", "median_absolute_error": "median", "rmse": "mean", "r2": "mean"}


def promoted(world: World, metric: str, seed: int) -> tuple[bool, bool]:
    """Say whether the candidate is better than the one constant, and than the strongest baseline."""
    truth, scores, categories = world(np.random.default_rng(seed))
    classes = scores.shape[1] if scores.ndim == 2 else 0
    known = TIMES + np.timedelta64(1, "h")
    naive = baselines(Outcomes(truth, classes, BOUNDS, TIMES, known, categories, by_time=True))
    tests = {name: each.test for name, each in naive.items()}
    mine = Sample(truth[BOUNDS["test"]], scores[BOUNDS["test"]])
    best = strongest(metric, {name: tests[name] for name in competing(metric, tests)})
    names = (BEFORE.get(metric, "class rates"), best)
    first, second = (paired_gain(mine, tests[name], metric, 0.95, 0.0, seed=seed).better for name in names)
    return first, second


def odd(rows: int, seed: int) -> tuple[bool, bool, bool, bool]:
    """Return the warnings about scores without skill, a calibrated model (lost skill, off), and its inverted scores."""

    def drawn(skill: float, stream: int) -> Sample:
        rng = np.random.default_rng([seed, stream])
        logit = rng.normal(-1.2, 1, rows)
        truth = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
        positive = 1 / (1 + np.exp(-(logit if skill else rng.normal(-1.2, 1, rows))))
        return Sample(truth, np.column_stack([1 - positive, positive]))

    def records(word: str, sample: Sample) -> list[dict[str, Any]]:
        rate = float(sample.truth.mean())
        constant = Sample(sample.truth, np.tile([1 - rate, rate], (rows, 1)))
        return metric_rows(word, sample, {"class rates": constant}, {})

    nothing, validation, test = drawn(0, 0), drawn(1, 1), drawn(1, 2)
    turned = Sample(test.truth, test.scores[:, ::-1])
    found = strength("brier", records("validation", validation) + records("test", test), test).document
    return (
        ranking(records("test", nothing)) is not None, found["fell"], found["off"],
        ranking(records("test", turned)) is not None,
    )  # fmt: skip


def main(trials: int = 400) -> None:
    """Print both tables."""
    print(f"Promotions of {trials} trials, {TEST} test rows\n")
    print("| the candidate | metric | against one constant | against the strongest |")
    print("|---|---|---|---|")
    for world, metrics in WORLDS:
        for metric in metrics:
            found = np.mean([promoted(world, metric, seed) for seed in range(trials)], axis=0)
            print(f"| {world.__doc__} | `{metric}` | {100 * found[0]:.1f} % | {100 * found[1]:.1f} % |", flush=True)
    print(f"\nWarnings about a candidate, of {trials} trials\n")
    print("| rows | below chance, no skill | lost skill, unchanged | off, though calibrated | below chance, turned |")
    print("|---|---|---|---|---|")
    for rows in (60, 200, 1000):
        shares = np.mean([odd(rows, seed) for seed in range(trials)], axis=0)
        print(f"| {rows:,} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
