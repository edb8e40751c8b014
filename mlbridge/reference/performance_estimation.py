"""Estimates a model's performance from its scores while outcomes are unknown; fitted on the validation rows.

Classification: the scores of each class are calibrated, and the expected metrics are computed from these probabilities
(confidence-based performance estimation). Regression: a small tree learns where the errors are large (direct loss
estimation). Both are written as flat records, so that SQL can apply them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from mlbridge.evaluation.metrics import json_number
from mlbridge.evaluation.sample import Sample
from mlbridge.reference.profile import FOLDED, PREDICTION, UNSEEN_BIN, Bin, bins_of
from mlbridge.typing import Floats, Integers

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.tree import DecisionTreeRegressor
    from sklearn.tree._tree import Tree

MOST_STEPS: Final = 200
"""Maximum number of calibration steps per class; 100,000 rows give about one hundred."""

FEWEST_ROWS: Final = 10
"""Minimum number of rows of a calibration group, so that a single outcome does not give a probability of 0 or 1."""

MOST_LEAVES: Final = 64
MOST_ROWS: Final = 100_000
"""Maximum number of rows to fit the tree; with so few leaves, more rows cost time and do not make it better."""

GREATEST: Final = 1e30
"""Inputs are clipped to plus or minus this value, because scikit-learn sums them as float32."""

KEYS: Final = (
    "class_no", "class", "step", "upper", "value",
    "node", "feature", "threshold", "left", "right", "missing_left",
    "leaf", "n", "absolute", "squared", "fourth",
)  # fmt: skip

_POWERS: Final = {"absolute": 1, "squared": 2, "fourth": 4}

Scalar = bool | int | float | str | None
EstimationRecord = dict[str, Scalar]


def calibration_steps(sample: Sample, classes: Sequence[str]) -> list[EstimationRecord]:
    """Return a step function from each class's score to a calibrated probability, one record per step.

    With two classes only for the positive one, class 1; with many, for each class. A score belongs to the first step
    whose `upper` it does not exceed; the last `upper` is None. With two classes 0.5 is always an `upper`, so that no
    step has rows of both predicted classes. `value` is the calibrated probability: an isotonic regression of the
    outcomes over groups of `FEWEST_ROWS` rows. Neighbouring groups with the same value form one step, so steps are
    narrow where the value changes. A group without rows takes the value of the group below, the first group that of the
    one above.
    """
    numbers = (1,) if sample.binary else range(len(classes))
    return [
        _record(class_no=number, **{"class": classes[number]}, step=step, upper=upper, value=value)
        for number in numbers
        for step, (upper, value) in enumerate(_steps(sample, number))
    ]


def _steps(sample: Sample, number: int) -> Iterator[tuple[float | None, float]]:
    """Calibrate in groups of `FEWEST_ROWS` rows, and yield the edges at which the calibrated value rises.

    If there are more than `MOST_STEPS` steps, the size of the groups is doubled until there are not.
    """
    rows = FEWEST_ROWS
    uppers, values = _calibrated(sample, number, rows)
    while len(values) > MOST_STEPS:
        rows *= 2
        uppers, values = _calibrated(sample, number, rows)
    yield from zip([*uppers.tolist(), None], values.tolist(), strict=True)


def _calibrated(sample: Sample, number: int, rows: int) -> tuple[Floats, Floats]:
    """Calibrate in groups of `rows` rows; returns the upper edges and the values of the steps, one edge fewer."""
    from sklearn.isotonic import IsotonicRegression

    scores = sample.scores[:, number]
    groups = max(1, len(scores) // rows)
    last = np.ceil(np.arange(1, groups + 1) * len(scores) / groups).astype(np.int64) - 1
    # The greatest score is no edge: the last step is open.
    uppers = np.unique(np.sort(scores)[last])[:-1]
    if sample.binary:
        uppers = np.union1d(uppers, 0.5)
    steps = np.searchsorted(uppers, scores, side="left")
    counts = np.bincount(steps, minlength=len(uppers) + 1)
    filled = np.flatnonzero(counts)
    shares = np.bincount(steps, sample.truth == number, len(counts))[filled] / counts[filled]
    isotonic = IsotonicRegression(y_min=0.0, y_max=1.0)
    fitted = isotonic.fit(filled, shares, sample_weight=counts[filled]).predict(filled)
    below = np.maximum(np.searchsorted(filled, np.arange(len(counts)), side="right") - 1, 0)
    values = fitted[below]
    kept = np.diff(values) > 0
    if sample.binary:
        kept |= uppers == 0.5
    return uppers[kept], values[np.append(kept, True)]


def loss_tree(sample: Sample, features: pd.DataFrame, profile: Sequence[Bin], seed: int = 0) -> list[EstimationRecord]:
    """Return the nodes of a tree that estimates the expected error of a prediction, one record per node.

    `features` are the sample's rows; `profile` holds the records of each of their columns. A row starts at node 0. It
    goes to `left` if the value of `feature` is at most `threshold`, or if it is missing and `missing_left` is true;
    else to `right`. A numeric feature is used as it is, `ml_prediction` is the prediction, and a category is replaced
    by the number of its bin in the profile: -1 if missing, the bin of all others if not listed, at most `FOLDED`. A
    leaf has a number, `leaf`, and the means of |error|, error^2 and error^4 (`absolute`, `squared`, `fourth`) over its
    `n` validation rows; a mean too large for a float is None. At most `MOST_ROWS` rows are used, sampled with the seed.
    """
    chosen = np.arange(len(sample))
    if len(sample) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(sample), MOST_ROWS, replace=False))
    taken = sample.take(chosen)
    inputs = _inputs(taken, features.iloc[chosen], profile)
    losses = np.abs(taken.errors)
    fitted = _fitted(inputs.to_numpy(), losses, seed)
    return list(_nodes(fitted.tree_, list(inputs.columns), fitted.apply(inputs.to_numpy()), losses))


def _inputs(sample: Sample, features: pd.DataFrame, profile: Sequence[Bin]) -> pd.DataFrame:
    """Return the inputs of the tree as float32, in which scikit-learn's trees compare values."""
    import pandas as pd

    records: dict[str, list[Bin]] = {}
    for record in profile:
        records.setdefault(record["feature"], []).append(record)
    columns = {name: _input(features[name], records[name]) for name in features.columns}
    columns[PREDICTION] = sample.scores
    return pd.DataFrame(
        {name: np.clip(values, -GREATEST, GREATEST).astype(np.float32) for name, values in columns.items()}
    )


