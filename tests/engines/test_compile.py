"""`to_sql`: names, types, what is refused, and what the SQL looks like."""

from __future__ import annotations

import re
import sqlite3
import warnings
from dataclasses import replace
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import sqlglot
from compile_cases import ALL, CASES, REFUSED, coded, hist, mixed, tree
from compiled import NUMBERS, answers, differences, row_answers, rows_that_hurt, rows_to_fit, targets
from dbt_host import ROOT
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sqlglot import exp

import mlbridge
from mlbridge import CompileError, to_sql
from mlbridge.compile.catalogue import COVERED
from mlbridge.compile.sql.assembly import Assembler, Names
from mlbridge.compile.sql.columns import Mapped
from mlbridge.compile.sql.dialects import DIALECTS
from mlbridge.compile.sql.expressions import Named, Source, add, double, ref
from mlbridge.compile.trees.tree import as_double_thresholds


def fitted(make: Any, target: str = "two", columns: tuple[str, ...] = NUMBERS, missing: bool = False) -> Any:
    frame = rows_to_fit(missing)
    return make().fit(frame[list(columns)], targets(frame, target))


def run(sql: str, frame: pd.DataFrame) -> Any:
    with duckdb.connect() as connection:
        connection.register("t", frame)
        return connection.execute(sql).fetchall()


def test_columns_are_the_kept_ones_then_what_is_predicted() -> None:
    sql = to_sql(fitted(tree, "three"), "t", keep=["x", "prediction id"])
    names = ["x", "prediction id", "prediction", "probability_High", "probability_it's", "probability_low"]
    assert sqlglot.parse_one(sql, dialect="duckdb").named_selects == names


def test_booleans_are_lower_case_and_several_outputs_are_numbered() -> None:
    assert sqlglot.parse_one(to_sql(fitted(tree), "t")).named_selects == [
        "prediction", "probability_false", "probability_true",
    ]  # fmt: skip
    assert sqlglot.parse_one(to_sql(fitted(tree, "pairs"), "t")).named_selects == [
        "prediction_0", "probability_0_0", "probability_0_1", "probability_0_2",
        "prediction_1", "probability_1_0", "probability_1_3",
    ]  # fmt: skip
    assert sqlglot.parse_one(to_sql(fitted(DecisionTreeRegressor, "numbers"), "t")).named_selects == [
        "prediction_0", "prediction_1",
    ]  # fmt: skip


def test_a_kept_column_is_as_it_stands_and_may_be_a_feature() -> None:
    frame = rows_to_fit(missing=True)
    frame["x"] = [None if np.isnan(each) else Decimal(str(each)) for each in frame["x"]]
    found = run(f"select x, prediction from ({to_sql(fitted(hist, missing=True), 't', keep=['x'])}\n)", frame)
    assert [row[0] for row in found] == list(frame["x"])


@pytest.mark.parametrize(
    "relation",
    [
        "t",
        '"main"."t"',
        "ml_columns",
        "select * from t",
        "with u as (select * from t) select * from u",
        exp.to_table("t"),
    ],
)
def test_a_relation_is_a_name_or_a_query(relation: Any) -> None:
    frame = rows_to_fit(missing=False)
    estimator = fitted(tree)
    with duckdb.connect() as connection:
        connection.register("t_frame", frame)
        connection.execute("create table t as from t_frame")
        connection.execute("create table ml_columns as from t_frame")
        found = connection.execute(to_sql(estimator, relation)).fetchall()
    assert not differences(row_answers(answers(estimator), frame[list(NUMBERS)]), found, 0)


def test_names_are_only_names() -> None:
    """In the relation, in keep, among the features and the classes."""
    nasty = ['a"b', "select 1; --", "'); drop table t; --", "ml_rows", "Tree", "tree", "prediction_value"]
    frame = pd.DataFrame({name: np.arange(8) % (index + 2) for index, name in enumerate(nasty)}, dtype=float)
    frame = frame.drop(columns="Tree")
    classes = np.array(['x"', "y'; --", "z\n"], dtype=object)[np.arange(8) % 3]
    estimator = RandomForestClassifier(25, random_state=0).fit(frame, classes)
    sql = to_sql(estimator, '"t"', keep=['a"b', "tree"])
    found = run(sql, frame)
    expected = [
        (*row, *outputs)
        for row, outputs in zip(frame[['a"b', "tree"]].to_numpy(), answers(estimator)(frame), strict=True)
    ]
    assert not differences(expected, found, 0)


@pytest.mark.parametrize(
    ("keep", "dialect", "collides"),
    [
        (["prediction"], "duckdb", True),
        (["Prediction"], "duckdb", True),
        (["Prediction"], "postgres", False),
        (["probability_low"], "snowflake", True),
        (["a" * 63, "a" * 64], "postgres", True),
    ],
)
def test_two_columns_may_not_have_one_name(keep: list[str], dialect: str, collides: bool) -> None:
    estimator = fitted(tree, "three")
    if not collides:
        assert to_sql(estimator, "t", dialect, keep)
        return
    with pytest.raises(CompileError, match="would have one name"):
        to_sql(estimator, "t", dialect, keep)


