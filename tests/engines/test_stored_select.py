"""A SELECT of the logbook is run only if it is what the compiler writes, whatever the text says.

What the macro and the parser let pass is read by DuckDB's own parser too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import duckdb
import pytest
from branch import Branch
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import by_build

from mlbridge.nodes import predictions
from mlbridge.scoring.stored_select import FUNCTIONS, select_problem, text_checksum

SELECT = """with ml_scored_rows as (
-- a comment with 'quotes" and a ;
WITH ml_columns AS (
  SELECT
    "ml entity",
    COALESCE("a ""b""; (c", -1.5e-05) + EXP(CAST('it''s; (' AS DOUBLE)) AS "score",
    LIST_EXTRACT([1e0, 2e0], 1) AS "list"
  FROM ml_split_rows
), ml_step_2 AS (
  SELECT
    "ml entity",
    CASE WHEN "score_key" IS NULL THEN 0 ELSE "score_value" END AS "found"
  FROM ml_columns
  LEFT JOIN (VALUES
    (CAST('x' AS TEXT), 1),
    ('y', 2)) AS "score_table"("score_key", "score_value")
    ON "score" = "score_key"
  CROSS JOIN ml_arrays
)
SELECT
  "ml entity",
  "found" AS "prediction"
FROM ml_step_2
)
SELECT
  "ml entity" AS "entity",
  CAST("prediction" AS TEXT) || '[' AS "prediction"
FROM ml_scored_rows"""
# What is put in place of a part of the SELECT.
HOSTILE = {
    "leaves its parentheses": ("FROM ml_scored_rows", "FROM ml_scored_rows) as answer; copy (select 1) to 'f'; --"),
    "closes what it did not open": ("FROM ml_scored_rows", "FROM ml_scored_rows) as a, (select 1 as b"),
    "opens what it does not close": ("FROM ml_step_2\n)", "FROM ml_step_2\n"),
    "reads a file by a function": ("FROM ml_split_rows", "FROM read_csv('f.csv')"),
    "reads a file by its name": ("FROM ml_split_rows", "FROM 'f.csv'"),
    "reads a file by a quoted name": ("FROM ml_split_rows", 'FROM "f.csv"'),
    "reads a file beside the rows": ("FROM ml_split_rows", "FROM ml_split_rows, 'f.csv'"),
    "reads a file after a join": ('"score" = "score_key"', '"score" = "score_key", \'f.csv\''),
    "reads a file in a value": ("1.5e-05", "(SELECT content FROM read_text('f'))"),
    "reads a table in a value": ("1.5e-05", "(SELECT 1 FROM ml_columns)"),
    "reads another table": ("FROM ml_split_rows", "FROM users"),
    "reads a table of the package": ("FROM ml_split_rows", "FROM ml_versions"),
    "reads a table of another schema": ("FROM ml_split_rows", "FROM main.ml_columns"),
    "calls a function": ("EXP(", "GETENV("),
    "calls a function by its quoted name": ("EXP(", '"getenv"('),
    "calls a function by its quoted name, with a space": ("EXP(", '"getenv" ('),
    "calls a function with a comment before": ("EXP(", '"getenv"--\n('),
    "calls a method": ("CAST('it''s; (' AS DOUBLE)", "'f'.getenv()"),
    "chooses columns by a pattern": ('"list"\n', "\"list\", COLUMNS('.*')\n"),
    "hides a quotation mark in an escape": ("'it''s; ('", "E'\\', GETENV('"),
    "hides text between dollars": ("'it''s; ('", "$$'$$ || GETENV($$'$$)"),
    "hides text in a comment": ("1.5e-05", "1.5e-05 /* ' */ + GETENV('x') /* ' */"),
    "leaves a comment open": ("FROM ml_scored_rows", "FROM ml_scored_rows --"),
    "leaves a text open": ("FROM ml_scored_rows", "FROM ml_scored_rows where 'x"),
    "leaves a name open": ('AS "list"', 'AS "list'),
    "ends at a NUL": ("'it''s; ('", "'it''s\0; ('"),
    "is two statements": ("FROM ml_scored_rows", "FROM ml_scored_rows; SELECT 1"),
    "is a statement of another kind": (SELECT, "drop table ml_columns"),
    "is nothing": (SELECT, ""),
    "has letters that look like others": ("EXP(", "\u0415XP("),
    "has a parameter": ("1.5e-05", "$1"),
    "unites": ("FROM ml_scored_rows", "FROM ml_scored_rows UNION ALL SELECT 1, 2 FROM ml_split_rows"),
}


def test_the_select_of_the_compiler_passes() -> None:
    assert by_build(SELECT) is None
    assert by_build(SELECT, "postgres") is None
    assert select_problem(SELECT, text_checksum(SELECT)) is None


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_text_is_refused_by_both(case: str) -> None:
    part, other = HOSTILE[case]
    assert part in SELECT
    text = SELECT.replace(part, other)
    assert by_build(text) is not None
    assert by_build(text, "postgres") is not None
    # To a parser these are whole texts; what a build puts around them is not there.
    harmless = {"hides text in a comment", "leaves a comment open", "ends at a NUL"}
    assert (select_problem(text, None) is not None) or case in harmless


def test_an_engine_that_escapes_by_backslashes_reads_texts_so() -> None:
    text = SELECT.replace("'it''s; ('", "'it\\'s; ('")
    for engine in ("bigquery", "spark"):
        assert by_build(text.replace('"', "`"), engine) is None
        assert by_build(text, engine) is not None
    assert by_build(text) is not None
    hidden = SELECT.replace("'it''s; ('", "'\\', ' || GETENV() || '\\', '")
    assert by_build(hidden.replace('"', "`"), "bigquery") is not None
    continued = SELECT.replace('"', "`").replace("FROM ml_split_rows", "FROM ml_split_rows -- \\\n")
    assert by_build(continued, "spark") is not None


def test_an_engine_has_words_of_its_own_and_may_replace_parts_of_a_text() -> None:
    text = SELECT.replace("EXP(", "ELEMENT_AT(")
    assert by_build(text) == by_build(text, "postgres") == "`ELEMENT_AT`"
    assert by_build(text.replace('"', "`"), "spark") is None
    text = SELECT.replace("'it''s; ('", "'${env:HOME}'")
    assert by_build(text) is None
    assert by_build(text.replace('"', "`"), "spark") == "`${`"


FRAGMENTS = (
    *(
        "'",
        '"',
        "(",
        ")",
        ",",
        ";",
        "--",
        "\n",
        "/*",
        "*/",
        "*",
        "$$",
        "$",
        "\\",
        "\0",
        ".",
        "::",
        "@",
        "#",
        "[",
        "]",
        "-",
    ),
    *(
        "x'",
        "E'",
        "U&'",
        "&'",
        "FROM",
        "JOIN",
        "LEFT JOIN",
        "CROSS JOIN",
        "SELECT",
        "WITH",
        "VALUES",
        "ON",
        "AS",
        "CASE",
    ),
    *("UNION ALL", "LATERAL", "ml_columns", "ml_split_rows", "ml_versions", "'f.csv'", '"f.csv"', "read_text('f')"),
    *('"read_text"(', "getenv('x')", "COLUMNS(*)", "1e5", "0x1F", " ", "FROM 'f.csv'", ", 'f.csv'", ", ml_versions"),
    *("(SELECT 1)", "AS x(y)", "copy", "(VALUES (1))", "('x')", "{", "}", "?", ":", "|"),
)
FUNCTIONS_READ = {
    *(name.lower() for name in FUNCTIONS),
    *("abs", "exp", "ln", "sqrt", "pow", "power", "greatest", "least", "epoch", "list_value"),
    *("+", "-", "*", "/", "&", "||"),
}


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Put fragments at places of the SELECT, or take parts away."""
    text = SELECT
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 3, 12, 40])))
        text = text[:start] + draw(st.sampled_from(["", *FRAGMENTS])) + text[end:]
    return text


