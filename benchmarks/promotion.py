"""How often the gate promotes a model without skill, and how often one with skill, in simulated worlds.

    .venv/bin/python benchmarks/promotion.py [TRIALS]

Beside it the percentile bootstrap of rows that mlbridge used up to 0.5, on the first 100 of the same draws. Every
figure is a percentage of trials (of a quarter of them from 4,000 rows on); where 2.5 % is promised its standard error
is 0.5 points with 1,000 trials.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import numpy as np
from scipy import stats

from mlbridge.catalogue.metrics import greater_is_better, metrics_for
from mlbridge.evaluation.baselines import shortest_half
from mlbridge.evaluation.blocks import Blocks
from mlbridge.evaluation.comparison import paired_gain
from mlbridge.evaluation.gain import required_confidence
from mlbridge.evaluation.metrics import metric_value
from mlbridge.evaluation.sample import Sample, Weighted

BOOTSTRAPPED = ("average_precision", "roc_auc", "rmse")
MOST_BOOTSTRAPPED = 100
MANY_ROWS = 4000
WITHOUT = "Promoted without skill over the best constant, two classes"
World = Callable[[np.random.Generator], tuple[Sample, Callable[[str], Sample], Blocks]]


def binary(truth: np.ndarray, scores: np.ndarray) -> Sample:
    """Make a sample of two classes from the positive's probability."""
    return Sample(truth, np.column_stack([1 - scores, scores]))


