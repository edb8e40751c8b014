"""The audit of the flights: every planted leak is named, and what is known by then is not."""

from __future__ import annotations

import duckdb
from dbt_host import Host

from mlbridge.auditing.audit import FINE, NOT_LOOKED_AT, audit
from mlbridge.auditing.rebuild import Chain
from mlbridge.engines.warehouse import DIALECT, Warehouse
from mlbridge.lineage.project_lineage import traced
from mlbridge.spec.reading import read_spec

SPEC = {
    "task": "classification", "target": "is_late", "entity": "flight_id", "time": "predicted_at",
    "label_time": "arrived_at",
}  # fmt: skip
PLANTED = {
    "departure_delay": "s.departure_delay",
    "left_late": "s.departed_at > s.scheduled_departure_at",
    "arrives_at": "hour(s.arrived_at)",
    "copy_of_target": "s.arrival_delay + 1",
    "carrier_delay": "avg(s.departure_delay) over (partition by s.carrier)",
    "route_late": "(select avg(o.air_time) from flights.main.stg_flights as o where o.destination = s.destination)",
    "ends_late": "sum(s.arrival_delay) over (partition by s.carrier order by s.scheduled_departure_at)",
    "dep_time": "s.departed_hhmm // 100",
    "arr_time": "s.arrived_hhmm",
    "air_time": "s.air_time",
    "carrier_air_time": "max(s.air_time) over (partition by s.carrier, s.destination)",
    "cancelled": "s.status = 'cancelled'",
}
HONEST = {
    "scheduled_hour": "hour(s.scheduled_arrival_at)",
    "landed": "case when s.arrived_at <= s.scheduled_departure_at - interval 2 hour then s.arrival_delay end",
}
VERDICTS = {"scheduled_hour": NOT_LOOKED_AT, "landed": FINE}


def test_every_planted_leak_is_named_and_nothing_else(flights: Host) -> None:
    columns = ", ".join(f"{sql} as {name}" for name, sql in {**PLANTED, **HONEST}.items())
    sql = (
        "select s.flight_id, s.scheduled_departure_at - interval 2 hour as predicted_at, s.arrived_at, "
        f"s.arrival_delay >= 15 as is_late, {columns} from flights.main.stg_flights as s"
    )
    manifest = flights.manifest
    node = dict(manifest["nodes"]["model.flights.late_arrival_features"])
    node |= {"name": "planted", "alias": "planted", "database": "memory", "compiled_code": sql}
    node["depends_on"] = {"nodes": ["model.flights.stg_flights"]}
    manifest["nodes"]["model.flights.planted"] = node
    with duckdb.connect() as connection:
        connection.execute(
            f"attach '{flights.database}' as flights (read_only); set file_search_path = '{flights.path}'"
        )
        connection.execute(f"create table planted as {sql}")
        warehouse = Warehouse(connection)
        lineage = traced(manifest, warehouse.every_column()).lineage
        chain = Chain(manifest, "model.flights.planted", DIALECT, warehouse.types, lineage)
        found = audit(chain, warehouse, read_spec("late_training", SPEC, None))
    assert set(found.used_the_future) == {*PLANTED}
    assert {each.feature: each.verdict for each in found.features if each.feature in HONEST} == VERDICTS
