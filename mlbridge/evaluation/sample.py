"""Truth and scores of the same rows, without and with weights.

Everything that does not depend on the weights (the order by score, the ends of ties, the loss of each row) is computed
once per `Sample`; on a `Weighted` sample a metric is then a few sums.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mlbridge.typing import Array, Flags, Floats, Integers

Task = Literal["classification", "regression"]


class Ranking(NamedTuple):
    """The rows of a sample by descending score of one class."""

    order: Integers
    """Row numbers, highest score first."""
    positive: Floats
    """1.0 where the row belongs to the class, in that order."""
    ends: Integers
    """Last position of each group of tied scores, in that order."""


class Curve(NamedTuple):
    """Weighted counts above each distinct score, highest score first."""

    positives: Floats
    rows: Floats


@dataclass(frozen=True, eq=False)
class Sample:
    """Truth and scores of the same rows, in a fixed order.

    Classification: `truth` holds class codes 0..K-1 and `scores` (n, K) the class probabilities; with two
    classes, class 1 is the positive one. Regression: `truth` and `scores` are (n,) numbers. Raises ValueError
    on anything else, and on scores or truths that are not finite.
    """

    truth: Array
    scores: Floats

    def __post_init__(self) -> None:
        """Check the shapes and bring both arrays to one type."""
        truth, scores = np.asarray(self.truth), np.asarray(self.scores, dtype=np.float64)
        if truth.ndim != 1 or scores.ndim not in (1, 2) or len(scores) != len(truth):
            raise ValueError(f"truth must be (n,) and scores (n,) or (n, classes), not {truth.shape}, {scores.shape}")
        if not np.isfinite(scores).all():
            raise ValueError("scores hold NaN or infinity: every row needs a finite score")
        if scores.ndim == 2:
            _check_codes(truth, scores.shape[1])
        elif not np.isfinite(truth).all():
            raise ValueError("truth holds NaN or infinity: leave out the rows whose outcome is not known")
        object.__setattr__(self, "truth", truth.astype(np.int64 if scores.ndim == 2 else np.float64))
        object.__setattr__(self, "scores", scores)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.truth)

    @property
    def task(self) -> Task:
        """Classification when there is a score per class, else regression."""
        return "classification" if self.scores.ndim == 2 else "regression"

    @property
    def binary(self) -> bool:
        """Whether class 1 is the positive one of two."""
        return self.task == "classification" and self.scores.shape[1] == 2

    def take(self, rows: Integers | Flags) -> Sample:
        """Keep some rows, given as a mask or as row numbers."""
        return Sample(self.truth[rows], self.scores[rows])

    @cached_property
    def predicted(self) -> Integers:
        """The predicted class: the most probable one, on ties the first, as scikit-learn predicts."""
        return np.asarray(np.argmax(self.scores, axis=1), dtype=np.int64)

    @cached_property
    def rankings(self) -> tuple[Ranking, ...]:
        """One ranking per class, and that of the positive class alone when there are two."""
        classes = (1,) if self.binary else range(self.scores.shape[1])
        return tuple(self._ranking(code) for code in classes)

    def _ranking(self, code: int) -> Ranking:
        order = np.argsort(-self.scores[:, code], kind="stable")
        steps = np.diff(self.scores[order, code]) != 0
        ends = np.flatnonzero(np.append(steps, True))[: len(self)]
        return Ranking(order, (self.truth[order] == code).astype(np.float64), ends)

    @cached_property
    def cells(self) -> Integers:
        """Each row's cell in the confusion matrix: true class times the number of classes, plus predicted."""
        return np.asarray(self.truth * self.scores.shape[1] + self.predicted)

    @cached_property
    def log_losses(self) -> Floats:
        """-ln of the true class' probability, clipped by the float64 epsilon."""
        eps = np.finfo(np.float64).eps
        own = self.scores[np.arange(len(self)), self.truth]
        return np.asarray(-np.log(np.clip(own, eps, 1 - eps)))

    @cached_property
    def brier_losses(self) -> Floats:
        """Squared error of the positive's probability; of many classes the sum over classes (Brier, 1950)."""
        if self.binary:
            return np.asarray((self.scores[:, 1] - self.truth) ** 2)
        truth = self.truth[:, None] == np.arange(self.scores.shape[1])
        return np.asarray(((self.scores - truth) ** 2).sum(axis=1))

    @cached_property
    def errors(self) -> Floats:
        """Truth minus score."""
        return np.asarray(self.truth - self.scores)

    @cached_property
    def error_order(self) -> Integers:
        """Row numbers by ascending absolute error."""
        return np.argsort(np.abs(self.errors), kind="stable")


