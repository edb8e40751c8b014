"""What one column alone can say of the outcome: a small tree or a table of means, on rows that it was not fitted on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlbridge.estimation import GREATEST
from mlbridge.metrics import value
from mlbridge.sample import Sample, Weighted

if TYPE_CHECKING:
    import pandas as pd

# A tree has a leaf for so many rows, and in these bounds; best first, so that the edge that matters is found anyway.
ROWS_A_LEAF, LEAVES, LEAST_IN_A_LEAF = 40, (8, 128), 5
# A number with fewer distinct values is taken value by value, in which order they come or not.
MOST_VALUES = 255
# One-sided, 99 %: what is said to be at least so much is so but for one time in a hundred.
Z = 2.33

Array = np.ndarray[Any, Any]


def ranks(values: Array) -> Array:
    """Give each number its rank from 0 to 1, ties the mean of theirs."""
    import pandas as pd

    return np.asarray((pd.Series(values).rank().to_numpy() - 0.5) / max(len(values), 1))


def learn(values: pd.Series, truth: Array, classes: int, fitted: Array, asked: Array) -> Array:
    """Fit one column on some rows and score others, given as masks: probabilities (rows x classes), or ranks (rows).

    `truth` holds class codes, or of a regression (`classes` is 0) the ranks of the target. A missing value is a value.
    """
    import pandas as pd

    texts = isinstance(values.dtype, pd.CategoricalDtype)
    if texts or values.nunique() <= MOST_VALUES:
        codes, distinct = pd.factorize(values, use_na_sentinel=False)
        return np.asarray(_table(codes, len(distinct), truth, classes, fitted)[codes[asked]])
    # A tree works in 32-bit floats; what lies beyond stays beyond all others.
    return _tree(np.clip(values.to_numpy(dtype=np.float64), -GREATEST, GREATEST), truth, classes, fitted, asked)


def _table(codes: Array, distinct: int, truth: Array, classes: int, fitted: Array) -> Array:
    """Give each value the shares or the mean of its rows, with one row of the whole added."""
    mine, known = codes[fitted], truth[fitted]
    counts = np.bincount(mine, minlength=distinct)
    if not classes:
        return np.asarray((np.bincount(mine, known, distinct) + known.mean()) / (counts + 1))
    table = np.bincount(mine * classes + known, minlength=distinct * classes).reshape(distinct, classes)
    prior = np.bincount(known, minlength=classes) / len(known)
    return np.asarray((table + prior) / (counts + 1)[:, None])


def _tree(values: Array, truth: Array, classes: int, fitted: Array, asked: Array) -> Array:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    leaves = min(max(int(fitted.sum()) // ROWS_A_LEAF, LEAVES[0]), LEAVES[1])
    tree = kind(max_leaf_nodes=leaves, min_samples_leaf=LEAST_IN_A_LEAF, random_state=0)
    tree.fit(values[fitted, None], truth[fitted])
    if not classes:
        return np.asarray(tree.predict(values[asked, None]))
    scores = np.zeros((int(asked.sum()), classes))
    scores[:, tree.classes_.astype(int)] = tree.predict_proba(values[asked, None])
    return scores


def crossed(values: pd.Series, truth: Array, classes: int, half: Array) -> Array:
    """Score every row by what the other half of the rows says; `half` is a mask."""
    scores = np.zeros((len(truth), classes) if classes else len(truth))
    for fitted in (half, ~half):
        scores[~fitted] = learn(values, truth, classes, fitted, ~fitted)
    return scores


def ordered(values: pd.Series, truth: Array, classes: int, fitted: Array, asked: Array) -> Array | None:
    """Score rows by a number itself, turned round where it falls with the outcome; None where it has no such order."""
    import pandas as pd

    if isinstance(values.dtype, pd.CategoricalDtype) or classes > 2:
        return None
    numbers = values.to_numpy(dtype=np.float64)
    if np.isnan(numbers[fitted]).all():
        return None
    numbers = ranks(np.where(np.isnan(numbers), np.nanmean(numbers[fitted]), numbers))
    falls = np.cov(numbers[fitted], truth[fitted])[0, 1] < 0
    score = 1 - numbers[asked] if falls else numbers[asked]
    return np.column_stack([1 - score, score]) if classes else score


@dataclass(frozen=True)
class Skill:
    """How far from nothing (0) to everything (1): 2 AUC - 1, or the squared rank correlation; `least` at 99 %."""

    value: float
    least: float


def skill(truth: Array, scores: Array) -> Skill:
    """Measure scores on their rows.

    Classification: the area under the ROC curve, over many classes the mean of each against the rest; its limit is
    that of a share (Wilson 1927) of as many rows as give the standard error of Hanley and McNeil (1982), the commonest
    class against all others. Regression: Spearman's correlation, its limit by Fisher's transformation; a negative one
    is none.
    """
    if scores.ndim == 2:
        area = value(Weighted(Sample(truth, scores)), "roc_auc")
        if math.isnan(area):
            return Skill(0.0, 0.0)
        few = len(truth) - int(np.bincount(truth).max())
        return Skill(2 * area - 1, 2 * wilson(area, _size(area, few, len(truth) - few)) - 1)
    if len(truth) < 10 or np.ptp(truth) == 0 or np.ptp(scores) == 0:
        return Skill(0.0, 0.0)
    rho = min(max(float(np.corrcoef(ranks(truth), ranks(scores))[0, 1]), 0.0), 1 - 1e-12)
    least = max(math.tanh(math.atanh(rho) - Z / math.sqrt(len(truth) - 3)), 0.0)
    return Skill(rho**2, least**2)


def _size(area: float, positives: int, negatives: int) -> float:
    """Give the number of rows of which a share would be as sure as the area; the fewer where it is 1."""
    if area in (0.0, 1.0):
        return min(positives, negatives)
    first, second = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
    spread = area * (1 - area) + (positives - 1) * first + (negatives - 1) * second
    return area * (1 - area) * positives * negatives / spread


def wilson(share: float, rows: float) -> float:
    """Give the lower limit of a share of so many rows (Wilson 1927), one-sided at 99 %."""
    middle = share + Z**2 / (2 * rows)
    return (middle - Z * math.sqrt(share * (1 - share) / rows + Z**2 / (4 * rows**2))) / (1 + Z**2 / rows)


def affine(truth: Array, values: pd.Series) -> float:
    """Give the share of a number's variance that a line through another leaves (1 - r2), without the outermost 1 %.

    Where one value of the target is common, it is the worse of all rows and of the others, as in `left_over`.
    """
    import pandas as pd

    if isinstance(values.dtype, pd.CategoricalDtype):
        return 1.0
    numbers = values.to_numpy(dtype=np.float64)
    low, high = np.quantile(truth, [0.01, 0.99])
    inner = (truth >= low) & (truth <= high) & ~np.isnan(numbers)
    if inner.sum() < 0.9 * len(truth):
        return 1.0
    truth, numbers = truth[inner], numbers[inner]
    common, counts = np.unique(truth, return_counts=True)
    others = truth != common[counts.argmax()]
    parts = [np.full(len(truth), True), *([others] if counts.max() * 5 >= len(truth) else [])]
    return max(_off_the_line(truth[part], numbers[part]) for part in parts)


def _off_the_line(truth: Array, numbers: Array) -> float:
    if len(truth) < 10 or np.ptp(truth) == 0 or np.ptp(numbers) == 0:
        return 1.0
    return 1 - float(np.corrcoef(truth, numbers)[0, 1]) ** 2


def left_over(truth: Array, scores: Array) -> float:
    """Give what the scores leave unexplained: errors by those of the commonest class, or the share of the variance.

    Of a regression `truth` holds ranks. Where one value of the target is common (a fifth of the rows or more), what
    matters is the worse of all rows and of the rows with another value: to know where a target is 0 is not to know it.
    """
    if scores.ndim == 2:
        errors = int((scores.argmax(axis=1) != truth).sum())
        return errors / (len(truth) - int(np.bincount(truth).max()))
    every = _unexplained(truth, scores)
    values, counts = np.unique(truth, return_counts=True)
    if counts.max() * 5 < len(truth):
        return every
    others = truth != values[counts.argmax()]
    return max(every, _unexplained(truth[others], scores[others])) if others.sum() > 1 else every


def _unexplained(truth: Array, scores: Array) -> float:
    spread = float(((truth - truth.mean()) ** 2).sum())
    return float(((truth - scores) ** 2).sum()) / spread if spread else 1.0
