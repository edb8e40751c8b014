"""Recorded requests in a table of a server: those of the files in a folder, each once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import free_port
from postgres import Postgres
from sqlglot import exp

from mlbridge.engines.adapters import engine_of
from mlbridge.engines.reader import MissingRelationError
from mlbridge.engines.records import as_table
from mlbridge.errors import SetupError
from mlbridge.serving.recorded import load_recorded
from mlbridge.serving.recorder import RequestRow

MODEL = ("postgres", "public", "asked")
AT = datetime(2024, 5, 1, 12, 0, 0, 250_000)


def record(file: Path, *ids: str, without: str | None = None) -> None:
    rows = [
        RequestRow(
            request_id=each,
            number=0,
            model="late",
            version=1,
            received_at=AT,
            key=json.dumps({"id": each}),
            features=json.dumps({"x": 0.1, "word": 'a\0\\u0000, \n"b'}),
            prediction="true",
            prediction_value=1.0,
            probability=0.1,
            not_scored_because=None,
            latency_ms=1.5,
            probabilities=None,
            role="champion",
        )
        for each in ids
    ]
    table = as_table(RequestRow, rows)
    pq.write_table(table if without is None else table.drop_columns([without]), file)


def test_the_table_follows_the_folder(server: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    credentials, folder = server.credentials(), tmp_path / "re'quests"
    ids = "select request_id from asked_recorded order by 1"
    load_recorded(credentials, MODEL, folder)  # nothing was recorded here yet
    folder.mkdir()
    record(folder / "a.parquet", "1", "2")
    record(folder / "b.parquet", "3", without="role")
    load_recorded(credentials, MODEL, folder)
    (row,) = server.rows("select * from asked_recorded where request_id = '1'")
    given = json.dumps({"x": 0.1, "word": 'a\ufffd\\u0000, \n"b'})
    assert row == (
        "a.parquet", "1", 0, "late", 1, AT, '{"id": "1"}', given, "true", 1.0, 0.1, None, 1.5, None, "champion"
    )  # fmt: skip
    assert server.rows("select role from asked_recorded where request_id = '3'") == [(None,)]
    (folder / "a.parquet").unlink()
    record(folder / "c.parquet", "4")
    # A column that a later mlbridge has.
    server.connection.cursor().execute("alter table asked_recorded drop column role")
    load_recorded(credentials, MODEL, folder)
    load_recorded(credentials, MODEL, folder)
    assert server.rows(ids) == [("3",), ("4",)]
    # On another machine, without the folder, nothing is taken away.
    load_recorded(credentials, MODEL, tmp_path / "elsewhere")
    assert server.rows(ids) == [("3",), ("4",)]
    (folder / "d.parquet").write_text("no Parquet")
    record(folder / "e.parquet", "5")
    with pytest.raises(SetupError, match=r"d\.parquet' is no file of requests: .* Move it out of the folder\."):
        load_recorded(credentials, MODEL, folder)
    assert server.rows(ids) == [("3",), ("4",)]
    (folder / "d.parquet").unlink()
    with server.connection.cursor() as cursor:
        cursor.execute("create role clerk login; grant usage on schema public to clerk")
    clerk = replace(credentials, user="clerk")
    with pytest.raises(SetupError, match=r"permission denied .* owns the table 'public\.sold_recorded'; load them as"):
        load_recorded(clerk, ("postgres", "public", "sold"), folder)
    with pytest.raises(MissingRelationError):
        load_recorded(credentials, ("postgres", "not_there", "asked"), folder)
    with pytest.raises(SetupError, match=r"not loaded, as the server did not answer: .* [Rr]efused"):
        load_recorded(replace(credentials, port=free_port()), MODEL, folder)


def test_of_two_that_make_the_table_at_once_the_second_waits(server: Postgres) -> None:
    reading, go, table = Event(), Event(), ("postgres", "public", "at_once_recorded")

    def read(file: str) -> pa.Table:
        reading.set()
        assert go.wait(60)
        return pa.table({"x": [1, 2]})

    def load() -> int:
        columns = {"x": exp.DType.BIGINT}
        return engine_of("postgres").load(server.credentials(), table, columns, ["a.parquet"], read)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(load)
        assert reading.wait(60)
        second = pool.submit(load)
        waiting = "select count(*) from pg_locks where not granted"
        while not second.done() and server.rows(waiting) == [(0,)]:
            pass
        go.set()
        assert (first.result(60), second.result(60)) == (1, 0)
    assert server.rows("select file, x from at_once_recorded order by x") == [("a.parquet", 1), ("a.parquet", 2)]
