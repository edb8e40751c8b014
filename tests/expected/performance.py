"""What `ml_performance` must say of rows: scikit-learn, numpy, and outcomes drawn at random, instead of SQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import metrics

Floats = npt.NDArray[np.float64]
Figures = dict[str, float | None]


def scores_of(rows: pd.DataFrame, classes: Sequence[str]) -> Floats:
    """Give the probabilities of the classes as the predictions have them."""
    if len(classes) == 2:
        positive = rows["probability"].to_numpy()
        return np.column_stack([1 - positive, positive])
    return np.array([json.loads(text) for text in rows["probabilities"]])


def codes_of(texts: Iterable[str], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.array([classes.index(text) for text in texts], dtype=np.int64)


def delong(truth: npt.NDArray[np.bool_], scores: Floats) -> float:
    """Give the standard error of the area under the ROC curve (DeLong, DeLong and Clarke-Pearson 1988, equation 5)."""
    pos, neg = scores[truth], scores[~truth]
    wins = (pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)
    of_pos, of_neg = wins.mean(axis=1), wins.mean(axis=0)
    return float(np.sqrt(of_pos.var(ddof=1) / len(pos) + of_neg.var(ddof=1) / len(neg)))


def calibrated(scores: Floats, steps: Sequence[Mapping[str, Any]]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Give the step of each score, and its calibrated probability."""
    uppers = np.array([step["upper"] for step in steps[:-1]], dtype=float)
    step_indices = np.searchsorted(uppers, scores, side="left")
    return step_indices, np.array([step["value"] for step in steps])[step_indices]


def expected(scores: Floats, estimation: Sequence[Mapping[str, Any]]) -> Figures:
    """Expect the metrics of a classification from its calibrated scores.

    Each row counts as a positive with its probability, and as a negative with what that leaves of 1.
    """
    count, n = scores.shape[1], len(scores)
    predicted = scores.argmax(axis=1)
    numbers = [1] if count == 2 else range(count)
    areas, precisions, cells, brier = [], [], [], 0.0
    for number in numbers:
        steps = [record for record in estimation if record["class_no"] == number]
        step_indices, chance = calibrated(scores[:, number], steps)
        twice = {
            "y_true": np.repeat([1, 0], n),
            "y_score": np.tile(step_indices, 2),
            "sample_weight": np.concatenate([chance, 1 - chance]),
        }
        areas.append(metrics.roc_auc_score(**twice))
        precisions.append(_precision_within(step_indices, chance))
        cells.append((chance[predicted == number].sum(), float((predicted == number).sum()), chance.sum()))
        brier += float((chance * (1 - scores[:, number]) ** 2 + (1 - chance) * scores[:, number] ** 2).mean())
    hits, predicted_rows, there = np.array(cells).T
    right = hits.sum() + (n - predicted_rows[0] - there[0] + hits[0] if count == 2 else 0.0)
    return {
        "average_precision": float(np.mean(precisions)),
        "roc_auc": float(np.mean(areas)),
        "brier": brier,
        "accuracy": float(right) / n,
        "precision": float(np.mean(np.divide(hits, predicted_rows, out=np.zeros_like(hits), where=predicted_rows > 0))),
        "recall": float(np.mean(hits / there)),
        "f1": float(np.mean(2 * hits / (predicted_rows + there))),
    }


def _precision_within(step_indices: npt.NDArray[np.int64], chance: Floats) -> float:
    """Give the average precision of rows whose order within a step is not known: any is as likely as another."""
    above = positives = total = 0.0
    for step in np.unique(step_indices)[::-1]:
        rows, share = float((step_indices == step).sum()), float(chance[step_indices == step][0])
        grown = np.log((above + rows + 0.5) / (above + 0.5))
        total += share * (share * rows + (positives - share * above) * grown)
        above, positives = above + rows, positives + share * rows
    return total / positives


def delong_by_block(truth: npt.NDArray[np.bool_], scores: Floats, blocks: npt.NDArray[Any]) -> float:
    """Give the same from sums of the places by block (Obuchowski 1997)."""
    pos, neg = scores[truth], scores[~truth]
    wins = (pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)
    moved = np.zeros(len(truth))
    moved[truth] = (wins.mean(axis=1) - wins.mean()) / len(pos)
    moved[~truth] = (wins.mean(axis=0) - wins.mean()) / len(neg)
    sums = pd.Series(moved).groupby(blocks).sum().to_numpy()
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()))


def wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Give the score interval of a share (Wilson 1927)."""
    square = quantile**2 / n
    half = np.sqrt(square * (share * (1 - share) + square / 4))
    return (share + square / 2 - half) / (1 + square), (share + square / 2 + half) / (1 + square)


def hall(metric: str, loss: float, error: float, quantile: float, skewness: float, ends: Floats) -> Floats:
    """Move the end on the side of the skewness out to that of Hall's transformation (1992), by its roots."""
    power = 2 if metric == "rmse" else 1
    size = min(abs(skewness), 1.0)
    roots = np.roots([size**2 / 27, size / 3, 1, size / 6 + quantile])
    reach = -roots[np.argmin(abs(roots.imag))].real * power * error / loss
    moved = ends.copy()
    if skewness > 0:
        moved[1] = max(ends[1], loss * (1 + reach) ** (1 / power))
    elif reach < 1:
        moved[0] = min(ends[0], loss * (1 - reach) ** (1 / power))
    return moved


def leaves(nodes: Sequence[Mapping[str, Any]], inputs: Mapping[str, Floats]) -> list[Mapping[str, Any]]:
    """Send rows down the tree of losses; `inputs` by name, NaN where missing."""
    by_number = {node["node"]: node for node in nodes}
    reached = []
    for row in range(len(next(iter(inputs.values())))):
        node = by_number[0]
        while node["leaf"] is None:
            value = inputs[node["feature"]][row]
            left = node["missing_left"] if np.isnan(value) else value <= node["threshold"]
            node = by_number[node["left"] if left else node["right"]]
        reached.append(node)
    return reached
