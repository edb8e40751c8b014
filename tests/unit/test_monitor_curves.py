"""What a score is worth at each threshold, against scikit-learn on the same rows, scipy, and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from mlbridge.errors import MonitorError
from mlbridge.monitor import costs, curve, gain


@pytest.fixture
def rows() -> pd.DataFrame:
    """500 rows with a score in steps of a twentieth, the higher the more often positive."""
    random = np.random.default_rng(7)
    score = np.ceil(random.beta(2, 4, 500) * 20) / 20
    return pd.DataFrame({"score": score, "positive": (random.random(500) < score).astype(int)})


@pytest.fixture
def steps(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows counted by step."""
    counted = rows.groupby("score")["positive"].agg(n="size", positives="sum").reset_index()
    # What is above the step below is flagged at it.
    counted["lower"] = [0.0, *counted["score"][:-1]]
    return counted.sort_values("score", ascending=False, ignore_index=True)[["lower", "n", "positives"]]


def test_curves_are_those_of_scikit_learn(rows: pd.DataFrame, steps: pd.DataFrame) -> None:
    points = curve(steps)
    false, true, thresholds = roc_curve(rows["positive"], rows["score"], drop_intermediate=False)
    np.testing.assert_allclose(points["false_positive_rate"], false)
    np.testing.assert_allclose(points["recall"], true)
    area = np.trapezoid(points["recall"], points["false_positive_rate"])
    assert area == pytest.approx(roc_auc_score(rows["positive"], rows["score"]))
    precision, recall, _ = precision_recall_curve(rows["positive"], rows["score"])
    np.testing.assert_allclose(points["precision"][1:], precision[:-1][::-1])
    np.testing.assert_allclose(points["recall"][1:], recall[:-1][::-1])
    # A row is flagged if its score is above `threshold`: the same rows as from scikit-learn's threshold on.
    for limit, share in zip(points["threshold"], points["share_flagged"], strict=True):
        assert share == pytest.approx((rows["score"] > limit).mean())
    assert len(thresholds) == len(points)


def test_intervals_are_wilson_s_with_the_effective_number_of_rows(steps: pd.DataFrame) -> None:
    points = curve(steps)
    at = points.iloc[4]
    for name, part, whole in (("recall", "hits", "positives"), ("precision", "hits", "flagged")):
        found = stats.binomtest(int(at[part]), int(at[whole])).proportion_ci(method="wilson")
        assert (at[f"{name}_low"], at[f"{name}_high"]) == pytest.approx(tuple(found))
    # With a design effect of 4 a fourth of the rows is left: twice as wide, about.
    wide = curve(steps, {"recall": 4.0}).iloc[4]
    assert (wide["recall_high"] - wide["recall_low"]) / (at["recall_high"] - at["recall_low"]) == pytest.approx(
        2, abs=0.1
    )
    assert wide["precision_high"] == at["precision_high"]


def test_what_the_highest_scores_hold() -> None:
    points = curve(pd.DataFrame({"lower": [0.8, 0.0], "n": [10, 90], "positives": [8, 12]}))
    assert gain(points, 0.1) == pytest.approx({"flagged": 10, "recall": 0.4, "precision": 0.8, "lift": 4.0})
    # Half of a step has half of its positives.
    assert gain(points, 0.05) == pytest.approx({"flagged": 5, "recall": 0.2, "precision": 0.8, "lift": 4.0})
    assert gain(points, 1.0)["lift"] == pytest.approx(1)
    with pytest.raises(MonitorError, match="above 0 and at most 1, and this is 0"):
        gain(points, 0.0)


def test_the_cheapest_threshold(rows: pd.DataFrame, steps: pd.DataFrame) -> None:
    points = curve(steps)
    frame = costs(points, 1.0, 3.0)

    def cost(limit: float) -> float:
        flagged = rows["score"] > limit
        return float((flagged & (rows["positive"] == 0)).sum() + 3 * (~flagged & (rows["positive"] == 1)).sum()) * 2

    assert frame["cost"][:-1].tolist() == pytest.approx([cost(limit) for limit in frame["threshold"][:-1]])
    assert frame["cost"].iloc[-1] == pytest.approx(cost(-1))
    assert costs(points, 1.0, 0.0)["cost"].idxmin() == 0
    assert costs(points, 0.0, 1.0)["cost"].iloc[-1] == 0
    with pytest.raises(MonitorError, match="at least 0, and these are -1 and 2"):
        costs(points, -1, 2)


@pytest.mark.parametrize("positives", [[0, 0], [5, 5]])
def test_one_class_alone(positives: list[int]) -> None:
    points = curve(pd.DataFrame({"lower": [0.5, 0.0], "n": [5, 5], "positives": positives}))
    missing = "recall" if positives[0] == 0 else "false_positive_rate"
    assert points[[missing, f"{missing}_low"]].isna().all().all()
    assert np.isnan(gain(points, 0.5)["lift"]) == (positives[0] == 0)


def test_no_rows() -> None:
    assert curve(pd.DataFrame({"lower": [], "n": [], "positives": []})).empty
