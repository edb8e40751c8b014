"""The online table of a feature view: after any change of the view it is what a build from nothing and pandas give."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres import Postgres
from rendering import Relation
from simulated import Package
from sqlglot import parse_one

START = datetime(2024, 1, 1)
VIEW = {
    "wind": "DOUBLE",
    "airport": "VARCHAR",
    "gate": "BIGINT",
    "seen": "TIMESTAMP",
    "told": "TIMESTAMP",
    "sky": "VARCHAR",
}
META = {"entity": ["airport", "gate"], "time": "seen", "known_at": "told", "online": True}
# What the clock of a build is compared with: moments around it, equal ones among them.
moments = st.sampled_from([None, *(START + timedelta(hours=hour) for hour in range(6))])
rows = st.lists(
    st.tuples(
        st.sampled_from([0.5, -1.0, float("nan"), None]),
        st.sampled_from(["JFK", "LGA", None]),
        st.sampled_from([1, 2, None]),
        moments,
        moments,
        st.sampled_from(["clear", "fog", None]),
    ),
    max_size=12,
)
clocks = st.integers(0, 6).map(lambda hour: START + timedelta(hours=hour))
builds = st.lists(st.tuples(rows, clocks), min_size=1, max_size=4)


@dataclass(frozen=True)
class Described:
    """A column as an adapter of dbt gives it."""

    name: str
    dtype: str

    @property
    def data_type(self) -> str:
        return self.dtype


class Node:
    """The model `weather_online` on one engine: `build` does what dbt does with what the macros write."""

    def __init__(self, engine: str, meta: dict[str, Any], view: dict[str, str] | None = None) -> None:
        """Say what the YAML of the view says, and which columns it has."""
        self.package = Package(engine)
        self.names, self.columns = self.package.names, view or VIEW
        self.kept: dict[str, str] = {}
        weather = SimpleNamespace(
            name="weather", alias="weather", unique_id="model.host.weather", columns={}, resource_type="model",
            package_name="host", version=None, config=SimpleNamespace(meta={"mlbridge": meta}),
        )  # fmt: skip
        # What a comment names comes first.
        other = SimpleNamespace(name="other", alias="other", config=SimpleNamespace(meta={}), meta={})
        nodes = {"model.host.other": other, "model.host.weather": weather}
        self.names["model"] = SimpleNamespace(name="weather_online", depends_on=SimpleNamespace(nodes=list(nodes)))
        self.names["graph"] = SimpleNamespace(nodes=nodes, sources={})
        self.names["ref"] = lambda *name, **__: Relation(name[-1], name[-1])
        self.names["this"] = Relation("kept", "kept")
        self.names["adapter"].get_columns_in_relation = lambda relation: [
            Described(*each) for each in (self.kept if relation.identifier == "kept" else self.columns).items()
        ]

    def sql(self, clock: datetime = START) -> str:
        """Write the model's SELECT."""
        self.names["var"] = {"mlbridge_models": [], "mlbridge_as_of": str(clock)}.get
        return self.package.sql("online", Relation("weather", "weather"))

    def build(self, clock: datetime, execute: Callable[[str], Any]) -> None:
        """Run the hook and append the rows of the SELECT, as `incremental` does; the first build makes the table."""
        self.package.is_incremental = bool(self.kept)
        sql = self.sql(clock)
        if not self.kept:
            execute(f"create table kept as {sql}")
        else:
            execute(str(self.package.sql("forget_changed")))
            execute(f"insert into kept {sql}")
        self.kept = dict(self.columns)


def by_pandas(view: list[tuple[Any, ...]], clock: datetime, two_clocks: bool) -> list[tuple[Any, ...]]:
    frame = pd.DataFrame(view, columns=list(VIEW)).astype({"wind": "float64", "sky": "object"})
    known = "told" if two_clocks else "seen"
    frame = frame.dropna(subset=["airport", "gate", "seen", known])
    frame = frame[(frame["seen"] <= clock) & (frame[known] <= clock)]
    # In the order of the view's columns; a NaN, which is greater than any number on both engines, is not a NULL.
    others = (0, 5) if two_clocks else (0, 4, 5)
    order = {number: tuple(_rank(row[place]) for place in others) for number, row in enumerate(view)}
    frame = frame.assign(ties=[order[number] for number in frame.index]).sort_values(["seen", known, "ties"])
    newest = frame.groupby(["airport", "gate"]).tail(1).index
    return sorted((view[number] for number in newest), key=repr)


def _rank(value: Any) -> tuple[Any, ...]:
    if value is None:
        return (0, 0)
    return (2, 0) if value != value else (1, value)


@settings(max_examples=60)
@given(builds, st.booleans())
def test_it_is_what_a_build_from_nothing_gives(
    server: Postgres, states: list[tuple[list[tuple[Any, ...]], datetime]], two_clocks: bool
) -> None:
    """Rows of the view come, go and change, and so does the clock, which may go back."""
    meta = META if two_clocks else {each: META[each] for each in ("entity", "time", "online")}
    schema = "online_tables"
    with duckdb.connect() as connection, server.connection.cursor() as cursor:
        nodes = {"duckdb": Node("duckdb", meta), "postgres": Node("postgres", meta)}
        cursor.execute(f"drop schema if exists {schema} cascade; create schema {schema}; set search_path = {schema}")
        for view, clock in states:
            connection.execute(
                f"create or replace table weather ({', '.join(f'{name} {type_}' for name, type_ in VIEW.items())})"
            )
            if view:
                connection.executemany("insert into weather values (?, ?, ?, ?, ?, ?)", view)
            cursor.execute("drop table if exists weather")
            server.load(schema, "weather", VIEW, view)
            cursor.execute(f"set search_path = {schema}")
            expected = by_pandas(view, clock, two_clocks)
            for engine, execute in (("duckdb", connection.execute), ("postgres", cursor.execute)):
                nodes[engine].build(clock, execute)
            found = {
                "duckdb": connection.execute("from kept").fetchall(),
                "postgres": server.rows("select * from kept"),
            }
            for engine, kept in found.items():
                assert repr(sorted(kept, key=repr)) == repr(expected), engine


