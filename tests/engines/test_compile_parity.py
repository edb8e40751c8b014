"""Each covered estimator, run on DuckDB over rows that hurt, against scikit-learn."""

from __future__ import annotations

import duckdb
import pytest
from compile_cases import CASES, IDS
from compiled import answer_function, differences, literals_of, row_answers, rows_that_hurt, sql_of
from stored import check_compiled

from mlbridge.compile.catalogue import COVERED


def test_every_row_of_the_table_has_a_parity_test() -> None:
    assert set(CASES) == set(COVERED)


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    return connection


@pytest.mark.parametrize(("name", "index"), IDS, ids=[f"{name}-{index}" for name, index in IDS])
def test_parity(name: str, index: int, engine: duckdb.DuckDBPyConnection) -> None:
    case = CASES[name][index]
    estimator = case.fitted()
    sql = sql_of(estimator)
    check_compiled(sql)
    rows = rows_that_hurt(case.frame(), literals_of(sql))
    expected = row_answers(answer_function(estimator), rows)
    engine.register("rows_frame", rows.assign(id=range(len(rows))))
    engine.execute("create or replace table t as from rows_frame")
    found = engine.execute(f"select * exclude id from ({sql}\n) order by id").fetchall()
    wrong = differences(expected, found, case.tolerance)
    assert not wrong, (len(wrong), rows.iloc[wrong[0][0]].to_dict(), wrong[:3])
    assert sum(each is not None for each in expected) >= len(case.frame())
