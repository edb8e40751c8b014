"""Each covered estimator over rows that hurt, against scikit-learn: on DuckDB, PostgreSQL and SQLite, and by numpy."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import psycopg2
import pytest
from compile_case import ROUNDED, Case
from compile_cases import CASES, IDS
from compile_cases_boosted import SINGLE
from compiled import TEXTS, answer_function, differences, literals_of, row_answers, rows_that_hurt, sql_of
from postgres import Postgres
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from stored import check_compiled

from mlbridge import to_sql
from mlbridge.compile.arrays.program import Program
from mlbridge.compile.catalogue import COVERED
from mlbridge.compile.sql.dialects import DIALECTS
from mlbridge.errors import CompileError

# PostgreSQL refuses a product that is too small for a double.
TINY = 1e-75
# What has no scores that a version could have.
WITHOUT = ("gives no probabilities", "has several outputs", "predicts nothing")


@dataclass(frozen=True)
class Fitted:
    """A case that is fitted once for all engines, with its SQL for DuckDB, and scikit-learn's answer to each row."""

    name: str
    index: int
    case: Case
    estimator: Any
    sql: str
    rows: pd.DataFrame
    expected: list[Any]

    def check(self, found: list[tuple[Any, ...]], kept: Any, tolerance: float, least: float = 1e-290) -> None:
        """Fail where an engine's answers to the rows that are kept are not scikit-learn's."""
        expected = [self.expected[index] for index in np.flatnonzero(kept)]
        wrong = differences(expected, found, tolerance, least)
        assert not wrong, (len(wrong), self.rows[kept].iloc[wrong[0][0]].to_dict(), wrong[:3])


def test_every_row_of_the_table_has_a_parity_test() -> None:
    assert set(CASES) == set(COVERED)


@pytest.fixture(scope="module", params=IDS, ids=[f"{name}-{index}" for name, index in IDS])
def fitted(request: pytest.FixtureRequest) -> Fitted:
    name, index = request.param
    case = CASES[name][index]
    estimator = case.fitted()
    sql = sql_of(estimator)
    rows = rows_that_hurt(case.frame(), literals_of(sql))
    expected = row_answers(answer_function(estimator), rows)
    assert sum(each is not None for each in expected) >= len(case.frame())
    return Fitted(name, index, case, estimator, sql, rows, expected)


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    return connection


def test_duckdb(fitted: Fitted, engine: duckdb.DuckDBPyConnection) -> None:
    check_compiled(fitted.sql)
    engine.register("rows_frame", fitted.rows.assign(id=range(len(fitted.rows))))
    engine.execute("create or replace table t as from rows_frame")
    found = engine.execute(f"select * exclude id from ({fitted.sql}\n) order by id").fetchall()
    fitted.check(found, np.full(len(fitted.rows), True), fitted.case.tolerance)


def load(server: Postgres, rows: pd.DataFrame, nan_is_null: bool) -> None:
    """Fill the table `t`."""
    types = {"id": "INTEGER", **{name: "VARCHAR" if name in TEXTS else "DOUBLE" for name in rows.columns}}
    with server.connection.cursor() as cursor:
        cursor.execute("drop table if exists public.t")
    server.load("public", "t", types, values_of(rows, nan_is_null))


def test_postgres(fitted: Fitted, server: Postgres) -> None:
    """A missing number is NULL or NaN, a missing text always NULL."""
    sql = sql_of(fitted.estimator, "postgres")
    check_compiled(sql, "postgres")
    numbers = fitted.rows.select_dtypes("number").abs()
    kept = ~((numbers > 0) & (numbers < TINY)).any(axis=1).to_numpy()
    has_texts = any(each in fitted.rows.columns for each in TEXTS)
    load(server, fitted.rows[kept], nan_is_null=has_texts or fitted.index % 2 == 0)
    found = [row[1:] for row in server.rows(f"select * from ({sql}\n) as found order by id")]
    fitted.check(found, kept, fitted.case.tolerance)


