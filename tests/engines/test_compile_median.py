"""AdaBoostRegressor's weighted median, whatever the weights, against scikit-learn."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from compiled import answers, differences
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import AdaBoostRegressor
from sklearn.tree import DecisionTreeRegressor

from mlbridge import to_sql

ROWS = 400
WEIGHTS = {
    "as fitted": lambda fitted, rng: fitted,
    "equal": lambda fitted, rng: np.full(len(fitted), 0.1),
    "mostly on one": lambda fitted, rng: np.where(np.arange(len(fitted)) == 1, 100.0, fitted),
    "far apart": lambda fitted, rng: 10.0 ** (np.arange(len(fitted)) % 4 - 2) * rng.random(len(fitted)),
    "some of them 0": lambda fitted, rng: fitted * (np.arange(len(fitted)) % 3 > 0),
}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("others", [False, True], ids=["trees", "others"])
@pytest.mark.parametrize("number", [3, 4, 10, 50])
def test_it_is_scikit_learns(weights: str, others: bool, number: int) -> None:
    rng = np.random.default_rng(number)
    # Whole numbers, so that trees often agree.
    frame = pd.DataFrame({"x": rng.integers(0, 30, ROWS) * 1.0, "y": rng.normal(size=ROWS)})
    target = np.round(frame["x"] / 3 + 2 * frame["y"] + rng.normal(size=ROWS))
    tree = DecisionTreeRegressor(max_depth=2)
    model = AdaBoostRegressor(tree, n_estimators=number, random_state=number).fit(frame, target)
    if others:
        model.estimators_ = [*model.estimators_[:-1], DummyRegressor(strategy="median").fit(frame, target)]
    model.estimator_weights_ = WEIGHTS[weights](model.estimator_weights_, rng)
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        connection.register("t", frame)
        found = connection.execute(to_sql(model, "t")).fetchall()
    assert others or len(set(found)) > 1
    assert not differences(answers(model)(frame), found, 0.0)
