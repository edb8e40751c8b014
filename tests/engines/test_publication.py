"""The folder that builds publish to, under readers that never rest: nobody sees half a build or a stale one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import duckdb
import pytest

from mlbridge.publication.folder import FACTS, current_build, folder_of, read_facts
from mlbridge.publication.publish import publish, publish_beside

TABLES = ("ml_predictions", "ml_alerts", "ml_runs")
ROWS = 20_000

# Each gives what it has read of the newest build: its number and how many rows, by table.
READERS = {
    # One file by its fixed name.
    "pandas": """
import pandas as pd
def read():
    with open(f"{folder}/current/ml_predictions.parquet", "rb") as file:  # pandas opens a path several times
        found = pd.read_parquet(file)
    return [[int(found["build"].min()), int(found["build"].max()), len(found)]]
""",
    "glob": """
import duckdb
def read():
    query = "select min(build), max(build), count(*) from read_parquet(?)"
    return [list(duckdb.execute(query, [f"{folder}/current/ml_predictions*.parquet"]).fetchall()[0])]
""",
    # Several files of one build: the link is resolved once.
    "several": """
import os, duckdb
def read():
    place = os.path.realpath(f"{folder}/current")
    query = "select min(build), max(build), count(*) from read_parquet(?)"
    return [list(duckdb.execute(query, [f"{place}/{name}.parquet"]).fetchall()[0]) for name in tables]
""",
    # A connection that a dashboard keeps open.
    "views": """
import duckdb
kept = duckdb.connect(f"{folder}/bi.duckdb", read_only=True)
def read():
    return [list(kept.sql("select min(build), max(build), count(*) from ml_predictions").fetchall()[0])]
""",
    # One that opens the file anew for each question.
    "opened": """
import duckdb
def read():
    with duckdb.connect(f"{folder}/bi.duckdb", read_only=True) as views:
        return [list(views.sql("select min(build), max(build), count(*) from ml_alerts").fetchall()[0])]
""",
}
LOOP = """
import json, sys, threading
folder, tables, seen = sys.argv[1], sys.argv[2].split(), []
{read}
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print("reading", flush=True)
while True:
    last = ended.is_set()
    answer = read()
    if not seen or seen[-1] != answer:
        seen.append(answer)
    if last:
        break
print(json.dumps(seen))
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(tmp_path / "it's a warehouse.duckdb")) as connection:
        yield connection


def build(connection: duckdb.DuckDBPyConnection, number: int) -> Path:
    """Make the tables anew, of as many rows as the build's number adds, and publish them."""
    for name in TABLES:
        connection.execute(
            f"create or replace table {name} as select {number} as build, i from range({ROWS + number}) as t(i)"
        )
    database = connection.sql("select current_database()").fetchall()[0][0]
    tables = {name: (database, "main", name) for name in (*TABLES, "ml_not_there")}
    folder = publish(connection, tables, "dev", str(number), "2024-07-02 00:00:00", "0.9.0")
    assert folder is not None
    return folder


@contextmanager
def reading(kind: str, folder: Path) -> Iterator[list[Any]]:
    """Read again and again in a process of its own; the list is what it has seen, filled at the end."""
    seen: list[Any] = []
    command = [sys.executable, "-c", LOOP.replace("{read}", READERS[kind]), str(folder), " ".join(TABLES)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        yield seen
        output, problem = reader.communicate("", timeout=60)
        assert reader.returncode == 0, problem
        seen.extend(json.loads(output))


@pytest.mark.parametrize("builds", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_readers_see_whole_builds_and_at_last_the_newest(builds: int, warehouse: duckdb.DuckDBPyConnection) -> None:
    folder = build(warehouse, 0)
    with ExitStack() as readers:
        every = {kind: readers.enter_context(reading(kind, folder)) for kind in READERS}
        for number in range(1, builds + 1):
            build(warehouse, number)
            time.sleep(0.05)  # the build before is kept until the next one
    for kind, seen in every.items():
        numbers = [answer[0][0] for answer in seen]
        for answer in seen:
            for least, most, rows in answer:
                assert (least, most, rows) == (answer[0][0], answer[0][0], ROWS + answer[0][0]), kind
        assert numbers == sorted(set(numbers)), kind
        assert numbers[-1] == builds, kind
        assert len(numbers) > builds / 10, f"{kind} has met too few builds to prove anything"


def test_every_file_says_what_it_is_of(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    folder = build(warehouse, 1)
    assert folder == folder_of(tmp_path / "it's a warehouse.duckdb", "dev")
    facts = json.loads((folder / "current" / FACTS).read_text())
    assert facts["tables"] == list(TABLES)
    assert {each.name for each in (folder / "current").iterdir()} == {FACTS, *(f"{name}.parquet" for name in TABLES)}


def test_the_catalog_is_asked_once_which_tables_there_are(warehouse: duckdb.DuckDBPyConnection) -> None:
    asked = []

    class Counting:
        def execute(self, query: str) -> duckdb.DuckDBPyConnection:
            asked.append(query)
            return warehouse.execute(query)

        def __getattr__(self, name: str) -> Any:
            return getattr(warehouse, name)

    build(Counting(), 1)
    assert len([query for query in asked if "information_schema" in query]) == 1


def test_a_copy_that_followed_the_link_is_published_to_again(warehouse: duckdb.DuckDBPyConnection) -> None:
    current = build(warehouse, 1) / "current"
    made = current.resolve()
    current.unlink()
    shutil.copytree(made, current)
    build(warehouse, 2)
    assert current.is_symlink()
    assert current.resolve() != made


def test_of_two_publications_at_once_the_second_waits(tmp_path: Path) -> None:
    """A server lets both read it; the second one would clear away what the first one has not finished."""
    folder, begun, go, seen = folder_of(tmp_path / "mlbridge", "dev"), Event(), Event(), []

    def slowly(place: Path, former: Path | None) -> None:
        (place / "a").touch()
        begun.set()
        assert go.wait(60)
        (place / "b").touch()

    def at_once(place: Path, former: Path | None) -> None:
        assert former is not None
        seen.append({each.name for each in former.iterdir()})

    with ThreadPoolExecutor() as pool:
        first = pool.submit(publish_beside, folder, slowly, "first", "2024-01-01", "1")
        assert begun.wait(60)
        second = pool.submit(publish_beside, folder, at_once, "second", "2024-01-01", "1")
        time.sleep(0.2)
        assert not second.done()
        go.set()
        assert (first.result(60), second.result(60)) == (None, None)
    assert seen == [{"a", "b", FACTS}]
    place = current_build(folder)
    assert place is not None
    assert read_facts(place)["build"] == "second"


def test_the_file_of_views_is_one_that_every_duckdb_since_1_0_reads(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Versions of the storage are counted in the file's head; 64 is that of DuckDB 0.10 to 1.1."""
    folder = build(warehouse, 1)
    head = (folder / "bi.duckdb").read_bytes()[8:20]
    assert (head[:4], int.from_bytes(head[4:], "little")) == (b"DUCK", 64)


def test_a_reader_of_the_file_of_views_holds_nobody_up(warehouse: duckdb.DuckDBPyConnection) -> None:
    folder = build(warehouse, 1)
    code = f"import duckdb; held = duckdb.connect({str(folder / 'bi.duckdb')!r}); print('held', flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        build(warehouse, 2)
        holder.communicate("\n")
    with duckdb.connect(str(folder / "bi.duckdb"), read_only=True) as views:
        assert views.sql("select distinct build from ml_runs").fetchall() == [(2,)]
