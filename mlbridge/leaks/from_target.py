"""Whether a column is computed from the target without being the same: a threshold, a class of values, a distance.

Such a column leaves much of the target open, so how well it predicts tells nothing. What tells is the other direction:
rows whose targets lie next to each other have the same value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlbridge.leaks.single_feature import MOST_VALUES, ranks
from mlbridge.training.candidates import SEED
from mlbridge.typing import Array, Floats, Integers

if TYPE_CHECKING:
    import pandas as pd

# Values of fewer rows than this are no evidence: they may lie next to each other by chance.
MIN_ROWS_OF_VALUE = 60
# A border between two values is looked at by so many rows to each side, of which `PURE` have the value of their side.
BESIDE, PURE = 10, 9
# Groups that are apart by nature are told from the target as well. Then rows are rarer about the border than within
# both groups; where the target was cut, they are not: so many rows about it lie at most so many times farther apart.
MOST_APART = 2.0
LITTLE = 0.1


def has_many_values(values: pd.Series) -> bool:
    """Return whether a column is a number whose values are compared by their size."""
    import pandas as pd

    return not isinstance(values.dtype, pd.CategoricalDtype) and values.nunique() > MOST_VALUES


def undetermined_by_number(values: pd.Series, target: Floats) -> float:
    """Return how much of a column a numeric target leaves undetermined: 0 for a function of it, 1 for a random column.

    Of a number with more than `MOST_VALUES` values it is the share of the variance of its ranks, by the differences
    between neighbours in order of the target (von Neumann 1941). Of a column with fewer, or of texts, it is the share
    of such neighbours that differ, compared with any two rows. It is 1 for a column whose values lie on the two sides
    of gaps in the target: groups that are apart by nature are told from the target without having been made of it.
    """
    import pandas as pd

    known = values.notna().to_numpy()
    if has_many_values(values):
        return _roughness(ranks(values[known].to_numpy()), target[known]) if known.mean() > 0.5 else 1.0
    codes = pd.factorize(values, use_na_sentinel=False)[0]
    common = np.bincount(codes)[codes] >= MIN_ROWS_OF_VALUE
    codes, ordered = _in_order(codes[common], target[common])
    shares = np.bincount(codes) / max(len(codes), 1)
    differing = 1 - float((shares**2).sum())
    if differing <= 0:
        return 1.0
    # A function with so many values differs at least so often.
    beyond = int(np.count_nonzero(np.diff(codes))) - (int(np.count_nonzero(shares)) - 1)
    left = min(max(beyond, 0) / (len(codes) - 1) / differing, 1.0)
    # Why little is left matters only where little is; a text of many values has too many borders to look at.
    return left if left > LITTLE or _is_cut(codes, ordered) else 1.0


def undetermined_by_class(values: pd.Series, target: Integers) -> float:
    """Return the share of a column's errors that are left if each class predicts its own commonest value.

    1 for a column with more than `MOST_VALUES` values, or with fewer than `MIN_ROWS_OF_VALUE` rows beside its commonest
    one.
    """
    import pandas as pd

    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    others = len(codes) - int(np.bincount(codes).max())
    if len(distinct) > MOST_VALUES or others < MIN_ROWS_OF_VALUE:
        return 1.0
    table = np.bincount(target * len(distinct) + codes, minlength=(int(target.max()) + 1) * len(distinct))
    return (len(codes) - int(table.reshape(-1, len(distinct)).max(axis=1).sum())) / others


def _in_order(column: Array, target: Floats) -> tuple[Array, Floats]:
    """Return column and target in order of the target, whose equal values are spread over the way to the next one."""
    distinct, codes = np.unique(target, return_inverse=True)
    ways = np.diff(distinct, append=distinct[-1:])
    spread = target + ways[codes] * np.random.default_rng(SEED).random(len(target))
    order = np.argsort(spread, kind="stable")
    return column[order], spread[order]


def _roughness(column: Floats, target: Floats) -> float:
    ordered, variance = _in_order(column, target)[0], float(column.var())
    return float((np.diff(ordered) ** 2).mean()) / 2 / variance if variance else 1.0


def _is_cut(codes: Integers, ordered: Floats) -> bool:
    """Return whether most borders between two values lie where rows are as close to each other as on both sides."""
    wide = 2 * BESIDE
    spans = ordered[wide - 1 :] - ordered[: len(ordered) - wide + 1]
    found = []
    for at in (np.flatnonzero(np.diff(codes) != 0) + 1).tolist():
        sides = codes[max(at - MIN_ROWS_OF_VALUE, 0) : at], codes[at : at + MIN_ROWS_OF_VALUE]
        if any(len(each) < MIN_ROWS_OF_VALUE for each in sides):
            continue
        near = (sides[0][-BESIDE:] == codes[at - 1]).sum(), (sides[1][:BESIDE] == codes[at]).sum()
        if min(near) < PURE:
            continue
        before, after = spans[at - MIN_ROWS_OF_VALUE : at - wide + 1], spans[at : at + MIN_ROWS_OF_VALUE - wide + 1]
        usual = float(np.sqrt(np.median(before) * np.median(after)))
        found.append(spans[at - BESIDE] <= MOST_APART * usual)
    return bool(found) and sum(found) * 2 >= len(found)