def _input(column: pd.Series, records: Sequence[Bin]) -> Floats:
    if records[0]["kind"] == "numeric":
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    row_bins = bins_of(column, records)
    row_bins[row_bins == UNSEEN_BIN] = records[-1]["bin"]
    return np.minimum(row_bins, FOLDED).astype(np.float64)


def _fitted(inputs: npt.NDArray[np.float32], losses: Floats, seed: int) -> DecisionTreeRegressor:
    """Fit the tree to the absolute and the squared losses, each by its standard deviation so that both count."""
    from sklearn.tree import DecisionTreeRegressor

    scaled = losses / (losses.max() or 1.0)
    targets = np.column_stack([scaled, scaled**2])
    deviations = targets.std(axis=0)
    least = max(20, len(losses) // 200)
    tree = DecisionTreeRegressor(max_leaf_nodes=MOST_LEAVES, min_samples_leaf=least, random_state=seed)
    return tree.fit(inputs, targets / np.where(deviations > 0, deviations, 1.0))


def _nodes(tree: Tree, names: Sequence[str], reached: Integers, losses: Floats) -> Iterator[EstimationRecord]:
    leaf = 0
    for node in range(tree.node_count):
        if tree.children_left[node] != tree.children_right[node]:
            yield _record(
                node=node,
                feature=names[tree.feature[node]],
                threshold=_threshold(tree.threshold[node]),
                left=int(tree.children_left[node]),
                right=int(tree.children_right[node]),
                missing_left=bool(tree.missing_go_to_left[node]),
            )
            continue
        mine = losses[reached == node]
        with np.errstate(over="ignore"):
            means = {name: json_number(np.mean(mine**power)) for name, power in _POWERS.items()}
        yield _record(node=node, leaf=leaf, n=len(mine), **means)
        leaf += 1


def _threshold(stored: float) -> float:
    """Return the greatest double that the tree sends to the left.

    scikit-learn compares a value rounded to float32. The greatest float32 up to its threshold is on the left, and
    so is every double that rounds to it: those up to the middle between it and the next one, where a tie goes to the
    even one. A split of the known from the missing values has the threshold infinity, which JSON does not know.
    """
    if not np.isfinite(stored):
        return float(np.copysign(sys.float_info.max, stored))
    low = np.float32(stored)
    if low > stored:
        low = np.nextafter(low, np.float32(-np.inf))
    middle = (float(low) + float(np.nextafter(low, np.float32(np.inf)))) / 2
    return middle if np.float32(middle) == low else float(np.nextafter(middle, -np.inf))


def _record(**fields: Scalar) -> EstimationRecord:
    return {**dict.fromkeys(KEYS), **fields}
