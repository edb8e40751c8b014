"""What features contribute to a prediction, against hand calculation and against all orders (Shapley 1953)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from mlbridge.scoring import contributions as module
from mlbridge.scoring.contributions import contributions
from mlbridge.typing import Floats

Score = Callable[[pd.DataFrame], Floats]


def rows(number: int, features: int = 4) -> pd.DataFrame:
    values = np.random.default_rng(7).normal(size=(number, features))
    return pd.DataFrame(values, columns=[f"x{index}" for index in range(features)])


def by_all_orders(score: Score, frame: pd.DataFrame) -> dict[str, float]:
    """Average over every order and every background row: the definition."""
    found, names = dict.fromkeys(frame.columns, 0.0), list(frame.columns)
    orders = list(permutations(names))
    for order in orders:
        walked = frame.iloc[1:].copy()
        before = score(walked).mean()
        for name in order:
            walked[name] = frame[name].iloc[0]
            after = score(walked).mean()
            found[name] += (after - before) / len(orders)
            before = after
    return found


def test_of_a_linear_model_they_are_coefficient_times_distance_from_the_mean() -> None:
    frame = rows(40)
    model = LogisticRegression().fit(frame, frame["x0"] - 2 * frame["x1"] + frame["x2"] ** 2 > 0.3)
    found = contributions(model.decision_function, frame)
    expected = model.coef_[0] * (frame.iloc[0] - frame.iloc[1:].mean())
    assert found.by_feature == pytest.approx(expected.to_dict(), abs=1e-12)
    # Orders do not matter to such a model: what is left is the spread of the background rows.
    spread = np.abs(model.coef_[0]) * frame.iloc[1:].std() / np.sqrt(39)
    assert {name: each / 2.0244 for name, each in found.errors.items()} == pytest.approx(spread.to_dict(), rel=1e-3)


def test_of_a_forest_they_are_the_shapley_values_within_their_errors() -> None:
    frame = rows(200)
    target = (frame["x0"] * frame["x1"] > 0) ^ (frame["x2"] > 1)
    forest = RandomForestClassifier(20, max_depth=5, random_state=0).fit(frame, target)

    def score(given: pd.DataFrame) -> Floats:
        return forest.predict_proba(given)[:, 1]

    found = contributions(score, frame)
    for name, exact in by_all_orders(score, frame).items():
        assert abs(found.by_feature[name] - exact) < found.errors[name]


def test_they_add_up_to_the_difference_from_the_mean_prediction() -> None:
    frame = rows(30)
    frame["kind"] = pd.Categorical(["a", "b", None] * 10, categories=["a", "b"])
    kinds = np.array([2.0, 5.0, -1.0])

    def score(given: pd.DataFrame) -> Floats:
        return np.exp(given["x0"].to_numpy()) * kinds[given["kind"].cat.codes]

    found = contributions(score, frame)
    assert found.value == score(frame)[0]
    assert found.base == pytest.approx(score(frame)[1:].mean())
    assert sum(found.by_feature.values()) == pytest.approx(found.value - found.base)
    assert found.by_feature["x1"] == 0
    assert found.errors["x1"] == 0


def test_rows_are_scored_in_parts_and_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, sizes = rows(30), []

    def score(given: pd.DataFrame) -> Floats:
        sizes.append(len(given))
        return np.prod(given.to_numpy(), axis=1)

    whole = contributions(score, frame)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 40)
    sizes.clear()
    assert contributions(score, frame) == whole
    assert max(sizes) <= 40
