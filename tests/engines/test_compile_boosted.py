"""LightGBM, XGBoost and CatBoost: pandas categories, what is refused, and arithmetic in floats of 32 bits."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import duckdb
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from compile_cases_boosted import FEW, extreme, extreme_number, light, light_number, oblivious, oblivious_number
from compiled import answers, differences, row_answers, rows_to_fit, targets
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sqlglot import exp

from mlbridge import CompileError, to_sql
from mlbridge.compile.formulas.float32 import raised
from mlbridge.compile.sql.assembly import Assembler
from mlbridge.compile.sql.dialects import dialect_of
from mlbridge.compile.sql.expressions import Source, ref
from mlbridge.compile.trees.category_splits import runs

WORDS = ("", "a", "A", "a ", "it's", "nan", "NULL")


def categorical(seed: int = 0) -> pd.DataFrame:
    """Give rows with a number, texts and whole numbers as pandas categories, more of them than one word has bits."""
    rng = np.random.default_rng(seed)
    size = 3000
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=size),
            "text": pd.Categorical(rng.choice(np.array(WORDS, dtype=object), size)),
            "many": pd.Categorical([f"s{each}" for each in rng.integers(0, 150, size)]),
            "whole": pd.Categorical(rng.integers(-3, 6, size)),
        }
    )
    for name in ("text", "many", "whole"):
        frame.loc[rng.random(size) < 0.1, name] = np.nan
    return frame


def effect(frame: pd.DataFrame) -> Any:
    codes = frame[["text", "many", "whole"]].apply(lambda column: column.cat.codes)
    return (frame["x"] + np.sin(codes * 7.0).sum(axis=1) > 0).astype(int)


def run(sql: str, frame: pd.DataFrame) -> list[Any]:
    """Run a SELECT of the key `id` over the frame, its categories as they are written."""
    texts = {name: frame[name].astype(object) for name in ("text", "many")}
    plain = frame.assign(**texts, whole=frame["whole"].astype("float64"), id=range(len(frame)))
    with duckdb.connect() as connection:
        connection.register("t", plain)
        return [row[1:] for row in connection.execute(f"{sql} order by id").fetchall()]


@pytest.mark.parametrize("make", [lambda: light(**FEW), lambda: extreme(enable_categorical=True, max_cat_to_onehot=3)])
def test_pandas_categories_are_read_by_their_values(make: Callable[[], Any]) -> None:
    frame = categorical()
    estimator = make().fit(frame, effect(frame))
    sql = to_sql(estimator, "t", keep=["id"])
    for column in ("text", "many", "whole"):
        assert re.search(rf'"{column}_bit(_\d)?" & \d+', sql)
    assert '"many_bit_2"' in sql
    rows = categorical(seed=1)
    assert not differences(answers(estimator)(rows), run(sql, rows), 0)


def test_a_new_pandas_category_is_missing_to_lightgbm_and_refused_by_xgboost() -> None:
    frame = categorical()
    new = frame.iloc[:50].copy()
    new["text"] = new["text"].cat.add_categories("new")
    new.loc[new.index[::2], "text"] = "new"
    missing = light(**FEW).fit(frame, effect(frame))
    assert not differences(answers(missing)(new), run(to_sql(missing, "t", keep=["id"]), new), 0)
    refusing = extreme(enable_categorical=True).fit(frame, effect(frame))
    with pytest.raises(ValueError, match="Found a category not in the training set"):
        refusing.predict(new)
    known = row_answers(answers(refusing), frame.iloc[1:50:2])
    expected = [None if index % 2 == 0 else known[index // 2] for index in range(50)]
    assert not differences(expected, run(to_sql(refusing, "t", keep=["id"]), new), 0)


def test_categories_are_ranges_of_what_is_cut_to_them() -> None:
    assert runs([5, 0, 1, 2, 7, 8], float) == [(0.0, 3.0), (5.0, 6.0), (7.0, 9.0)]
    assert runs([], float) == []


def fitted(make: Callable[[], Any], target: str = "two", columns: tuple[str, ...] = ("x", "count")) -> Any:
    frame = rows_to_fit()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make().fit(frame[list(columns)], targets(frame, target))


def own_objective(truth: Any, raw: Any) -> tuple[Any, Any]:
    return raw - truth, np.ones_like(raw)


def one_hot(estimator: Any) -> Any:
    return make_pipeline(
        make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough", sparse_threshold=1), estimator
    )


class Labelled:
    """A classifier of several labels, of which each row has some."""

    def fit(self, frame: pd.DataFrame, target: Any) -> Any:
        return extreme().fit(frame, np.column_stack([target, ~target]).astype(int))


class Constant:
    """A classifier that has seen one class."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, frame: pd.DataFrame, target: Any) -> Any:
        return self.estimator.fit(frame, np.zeros(len(target), dtype=int))


class Ordered:
    """LightGBM with a column of an ordered category."""

    def fit(self, frame: pd.DataFrame, target: Any) -> Any:
        categories = pd.Categorical(frame["count"].fillna(0).astype(int), ordered=True)
        return light().fit(frame.assign(count=categories), target)