@cache
def engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def parts_of(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for each in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from parts_of(each)


def check_harmless(text: str) -> None:
    """Fail where DuckDB reads a text, within what a build puts around it, as more than a computation over the rows."""
    whole = f"select * from (\n{text}\n) as answer"
    (written,) = engine().execute("select json_serialize_sql(?)", [whole]).fetchone() or ("",)
    tree = json.loads(written)
    if tree["error"]:
        return  # DuckDB does not run it
    assert len(tree["statements"]) == 1
    for part in parts_of(tree):
        assert part.get("type") not in ("TABLE_FUNCTION", "SUBQUERY" if "subquery_type" in part else "")
        assert part.get("function_name", "abs").lower() in FUNCTIONS_READ
        if part.get("type") == "BASE_TABLE":
            assert (
                part["table_name"]
                .lower()
                .startswith(("ml_split_rows", "ml_scored", "ml_columns", "ml_step", "ml_arrays"))
            )
            assert part["schema_name"] == part["catalog_name"] == ""


def test_duckdb_reads_the_select_so() -> None:
    check_harmless(SELECT)
    with pytest.raises(AssertionError):
        check_harmless(SELECT.replace("EXP(", "GETENV("))
    with pytest.raises(AssertionError):
        check_harmless(SELECT.replace("FROM ml_split_rows", "FROM 'f.csv'"))


@settings(max_examples=1500, deadline=None)
@given(mutated())
def test_a_mutated_text_that_passes_only_computes(text: str) -> None:
    if by_build(text) is None:
        check_harmless(text)


def test_the_python_node_scores_from_the_artifact_where_the_select_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    branch = Branch(candidates=["hist_gradient_boosting"])
    branch.train()
    (row,) = branch.rows("from late_training")
    assert row["scoring_sql_md5"] == text_checksum(row["scoring_sql"])
    monkeypatch.setattr(predictions, "cheaper", lambda cost, rows: "sql")
    warned: list[str] = []
    monkeypatch.setattr(predictions, "warn", lambda node, text: warned.append(text))
    assert {each["scored_by"] for each in branch.predict()} == {"sql"}
    for change, words in (
        ("scoring_sql = scoring_sql || ' '", "its MD5 is "),
        ("scoring_sql = replace(scoring_sql, 'FROM ml_split_rows', 'FROM users'), scoring_sql_md5 = null", "`USERS`"),
    ):
        branch.execute("drop table if exists late_predictions")
        branch.execute(f"update late_training set {change}")
        warned.clear()
        assert {each["scored_by"] for each in branch.predict()} == {"python"}
        assert words in warned[0]
        assert "Python scores, from the artifact" in warned[0]