def test_the_widest_select_is_the_server_s(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scaled feature is read and computed in one step, which makes two columns of it."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 831)), columns=[f"c{index}" for index in range(831)])
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, frame["c0"] > 0)
    load(server, frame, nan_is_null=True)
    found = sorted(server.rows(to_sql(estimator, "t", "postgres", keep=["id"])))
    assert not differences(answer_function(estimator)(frame), [row[1:] for row in found], 1e-12)
    with pytest.raises(CompileError, match=r"would have 1,665 columns in one of its steps; 'postgres' takes 1,664\."):
        to_sql(estimator, "t", "postgres", keep=["id", "c0"])
    monkeypatch.setitem(DIALECTS, "postgres", replace(DIALECTS["postgres"], widest=math.inf))
    with pytest.raises(psycopg2.errors.TooManyColumns):
        server.rows(to_sql(estimator, "t", "postgres", keep=["id", "c0"]))


def test_sqlite(fitted: Fitted) -> None:
    try:
        sql = sql_of(fitted.estimator, "sqlite")
    except CompileError as error:
        if "characters; 'sqlite' takes 4,000,000" not in str(error):
            raise
        return
    with sqlite3.connect(":memory:") as connection:
        columns = ["id", *fitted.rows.columns]
        names = ", ".join('"' + each.replace('"', '""') + '"' for each in columns)
        connection.execute(f"create table t ({names})")
        rows = values_of(fitted.rows, nan_is_null=True)
        connection.executemany(f"insert into t values ({', '.join('?' * len(columns))})", rows)
        found = connection.execute(f"select * from ({sql}\n) order by id").fetchall()
    # XGBoost adds up floats of 32 bits, which SQLite does not have; each tree may add an error of the last bit.
    boosted = fitted.name.startswith("xgboost.")
    tolerance, least = (10 * SINGLE, 1.0) if boosted else (max(fitted.case.tolerance, ROUNDED), 1e-290)
    fitted.check([row[1:] for row in found], np.full(len(fitted.rows), True), tolerance, least)


def values_of(rows: pd.DataFrame, nan_is_null: bool) -> list[tuple[Any, ...]]:
    """Give rows with a number as their first value, which is their key."""
    return [
        (index, *(None if nan_is_null and isinstance(each, float) and math.isnan(each) else each for each in row))
        for index, row in enumerate(rows.itertuples(index=False, name=None))
    ]


def test_numpy(fitted: Fitted) -> None:
    """The scores of a version come from the nodes of its SELECT."""
    types = {name: "text" if name in TEXTS else "double" for name in fitted.rows.columns}
    try:
        program = Program(fitted.estimator, types)
    except CompileError as error:
        if not any(each in str(error) for each in WITHOUT):
            raise
        return
    rows, tolerance = fitted.rows, fitted.case.tolerance
    scores, reasons = program.scores(columns_of(rows), len(rows))
    scores = scores.reshape(len(rows), -1)
    first = 1 if hasattr(fitted.estimator, "predict_proba") else 0  # the class comes before its probabilities
    for at, answer in enumerate(fitted.expected):
        row = None if answer is None or not np.isfinite(answer[first:]).all() else np.asarray(answer[first:])
        found = None if reasons is not None and reasons[at] is not None else scores[at]
        if row is None or found is None or not np.isfinite(found).all():
            assert row is None, (rows.iloc[at].to_dict(), row, found)
            assert found is None or not np.isfinite(found).all(), (rows.iloc[at].to_dict(), found)
            continue
        gap = np.abs(found - row)
        assert (gap <= tolerance * np.maximum(np.abs(row), 1e-300)).all(), (rows.iloc[at].to_dict(), row, found)
    # Each row alone has the scores that it has among the others.
    for at in range(0, len(rows), max(1, len(rows) // 5)):
        alone, _ = program.scores(columns_of(rows.iloc[[at]]), 1)
        np.testing.assert_array_equal(alone.reshape(-1), scores[at])


def columns_of(rows: pd.DataFrame) -> dict[str, Any]:
    return {
        name: [None if pd.isna(each) else each for each in rows[name]]
        if name in TEXTS
        else rows[name].to_numpy(dtype=np.float64)
        for name in rows.columns
    }
