"""What the macros know of the columns of tables that are there: from one query, however many tables."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from rendering import Answer
from simulated import Package

MADE = """
create schema beside;
create table runs (node text, status text);
create table beside.runs (other int);
create table unasked (hidden int);
create view seen as select node as "Node" from runs;
"""
EXPECTED = [["node", "status"], ["Node"], ["other"], []]
Execute = Callable[[str], Any]


@pytest.fixture(params=["duckdb", "postgres"])
def engine(request: pytest.FixtureRequest) -> tuple[str, str, str, Execute]:
    """Give an engine's name, its database and schema, and what executes a statement there."""
    if request.param == "duckdb":
        return "duckdb", "memory", "main", duckdb.connect().execute
    connection = request.getfixturevalue("server").connection

    def execute(statement: str) -> Any:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor

    return "postgres", "postgres", "public", execute


def test_one_query_tells_the_columns_of_all_tables(engine: tuple[str, str, str, Execute]) -> None:
    name, database, schema, execute = engine
    execute(MADE)
    package, queries = Package(name), []

    def run_query(query: str) -> Answer:
        queries.append(query)
        cursor = execute(query)
        return Answer([column[0] for column in cursor.description], cursor.fetchall())

    package.names.update(run_query=run_query)
    places = ((schema, "runs"), (schema, "seen"), ("beside", "runs"), ("beside", "seen"))
    relations = [SimpleNamespace(database=database, schema=each, identifier=table) for each, table in places]
    assert package.packages["mlbridge"]["column_names"](relations) == EXPECTED
    assert len(queries) == 1