def test_only_rows_that_differ_are_written() -> None:
    node = Node("duckdb", META)
    with duckdb.connect() as connection:
        connection.execute(
            "create table weather as select i / 7 as wind, 'a' || i as airport, 1::bigint as gate, "
            "timestamp '2024-01-01' as seen, timestamp '2024-01-01' as told, 'fog' as sky from range(1000) as t(i)"
        )
        node.build(START, connection.execute)
        connection.execute("update weather set wind = -1 where airport in ('a3', 'a5')")
        connection.execute("delete from weather where airport = 'a9'")
        node.package.is_incremental = True
        gone = connection.execute(node.package.sql("forget_changed")).fetchall()
        assert gone == [(3,)]
        assert connection.execute(f"select count(*) from ({node.sql(START)})").fetchall() == [(2,)]


def test_other_columns_make_it_anew() -> None:
    node = Node("duckdb", META)
    with duckdb.connect() as connection:
        weather = ", ".join(f"null::{type_} as {name}" for name, type_ in VIEW.items())
        connection.execute(f"create table weather as select * replace ('JFK' as airport) from (select {weather})")
        node.build(START, connection.execute)
        node.columns = {**VIEW, "rain": "DOUBLE"}
        node.package.is_incremental = True
        assert node.package.sql("forget_changed") == "delete from kept"
        assert "except" not in node.sql()


@pytest.mark.parametrize(
    ("meta", "view", "message"),
    [
        ({}, VIEW, "weather: a feature view says in its YAML what its rows are about"),
        ({"time": "seen", "online": True}, VIEW, "weather: a feature view says in its YAML what its rows are about"),
        ({**META, "online": False}, VIEW, "weather_online: the YAML of weather does not say `online: true`"),
        ({**META, "online": "yes"}, VIEW, "weather: `mlbridge.online`: expected true or false, found 'yes'."),
        ({**META, "entity": "wind"}, VIEW, "weather: the entity's column 'wind' is a DOUBLE, which cannot be a key"),
        ({**META, "time": "sen"}, VIEW, "names the column 'sen', which is not there. Did you mean 'seen'?"),
        (META, {**VIEW, "told": "TIMESTAMP WITH TIME ZONE"}, "some have a time zone and some have none"),
        (
            META,
            {**VIEW, "ml_x": "INTEGER"},
            "weather: an online table has all columns of its view, and names that begin with",
        ),
        (META, {**VIEW, "raw": "json"}, "weather: its column 'raw' is a json, which has no order here"),
    ],
)
def test_what_is_wrong_is_said(meta: dict[str, Any], view: dict[str, str], message: str) -> None:
    """On PostgreSQL, where types without an order come from."""
    with pytest.raises(AssertionError) as refused:
        Node("postgres", meta, view).sql()
    assert message in str(refused.value)


def test_a_view_that_says_so_needs_an_entity_and_a_model() -> None:
    node = Node("duckdb", {"time": "seen", "online": True})
    with pytest.raises(AssertionError, match=r"weather: `mlbridge\.online`: an online table has a row of each entity"):
        node.package.sql("check_online")
    node = Node("duckdb", META)
    with pytest.raises(AssertionError, match=r"no model keeps the online table. Add models/weather_online.sql"):
        node.package.sql("check_online")


def test_moments_of_a_zone_are_compared_with_the_clock_in_utc() -> None:
    zoned = {**VIEW, "seen": "TIMESTAMP WITH TIME ZONE", "told": "TIMESTAMP WITH TIME ZONE"}
    node = Node("duckdb", META, zoned)
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'America/New_York'")
        columns = ", ".join(f"{name} {type_}" for name, type_ in zoned.items())
        connection.execute(f"create table weather ({columns})")
        for told in ("2024-01-01 00:00:00+00", "2024-01-01 00:00:01+00"):
            connection.execute(
                f"insert into weather values (1, '{told}', 1, '2023-12-31 00:00:00+00', '{told}', 'fog')"
            )
        assert len(connection.execute(node.sql(START)).fetchall()) == 1


@pytest.mark.parametrize("engine", ["snowflake", "bigquery", "redshift", "spark"])
def test_other_engines_make_the_table_anew(engine: str) -> None:
    """Rendered and parsed, not run."""
    node = Node(engine, META)
    assert len(parse_one(node.sql(), dialect=engine).named_selects) == len(VIEW)
    assert node.names["config"].settings["materialized"] == "table"


def test_no_name_ends_the_comment_of_a_call_or_begins_another(server: Postgres) -> None:
    package = Package("duckdb")
    views = [
        {
            "node": "n",
            "entity": {"a*/b": "a/*b"},
            "outputs": {},
            "embargo": None,
            "max_staleness": None,
            "look_back": None,
        }
    ]
    written = package.sql("call_of", "due", views)
    assert duckdb.sql(f"{written} select 1").fetchall() == [(1,)]
    with server.connection.cursor() as cursor:
        cursor.execute(f"{written} select 1")
        assert cursor.fetchall() == [(1,)]
    (said,) = parse_one(f"{written} select 1").comments or ()
    asked = json.loads(said.strip().removeprefix("mlbridge.point_in_time"))
    assert asked["views"][0]["entity"] == {"a*/b": "a/*b"}
