"""Pipelines and rows that nobody thought of."""

from __future__ import annotations

import warnings
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from compile_random import compared
from compiled import answers, differences, row_answers
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from postgres import Postgres
from sklearn import ensemble as en
from sklearn import preprocessing as pp
from sklearn import tree as tr
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mlbridge import to_sql

# Shrinking takes minutes, and the first example says enough.
PHASES = (Phase.explicit, Phase.generate)
SCALERS = [
    "passthrough", pp.StandardScaler(), pp.MinMaxScaler(), pp.RobustScaler(), pp.MaxAbsScaler(),
    pp.KBinsDiscretizer(3, encode="ordinal", strategy="uniform"), pp.PolynomialFeatures(2),
    pp.QuantileTransformer(n_quantiles=5), pp.QuantileTransformer(n_quantiles=5, output_distribution="normal"),
    *(pp.SplineTransformer(4, degree=2, extrapolation=each) for each in ("constant", "linear", "continue", "periodic")),
    pp.SplineTransformer(3, knots="quantile", extrapolation="error", include_bias=False),
]  # fmt: skip
IMPUTERS = [SimpleImputer(strategy=each, add_indicator=add) for each in ("mean", "median") for add in (True, False)]
ENCODERS = [
    pp.OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    pp.OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2, sparse_output=False),
    pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan),
    pp.OrdinalEncoder(),
]
MODELS = {
    "tree": (lambda: tr.DecisionTreeClassifier(max_depth=4, random_state=0), 0.0),
    "forest": (lambda: en.RandomForestClassifier(4, random_state=0), 0.0),
    "extra": (lambda: en.ExtraTreesClassifier(4, random_state=0), 0.0),
    "hist": (lambda: en.HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2), 1e-12),
    "boosting": (lambda: en.GradientBoostingClassifier(n_estimators=4, random_state=0), 1e-12),
    "logistic": (LogisticRegression, 1e-9),
}
NUMBER = st.one_of(
    st.floats(-1e6, 1e6, width=32),
    st.floats(-1e6, 1e6),
    st.sampled_from([np.nan, 0.0, -0.0, 0.1, 1e-300, 2.0**53]),
    st.integers(-4, 4).map(float),
)
ANY_NUMBER = st.one_of(NUMBER, st.sampled_from([np.inf, -np.inf, 1e39, 5e-324, 3.4028235677973366e38]))
TEXT = st.one_of(st.sampled_from(["", "a", "A", "a ", "á", "a\u0301", "'", '"', "\\"]), st.text(max_size=3))
ANY_TEXT = st.one_of(TEXT.filter(lambda text: "\0" not in text), st.just(np.nan))
NAME = st.text(min_size=1, max_size=5).filter(lambda name: "\0" not in name)


def safe(text: Any) -> bool:
    return not isinstance(text, str) or text.encode("utf-8", "ignore").decode() == text


@st.composite
def situations(draw: Any) -> tuple[Any, pd.DataFrame, pd.DataFrame, list[int], float]:
    """Draw a pipeline, rows to fit it on and their classes, rows to score, and the tolerance."""
    names = draw(st.lists(NAME.filter(safe), min_size=3, max_size=3, unique_by=lambda name: name.casefold().lower()))
    rows = draw(st.integers(12, 30))

    def column(values: Any, size: int) -> list[Any]:
        return draw(st.lists(values, min_size=size, max_size=size))

    text = ANY_TEXT.filter(safe)
    known = {names[0]: column(NUMBER, rows), names[1]: column(NUMBER, rows), names[2]: column(text, rows)}
    new = {names[0]: column(ANY_NUMBER, 15), names[1]: column(ANY_NUMBER, 15), names[2]: column(text, 15)}
    model, tolerance = MODELS[draw(st.sampled_from(sorted(MODELS)))]
    numbers = make_pipeline(draw(st.sampled_from(IMPUTERS)), draw(st.sampled_from(SCALERS)))
    first = draw(st.sampled_from([numbers, "passthrough"]))
    prepared = make_column_transformer((first, names[:2]), (draw(st.sampled_from(ENCODERS)), names[2:]))
    classes = draw(st.lists(st.integers(0, draw(st.integers(1, 2))), min_size=rows, max_size=rows))
    return make_pipeline(prepared, model()), framed(known), framed(new), classes, tolerance


def framed(columns: dict[str, list[Any]]) -> pd.DataFrame:
    *numbers, text = columns
    return pd.DataFrame(
        {
            **{name: np.array(columns[name], dtype=np.float64) for name in numbers},
            text: pd.Series(columns[text], dtype=object),
        }
    )


@settings(max_examples=40, deadline=None, derandomize=True, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(situation=situations())
def test_sql_says_what_scikit_learn_says(situation: Any) -> None:
    pipeline, known, new, classes, tolerance = situation
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pipeline.fit(known, classes)
        except (ValueError, FloatingPointError):
            return  # scikit-learn cannot be fitted on this
    rows = pd.concat([known, new], ignore_index=True)
    expected = row_answers(answers(pipeline), rows)
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        connection.register("t", rows)
        found = connection.execute(to_sql(pipeline, "t")).fetchall()
    wrong = differences(expected, found, tolerance)
    assert not wrong, (rows.iloc[wrong[0][0]].to_dict(), wrong[:3])


@pytest.mark.parametrize("number", range(40))
def test_random_pipelines_on_two_engines(number: int, server: Postgres) -> None:
    """`python -m compile_random` draws further ones, for as long as one likes."""
    outcome, why = compared(number, server)
    assert not outcome.startswith("differs") or outcome.endswith("rounding"), why


@pytest.mark.parametrize("number", range(100, 130))
def test_random_pipelines_with_numbers_whose_products_are_no_doubles(number: int) -> None:
    outcome, why = compared(number, None, huge=True)
    assert not outcome.startswith("differs") or outcome.endswith("rounding"), why
