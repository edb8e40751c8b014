"""No feature knows the future: whatever happens after a moment T, the features of predictions made by T stay the same.

The marts of a built warehouse are copied, everything that is not known at T is replaced by another future, the features
are made again from what dbt compiled, and every column of every row predicted by T is compared with the built tables.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb
import pytest
from dbt_host import Host

LATE, DELAY = "late_arrival_features", "arrival_delay_features"
OUTCOMES = {"arrived_at", "is_late", "arrival_delay_minutes"}  # these do come from the future, and are no features
MOMENTS = {  # all UTC; amid an hour, but for one
    "blizzard": "2013-02-08 20:40:00",
    "noon": "2013-05-15 16:00:00",
    "night": "2013-01-20 08:30:00",
    "clocks go forward": "2013-03-10 12:30:00",
    "clocks go back": "2013-11-03 12:50:00",
}
# Another future. Whether and when a flight leaves after T is changed, and so is when it arrives; where it left before T
# only the arrival is. Half of what did happen does not happen, and all of what did not, does. The plane stays: airlines
# assign it before, and the features say that they take it as known.
ANOTHER_FUTURE = """
with known as (
    select
        *,
        coalesce(departed_at <= {t}, false) as left_by_t,
        coalesce(arrived_at <= {t}, false) as arrived_by_t,
        hash(flight_id) % 2 = 0 or departed_at is null as leaves,
        hash(flight_id) % 4 < 3 or arrived_at is null as arrives,
        greatest({t}, scheduled_departure_at) + to_minutes(1 + (hash(flight_id) % 600)::integer) as leaves_at
    from warehouse.main.flights
    -- flights scheduled for later are left out, to save time
    where scheduled_departure_at < {t} + to_days(4)
),

changed as (
    select
        * replace (
            case when left_by_t then departed_at when leaves then leaves_at end as departed_at,
            case when arrived_by_t then arrived_at when arrives then leaves_at + to_hours(20) end as arrived_at,
            case when arrived_by_t then air_time else 1 end as air_time
        )
    from known
)

select
    * exclude (left_by_t, arrived_by_t, leaves, arrives, leaves_at) replace (
        case when left_by_t then departure_delay
            else date_diff('minute', scheduled_departure_at, departed_at) end::integer as departure_delay,
        case when arrived_by_t then arrival_delay
            else date_diff('minute', scheduled_arrival_at, arrived_at) end::integer as arrival_delay,
        case when departed_at is null then 'cancelled' when arrived_at is null then 'diverted'
            else 'arrived' end as status
    )