def test_types_are_read_as_a_frame_reads_them() -> None:
    """Booleans, dates, moments, decimals and whole numbers beyond 2^53."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Asia/Tokyo'")
        connection.execute(
            """create table t as select i as id,
            case when i % 7 > 0 then i % 3 = 0 end as flag,
            case when i % 11 > 0 then date '1969-12-20' + i::integer end as day,
            timestamp '2024-01-01 00:00:00.123456' + to_seconds(i * 3607) as moment,
            case when i % 5 > 0 then (i / 100)::decimal(18, 3) end as price,
            9007199254740993 + i as big from range(120) as r(i)"""
        )
        columns = connection.execute("describe t").fetchall()
        types = {name: type_ for name, type_, *_ in columns}
        read = connection.execute(
            "select flag::int::double as flag, epoch(day) as day, epoch(moment) as moment, price::double as price, "
            "big::double as big from t order by id"
        ).df()
        for make in (hist, lambda: RandomForestClassifier(9, random_state=0)):
            estimator = make().fit(read, (read["moment"] % 3 > 1) ^ (read["flag"] > 0))
            found = connection.execute(f"{to_sql(estimator, 't', types=types, keep=['id'])} order by id").fetchall()
            assert not differences(answers(estimator)(read), [row[1:] for row in found], 0)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_covered_is_refused_by_name(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = fitted(REFUSED[name])
    with pytest.raises(CompileError, match=re.escape(name)):
        to_sql(estimator, "t")


def test_the_error_lists_what_is_covered() -> None:
    with pytest.raises(CompileError) as raised:
        to_sql(fitted(REFUSED["sklearn.neighbors._classification.KNeighborsClassifier cannot be compiled"]), "t")
    assert all(f"'{name}'" in str(raised.value) for name in COVERED)


class DecisionTree(DecisionTreeClassifier):
    """An estimator that only looks like one of scikit-learn's."""


DecisionTree.__name__ = "DecisionTreeClassifier"


def test_a_class_of_the_same_name_is_not_taken_for_the_covered_one() -> None:
    with pytest.raises(CompileError, match="cannot be compiled"):
        to_sql(fitted(DecisionTree), "t")


def test_without_names_or_predictions_or_dialect_there_is_no_sql() -> None:
    frame = rows_to_fit(missing=False)[list(NUMBERS)]
    with pytest.raises(CompileError, match="Fit it on a pandas DataFrame"):
        to_sql(tree().fit(frame.to_numpy(), targets(frame, "two")), "t")
    with pytest.raises(CompileError, match="predicts nothing"):
        to_sql(make_pipeline(StandardScaler()).fit(frame), "t")
    with pytest.raises(CompileError, match="Did you mean 'postgres'"):
        to_sql(fitted(tree), "t", "postgress")


def test_it_says_what_it_is() -> None:
    sql = to_sql(fitted(lambda: make_pipeline(StandardScaler(), LogisticRegression())), "t", header=["late\nversion 3"])
    assert sql.splitlines()[:3] == [
        "-- StandardScaler -> LogisticRegression",
        "-- 4 columns in, 3 out",
        "-- late version 3",
    ]


def test_the_same_pipeline_gives_the_same_sql() -> None:
    estimator = fitted(lambda: make_pipeline(mixed(), LogisticRegression()), columns=ALL, missing=True)
    assert to_sql(estimator, "t") == to_sql(estimator, "t")


def test_a_mean_of_many_values_is_a_table_that_is_joined() -> None:
    sql = to_sql(fitted(lambda: make_pipeline(mixed(), LogisticRegression()), columns=ALL, missing=True), "t")
    assert sql.count("LEFT JOIN") == 1
    assert 'WHEN "Straße"' not in sql


def test_categories_are_bits() -> None:
    sql = to_sql(
        fitted(lambda: make_pipeline(coded(), hist(categorical_features=[4, 5])), columns=ALL, missing=True), "t"
    )
    assert re.search(r'"city_bit" & \d+', sql)
    assert " IN (" not in sql


def test_more_categories_than_bits() -> None:
    rng = np.random.default_rng(0)
    texts = np.array([f"c{each}" for each in rng.integers(0, 150, 4000)], dtype=object)
    frame = pd.DataFrame({"text": texts, "n": rng.normal(size=4000)})
    effect = dict(zip(np.unique(texts), rng.normal(size=150), strict=False))
    y = np.array([effect[each] for each in texts]) + frame["n"] > 0
    estimator = HistGradientBoostingClassifier(max_iter=20, categorical_features=["text"]).fit(frame, y)
    rows = rows_that_hurt(frame.iloc[:400]).astype({"n": float})
    found = run(to_sql(estimator, "t"), rows)
    assert not differences(row_answers(answers(estimator), rows), found, 0)