def expit(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities."""
    return np.asarray(1 / (1 + np.exp(-logits)))


def constant_of(sample: Sample) -> Callable[[str], Sample]:
    """Give the naive constant in each metric, as the training rows would tell it."""

    def of(metric: str) -> Sample:
        if sample.task == "regression":
            centre = {"mae": np.median, "median_absolute_error": shortest_half}.get(metric, np.mean)
            return Sample(sample.truth, np.full(len(sample), centre(sample.truth)))
        classes = sample.scores.shape[1]
        rates = np.bincount(sample.truth, minlength=classes) / len(sample)
        if metric in ("precision", "f1", "accuracy") or (metric == "recall" and classes > 2):
            likeliest = 1 if classes == 2 and metric != "accuracy" else int(rates.argmax())
            rates = np.eye(classes)[likeliest]
        return Sample(sample.truth, np.tile(rates, (len(sample), 1)))

    return of


def of_days(rng: np.random.Generator, days: int, carried: float) -> np.ndarray:
    """Draw an effect a day, normal, that correlates by `carried` with that of the day before."""
    drawn = rng.normal(size=days)
    for day in range(1, days if carried else 0):
        drawn[day] = carried * drawn[day - 1] + np.sqrt(1 - carried**2) * drawn[day]
    return drawn


def classes_world(
    rows: int, positives: int, auc: float, days: int = 0, common: float = 0.0, carried: float = 0.0
) -> World:
    """Draw two classes; the score has the ROC AUC, days move outcomes (and scores without skill) by `common`."""
    shift = np.sqrt(2) * stats.norm.ppf(auc)

    def draw(rng: np.random.Generator) -> tuple[Sample, Callable[[str], Sample], Blocks]:
        day = np.arange(rows) * max(days, 1) // rows
        base = np.log(positives / (rows - positives))
        if common:
            truth = (rng.random(rows) < expit(base + of_days(rng, days, carried)[day] * common)).astype(int)
            if not 5 <= truth.sum() <= rows - 5:
                return draw(rng)
        else:
            truth = rng.permutation((np.arange(rows) < positives).astype(int))
        score = rng.normal(size=rows) + of_days(rng, max(days, 1), carried)[day] * common
        sample = binary(truth, expit(base + shift * (score + shift * (truth - 0.5)) if auc > 0.5 else base + score))
        return sample, constant_of(sample), Blocks.of("day", day) if days else Blocks.rows(rows)

    return draw


def many_world(rows: int, shares: list[float]) -> World:
    """Draw many classes and probabilities that say nothing of them."""

    def draw(rng: np.random.Generator) -> tuple[Sample, Callable[[str], Sample], Blocks]:
        truth = np.repeat(np.arange(len(shares)), np.round(np.array(shares) * rows).astype(int))
        sample = Sample(rng.permutation(truth), rng.dirichlet(np.array(shares) * 5, len(truth)))
        return sample, constant_of(sample), Blocks.rows(len(truth))

    return draw


def numbers_world(rows: int, heavy: bool, r2: float = 0.0, days: int = 0) -> World:
    """Draw numbers and predictions that explain the share `r2` of their variance, 0 for predictions without skill."""

    def draw(rng: np.random.Generator) -> tuple[Sample, Callable[[str], Sample], Blocks]:
        day = np.arange(rows) * max(days, 1) // rows
        signal = rng.normal(size=rows)
        common = rng.normal(size=days)[day] if days else np.zeros(rows)
        noise = rng.standard_exponential(rows) ** 2 if heavy else rng.normal(size=rows)
        truth = np.sqrt(r2) * signal + np.sqrt(1 - r2) * (noise - noise.mean()) / noise.std() + common
        scores = truth.mean() + (np.sqrt(r2) * signal if r2 else 0.3 * signal)
        sample = Sample(truth, scores)
        return sample, constant_of(sample), Blocks.of("day", day) if days else Blocks.rows(rows)

    return draw


def equal_world(rows: int, days: int, task: str, carried: float = 0.0) -> World:
    """Draw two equal models whose errors, like the outcomes, hang together by day; `carried` as in `of_days`."""

    def draw(rng: np.random.Generator) -> tuple[Sample, Callable[[str], Sample], Blocks]:
        day, signal = np.arange(rows) * days // rows, rng.normal(size=rows)
        common, mine, its = (of_days(rng, days, carried)[day] for _ in range(3))
        if task == "regression":
            truth = signal + common + rng.normal(size=rows)
            pair = Sample(truth, signal + mine), Sample(truth, signal + its)
        else:
            truth = (rng.random(rows) < expit(signal + common - 1.4)).astype(int)
            pair = binary(truth, expit(signal + mine - 1.4)), binary(truth, expit(signal + its - 1.4))
        return pair[0], lambda _: pair[1], Blocks.of("day", day)

    return draw


def bootstrapped(new: Sample, old: Sample, metric: str, rng: np.random.Generator) -> bool:
    """Judge as mlbridge 0.5 did: the 2.5 % quantile of the paired gain over resampled rows is above 0."""
    sign = 1 if greater_is_better(metric) else -1
    gains = []
    for _ in range(200):
        weights = np.bincount(rng.integers(0, len(new), len(new)), minlength=len(new))
        gains.append(
            sign * (metric_value(Weighted(new, weights), metric) - metric_value(Weighted(old, weights), metric))
        )
    defined = np.array(gains)[np.isfinite(gains)]
    return bool(len(defined) and np.quantile(defined, 0.025) > 0)


def count(name: str, world: World, trials: int, confidence: float = 0.95) -> None:
    """Print how often each metric promotes in a world, and how often the bootstrap did."""
    rng = np.random.default_rng(0)
    sample = world(rng)[0]
    task, trials = sample.task, trials if len(sample) < MANY_ROWS else trials // 4
    promoted = dict.fromkeys(metrics_for(task), 0)
    before = {metric: 0 for metric in promoted if metric in BOOTSTRAPPED}
    for trial in range(trials):
        new, old, blocks = world(rng)
        for metric in promoted:
            promoted[metric] += paired_gain(new, old(metric), metric, confidence, 0.0, blocks=blocks).better
        for metric in before:
            before[metric] += trial < MOST_BOOTSTRAPPED and bootstrapped(new, old(metric), metric, rng)
    figures = (f"{100 * found / trials:.1f}" for found in promoted.values())
    was = ", ".join(f"{metric} {100 * found / min(trials, MOST_BOOTSTRAPPED):.1f}" for metric, found in before.items())
    print(f"| {name} | {' | '.join(figures)} | {was} |", flush=True)


def table(title: str, task: str, worlds: Iterable[tuple[str, World]], trials: int, confidence: float = 0.95) -> None:
    """Print one table of worlds of a task."""
    names = metrics_for(task)
    print(f"\n{title}\n\n| world | {' | '.join(names)} | bootstrap of rows (0.5) |\n|---|{'---|' * (len(names) + 1)}")
    for name, world in worlds:
        count(name, world, trials, confidence)


def repeated(trials: int) -> None:
    """Print how often one of twenty equal challengers is promoted over the champion by the same 2,000 rows."""
    rng, found = np.random.default_rng(0), {"each at 95 %": 0, "each use asked for more": 0}
    for _ in range(trials):
        signal = rng.normal(size=2000)
        truth = (rng.random(2000) < expit(signal - 1.4)).astype(int)
        models = [binary(truth, expit(signal + rng.normal(size=2000) * 0.5 - 1.4)) for _ in range(21)]
        for name, required in (
            ("each at 95 %", lambda use: 0.95),
            ("each use asked for more", lambda u: required_confidence(0.95, u)),
        ):
            found[name] += any(
                paired_gain(model, models[0], "roc_auc", required(use), 0.0).better
                for use, model in enumerate(models[1:], start=2)
            )
    print(
        "\nOne of twenty equal challengers promoted (ROC AUC):",
        {k: f"{100 * v / trials:.1f} %" for k, v in found.items()},
    )


def carried_over(trials: int) -> None:
    """Print how often a challenger is called better as a first use of the rows, where days carry over and where not.

    `without` is the same test on the same draws with nothing allowed for consecutive days, as up to 0.14: their blocks
    are no periods then.
    """
    print("\n| world | metric | without | now | told to be too alike |\n|---|---|---|---|---|")
    worlds: list[tuple[str, World, tuple[str, ...]]] = [
        (f"equal models, {rows:,} rows of {days} days, {carried}", equal_world(rows, days, "regression", carried),
         ("rmse", "mae"))
        for rows, days in ((280, 14), (600, 30), (600, 60), (910, 91)) for carried in (0.7, 0.0)
    ] + [
        (f"without skill, {rows} rows of {days} days, {carried}",
         classes_world(rows, rows // 5, 0.5, days, 1.0, carried), ("roc_auc", "average_precision"))
        for rows, days in ((280, 14), (400, 40)) for carried in (0.7, 0.0)
    ] + [
        (f"power: 200 rows of 14 days, 40 positives, ROC AUC {auc}", classes_world(200, 40, auc, 14),
         ("roc_auc", "average_precision", "brier"))
        for auc in (0.6, 0.75)
    ] + [
        ("power: 1,000 rows of 30 days, 20 positives, ROC AUC 0.75", classes_world(1000, 20, 0.75, 30),
         ("roc_auc", "average_precision", "log_loss")),
        ("power: 200 rows of 14 days, R2 0.3", numbers_world(200, False, 0.3, 14), ("rmse", "mae")),
        ("power: 600 rows of 30 days, R2 0.15", numbers_world(600, False, 0.15, 30), ("rmse", "mae")),
    ]  # fmt: skip
    for name, world, metrics in worlds:
        rng, found = np.random.default_rng(31), {metric: np.zeros(3) for metric in metrics}
        for _ in range(trials):
            new, old, blocks = world(rng)
            for metric, counts in found.items():
                one, other = (
                    paired_gain(new, old(metric), metric, required_confidence(0.95, 1), 0.0, blocks=each)
                    for each in (Blocks.of("entity", blocks.codes), blocks)
                )
                counts += one.better, other.better, other.problem is not None
        for metric, counts in found.items():
            print(f"| {name} | {metric} | {' | '.join(f'{100 * each / trials:.1f}' for each in counts)} |", flush=True)


def without_skill(trials: int) -> None:
    """Print how often models without skill are promoted over the best constant."""
    grid = ((20, 5), (200, 10), (1000, 5), (1000, 20), (1000, 100), (4000, 20), (15_000, 750))
    nothing = [
        (f"{rows:,} rows, {positives} positives", classes_world(rows, positives, 0.5)) for rows, positives in grid
    ]
    table(f"{WITHOUT} (promised: at most 2.5)", "classification", nothing, trials)
    many = [
        (f"{rows} rows, shares {shares}", many_world(rows, shares))
        for rows, shares in ((60, [0.5, 0.3, 0.2]), (400, [0.9, 0.05, 0.05]))
    ]
    table("The same, many classes", "classification", many, trials)
    numbers = [
        ("20 rows", numbers_world(20, heavy=False)),
        ("20 rows, heavy tails", numbers_world(20, heavy=True)),
        ("200 rows, heavy tails", numbers_world(200, heavy=True)),
        ("2,000 rows, 30 days", numbers_world(2000, heavy=False, days=30)),
    ]
    table("The same, regression", "regression", numbers, trials)


def without_skill_by_day(trials: int) -> None:
    """Print the same where days move outcomes and scores."""
    by_day = [
        (f"{rows:,} rows, {days} days that move outcomes and scores", classes_world(rows, rows // 5, 0.5, days, 1.0))
        for rows, days in ((200, 14), (2000, 30))
    ]
    table(f"{WITHOUT} (promised: at most 2.5)", "classification", by_day, trials)
    table(f"{WITHOUT}, as a first use of the rows", "classification", by_day, trials, required_confidence(0.95, 1))


def equal_models(trials: int) -> None:
    """Print how often one of two equal models is called better where days move both."""
    for task in ("classification", "regression"):
        equal = [
            (f"{rows:,} rows of {days} days", equal_world(rows, days, task)) for rows, days in ((200, 14), (2000, 30))
        ]
        table("One of two equal models called better where days move both (promised: at most 2.5)", task, equal, trials)


def power(trials: int) -> None:
    """Print how often models with skill are promoted over the best constant, as a first use of the rows."""
    first = required_confidence(0.95, 1)
    skills = [
        (
            f"{rows:,} rows of {days} days, {positives} positives, ROC AUC {auc}",
            classes_world(rows, positives, auc, days),
        )
        for rows, days, positives in ((200, 14, 40), (1000, 30, 20))
        for auc in (0.6, 0.75, 0.9)
    ]
    title = "Power: promoted with skill over the best constant, as a first use of the rows"
    table(title, "classification", skills, trials, first)
    explained = [(f"200 rows of 14 days, R2 {r2}", numbers_world(200, False, r2, 14)) for r2 in (0.02, 0.1, 0.3)]
    table("The same, regression", "regression", explained, trials, first)


def main() -> None:
    """Print all tables."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    without_skill(trials)
    without_skill_by_day(trials)
    equal_models(trials)
    carried_over(trials)
    repeated(max(trials // 10, 20))
    power(trials // 2)


if __name__ == "__main__":
    main()
