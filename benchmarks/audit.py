"""How long `mlbridge audit` takes for a table of features: rows of a view of trips, with ten features.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/audit.py [--rows 1000000]

Trips are known once they have ended. Four of the ten features are of the trip itself, five come from the past of its
driver by window and by ASOF join, and one is planted: it averages over all trips of a driver, those to come included.
Printed are seconds and CPU seconds of building the features once and of auditing them, and each feature's verdict. What
the command does besides, parsing the project and tracing its lineage, depends on the project and not on the rows.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from mlbridge.auditing.audit import Audit, audit
from mlbridge.auditing.rebuild import Chain
from mlbridge.engines.warehouse import DIALECT, Warehouse
from mlbridge.lineage.nodes import relations
from mlbridge.lineage.trace import trace
from mlbridge.spec.reading import read_spec

SPEC = {"task": "classification", "target": "is_late", "entity": "id", "time": "began", "label_time": "done_at"}
KNOWN_AT = {each: {"mlbridge": {"known_at": "done_at"}} for each in ("delay", "distance")}
DRIVERS, YEAR = 5_000, 31_536_000
TRIPS = (
    "select i as id, (hash(i) % {drivers})::bigint as driver, "
    "timestamp '2024-01-01' + to_seconds((hash(i * 3) % {year})::bigint) as began, "
    "began + to_seconds(600 + (hash(i * 5) % 7200)::bigint) as done_at, "
    "(hash(i * 7) % 100)::int - 50 as delay, (hash(i * 11) % 1000) / 10.0 as distance, "
    "(hash(i * 13) % 24)::int as zone "
    "from range({rows}) as t(i)"
)
FEATURES = """
with past as (
    select
        id,
        avg(delay) over before as delay_before,
        sum(distance) over before as distance_before,
        count(delay) over before as trips_before,
        max(delay) over before as worst_before
    from (
        select id, driver, began as moment, null as delay, null as distance from raw.trips
        union all
        select null, driver, done_at, delay, distance from raw.trips
    )
    window before as (partition by driver order by moment range between interval 7 days preceding and current row)
)
select
    trips.id,
    trips.began,
    trips.done_at,
    trips.delay > 15 as is_late,
    trips.zone,
    hour(trips.began) as hour,
    dayofweek(trips.began) as weekday,
    trips.zone * 24 + hour(trips.began) as zone_and_hour,
    past.delay_before,
    past.distance_before,
    past.trips_before,
    past.worst_before,
    last.delay as last_delay,
    avg(trips.delay) over (partition by trips.driver) as delay_of_driver
from raw.trips
join past on past.id = trips.id
asof left join raw.trips as last on last.driver = trips.driver and trips.began >= last.done_at
"""


def prepared(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Make the trips and their features."""
    connection.execute("create schema raw")
    connection.execute(f"create table raw.trips as {TRIPS.format(rows=rows, drivers=DRIVERS, year=YEAR)}")
    before, began = cpu(), time.perf_counter()
    connection.execute(f"create table late_features as {FEATURES}")
    print(f"{rows:,} rows built in {time.perf_counter() - began:.1f} s, {cpu() - before:.1f} s of processor time")


def audited(connection: duckdb.DuckDBPyConnection) -> Audit:
    """Audit them, as the command does."""
    from timed_features import manifest_of

    manifest, warehouse = manifest_of({"late_features": FEATURES}, KNOWN_AT), Warehouse(connection)
    lineage = trace(relations(manifest, warehouse.every_column()), DIALECT)
    chain = Chain(manifest, "model.late_features", DIALECT, warehouse.types, lineage)
    return audit(chain, warehouse, read_spec("late_training", SPEC, None))


def cpu() -> float:
    """Return the processor time of this process in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests" / "helpers")]
    with tempfile.TemporaryDirectory() as folder:
        connection = duckdb.connect(f"{folder}/memory.duckdb", config={"threads": 2})
        prepared(connection, rows)
        before, began = cpu(), time.perf_counter()
        found = audited(connection)
        taken, used = time.perf_counter() - began, cpu() - before
        print(f"audited at {len(found.cuts)} moments in {taken:.1f} s, {used:.1f} s of processor time")
        for each in found.features:
            print(f"{each.feature:16} {each.verdict:16} {each.rows:6} {each.differ:6}")
        connection.close()


if __name__ == "__main__":
    main()