def _check_codes(truth: Integers, classes: int) -> None:
    if classes < 2:
        raise ValueError("scores need a column per class, so at least two columns")
    if len(truth) and (truth.dtype.kind not in "iub" or int(truth.min()) < 0 or int(truth.max()) >= classes):
        raise ValueError(f"truth must hold whole class codes from 0 to {classes - 1}")


def same_rows(one: Sample, other: Sample) -> None:
    """Refuse two samples that do not hold the same rows in the same order."""
    if one.scores.shape != other.scores.shape or not np.array_equal(one.truth, other.truth):
        raise ValueError(
            f"two samples to compare must hold the same rows in the same order: their scores have the shapes "
            f"{one.scores.shape} and {other.scores.shape}, and their truths must be equal"
        )


def stream(seed: int, *labels: str) -> np.random.Generator:
    """Return a random generator for a seed and some labels; other labels give other draws."""
    digest = hashlib.sha256(repr(labels).encode("utf-8", "backslashreplace")).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:16], "big")])


def dot(left: Floats, right: Floats) -> float:
    """Sum the products in a fixed order; BLAS would divide the sum among threads, which may change the last bit."""
    return float((left * right).sum())


def centred(per_row: Floats) -> Floats:
    """Subtract the mean: the influence values of the mean of one number per row."""
    return np.asarray(per_row - per_row.mean())


class Weighted:
    """A sample with weighted rows; sums that several metrics share are computed once."""

    def __init__(self, sample: Sample, weights: npt.ArrayLike | None = None) -> None:
        """Weigh the rows; without weights each counts once."""
        self.sample = sample
        given = np.ones(len(sample)) if weights is None else weights
        self.weights: Floats = np.asarray(given, dtype=np.float64)
        self.total = float(self.weights.sum())

    def mean(self, per_row: Floats) -> float:
        """Weighted mean of one number per row."""
        return dot(self.weights, per_row) / self.total

    @cached_property
    def curves(self) -> tuple[Curve, ...]:
        """One curve per ranking of the sample."""
        return tuple(self._curve(ranking) for ranking in self.sample.rankings)

    def _curve(self, ranking: Ranking) -> Curve:
        weights = self.weights[ranking.order]
        positives, rows = np.cumsum(weights * ranking.positive), np.cumsum(weights)
        return Curve(positives[ranking.ends], rows[ranking.ends])

    @cached_property
    def confusion(self) -> Floats:
        """Rows by true (first axis) and predicted class."""
        classes = self.sample.scores.shape[1]
        counted = np.bincount(self.sample.cells, self.weights, classes * classes)
        return np.asarray(counted.reshape(classes, classes), dtype=np.float64)

    @cached_property
    def counts(self) -> tuple[Floats, Floats, Floats]:
        """Correct, predicted and actual rows by class; with two classes, of the positive one only."""
        right, predicted, true = (
            np.diag(self.confusion),
            self.confusion.sum(axis=0),
            self.confusion.sum(axis=1),
        )
        kept = np.array([False, True]) if self.sample.binary else predicted + true > 0
        return right[kept], predicted[kept], true[kept]