def test_thresholds_are_the_last_doubles_that_round_to_the_left() -> None:
    rng = np.random.default_rng(0)
    floats = np.abs(rng.normal(size=2000)).astype(np.float32) * np.float32(10.0) ** rng.integers(-30, 30, 2000)
    thresholds = np.concatenate([floats.astype(np.float64), rng.normal(size=2000) * 1e3, [0.0, -0.0, 3.4e38, -3.4e38]])
    ends = as_double_thresholds(thresholds)
    assert (ends.astype(np.float32) <= thresholds).all()
    with np.errstate(over="ignore"):
        assert (np.nextafter(ends, np.inf).astype(np.float32) > thresholds).all()
    assert as_double_thresholds(np.array([np.inf]))[0] == np.inf


def test_a_column_used_once_is_written_where_it_is_used() -> None:
    once = Named("once", add(ref(Source("a")), double(1)))
    twice = Named("twice", add(ref(Source("b")), double(1)))
    outputs = {"o": add(ref(once), add(ref(twice), ref(twice)))}
    sql = Assembler(exp.to_table("t"), [], DIALECTS["duckdb"], outputs).select(outputs).sql(dialect="duckdb")
    assert sql.count("WITH") == 1
    assert '"twice"' in sql
    assert '"once"' not in sql


def test_names_are_never_given_twice() -> None:
    names = Names(["A"], 63)
    given = [names.new(hint) for hint in ("a", "a", "", "é" * 60, "é" * 61)]
    assert len({each.lower() for each in given} | {"a"}) == 6
    assert all(len(each.encode()) <= 63 for each in given)


def test_a_mapped_column_keeps_its_places() -> None:
    column = Mapped("m", Source("s"), ("a", "b"), np.array([1.0, 2.0]), np.nan, 0.0)
    assert column.with_table(column.table * 2).table.tolist()[:2] == [2.0, 4.0]
    assert column.number.missing
    assert column.number.whole


def test_every_guarantee_is_tested_as_it_is_stated() -> None:
    for name, row in COVERED.items():
        if row.guarantee == "bit for bit" and not row.remark:
            assert {case.tolerance for case in CASES[name]} == {0.0}, name


def test_it_is_a_public_name() -> None:
    assert mlbridge.to_sql is to_sql


def test_the_docs_list_what_is_covered() -> None:
    text = (ROOT / "docs" / "compile.md").read_text()
    rows = [f"| {name.split('.')[1]} | {row.guarantee} | {row.remark} |" for name, row in COVERED.items()]
    table = text.partition("| estimator |")[2].partition("\n\n")[0]
    assert table.splitlines()[2:] == rows


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_wide_and_deep_models_stay_within_the_engine_s_depth(dialect: str) -> None:
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(60, 1200)), columns=[f"c{index}" for index in range(1200)])
    chained = pd.DataFrame({"x": np.arange(600.0)})
    for frame, estimator in (
        (wide, LogisticRegression().fit(wide, wide["c0"] > 0)),
        (chained, DecisionTreeRegressor().fit(chained, 2.0 ** -chained["x"])),
    ):
        sql = to_sql(estimator, "t", dialect)
        if dialect == "duckdb":
            found = run(sql, frame)
        else:
            with sqlite3.connect(":memory:") as connection:
                frame.to_sql("t", connection, index=False)
                found = connection.execute(sql).fetchall()
        assert not differences(answers(estimator)(frame), found, 1e-12)


@pytest.mark.parametrize(
    ("limit", "words"), [("largest", "characters"), ("deepest", "levels"), ("widest", "columns in one of its steps")]
)
def test_what_an_engine_does_not_take_is_refused(limit: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = fitted(hist)
    assert to_sql(estimator, "t", "trino")
    monkeypatch.setitem(DIALECTS, "trino", replace(DIALECTS["trino"], **{limit: 2}))
    with pytest.raises(CompileError, match=rf"would have [\d,]+ {words}; 'trino' takes 2\. Take fewer"):
        to_sql(estimator, "t", "trino")


def test_a_moment_with_a_zone_is_read_whatever_the_session_s_zone_is() -> None:
    moments = pd.DataFrame({"at": pd.to_datetime(["2024-03-31 00:30", "2024-03-31 01:30", "2024-07-01 12:00"])})
    seconds = moments.assign(at=moments["at"].astype("int64") // 10**6)
    estimator = DecisionTreeRegressor().fit(seconds, [1.0, 2.0, 3.0])
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'America/New_York'")
        connection.execute("create table t as select timestamptz '2024-03-31 01:30+00' as at")
        sql = to_sql(estimator, "t", types={"at": "timestamp with time zone"})
        assert connection.execute(sql).fetchall() == [(2.0,)]