from changed
"""
# Features that no one should write, from the tables of the marts. Each must be found out.
LEAKS = {
    "delay_at_departure": "select flight_id, departure_delay as {leak} from {flights}",
    "weather_at_departure": (
        "select f.flight_id, w.temperature_f as {leak} from {flights} f asof left join {weather} w "
        "on f.origin = w.origin and f.scheduled_departure_at >= w.observed_at"
    ),
    "weather_of_the_running_hour": (
        "select f.flight_id, w.temperature_f as {leak} from {flights} f asof left join {weather} w "
        "on f.origin = w.origin and f.scheduled_departure_at - to_hours(2) >= w.observed_at"
    ),
    "late_flights_that_day": (
        "select flight_id, count(*) filter (arrival_delay >= 15) over "
        "(partition by origin, scheduled_departure_local::date) as {leak} from {flights}"
    ),
}


class Rebuilt:
    """The marts in memory with another future after T, and the features made from them."""

    def __init__(self, host: Host, t: str) -> None:
        self.t = f"timestamp '{t}'"
        self.connection = duckdb.connect()
        # the compiled SQL names the catalog, and DuckDB calls that after the file
        self.catalog = host.database.stem
        self.connection.execute(f"attach '{host.database}' as warehouse (read_only)")
        self.connection.execute(f"attach ':memory:' as {self.catalog}; use {self.catalog}")
        self.connection.execute(f"create table flights as {ANOTHER_FUTURE.format(t=self.t)}")
        measures = [name for name in columns(self, "warehouse.main.weather") if name not in {"origin", "observed_at"}]
        changed = ", ".join(  # a row is observed during its hour, and known when that is over
            f"case when observed_at + to_hours(1) <= {self.t} then {name} else coalesce({name}, 0) + 1000 end as {name}"
            for name in measures
        )
        self.connection.execute(f"create table weather as select * replace ({changed}) from warehouse.main.weather")
        for name in ("planes", "airports", "airlines"):
            self.connection.execute(f"create view {name} as from warehouse.main.{name}")
        for name, kind, sql in compiled_before(host.manifest, host.path / "target" / "compiled", LATE):
            self.connection.execute(f"create {kind} {name} as {sql}")
        dbt = SimpleNamespace(ref=self.connection.table)
        delays = python_model(host).model(dbt, self.connection)
        self.connection.register("delays", delays)
        self.connection.execute(f"create table {DELAY} as from delays")

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return self.connection.sql(sql).fetchall()


def compiled_before(manifest: dict[str, Any], folder: Path, name: str) -> Iterator[tuple[str, str, str]]:
    """Give name, kind and SQL of the models between the marts and a model, in the order in which they are built."""
    node = manifest["nodes"][f"model.flights.{name}"]
    if "ml" not in node["fqn"]:
        return
    for parent in node["depends_on"]["nodes"]:
        yield from compiled_before(manifest, folder, parent.split(".")[-1])
    if node["config"]["materialized"] != "ephemeral":  # dbt has put those into the SQL of their readers
        kind = "or replace view" if node["config"]["materialized"] == "view" else "or replace table"
        yield name, kind, (folder / node["package_name"] / node["original_file_path"]).read_text()


def python_model(host: Host) -> ModuleType:
    path = host.path / "models" / "ml" / "arrival_delay" / f"{DELAY}.py"
    spec = importlib.util.spec_from_file_location(DELAY, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def columns(rebuilt: Rebuilt, table: str) -> list[str]:
    return [str(name) for name, *_ in rebuilt.rows(f"describe {table}")]


def changed_columns(rebuilt: Rebuilt, built: str, again: str, rows: str) -> dict[str, int]:
    """Count, per column of a table, the rows that differ between the two futures; columns without one are left out."""
    names = [name for name in columns(rebuilt, built) if name not in OUTCOMES | {"flight_id"}]
    counts = ", ".join(f'count(*) filter (b."{name}" is distinct from a."{name}")' for name in names)
    # by the built table's moment: a rebuilt row that is lost, or moved, differs in all of its columns
    sql = f"select {counts} from {built} b left join {again} a using (flight_id) where b.predicted_at {rows}"
    return {name: int(str(n)) for name, n in zip(names, rebuilt.rows(sql)[0], strict=True) if n}


@pytest.fixture(scope="module", params=MOMENTS.values(), ids=MOMENTS.keys())
def rebuilt(flights: Host, request: pytest.FixtureRequest) -> Iterator[Rebuilt]:
    made = Rebuilt(flights, request.param)
    yield made
    made.connection.close()


@pytest.mark.parametrize("model", [LATE, DELAY])
def test_another_future_changes_no_feature(rebuilt: Rebuilt, model: str) -> None:
    found = changed_columns(rebuilt, f"warehouse.main.{model}", model, f"<= {rebuilt.t}")
    assert not found, f"{model}: these features of predictions made by {rebuilt.t} know what came later (rows): {found}"
    day = f"predicted_at between {rebuilt.t} - to_days(1) and {rebuilt.t}"
    ((compared,),) = rebuilt.rows(f"select count(*) from warehouse.main.{model} where {day}")
    assert int(str(compared)) > 500


def test_another_future_is_another_one(rebuilt: Rebuilt) -> None:
    """Without this, the test above could compare two equal futures: all that is observed after T differs."""
    flights, weather = (
        {name for name in columns(rebuilt, table) if differs(rebuilt, table, name, keys)}
        for table, keys in (("flights", "flight_id"), ("weather", "origin, observed_at"))
    )
    assert flights == {"departed_at", "arrived_at", "departure_delay", "arrival_delay", "air_time", "status"}
    assert weather == set(columns(rebuilt, "weather")) - {"origin", "observed_at"}
    found = changed_columns(
        rebuilt, f"warehouse.main.{LATE}", LATE, f"between {rebuilt.t} + to_hours(12) and {rebuilt.t} + to_days(2)"
    )
    assert len(found) > 10


def differs(rebuilt: Rebuilt, table: str, name: str, keys: str) -> bool:
    sql = f"from {table} a join warehouse.main.{table} b using ({keys}) where a.{name} is distinct from b.{name}"
    return bool(rebuilt.rows(f"{sql} limit 1"))


@pytest.mark.parametrize("leak", LEAKS)
def test_a_feature_that_knows_the_future_is_found_out(rebuilt: Rebuilt, leak: str) -> None:
    for name, marts in (("honest", "warehouse.main"), ("changed", f"{rebuilt.catalog}.main")):
        sql = LEAKS[leak].format(leak=leak, flights=f"{marts}.flights", weather=f"{marts}.weather")
        rebuilt.connection.execute(
            f"create or replace temp table {name} as select f.flight_id, f.predicted_at, f.carrier, l.{leak} "
            f"from {marts}.{LATE} f join ({sql}) l using (flight_id)"
        )
    assert set(changed_columns(rebuilt, "honest", "changed", f"<= {rebuilt.t}")) == {leak}
