"""What a model's own scores say of its performance before the outcomes are known, learnt on the validation rows.

Classification: the scores of each class are calibrated, and of calibrated probabilities every metric can be expected
(confidence-based performance estimation). Regression: a small tree learns where the errors are large (direct loss
estimation). Both are written as flat records, so that SQL can apply them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlbridge.evaluate import Sample
from mlbridge.metrics import json_number
from mlbridge.profile import FOLDED, PREDICTION, UNSEEN_BIN, bins_of
from mlbridge.sample import Floats

MOST_STEPS: Final = 200
"""Into how many steps the scores of a class are parted at most; 100,000 rows make about a hundred."""

FEWEST_ROWS: Final = 10
"""How many rows a step has at least, so that no single outcome at the top counts as certain."""

MOST_LEAVES: Final = 64
MOST_ROWS: Final = 100_000
"""A tree of so few leaves gains nothing from more rows than these, only time."""

GREATEST: Final = 1e30
"""scikit-learn adds the inputs up as float32: numbers beyond this count as this, on either side of zero."""

KEYS: Final = (
    "class_no", "class", "step", "upper", "value",
    "node", "feature", "threshold", "left", "right", "missing_left",
    "leaf", "n", "absolute", "squared", "fourth",
)  # fmt: skip

_POWERS: Final = {"absolute": 1, "squared": 2, "fourth": 4}

Record = dict[str, Any]


def calibration_steps(sample: Sample, classes: Sequence[str]) -> list[Record]:
    """Give the steps that turn a class's score into a calibrated probability.

    Two classes: those of the positive one, class 1; many: those of every class. A score belongs to the first step
    whose `upper` it does not exceed; the last one's is None. Of two classes 0.5 is always an `upper`, so that no
    step holds rows of both predictions. `value` is the share of the class's rows, made to rise with the score
    (isotonic regression over groups of `FEWEST_ROWS` rows); a step is where it is one value, so the steps lie close
    where the outcomes are, at the top scores of a rare class. A group without rows takes the value of the one below,
    the first that of the one above.
    """
    numbers = (1,) if sample.binary else range(len(classes))
    return [
        _record(class_no=number, **{"class": classes[number]}, step=step, upper=upper, value=value)
        for number in numbers
        for step, (upper, value) in enumerate(_steps(sample, number))
    ]


def _steps(sample: Sample, number: int) -> Iterator[tuple[float | None, float]]:
    """Calibrate at the resolution of `FEWEST_ROWS` rows, and keep the edges at which the calibrated value rises.

    Where so fine a calibration would rise more often than `MOST_STEPS` allows, twice as many rows are taken together.
    """
    rows = FEWEST_ROWS
    uppers, values = _calibrated(sample, number, rows)
    while len(values) > MOST_STEPS:
        rows *= 2
        uppers, values = _calibrated(sample, number, rows)
    yield from zip([*uppers.tolist(), None], values.tolist(), strict=True)


def _calibrated(sample: Sample, number: int, rows: int) -> tuple[Floats, Floats]:
    """Give the edges and the values of steps that were groups of so many rows; one edge fewer than values."""
    from sklearn.isotonic import IsotonicRegression

    scores = sample.scores[:, number]
    groups = max(1, len(scores) // rows)
    last = np.ceil(np.arange(1, groups + 1) * len(scores) / groups).astype(np.int64) - 1
    # The greatest score is no edge: the last step is open.
    uppers = np.unique(np.sort(scores)[last])[:-1]
    if sample.binary:
        uppers = np.union1d(uppers, 0.5)
    places = np.searchsorted(uppers, scores, side="left")
    counts = np.bincount(places, minlength=len(uppers) + 1)
    filled = np.flatnonzero(counts)
    shares = np.bincount(places, sample.truth == number, len(counts))[filled] / counts[filled]
    isotonic = IsotonicRegression(y_min=0.0, y_max=1.0)
    fitted = isotonic.fit(filled, shares, sample_weight=counts[filled]).predict(filled)
    below = np.maximum(np.searchsorted(filled, np.arange(len(counts)), side="right") - 1, 0)
    values = fitted[below]
    kept = np.diff(values) > 0
    if sample.binary:
        kept |= uppers == 0.5
    return uppers[kept], values[np.append(kept, True)]


def loss_tree(
    sample: Sample, features: pd.DataFrame, profile: Sequence[Mapping[str, Any]], seed: int = 0
) -> list[Record]:
    """Give the nodes of a tree that tells the losses to be expected of a prediction from its features and itself.

    `features` are the sample's rows; `profile` holds the records of each of their columns. A row starts at node 0
    and goes to `left` where the value of `feature` is at most `threshold`, where it is missing by `missing_left`,
    else to `right`. A numeric feature is taken as it is, `ml_prediction` is the prediction, and a category is the
    number of its bin in the profile (-1 when missing, that of all others when not listed), `FOLDED` at most. A leaf
    has its number in `leaf`, and the means of the absolute, squared and fourth power of the errors over its `n`
    validation rows; a mean too great for a float is None. Rows beyond `MOST_ROWS` are sampled once, with the seed.
    """
    chosen = np.arange(len(sample))
    if len(sample) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(sample), MOST_ROWS, replace=False))
    taken = sample.take(chosen)
    inputs = _inputs(taken, features.iloc[chosen], profile)
    losses = np.abs(taken.errors)
    fitted = _fitted(inputs.to_numpy(), losses, seed)
    return list(_nodes(fitted.tree_, list(inputs.columns), fitted.apply(inputs.to_numpy()), losses))


def _inputs(sample: Sample, features: pd.DataFrame, profile: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Give what the tree sees, as float32, which is what scikit-learn's trees compare."""
    records: dict[str, list[Mapping[str, Any]]] = {}
    for record in profile:
        records.setdefault(record["feature"], []).append(record)
    columns = {name: _input(features[name], records[name]) for name in features.columns}
    columns[PREDICTION] = sample.scores
    return pd.DataFrame(
        {name: np.clip(values, -GREATEST, GREATEST).astype(np.float32) for name, values in columns.items()}
    )


def _input(column: pd.Series[Any], records: Sequence[Mapping[str, Any]]) -> Floats:
    if records[0]["kind"] == "numeric":
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    places = bins_of(column, records)
    places[places == UNSEEN_BIN] = records[-1]["bin"]
    return np.minimum(places, FOLDED).astype(np.float64)


def _fitted(inputs: npt.NDArray[np.float32], losses: Floats, seed: int) -> Any:
    """Fit the tree to the absolute and the squared losses, each by its standard deviation so that both count."""
    from sklearn.tree import DecisionTreeRegressor

    scaled = losses / (losses.max() or 1.0)
    targets = np.column_stack([scaled, scaled**2])
    deviations = targets.std(axis=0)
    least = max(20, len(losses) // 200)
    tree = DecisionTreeRegressor(max_leaf_nodes=MOST_LEAVES, min_samples_leaf=least, random_state=seed)
    return tree.fit(inputs, targets / np.where(deviations > 0, deviations, 1.0))


def _nodes(tree: Any, names: Sequence[str], reached: npt.NDArray[np.int64], losses: Floats) -> Iterator[Record]:
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
    """Give the greatest double that the tree sends to the left.

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


def _record(**said: Any) -> Record:
    return {**dict.fromkeys(KEYS), **said}
