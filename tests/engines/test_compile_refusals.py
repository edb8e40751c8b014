"""What scikit-learn refuses, or says NaN of, has no answer in SQL either; everything else has the same one.

Columns hold texts, None, booleans, whole numbers and moments; steps make NaN and infinity of known numbers.
"""

from __future__ import annotations

import warnings
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from compile_refusals import OVERFLOWS, REFUSALS, Fitted, amounts, forest, logistic, moments
from compiled import answers, differences, row_answers
from postgres import Postgres
from sklearn import linear_model as lm
from sklearn import preprocessing as pp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from mlbridge import CompileError, to_sql

EVERY = {**REFUSALS, **OVERFLOWS}


def wrong(case: Fitted, estimator: Any, found: list[Any]) -> list[Any]:
    rows = case.rows()
    expected = row_answers(answers(estimator), rows)
    return [(rows.iloc[index].to_dict(), *each) for index, *each in differences(expected, found, case.tolerance)]


@pytest.mark.parametrize("name", EVERY)
def test_duckdb(name: str) -> None:
    case = EVERY[name]
    estimator = case.fitted()
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        connection.register("t", case.rows())
        found = connection.execute(to_sql(estimator, "t", types=case.types)).fetchall()
    assert not wrong(case, estimator, found)[:3]


@pytest.mark.parametrize("name", REFUSALS)
def test_postgres(name: str, server: Postgres) -> None:
    case = REFUSALS[name]
    estimator, rows = case.fitted(), case.rows()
    with server.connection.cursor() as cursor:
        cursor.execute("drop table if exists public.t")
    types = {"id": "INTEGER", **{str(each): type_of(rows[each]) for each in rows}}
    booleans = {each: "boolean" for each, type_ in types.items() if type_ == "BOOLEAN"}
    values = [(index, *map(plain, row)) for index, row in enumerate(rows.itertuples(index=False, name=None))]
    server.load("public", "t", types, values)
    sql = to_sql(estimator, "public.t", "postgres", ["id"], {**case.types, **booleans})
    found = [row[1:] for row in server.rows(f"select * from ({sql}\n) as found order by id")]
    assert not wrong(case, estimator, found)[:3]


def type_of(column: pd.Series) -> str:
    known = column.dropna()
    if column.dtype.kind == "M":
        return "TIMESTAMP"
    if known.map(lambda each: isinstance(each, bool)).all() and len(known):
        return "BOOLEAN"
    return "VARCHAR" if known.map(lambda each: isinstance(each, str)).all() and len(known) else "DOUBLE"


def plain(value: Any) -> Any:
    if value is None or value is pd.NaT:
        return None
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value


@pytest.mark.parametrize("make", [
    lambda: make_pipeline(pp.StandardScaler(), lm.LogisticRegression()),
    lambda: HistGradientBoostingClassifier(min_samples_leaf=5),
])  # fmt: skip
@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
def test_what_was_fitted_on_smaller_units_than_seconds_is_refused(make: Any, unit: str) -> None:
    frame = moments(unit)
    estimator = make().fit(frame, np.arange(len(frame)) % 2)
    with pytest.raises(CompileError, match="smaller units than seconds"):
        to_sql(estimator, "t", types={"d": "timestamp"})


@pytest.mark.parametrize("values", [
    np.array([0.1, 0.2, np.nan], dtype=np.float32), np.array([2**53 + 1, 2**53, 1]), [2**60, 1, None],
])  # fmt: skip
def test_categories_that_are_no_doubles_are_refused(values: Any) -> None:
    frame = pd.DataFrame({"c": list(values) * 10}, dtype=getattr(values, "dtype", object))
    estimator = make_pipeline(pp.OneHotEncoder(), lm.LogisticRegression()).fit(frame, [0, 1, 0] * 10)
    with pytest.raises(CompileError, match="not the same as doubles"):
        to_sql(estimator, "t")


def test_a_moment_must_be_called_one() -> None:
    frame = moments("us")
    estimator = make_pipeline(pp.OneHotEncoder(), lm.LogisticRegression()).fit(frame, [0, 1, 0] * 40)
    with pytest.raises(CompileError, match="Say so in `types`"):
        to_sql(estimator, "t")


