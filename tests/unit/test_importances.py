"""Permutation importance against the definition, computed by hand with the same shuffles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, root_mean_squared_error

from mlbridge.training.importances import MOST_ROWS, REPEATS, importance_rows

ROWS = 60
SEED = 3


@pytest.fixture
def rows() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({"strong": random.normal(size=ROWS), "weak": random.normal(size=ROWS), "constant": 1.0})


def by_hand(score: Any, rows: pd.DataFrame) -> dict[str, np.ndarray[Any, Any]]:
    """Give, per feature, how much the score falls by each shuffle; drawn as scikit-learn draws."""
    # One seed for all features: each is shuffled in the same orders.
    seed = np.random.RandomState(SEED).randint(np.iinfo(np.int32).max + 1)
    falls = {}
    for name in rows.columns:
        random = np.random.RandomState(seed)
        order, shuffled, worse = np.arange(len(rows)), rows.copy(), []
        for _ in range(REPEATS):
            random.shuffle(order)
            shuffled[name] = shuffled[name].to_numpy()[order]  # shuffles what is shuffled already
            worse.append(score(rows) - score(shuffled))
        falls[name] = np.array(worse)
    return falls


def check(found: list[dict[str, Any]], expected: dict[str, np.ndarray[Any, Any]]) -> None:
    assert [each["feature"] for each in found] == list(expected)
    for each in found:
        falls = expected[each["feature"]]
        assert each["mean"] == pytest.approx(falls.mean(), abs=1e-12)
        assert each["std"] == pytest.approx(falls.std(), abs=1e-12)
        assert each["n"] == ROWS
    strong, weak, constant = (each["mean"] for each in found)
    assert strong > weak > constant == 0  # the greater, the more is lost, whichever way the metric runs


def test_rmse_grows_by_what_a_number_is_worth(rows: pd.DataFrame) -> None:
    truth = (2 * rows["strong"] + 0.5 * rows["weak"]).to_numpy()
    fitted = LinearRegression().fit(rows, truth)
    expected = by_hand(lambda features: -root_mean_squared_error(truth, fitted.predict(features)), rows)
    check(importance_rows(fitted, rows, truth, "rmse", SEED), expected)


@pytest.mark.parametrize(
    ("metric", "score"),
    [
        ("average_precision", average_precision_score),
        ("log_loss", lambda truth, positive: -log_loss(truth, positive)),
    ],
)
def test_of_classes(rows: pd.DataFrame, metric: str, score: Any) -> None:
    truth = (2 * rows["strong"] + 0.7 * rows["weak"] > 0).to_numpy().astype(int)
    fitted = LogisticRegression().fit(rows, truth)
    expected = by_hand(lambda features: score(truth, fitted.predict_proba(features)[:, 1]), rows)
    check(importance_rows(fitted, rows, truth, metric, SEED), expected)


def test_a_metric_that_is_not_defined_gives_none(rows: pd.DataFrame) -> None:
    truth = (rows["strong"] > 0).to_numpy().astype(int)
    fitted = LogisticRegression().fit(rows, truth)
    found = importance_rows(fitted, rows, np.zeros(ROWS, dtype=int), "roc_auc")
    assert {(each["mean"], each["std"]) for each in found} == {(None, None)}


def test_more_rows_than_needed_are_sampled_with_the_seed() -> None:
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"x": random.normal(size=MOST_ROWS + 1)})
    fitted = LinearRegression().fit(rows, rows["x"])
    first, again = (importance_rows(fitted, rows, rows["x"].to_numpy(), "rmse", SEED) for _ in range(2))
    assert first == again
    assert first[0]["n"] == MOST_ROWS
