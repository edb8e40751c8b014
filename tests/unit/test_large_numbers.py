"""Numbers beyond a 32-bit float: refused by name for the estimators that are known not to take them, and no others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlbridge.errors import FeatureError
from mlbridge.features.large_numbers import check_large

FINE = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
LARGE = FINE.assign(a=[1.0, 1e39])
FOREST = RandomForestClassifier()


@pytest.mark.parametrize(
    ("estimator", "refused"),
    [
        (FOREST, True),
        (make_pipeline(make_column_transformer(("passthrough", ["a"])), FOREST), True),
        (make_pipeline(make_column_transformer(("passthrough", ["b"])), FOREST), False),
        (make_pipeline(make_column_transformer(("passthrough", "a")), FOREST), True),
        (make_pipeline(make_column_transformer(("passthrough", make_column_selector())), FOREST), False),
        (make_pipeline(make_column_transformer(("passthrough", slice(0, 1))), FOREST), False),
        (make_pipeline(StandardScaler(), FOREST), False),
        (LogisticRegression(), False),
    ],
)
def test_only_what_comes_to_a_tree_as_it_is_is_refused(estimator: Any, refused: bool) -> None:
    check_large("n", FINE, {"mine": estimator})
    if refused:
        with pytest.raises(FeatureError, match="feature 'a' has such a number in 1 row"):
            check_large("n", LARGE, {"mine": estimator})
    else:
        check_large("n", LARGE, {"mine": estimator})


def test_infinite_and_missing_numbers_are_not_its_business() -> None:
    check_large("n", FINE.assign(a=[np.inf, np.nan]), {"mine": FOREST})
