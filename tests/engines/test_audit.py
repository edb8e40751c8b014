"""Rows made anew from sources cut at their time: what used the future is named, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import duckdb
import pytest
from postgres import Postgres
from timed_features import BY_HAND, ROWS, TRIPS, Trips, generated, manifest_of

from mlbridge.auditing.audit import (
    FINE,
    FUTURE,
    NOT_COMPARED,
    NOT_LOOKED_AT,
    STALE,
    UNSTABLE,
    WHOLE_ROW,
    Audit,
    audit,
)
from mlbridge.auditing.rebuild import Chain
from mlbridge.engines.opening import connect
from mlbridge.engines.warehouse import DIALECT, Warehouse
from mlbridge.errors import SetupError
from mlbridge.lineage.nodes import relations
from mlbridge.lineage.trace import trace
from mlbridge.spec.reading import read_spec

SPEC = {"task": "classification", "target": "y", "entity": "id", "time": "began", "label_time": "done_at"}
KNOWN_AT = {"delay": {"mlbridge": {"known_at": "done_at"}}}
FEATURES = "model.late_features"
AT_ONCE = 16


@pytest.fixture(scope="module")
def trips() -> Iterator[Trips]:
    found = Trips.drawn()
    yield found
    found.connection.close()


def features_of(*made: str) -> str:
    """Give the SQL of features: a trip, its outcome, and of each SELECT of `id` and others the others."""
    joins = " ".join(f"left join ({sql}) as made_{number} using (id)" for number, sql in enumerate(made))
    others = ", ".join(f"made_{number}.* exclude (id)" for number in range(len(made)))
    return f"{TRIPS} select trips.id, trips.began, trips.done_at, trips.delay > 0 as y, {others} from trips {joins}"


def audited(
    connection: duckdb.DuckDBPyConnection,
    models: Mapping[str, str],
    columns: Mapping[str, Any] = KNOWN_AT,
    built: bool = True,
    **changes: Mapping[str, Any],
) -> Audit:
    """Build models, the last of them the features, and audit them; `changes` are of nodes of the manifest."""
    manifest = manifest_of(models, columns)
    for name, change in changes.items():
        manifest["nodes"][f"model.{name}"].update(change)
    for name, sql in models.items() if built else ():
        connection.execute(f"create or replace table {name} as {sql}")
    warehouse = Warehouse(connection)
    lineage = trace(relations(manifest, warehouse.every_column()), DIALECT)
    chain = Chain(manifest, FEATURES, DIALECT, warehouse.types, lineage)
    return audit(chain, warehouse, read_spec("late_training", SPEC, None))


@pytest.mark.slow
def test_what_is_accused_has_used_the_future_and_planted_leaks_are_found(trips: Trips) -> None:
    """Each feature alone, against an oracle that changes what comes later for a few trips, and for all if in doubt."""
    others = Trips(trips.connection, tuple({*range(ROWS)} - {*trips.looked_at}))
    others.change_what_comes_later()
    features = {**BY_HAND, **dict(generated())}
    missed, accused, names = [], [], [*features]
    for begin in range(0, len(names), AT_ONCE):
        some = names[begin : begin + AT_ONCE]
        made = (f"select id, x as x_{number} from ({features[name]})" for number, name in enumerate(some))
        found = audited(trips.connection, {"late_features": features_of(*made)}).used_the_future
        for number, name in enumerate(some):
            is_found = f"x_{number}" in found
            is_leak = trips.leaks(features[name]) or (is_found and others.leaks(features[name]))
            (accused if is_found and not is_leak else missed if is_leak and not is_found else []).append(name)
    assert not accused
    assert not missed


def test_each_feature_is_judged_by_itself_with_an_example(trips: Trips) -> None:
    of_itself = "case when done_at <= began then delay end as of_itself"
    made = f"select id, delay as leak, hour(began) as honest, {of_itself} from trips"
    found = audited(trips.connection, {"late_features": features_of(made)})
    assert {each.feature: each.verdict for each in found.features} == {
        "leak": FUTURE, "honest": NOT_LOOKED_AT, "of_itself": FINE,
    }  # fmt: skip
    leak = found.features[0]
    assert leak.differ > 0
    assert leak.rows == found.features[1].rows > 60
    assert leak.example is not None
    assert leak.example.startswith("id ")
    assert leak.example.endswith(" in the table, NULL by then")


def test_the_cut_reaches_through_models_and_stops_at_what_is_stored(trips: Trips) -> None:
    """Of an incremental table the SQL does not give the rows: it is read as it is, and named."""
    models = {
        "steps": "select * from raw.trips",
        "late_features": "with trips as (select * from main.steps) "
        "select id, began, done_at, delay > 0 as y, delay * 2 as x from trips",
    }
    assert audited(trips.connection, models).used_the_future == ("x",)
    found = audited(trips.connection, models, steps={"config": {"materialized": "incremental"}})
    assert (found.used_the_future, found.kept) == ((), ("steps",))


def test_a_view_is_cut_by_its_rows(trips: Trips) -> None:
    """By `time`, or by `known_at` where it says so; what it lets in too early is named."""
    models = {
        "done": "select who, done_at as happened_at, delay from raw.trips",
        "late_features": "select t.id, t.began, t.done_at, t.delay > 0 as y, "
        "(select avg(delay) from main.done as d where d.who = t.who and d.happened_at <= t.began) as honest, "
        "(select max(delay) from main.done as d where d.who = t.who) as leak from raw.trips as t",
    }
    view = {"config": {"materialized": "table", "meta": {"mlbridge": {"entity": "who", "time": "happened_at"}}}}
    assert audited(trips.connection, models, {}, done=view).used_the_future == ("leak",)


KNOWN_STEPS = {"columns": {"delay": {"name": "delay", "config": {"meta": KNOWN_AT["delay"]}}}}
AROUND = {
    "steps": "select id, who, began, {} as done_at, delay from raw.trips",
    "late_features": "select t.id, t.began, t.done_at, t.delay > 0 as y, r.delay as x, hour(t.began) as hour "
    "from raw.trips as r join main.steps as t using (id)",
}


def test_what_is_known_later_is_cut_at_its_origin_too(trips: Trips) -> None:
    """The features read the source beside the model whose YAML says when the delay is known."""
    models = {**AROUND, "steps": AROUND["steps"].format("done_at")}
    found = audited(trips.connection, models, {}, steps=KNOWN_STEPS)
    assert (found.used_the_future, found.uncut) == (("x",), ())


def test_what_no_cut_reaches_is_not_called_fine(trips: Trips) -> None:
    """When the delay is known is computed, so that the source itself cannot be cut."""
    models = {**AROUND, "steps": AROUND["steps"].format("done_at + interval 1 hour")}
    found = audited(trips.connection, models, {}, steps=KNOWN_STEPS)
    assert {each.feature: each.verdict for each in found.features} == dict.fromkeys(("x", "hour"), NOT_LOOKED_AT)
    assert (found.uncut, found.exit_code) == (("raw.trips",), 0)


def test_what_is_another_one_each_time_is_not_accused(trips: Trips) -> None:
    made = "select id, random() as noise, random() * coalesce(delay, 0) as of_it, delay as leak from trips"
    found = audited(trips.connection, {"late_features": features_of(made)})
    assert (found.of(UNSTABLE), found.used_the_future) == (("noise", "of_it"), ("leak",))


def test_without_a_row_to_compare_there_is_no_all_clear(trips: Trips) -> None:
    sql = "select uuid() as id, began, done_at, delay > 0 as y, delay as is_made, delay as made_0 from raw.trips"
    found = audited(trips.connection, {"late_features": sql})
    assert (found.of(NOT_COMPARED), found.exit_code) == (("is_made", "made_0"), 2)
    named = sql.replace("uuid() as id", "id")
    assert audited(trips.connection, {"late_features": named}).used_the_future == ("is_made", "made_0")


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/New_York"])
def test_the_zone_of_the_session_changes_nothing(zone: str) -> None:
    """Moments with a zone beside others without, which are UTC: a leak of half a day, and an honest feature."""
    trips = Trips.drawn()
    known = "case when done_at <= (began at time zone 'UTC') + interval {} hour then delay end"
    models = {
        "steps": "select id, began, done_at at time zone 'UTC' as done_at, delay from raw.trips",
        "late_features": f"select id, began, done_at, delay > 0 as y, {known.format(0)} as honest, "
        f"{known.format(12)} as leak from main.steps",
    }
    trips.connection.execute(f"set timezone = '{zone}'")
    found = audited(trips.connection, models, {}, steps=KNOWN_STEPS)
    assert (found.used_the_future, found.of(FINE)) == (("leak",), ("honest",))
    trips.connection.close()


def test_an_ephemeral_view_is_named(trips: Trips) -> None:
    models = {"done": "select who, done_at as happened_at, delay from raw.trips"}
    models["late_features"] = (
        "with __dbt__cte__done as (select who, done_at as happened_at, delay from raw.trips) select t.id, t.began, "
        "t.done_at, t.delay > 0 as y, (select max(delay) from __dbt__cte__done as d where d.who = t.who) as x "
        "from raw.trips as t"
    )
    view = {"config": {"materialized": "ephemeral", "meta": {"mlbridge": {"entity": "who", "time": "happened_at"}}}}
    assert audited(trips.connection, models, done=view).kept == ("done",)


def test_rows_that_are_there_only_because_of_what_came_later(trips: Trips) -> None:
    sql = "select id, began, done_at, delay > 0 as y, hour(began) as x from raw.trips where delay is not null"
    found = audited(trips.connection, {"late_features": sql})
    assert found.used_the_future == (WHOLE_ROW,)
    assert found.features[-1].example is not None
    assert found.features[-1].example.endswith("the row is not there by then")


def test_a_table_that_is_older_than_its_sources_is_no_leak(trips: Trips) -> None:
    sql = features_of("select id, hour(began) as x from trips")
    audited(trips.connection, {"late_features": sql})
    trips.connection.execute("update late_features set x = x + 1")
    (found,) = audited(trips.connection, {"late_features": sql}, built=False).features
    assert (found.verdict, found.differ) == (STALE, found.rows)


def test_what_cannot_be_audited_is_said(trips: Trips) -> None:
    sql = {"late_features": features_of("select id, delay as x from trips")}
    with pytest.raises(SetupError, match="nothing that 'late_features' comes from says when it is known"):
        audited(trips.connection, sql, {})
    with pytest.raises(SetupError, match=r"names the column 'done', which the node does not have.*'done_at'"):
        audited(trips.connection, sql, {"delay": {"mlbridge": {"known_at": "done"}}})
    with pytest.raises(SetupError, match="'late_features' is no table or view that SQL makes"):
        audited(trips.connection, sql, late_features={"language": "python"})
    with pytest.raises(SetupError, match="the SQL of 'late_features' is no SELECT"):
        audited(trips.connection, sql, late_features={"compiled_code": "pivot raw.trips on who using sum(delay)"})
    with pytest.raises(SetupError, match="has no rows with a time yet"):
        audited(trips.connection, {"late_features": f"select * from ({sql['late_features']}) where false"})


def test_the_same_is_accused_on_postgres(trips: Trips, server: Postgres) -> None:
    """The compiled SQL is run as the server's own: `::` and `extract` are no words that all engines share."""
    stored = trips.connection.sql("from raw.trips")
    types = {name: str(type_) for name, type_ in zip(stored.columns, stored.types, strict=True)}
    server.load("raw", "trips", types, stored.fetchall())
    last = "select o.delay from raw.trips as o where o.who = t.who and o.done_at <= t.began"
    sql = (
        "select t.id, t.began, t.done_at, t.delay > 0 as y, extract(hour from t.began)::int as honest, "
        f"({last} order by o.done_at desc, o.id limit 1) as last_delay, t.delay as leak, "
        "avg(t.delay) over (partition by t.who) as of_driver, 'NaN'::numeric as no_number from raw.trips as t"
    )
    server.connection.cursor().execute(f"create schema if not exists main; create table main.late_features as {sql}")
    manifest = manifest_of({"late_features": sql}, KNOWN_AT)
    for each in (*manifest["nodes"].values(), *manifest["sources"].values()):
        each["database"] = server.profile("main")["dbname"]
    with closing(connect(None, server.credentials("main"))) as warehouse:
        lineage = trace(relations(manifest, warehouse.every_column()), "postgres")
        chain = Chain(manifest, FEATURES, "postgres", warehouse.types, lineage)
        found = audit(chain, warehouse, read_spec("late_training", SPEC, None))
    assert {each.feature: each.verdict for each in found.features} == {
        "honest": NOT_LOOKED_AT, "last_delay": FINE, "leak": FUTURE, "of_driver": FUTURE, "no_number": NOT_LOOKED_AT,
    }  # fmt: skip
