"""How much each feature of a row contributes to its prediction: Shapley values of the differences from training rows.

A walk leads from a training row to the explained one and takes over its values one feature at a time; a feature
contributes by how much the prediction changes when its value comes. The mean over all orders and training rows is the
feature's Shapley value (Strumbelj and Kononenko 2014, "Explaining prediction models and individual predictions with
feature contributions"), in the interventional form (Janzing, Minorics and Bloebaum 2020): it says what the version does
with the value, not what the value does in the world. Here orders are sampled, each with its reverse, which cancels
much of the sampling error (Mitchell, Cooper, Frank and Holmes 2022). For a model that is a sum over its features, such
as a linear one, every order gives the same, so of a feature x the contribution is coefficient * (x - mean of the rows).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlbridge.evaluation.intervals import CONFIDENCE, t_quantile
from mlbridge.typing import Floats

if TYPE_CHECKING:
    import pandas as pd

    from mlbridge.registry.versions import Version

SEED = 1
# More rows are not scored at once, so that memory does not grow with the number of features.
ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Contributions:
    """`value` is the prediction of the row and `base` the mean prediction of the background rows.

    `by_feature` are the contributions, which add up to `value - base`, and `errors` half the widths of their 95 %
    intervals for the sampling of orders and rows, both by name in the order of the frame's columns. All are in the unit
    of the scores.
    """

    value: float
    base: float
    by_feature: dict[str, float]
    errors: dict[str, float]


def explained_score(version: Version, scores: Floats) -> tuple[str, Callable[[pd.DataFrame], Floats]]:
    """Return what is explained of a row with these scores (1, classes), in words, and the function that gives it.

    It is the number, or the probability that `ml_predictions` has: of the positive class, or of the predicted one.
    """
    classes = version.classes
    if classes is None:
        return "prediction", version.scores
    best = 1 if len(classes) == 2 else int(scores[0].argmax())
    return f"probability of {classes[best]}", lambda rows: version.scores(rows)[:, best]


def contributions(score: Callable[[pd.DataFrame], Floats], frame: pd.DataFrame) -> Contributions:
    """Explain the first row of a frame against its other rows, at least two, the background.

    `score` gives a number for each row. The sampling is repeatable. Raises what `score` raises.
    """
    names, rows = [str(name) for name in frame.columns], len(frame) - 1
    orders = np.random.default_rng(SEED).permuted(np.tile(np.arange(len(names)), (rows, 1)), axis=1)
    found = np.zeros((rows, len(names)))
    base = np.zeros(rows)
    together = max(1, ROWS_AT_ONCE // (2 * (len(names) + 1)))
    for first in range(0, rows, together):
        walked = np.arange(first, min(first + together, rows))
        both = np.concatenate([orders[walked], orders[walked, ::-1]])
        scores = score(_walks(frame, np.concatenate([walked, walked]) + 1, both)).reshape(len(both), -1)
        steps = np.zeros_like(both, dtype=np.float64)
        np.put_along_axis(steps, both, np.diff(scores, axis=1), axis=1)
        found[walked] = (steps[: len(walked)] + steps[len(walked) :]) / 2
        base[walked] = scores[: len(walked), 0]
    value = float(score(frame.iloc[:1])[0])
    widths = t_quantile(rows - 1, CONFIDENCE) * found.std(axis=0, ddof=1) / np.sqrt(rows)
    by_feature = dict(zip(names, found.mean(axis=0).tolist(), strict=True))
    return Contributions(value, float(base.mean()), by_feature, dict(zip(names, widths.tolist(), strict=True)))


def _walks(frame: pd.DataFrame, starts: np.ndarray, orders: np.ndarray) -> pd.DataFrame:
    """Return the rows of walks, one after the other: from the start to the first row of the frame, both included."""
    import pandas as pd

    walks, features = orders.shape
    # The step at which a feature's value comes: before it the row has the start's value.
    comes = np.argsort(orders, axis=1)
    steps = np.arange(features + 1)
    columns = {}
    for index, (name, values) in enumerate(frame.items()):
        taken = steps[None, :] > comes[:, [index]]
        columns[name] = values.take(np.where(taken, 0, starts[:, None]).reshape(-1)).array
    return pd.DataFrame(columns, index=range(walks * (features + 1)))
