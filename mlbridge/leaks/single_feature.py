"""How well one feature alone predicts the target: a small tree or a table of means, measured on other rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlbridge.evaluation.metrics import metric_value
from mlbridge.evaluation.sample import Sample, Weighted
from mlbridge.reference.performance_estimation import GREATEST
from mlbridge.typing import Array, Flags, Floats, Integers

if TYPE_CHECKING:
    import pandas as pd

# A tree has one leaf per `ROWS_PER_LEAF` rows within the bounds `LEAVES`; it grows best-first, so it finds the main
# split.
ROWS_PER_LEAF, LEAVES, MIN_ROWS_IN_LEAF = 40, (8, 128), 5
# A number with fewer distinct values is treated as a category.
MOST_VALUES = 255
# Normal quantile of one-sided 99 % limits.
Z = 2.33


def ranks(values: Array) -> Floats:
    """Return the rank of each number, from 0 to 1; ties get the mean of their ranks."""
    import pandas as pd

    return np.asarray((pd.Series(values).rank().to_numpy() - 0.5) / max(len(values), 1))


def fit_and_score(values: pd.Series, truth: Array, classes: int, fitted: Flags, scored: Flags) -> Floats:
    """Fit one column on the rows of a mask and score those of another: probabilities (rows x classes), or ranks (rows).

    `truth` holds class codes or, for a regression (`classes` is 0), ranks of the target. A missing value is treated as
    a value of its own.
    """
    import pandas as pd

    texts = isinstance(values.dtype, pd.CategoricalDtype)
    if texts or values.nunique() <= MOST_VALUES:
        codes, distinct = pd.factorize(values, use_na_sentinel=False)
        return np.asarray(_table(codes, len(distinct), truth, classes, fitted)[codes[scored]])
    # A tree works in 32-bit floats; clipping keeps larger numbers above all others.
    return _tree(np.clip(values.to_numpy(dtype=np.float64), -GREATEST, GREATEST), truth, classes, fitted, scored)


def _table(codes: Integers, distinct: int, truth: Array, classes: int, fitted: Flags) -> Floats:
    """Return by value the class shares or the mean target of its rows, smoothed by one row of the overall mean."""
    mine, known = codes[fitted], truth[fitted]
    counts = np.bincount(mine, minlength=distinct)
    if not classes:
        return np.asarray((np.bincount(mine, known, distinct) + known.mean()) / (counts + 1))
    table = np.bincount(mine * classes + known, minlength=distinct * classes).reshape(distinct, classes)
    prior = np.bincount(known, minlength=classes) / len(known)
    return np.asarray((table + prior) / (counts + 1)[:, None])


def _tree(values: Floats, truth: Array, classes: int, fitted: Flags, scored: Flags) -> Floats:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    leaves = min(max(int(fitted.sum()) // ROWS_PER_LEAF, LEAVES[0]), LEAVES[1])
    tree = kind(max_leaf_nodes=leaves, min_samples_leaf=MIN_ROWS_IN_LEAF, random_state=0)
    tree.fit(values[fitted, None], truth[fitted])
    if not classes:
        return np.asarray(tree.predict(values[scored, None]))
    scores = np.zeros((int(scored.sum()), classes))
    scores[:, tree.classes_.astype(int)] = tree.predict_proba(values[scored, None])
    return scores


def cross_fitted(values: pd.Series, truth: Array, classes: int, half: Flags) -> Floats:
    """Score every row by a fit on the other half of the rows; `half` is a mask."""
    scores = np.zeros((len(truth), classes) if classes else len(truth))
    for fitted in (half, ~half):
        scores[~fitted] = fit_and_score(values, truth, classes, fitted, ~fitted)
    return scores


def score_by_value(values: pd.Series, truth: Array, classes: int, fitted: Flags, scored: Flags) -> Floats | None:
    """Score rows by the feature's own value, reversed if it falls with the target.

    None for a category, for more than two classes, and without any value among the fitted rows.
    """
    import pandas as pd

    if isinstance(values.dtype, pd.CategoricalDtype) or classes > 2:
        return None
    numbers = values.to_numpy(dtype=np.float64)
    if np.isnan(numbers[fitted]).all():
        return None
    numbers = ranks(np.where(np.isnan(numbers), np.nanmean(numbers[fitted]), numbers))
    falls = np.cov(numbers[fitted], truth[fitted])[0, 1] < 0
    score = 1 - numbers[scored] if falls else numbers[scored]
    return np.column_stack([1 - score, score]) if classes else score


@dataclass(frozen=True)
class Skill:
    """Skill from 0 to 1: 2 AUC - 1, or the squared rank correlation; `lower_limit` is one-sided at 99 %."""

    value: float
    lower_limit: float


def skill(truth: Array, scores: Floats) -> Skill:
    """Measure scores on their rows.

    Classification: the area under the ROC curve, over many classes the mean of each against the rest; its limit is
    that of a share (Wilson 1927) of as many rows as give the standard error of Hanley and McNeil (1982), the commonest
    class against all others. Regression: Spearman's correlation, its limit by Fisher's transformation; a negative one
    is none.
    """
    if scores.ndim == 2:
        area = metric_value(Weighted(Sample(truth, scores)), "roc_auc")
        if math.isnan(area):
            return Skill(0.0, 0.0)
        few = len(truth) - int(np.bincount(truth).max())
        return Skill(2 * area - 1, 2 * wilson(area, _effective_rows(area, few, len(truth) - few)) - 1)
    if len(truth) < 10 or np.ptp(truth) == 0 or np.ptp(scores) == 0:
        return Skill(0.0, 0.0)
    rho = min(max(float(np.corrcoef(ranks(truth), ranks(scores))[0, 1]), 0.0), 1 - 1e-12)
    lower_limit = max(math.tanh(math.atanh(rho) - Z / math.sqrt(len(truth) - 3)), 0.0)
    return Skill(rho**2, lower_limit**2)


def _effective_rows(area: float, positives: int, negatives: int) -> float:
    """Return the number of rows for which a share has the same standard error as the AUC.

    For an AUC of 0 or 1 it is the size of the smaller class.
    """
    if area in (0.0, 1.0):
        return min(positives, negatives)
    first, second = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
    variance = area * (1 - area) + (positives - 1) * first + (negatives - 1) * second
    return area * (1 - area) * positives * negatives / variance


def wilson(share: float, rows: float) -> float:
    """Return the lower limit of a share of so many rows (Wilson 1927), one-sided at 99 %."""
    middle = share + Z**2 / (2 * rows)
    return (middle - Z * math.sqrt(share * (1 - share) / rows + Z**2 / (4 * rows**2))) / (1 + Z**2 / rows)


def unexplained_by_line(truth: Array, values: pd.Series) -> float:
    """Return the share of the target's variance that a linear fit leaves unexplained (1 - r2).

    The lowest and the highest 1 % of the target are left out. If one value of the target is common, it is the larger of
    the share over all rows and over the other rows, as in `unexplained_share`.
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
    return max(_unexplained_by_correlation(truth[part], numbers[part]) for part in parts)


def _unexplained_by_correlation(truth: Array, numbers: Floats) -> float:
    if len(truth) < 10 or np.ptp(truth) == 0 or np.ptp(numbers) == 0:
        return 1.0
    return 1 - float(np.corrcoef(truth, numbers)[0, 1]) ** 2


def unexplained_share(truth: Array, scores: Floats) -> float:
    """Return what scores leave unexplained, as a share of the errors of the most frequent class, or of the variance.

    For a regression `truth` holds ranks. If one value of the target is common (a fifth of the rows or more), it is the
    larger of the share over all rows and over the rows with other values: a column that shows only where the target is
    0 does not predict it.
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


def _unexplained(truth: Array, scores: Floats) -> float:
    variance = float(((truth - truth.mean()) ** 2).sum())
    return float(((truth - scores) ** 2).sum()) / variance if variance else 1.0
