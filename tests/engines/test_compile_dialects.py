"""The SQL for engines that do not run here is read back in their dialect and compared."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlglot
from compile_cases import CASES
from compiled import sql_of
from dialects import Rule, Statement, clauses_refused, reserved_names, unread
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier
from sqlglot import exp

from mlbridge import CompileError, to_sql
from mlbridge.compile.catalogue import COVERED
from mlbridge.compile.sql.dialects import DIALECTS

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


def shape(tree: exp.Expression, engine: str) -> Counter[str]:
    """Count what a query is made of, whatever the engine's spelling of missing values, casts and lists.

    Where a test for NaN names a value twice, the value is a column, which may take a step of its own.
    """
    steps = () if DIALECTS[engine].repeats else (exp.CTE,)
    kinds = (*steps, exp.Join, exp.Add, exp.Mul, exp.Div, exp.LTE, exp.LT, exp.GT, exp.GTE, exp.Exp, exp.Ln, exp.Pow)
    return Counter(type(node).__name__ for node in tree.walk() if isinstance(node, kinds))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_it_reads_back_as_it_was_meant(engine: str) -> None:
    for name in NAMES:
        original, found = written(name, "postgres"), written(name, engine)
        again = sqlglot.parse_one(found.tree.sql(dialect=engine), dialect=engine)
        assert found.tree == again, name
        assert found.tree.named_selects == original.tree.named_selects, name
        by_halves = engine == "redshift" and "ARRAY[" in original.sql
        if not by_halves:
            assert shape(found.tree, engine) == shape(original.tree, engine), name


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


@pytest.mark.parametrize(
    ("engine", "day", "moment"),
    [
        ("snowflake", "CAST(`d` AS TIMESTAMP)) AS DOUBLE) / 1e6", "'epoch_microsecond', `m`"),
        ("bigquery", "UNIX_MICROS(CAST(`d` AS TIMESTAMP))", "UNIX_MICROS(`m`)"),
        ("spark", "CAST(`d` AS TIMESTAMP_NTZ) - CAST('1970-01-01' AS TIMESTAMP_NTZ)", "UNIX_MICROS(`m`)"),
        ("databricks", "CAST(`d` AS TIMESTAMP_NTZ) - CAST('1970-01-01' AS TIMESTAMP_NTZ)", "UNIX_MICROS(`m`)"),
        ("trino", "TO_UNIXTIME(CAST(`d` AS TIMESTAMP))", "TO_UNIXTIME(`m`)"),
    ],
)
def test_dates_and_moments_are_seconds(engine: str, day: str, moment: str) -> None:
    frame = pd.DataFrame({"d": np.arange(9.0), "m": np.arange(9.0)})
    estimator = LinearRegression().fit(frame, frame["d"])
    sql = to_sql(estimator, "t", engine, types={"d": "date", "m": "timestamptz"})
    assert sqlglot.parse_one(sql, dialect=engine)
    assert day in sql.replace('"', "`")
    assert moment in sql.replace('"', "`")


@pytest.mark.parametrize("engine", ["redshift", "sqlite"])
def test_where_dates_are_not_covered_that_is_said(engine: str) -> None:
    frame = pd.DataFrame({"d": np.arange(9.0)})
    with pytest.raises(CompileError, match=f"cannot be compiled for '{engine}' yet"):
        to_sql(LinearRegression().fit(frame, frame["d"]), "t", engine, types={"d": "date"})


@pytest.mark.parametrize("name", ["feature", "kept", "class"])
def test_no_name_is_replaced(name: str) -> None:
    names = {each: "${x}" if each == name else each for each in ("feature", "kept", "class")}
    frame = pd.DataFrame({names["feature"]: np.arange(8.0)})
    classes = np.array(["other", names["class"]], dtype=object)[np.arange(8) % 2]
    estimator = DecisionTreeClassifier().fit(frame, classes)
    assert to_sql(estimator, "t", "duckdb", [names["kept"]])
    for engine in ("spark", "databricks"):
        with pytest.raises(CompileError, match=re.escape("would replace '${...}' in the name")):
            to_sql(estimator, "t", engine, [names["kept"]])
