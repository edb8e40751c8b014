"""`mlbridge assess` on the built example: the rule of the split, the findings, and the room that was really taken."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from dbt_host import Host

from mlbridge.cli import main
from mlbridge.engines.warehouse import Warehouse, column
from mlbridge.spec.reading import read_spec
from mlbridge.split.by_time import split_by_time

BLOCK = 256 * 1024
BLOCKS = """
select count(distinct block) from (
    select block_id as block from pragma_storage_info('{table}') where block_id >= 0
    union select unnest(additional_block_ids) from pragma_storage_info('{table}')
)
"""


@pytest.fixture
def run(flights: Host, own_flights: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("FLIGHTS_DUCKDB", str(own_flights.database))
    monkeypatch.delenv("DBT_PROFILES_DIR", raising=False)
    return lambda *args: CliRunner().invoke(main, ["assess", *args, "--project-dir", str(flights.path)])


def test_the_split_is_that_of_the_package(flights: Host) -> None:
    (made,), *_ = flights.rows("select max(ml_split_definition) from late_arrival_split")
    definition = json.loads(made)
    as_of = flights.rows(f"select timestamp '{definition.pop('as_of')}'")[0][0]
    spec = read_spec("late_arrival_training", {"task": "classification", **definition})
    names = (*spec.entity, spec.time, spec.label_time or "", spec.target)
    with duckdb.connect(str(flights.database), read_only=True) as connection:
        table = Warehouse.table("late_arrival_features", "features")
        mine = split_by_time({name: column(name) for name in names}, table, spec, as_of).sql(dialect="duckdb")
        key = ", ".join(f'"{name}"' for name in (*spec.entity, spec.time))
        counted = connection.sql(
            f"select mine.ml_split = package.ml_split as same, count(*) from ({mine}) as mine "
            f"full join late_arrival_split as package using ({key}) group by all"
        ).fetchall()
    assert [same for same, _ in counted] == [True]
    assert counted[0][1] > 300_000


def test_the_mart_before_a_branch_grows_on_it(run: Callable[..., Result], tmp_path: Path) -> None:
    page = tmp_path / "flights.html"
    done = run("flights", "--format", "json", "--html", str(page), "--cadence", "week")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["spec"] == {
        "task": "regression",
        "target": "arrival_delay",
        "entity": "flight_id",
        "time": "scheduled_departure_at",
        "label_time": "arrived_at",
    }
    assert set(found["suspected"]) == {"departed_at", "departure_delay", "air_time", "status"}
    assert not found["unusable"]  # a suspected column is not judged any further
    text = page.read_text()
    assert "departure_delay" in text
    assert not re.search(r"(src|href)=|https?:|url\(|@import", text)


def test_honest_features_are_not_accused_and_the_room_is_what_was_taken(
    run: Callable[..., Result], flights: Host
) -> None:
    done = run("late_arrival_features", "--target", "is_late", "--format", "json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["suspected"], found["unusable"]) == (0, {}, {})
    scores = {each["code"]: each["score"] for each in found["requirements"]}
    assert scores["first_model"] == 1.0
    room = found["room"]["first"]
    sizes = {
        table: BLOCK * flights.rows(BLOCKS.format(table=table))[0][0]
        for (table,) in flights.rows("select table_name from duckdb_tables() where table_name similar to '.*_.*'")
    }
    published = sum(file.stat().st_size for file in (flights.published / "builds").rglob("*") if file.is_file())
    # Of two models; what both share counts for each, since one alone would need it too.
    shared = sum(size for table, size in sizes.items() if table.startswith("ml_") and "arrival" not in table)
    truth = {
        "features": sizes["late_arrival_features"],
        "split": sizes["late_arrival_split"],
        "all": sum(size for table, size in sizes.items() if "late_arrival" in table) + shared + published / 2,
    }
    for part, taken in truth.items():
        estimated = sum(room.values()) if part == "all" else room[part]
        assert taken / 1.5 < estimated < 1.5 * taken, part


def test_the_answer_for_people_and_a_misspelt_relation(run: Callable[..., Result]) -> None:
    done = run("flihgts")
    assert done.exit_code == 2
    assert "Did you mean 'flights'?" in done.stderr
    assert done.stdout == ""