class Accented:
    """XGBoost with a pandas category that is not an ASCII text."""

    def fit(self, frame: pd.DataFrame, target: Any) -> Any:
        categories = pd.Categorical(np.where(frame["x"] > 0, "é", "a"))
        return extreme(enable_categorical=True).fit(frame.assign(count=categories), target)


class Worded:
    """CatBoost with a column of texts, which it makes numbers of by itself."""

    def fit(self, frame: pd.DataFrame, target: Any) -> Any:
        return oblivious(cat_features=["count"]).fit(frame.assign(count=np.where(frame["x"] > 0, "é", "a")), target)


class Moved:
    """CatBoost with another threshold than a half."""

    def fit(self, frame: pd.DataFrame, target: Any) -> Any:
        fitted = oblivious().fit(frame, target)
        fitted.set_probability_threshold(0.3)
        return fitted


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "LGBMRegressor(linear_tree=True)": (lambda: light_number(linear_tree=True), "number"),
    "LGBMClassifier(pred_early_stop=True)": (lambda: light(pred_early_stop=True), "two"),
    "LGBMRegressor(objective='cross_entropy_lambda')": (
        lambda: light_number(objective="cross_entropy_lambda"),
        "share",
    ),
    "LGBMRegressor(objective='custom')": (lambda: light_number(objective=own_objective), "number"),
    "LGBMClassifier(objective='cross_entropy')": (lambda: light(objective="cross_entropy"), "two"),
    "LGBMClassifier: 1 scores for 1 classes": (lambda: Constant(light()), "two"),
    "LGBMClassifier: 1 columns were pandas categories": (Ordered, "two"),
    "XGBClassifier(booster='gblinear')": (lambda: extreme(booster="gblinear"), "two"),
    "XGBRegressor(multi_strategy='multi_output_tree')": (
        lambda: extreme_number(multi_strategy="multi_output_tree", tree_method="hist"),
        "numbers",
    ),
    "XGBClassifier(objective='binary:hinge')": (lambda: extreme(objective="binary:hinge"), "two"),
    "XGBRegressor(objective='survival:cox')": (lambda: extreme_number(objective="survival:cox"), "positive"),
    "XGBClassifier: 2 scores for 2 classes": (Labelled, "two"),
    "XGBClassifier: 1 scores for 1 classes": (lambda: Constant(extreme()), "two"),
    "CatBoostClassifier: 'categorical_features' are not covered": (Worded, "two"),
    "CatBoostClassifier: set_probability_threshold() is not covered": (Moved, "two"),
    "CatBoostClassifier(loss_function='MultiLogloss')": (lambda: oblivious(loss_function="MultiLogloss"), "labels"),
    "CatBoostRegressor(loss_function='RMSEWithUncertainty')": (
        lambda: oblivious_number(loss_function="RMSEWithUncertainty"),
        "number",
    ),
    "XGBClassifier: a category is not an ASCII text": (Accented, "two"),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_not_covered_is_refused_by_name(words: str) -> None:
    make, target = REFUSED[words]
    estimator = fitted(make, target)
    with pytest.raises(CompileError, match=re.escape(words)):
        to_sql(estimator, "t")


def test_a_sparse_matrix_is_refused_where_its_zeros_are_missing() -> None:
    estimator = fitted(lambda: one_hot(extreme()), columns=("x", "city"))
    with pytest.raises(CompileError, match="XGBClassifier takes the zeros of a sparse matrix for missing"):
        to_sql(estimator, "t")


def test_exp_of_floats_is_the_c_library_s() -> None:
    """XGBoost itself says what expf gives, as its Poisson regression's link."""
    margins = np.concatenate([np.linspace(-104.5, 88.9, 40_000), np.linspace(-1e-3, 1e-3, 2_001)]).astype(np.float32)
    nothing = np.zeros((len(margins), 1))
    estimator = extreme_number(objective="count:poisson", n_estimators=1, base_score=1.0).fit(nothing, nothing + 1.0)
    margins = estimator.predict(nothing, base_margin=margins, output_margin=True)
    expected = estimator.predict(nothing, base_margin=margins)
    assert np.array_equal(estimator.predict(nothing, base_margin=margins, output_margin=True), margins)
    outputs = {"raised": ref(raised(Source("margin")))}
    query = Assembler(exp.to_table("t"), [], dialect_of("duckdb"), outputs).select(outputs)
    with duckdb.connect() as connection:
        connection.register("t", pd.DataFrame({"margin": margins.astype(np.float64)}))
        found = connection.execute(query.sql(dialect="duckdb")).fetchnumpy()["raised"]
    assert np.array_equal(found, expected.astype(np.float64))
    assert np.isinf(found).any()
    assert (found == 0).any()


def test_the_compiler_imports_none_of_the_libraries() -> None:
    code = "import sys, mlbridge.compile.select; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "sklearn" in loaded
    assert {lgb.__name__, xgb.__name__, "catboost"}.isdisjoint(loaded)
