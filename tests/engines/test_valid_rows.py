"""The one test of a table's rows: it says of each check that fails what is wrong and in how many rows."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from simulated import package

COLUMNS = "(model, version, outcome, share, rows)"
SOUND = "('a', 1, 'promoted', 0.5, 3), ('a', 2, 'rejected', 1.0, 4), ('b', 1, null, 0.1, 5)"
CHECKS: dict[str, Any] = {
    "not_null": ["model", "version", "rows"],
    "accepted_values": {"outcome": ["promoted", "rejected"], "model": ["a", "b", "it's"]},
    "conditions": ["share <= 1 or outcome is null"],
}


def problems(rows: str, unique: list[list[str]], condition: str = "1 = 1", **checks: Any) -> list[str]:
    """Give what the test says of the rows that meet a condition, in order of the alphabet."""
    relation = f"(select * from (values {rows}) as given {COLUMNS} where {condition})"
    sql = str(package().packages["mlbridge"]["test_valid_rows"](relation, unique, **checks))
    return sorted(problem for (problem,) in duckdb.sql(sql).fetchall())


def test_sound_rows_have_no_problem() -> None:
    assert problems(SOUND, [["model", "version"], ["rows"]], **CHECKS) == []


def test_no_rows_have_no_problem() -> None:
    assert problems("('a', 1, 'promoted', 0.5, 3)", [["model", "version"]], condition="1 = 0", **CHECKS) == []


@pytest.mark.parametrize(
    ("wrong", "messages"),
    [
        ("(null, 7, 'promoted', 0.5, 9)", ["model is NULL in 1 row(s)"]),
        ("('a', 7, 'promoted', 0.5, null), ('b', null, 'promoted', 0.5, 9), ('c', null, 'promoted', 0.5, 10)",
         ["model is none of a, b, it's in 1 row(s), such as c", "rows is NULL in 1 row(s)",
          "version is NULL in 2 row(s)"]),
        ("('a', 7, 'retired', 0.5, 9), ('a', 8, 'lost', 0.5, 10)",
         ["outcome is none of promoted, rejected in 2 row(s), such as lost"]),
        ("('c', 7, 'promoted', 0.5, 9)", ["model is none of a, b, it's in 1 row(s), such as c"]),
        ("('a', 7, 'promoted', 1.5, 9)", ["not (share <= 1 or outcome is null) in 1 row(s)"]),
        ("('a', 1, 'promoted', 0.5, 9), ('a', 2, 'promoted', 0.5, 10)",
         ["model, version: the same in several rows, 2 time(s), such as a, 1"]),
        ("(null, 1, 'promoted', 0.5, 9), (null, 1, 'promoted', 0.5, 10)",
         ["model is NULL in 2 row(s)", "model, version: the same in several rows, 1 time(s), such as NULL, 1"]),
    ],
)  # fmt: skip
def test_each_problem_is_a_sentence(wrong: str, messages: list[str]) -> None:
    assert problems(f"{SOUND}, {wrong}", [["model", "version"], ["rows"]], **CHECKS) == messages


def test_a_key_alone_is_a_check() -> None:
    assert problems(f"{SOUND}, {SOUND}", [["rows"]]) == ["rows: the same in several rows, 3 time(s), such as 3"]
