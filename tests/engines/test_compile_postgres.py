"""Each covered estimator, run by a PostgreSQL server over rows that hurt, against scikit-learn."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
import pytest
from compile_cases import CASES, IDS
from compiled import TEXTS, answer_function, differences, literals_of, row_answers, rows_that_hurt, sql_of
from postgres import Postgres
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from stored import check_compiled

from mlbridge import to_sql
from mlbridge.compile.sql.dialects import DIALECTS
from mlbridge.errors import CompileError


def load(server: Postgres, rows: pd.DataFrame, nan_is_null: bool) -> None:
    """Fill the table `t`; a missing number is NULL or NaN, a missing text always NULL."""
    types = {"id": "INTEGER", **{name: "VARCHAR" if name in TEXTS else "DOUBLE" for name in rows.columns}}
    with server.connection.cursor() as cursor:
        cursor.execute("drop table if exists public.t")
    server.load(
        "public", "t", types, [(index, *map(value_of(nan_is_null), row)) for index, row in enumerate(plain(rows))]
    )


def plain(rows: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(rows.itertuples(index=False, name=None))


def value_of(nan_is_null: bool) -> Any:
    def value(each: Any) -> Any:
        missing = isinstance(each, float) and math.isnan(each)
        return None if missing and nan_is_null else each

    return value


@pytest.mark.parametrize(("name", "index"), IDS, ids=[f"{name}-{index}" for name, index in IDS])
def test_parity(name: str, index: int, server: Postgres) -> None:
    case = CASES[name][index]
    estimator = case.fitted()
    sql = sql_of(estimator, "postgres")
    check_compiled(sql, "postgres")
    # PostgreSQL refuses a product that is too small for a double.
    rows = rows_that_hurt(case.frame(), literals_of(sql, most=10), tiniest=1e-75)
    expected = row_answers(answer_function(estimator), rows)
    load(server, rows, nan_is_null=any(each in rows.columns for each in TEXTS) or index % 2 == 0)
    found = [row[1:] for row in server.rows(f"select * from ({sql}\n) as found order by id")]
    wrong = differences(expected, found, case.tolerance)
    assert not wrong, (len(wrong), rows.iloc[wrong[0][0]].to_dict(), wrong[:3])


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
