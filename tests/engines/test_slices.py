"""A slice goes by one name in training and in monitoring, on DuckDB and PostgreSQL alike."""

from __future__ import annotations

import duckdb
import numpy as np
from decided import Decided
from postgres import Postgres

from mlbridge.evaluation.evaluate import slice_rows

LONG = "x" * 200
VALUES = (
    *(
        "a",
        "",
        "NULL",
        "'a'",
        "it's",
        LONG,
        LONG + "y",
        LONG + "z",
        "'" + LONG,
        "日" * 200,
        "日" * 201,
        "x" * 1_000_000,
    ),
    None,
)
COLUMN = 'the "column'


def by_training() -> list[str]:
    (_, *found) = slice_rows(len(VALUES), {COLUMN: np.array(VALUES, dtype=object)})
    return [name for name, rows in sorted(found, key=lambda each: each[1][0])]


def by_monitoring(engine: str) -> str:
    return str(Decided(engine).call("slice_of", COLUMN, "t"))


def test_a_slice_has_one_name_which_is_never_long() -> None:
    names = by_training()
    assert len(set(names)) == len(VALUES)
    assert max(map(len, names)) < len(COLUMN) + 210
    assert names[6].startswith(f"{COLUMN}={'x' * 160}... ")
    connection = duckdb.connect()
    connection.execute('create table t (place int, "the ""column" text)')
    connection.executemany("insert into t values (?, ?)", list(enumerate(VALUES)))
    assert [
        row[0] for row in connection.execute(f"select {by_monitoring('duckdb')} from t order by place").fetchall()
    ] == names


def test_a_slice_has_the_same_name_on_a_server(server: Postgres) -> None:
    with server.connection.cursor() as cursor:
        cursor.execute('create temporary table t (place int, "the ""column" text)')
        cursor.executemany("insert into t values (%s, %s)", list(enumerate(VALUES)))
    assert [row[0] for row in server.rows(f"select {by_monitoring('postgres')} from t order by place")] == by_training()