@pytest.mark.parametrize(("types", "message"), [
    ({"amout": "double"}, "Did you mean 'amount'"), ({"amount": "duoble"}, "the type 'duoble'"),
])  # fmt: skip
def test_a_misspelt_column_or_type_is_refused(types: dict[str, str], message: str) -> None:
    estimator = lm.LinearRegression().fit(amounts(), np.arange(120))
    with pytest.raises(CompileError, match=message):
        to_sql(estimator, "t", types=types)


@pytest.mark.parametrize("make", [
    HistGradientBoostingClassifier, lm.RidgeClassifier, lm.RidgeClassifierCV,
])  # fmt: skip
def test_one_class_is_refused_by_name(make: Any) -> None:
    estimator = make().fit(amounts(), np.full(120, "only", dtype=object))
    with pytest.raises(CompileError, match="'only'"):
        to_sql(estimator, "t")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OneVsRestClassifier(logistic()), "a class or label that no row had, or every row, has no estimator"),
        (lambda: ClassifierChain(forest()), "scikit-learn gives no probabilities where an output had one class"),
    ],
)
def test_a_label_that_every_row_has_is_refused(make: Any, message: str) -> None:
    known = amounts()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = make().fit(known, np.column_stack([np.ones(len(known), dtype=int), known["amount"] > 5]))
    with pytest.raises(CompileError, match=message):
        to_sql(fitted, "t")


DECIMALS = ("1.5", "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", None)


def test_decimals_of_postgres_may_be_anything(server: Postgres) -> None:
    """NaN is missing; infinity, and what is more than a double, is infinite; what is less than one is 0."""
    frame = pd.DataFrame({"x": [1.5, np.nan, np.inf, -np.inf, np.inf, -np.inf, 0.0, np.nan]})
    with server.connection.cursor() as cursor:
        cursor.execute("drop table if exists public.t; create table public.t (id integer, x numeric)")
        cursor.executemany("insert into public.t values (%s, %s::numeric)", list(enumerate(DECIMALS)))
    known = pd.DataFrame({"x": [1.5, 2.5, np.nan, 0.0] * 20})
    models = (HistGradientBoostingClassifier(min_samples_leaf=5), DecisionTreeClassifier(), lm.LogisticRegression())
    for model in models:
        fitted = make_pipeline(SimpleImputer(), model)
        fitted.fit(known, [0, 1, 1, 0] * 20)
        sql = to_sql(fitted, "public.t", "postgres", ["id"], {"x": "numeric"})
        found = [row[1:] for row in server.rows(f"select * from ({sql}\n) as found order by id")]
        assert not differences(row_answers(answers(fitted), frame), found, 1e-12)


@pytest.mark.parametrize("type_", ["date", "timestamp", "timestamptz"])
def test_an_infinite_moment_is_missing(type_: str, server: Postgres) -> None:
    moments = ("2020-01-01", "infinity", "-infinity", None)
    seconds = pd.DataFrame({"d": [1577836800.0, np.nan, np.nan, np.nan]})
    known = pd.DataFrame({"d": [1.5e9, 1.6e9, np.nan, 1.7e9] * 20})
    estimator = HistGradientBoostingClassifier(min_samples_leaf=5).fit(known, [0, 1, 1, 0] * 20)
    expected = answers(estimator)(seconds)
    literals = ["null" if each is None else repr(each) for each in moments]
    values = ", ".join(f"({index}, {each}::{type_})" for index, each in enumerate(literals))
    rows = f"select * from (values {values}) as v(id, d)"
    with duckdb.connect() as connection:
        connection.execute(f"set timezone = 'UTC'; create table t as {rows}")
        found = connection.execute(f"{to_sql(estimator, 't', types={'d': type_}, keep=['id'])} order by id").fetchall()
        assert not differences(expected, [row[1:] for row in found], 0)
    with server.connection.cursor() as cursor:
        cursor.execute(f"set timezone = 'UTC'; drop table if exists public.t; create table public.t as {rows}")
    sql = to_sql(estimator, "public.t", "postgres", ["id"], {"d": type_})
    assert not differences(expected, [row[1:] for row in server.rows(f"{sql} order by id")], 0)
