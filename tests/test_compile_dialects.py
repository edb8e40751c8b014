"""The SQL for other engines: SQLite runs it; for the rest it is read back in their dialect and compared."""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import sqlglot
from compile_cases import CASES
from compiled import asked, differences, rows_that_hurt, sql_of, told
from dialects import Rule, Statement, clauses_refused, reserved_names, unread
from sqlglot import exp

from mlbridge.compile.covered import COVERED

ENGINES = ("snowflake", "bigquery", "redshift", "databricks", "trino", "spark")
# Beside what every engine has: arithmetic, CASE, CAST, COALESCE, NULLIF and comparisons.
FUNCTIONS = {
    "snowflake": {"array_construct", "get", "greatest_ignore_nulls"},
    "bigquery": {"is_nan", "ordinal", "struct", "unnest"},
    "redshift": {"varchar"},
    "databricks": {"array", "element_at"},
    "spark": {"array", "element_at"},
    "trino": {"bitwise_and", "element_at", "is_nan"},
}
EVERYWHERE = {"abs", "bitand", "exp", "greatest", "ln", "power", "sqrt"}
# sqlfluff knows the words of these.
LINTED = ("snowflake", "bigquery", "redshift", "spark")


# One for each translator.
NAMES = tuple({COVERED[name].translate: name for name in CASES}.values())


@cache
def estimator_of(name: str) -> Any:
    return CASES[name][0].fitted()


@cache
def written(name: str, engine: str) -> Statement:
    return Statement(engine, sql_of(estimator_of(name), engine))


def shape(tree: exp.Expression) -> Counter[str]:
    """Count what a query is made of, whatever the engine's spelling of missing values, casts and lists."""
    kinds = (exp.CTE, exp.Join, exp.Add, exp.Mul, exp.Div, exp.LTE, exp.LT, exp.GT, exp.GTE, exp.Exp, exp.Ln, exp.Pow)
    return Counter(type(node).__name__ for node in tree.walk() if isinstance(node, kinds))


@pytest.mark.parametrize("engine", ENGINES)
def test_it_reads_back_as_it_was_meant(engine: str) -> None:
    for name in NAMES:
        original, found = written(name, "duckdb"), written(name, engine)
        again = sqlglot.parse_one(found.tree.sql(dialect=engine), dialect=engine)
        assert found.tree == again, name
        assert found.tree.named_selects == original.tree.named_selects, name
        by_halves = engine == "redshift" and "LIST_EXTRACT" in original.sql
        if not by_halves:
            assert shape(found.tree) == shape(original.tree), name


@pytest.mark.parametrize("engine", ENGINES)
def test_no_function_is_unknown_there(engine: str) -> None:
    known = EVERYWHERE | FUNCTIONS[engine]
    for name in NAMES:
        assert set(functions(written(name, engine))) <= known, name


def functions(statement: Statement) -> Iterator[str]:
    """Find what is called, but for the words of SQL that a bracket follows."""
    words = {"cast", "as", "when", "then", "else", "and", "or", "not", "values", "join", "from", "select", "in", "on"}
    standard = {"coalesce", "nullif"}
    for token, following in itertools.pairwise(statement.tokens):
        quoted = statement.sql[token.start] in "\"`'"
        called = following.text == "(" and token.text.isidentifier() and not quoted
        if called and token.text.lower() not in words | standard:
            yield token.text.lower()


@pytest.mark.parametrize("rule", [unread, reserved_names, clauses_refused])
@pytest.mark.parametrize("engine", LINTED)
def test_no_engine_refuses_it(engine: str, rule: Rule) -> None:
    found = {name: list(rule(written(name, engine))) for name in NAMES}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("name", CASES)
def test_sqlite_says_the_same(name: str) -> None:
    case = CASES[name][0]
    estimator = case.fitted()
    rows = rows_that_hurt(case.frame())
    expected = told(asked(estimator), rows)
    with sqlite3.connect(":memory:") as connection:
        columns = ["id", *rows.columns]
        names = ", ".join('"' + each.replace('"', '""') + '"' for each in columns)
        connection.execute(f"create table t ({names})")
        values = [
            [place, *(None if isinstance(each, float) and math.isnan(each) else each for each in row)]
            for place, row in enumerate(rows.itertuples(index=False, name=None))
        ]
        connection.executemany(f"insert into t values ({', '.join('?' * len(columns))})", values)
        found = connection.execute(f"select * from ({sql_of(estimator, 'sqlite')}\n) order by id").fetchall()
    wrong = differences(expected, [row[1:] for row in found], max(case.tolerance, 1e-12))
    assert not wrong, (len(wrong), rows.iloc[wrong[0][0]].to_dict(), wrong[:3])
