"""Feature views as they were known: `mlbridge.point_in_time` gives the rows of `merge_asof` and of the definition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import duckdb
import pandas as pd
import pytest
from both_engines import load_both
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres import Postgres
from rendering import Column, Relation
from simulated import Package
from sqlglot import exp, parse_one
from timed_features import Trips

from mlbridge.leaks.catalogue import NONE, WITHHOLD

START = datetime(2024, 1, 1)
SPINE = {"row_id": "BIGINT", "airport": "VARCHAR", "gate": "BIGINT", "due": "TIMESTAMP"}
VIEW = {
    "airport": "VARCHAR",
    "gate": "BIGINT",
    "seen": "TIMESTAMP",
    "told": "TIMESTAMP",
    "wind": "DOUBLE",
    "sky": "VARCHAR",
}
TABLES = {"spine": SPINE, "weather": VIEW}
FEATURES = ["wind", "sky"]
INTEGER = exp.DataType.build("int")
HOURS = (None, *range(7))
Rows = list[tuple[Any, ...]]

moments = st.sampled_from(HOURS).map(lambda hour: None if hour is None else START + timedelta(hours=hour))
airports = st.sampled_from(["JFK", "LGA", None])
gates = st.sampled_from([1, 2, None])
spines = st.lists(st.tuples(airports, gates, moments), min_size=1, max_size=12)
views = st.lists(
    st.tuples(airports, gates, moments, moments, st.sampled_from([0.5, -1.0, None]), st.sampled_from(["clear", "fog"])),
    max_size=16,
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "embargo": st.integers(0, 2),
        "max_staleness": st.integers(0, 3),
        "look_back": st.integers(0, 4),
    },
)


def written(engine: str, asked: Sequence[Any], meta: dict[str, Any], **found: Any) -> str:
    """Write the SELECT for a view `weather` that says this of itself; a refusal is an AssertionError."""
    package = Package(engine)
    there = found.get("tables", TABLES)
    tables = {
        name: [Column(each, columns[each] if isinstance(columns, dict) else "", INTEGER) for each in columns]
        for name, columns in there.items()
    }
    relations = {name: Relation(name, name) for name in tables}
    package.names["adapter"].get_columns_in_relation = lambda relation: tables[relation.identifier]
    columns = {"wind": {"name": "wind", "meta": {"mlbridge": {"known_at": found.get("wind_known_at")}}}}
    config = SimpleNamespace(meta={"mlbridge": meta})
    node = SimpleNamespace(
        name="weather", alias="weather", unique_id="model.host.weather", config=config, columns=columns
    )
    package.names["graph"] = SimpleNamespace(nodes={"model.host.weather": node})
    package.names["model"] = SimpleNamespace(
        name="late_features", depends_on=SimpleNamespace(nodes=["model.host.weather"])
    )
    views = [{**each, "view": relations["weather"]} if isinstance(each, dict) else each for each in asked]
    return package.sql("point_in_time", found.get("spine", relations["spine"]), found.get("time", "due"), views)


def hours(of: dict[str, int]) -> dict[str, str]:
    return {name: f"{count} hours" for name, count in of.items()}


def answers(server: Postgres, spine: Rows, view: Rows, ask: Sequence[Any], meta: dict[str, Any]) -> dict[str, Rows]:
    """Give the rows that each engine finds, in the order of the spine."""
    numbered = [(number, *row) for number, row in enumerate(spine)]
    tables = {"spine": (SPINE, numbered), "weather": (VIEW, view)}
    found = {}
    with duckdb.connect() as connection:
        load_both(connection, server, "asof", tables)
        for name, engine in (("duckdb", "duckdb"), ("numbered", "postgres")):
            sql = written(engine, ask, meta)
            found[name] = connection.execute(f"select * from ({sql}) as found order by row_id").fetchall()
    found["postgres"] = server.rows(f"select * from ({written('postgres', ask, meta)}) as found order by row_id")
    return found


def by_definition(spine: Rows, view: Rows, limits: dict[str, int], two_clocks: bool) -> Rows:
    """Look at every row of the view for every row of the spine."""
    found = []
    for number, (airport, gate, at) in enumerate(spine):
        best: tuple[Any, ...] | None = None
        for of_airport, of_gate, seen, told, wind, sky in view:
            if None in (airport, gate, at, of_airport, of_gate, seen) or (two_clocks and told is None):
                continue
            known = told if two_clocks else seen
            counts_from = max(seen, known + timedelta(hours=limits.get("embargo", 0)))
            if (airport, gate) != (of_airport, of_gate) or counts_from > at:
                continue
            place = (seen, known, wind is not None, wind or 0.0, sky)
            if best is None or place > best[0]:
                best = (place, known, seen, (wind, sky))
        values: tuple[Any, ...] = (None, None)
        if best is not None:
            _, known, seen, values = best
            stale = "max_staleness" in limits and at > known + timedelta(hours=limits["max_staleness"])
            if stale or ("look_back" in limits and at > seen + timedelta(hours=limits["look_back"])):
                values = (None, None)
        found.append((number, airport, gate, at, *values))
    return found


@settings(max_examples=60)
@given(spines, views, limits, st.booleans())
def test_the_newest_row_that_was_known_on_every_engine(
    server: Postgres, spine: Rows, view: Rows, limits: dict[str, int], two_clocks: bool
) -> None:
    meta = {"entity": ["airport", "gate"], "time": "seen", **({"known_at": "told"} if two_clocks else {})}
    expected = by_definition(spine, view, limits, two_clocks)
    for engine, rows in answers(server, spine, view, [{"columns": FEATURES, **hours(limits)}], meta).items():
        assert rows == expected, engine


@settings(max_examples=40)
@given(spines, views, st.sampled_from([None, 1, 3]))
def test_it_is_the_merge_asof_of_pandas(server: Postgres, spine: Rows, view: Rows, look_back: int | None) -> None:
    """pandas wants sorted rows without NULLs in keys and moments, and takes the last of equal ones."""
    limits = {} if look_back is None else {"look_back": look_back}
    frame = pd.DataFrame([(number, *row) for number, row in enumerate(spine)], columns=list(SPINE)).dropna()
    right = pd.DataFrame(view, columns=list(VIEW)).drop(columns="told").dropna(subset=["airport", "gate", "seen"])
    for each, moment in ((frame, "due"), (right, "seen")):
        each[moment] = each[moment].astype("datetime64[us]")
        each["gate"] = each["gate"].astype("int64")
        each["airport"] = each["airport"].astype("str")
    right = right.astype({"wind": "float64", "sky": "str"}).sort_values(["seen", "wind", "sky"], na_position="first")
    tolerance = {} if look_back is None else {"tolerance": pd.Timedelta(hours=look_back)}
    merged = pd.merge_asof(
        frame.sort_values("due"), right, left_on="due", right_on="seen", by=["airport", "gate"], **tolerance
    )
    values = {
        row.row_id: (None if pd.isna(row.wind) else row.wind, None if pd.isna(row.sky) else row.sky)
        for row in merged.itertuples()
    }
    expected = [(number, *row, *values.get(number, (None, None))) for number, row in enumerate(spine)]
    meta = {"entity": ["airport", "gate"], "time": "seen"}
    for engine, rows in answers(server, spine, view, [{"columns": FEATURES, **hours(limits)}], meta).items():
        assert rows == expected, engine


def test_all_columns_of_an_online_view_decide_between_equal_rows(server: Postgres) -> None:
    """Its online table holds one row for all who ask, whichever columns they take."""
    hour = START + timedelta(hours=1)
    spine, view = [("JFK", 1, hour)], [("JFK", 1, hour, None, 0.5, "fog"), ("JFK", 1, hour, None, 0.2, "rain")]
    meta = {"entity": ["airport", "gate"], "time": "seen"}
    for online, sky in ((False, "rain"), (True, "fog")):
        found = answers(server, spine, view, [{"columns": ["sky"]}], {**meta, "online": online})
        for engine, rows in found.items():
            assert rows == [(0, *spine[0], sky)], engine


def test_several_views_with_entities_and_names_of_their_own(server: Postgres) -> None:
    """The same view twice, by gate and by the spine's other column, without and with an embargo."""
    spine = [("JFK", 1, START + timedelta(hours=5))]
    view = [("JFK", 1, START + timedelta(hours=hour), None, float(hour), "fog") for hour in range(6)]
    asked = [{"columns": ["wind"]}, {"columns": ["wind"], "prefix": "earlier_", "embargo": "2 hours", "entity": {}}]
    for engine, rows in answers(server, spine, view, asked, {"entity": "gate", "time": "seen"}).items():
        assert rows == [(0, *spine[0], 5.0, 3.0)], engine


def test_a_column_that_is_known_later_than_its_row_is_refused() -> None:
    meta = {"entity": ["airport", "gate"], "time": "seen"}
    assert '"wind"' in written("duckdb", [{"columns": ["wind"]}], {**meta, "known_at": "told"}, wind_known_at="told")
    assert '"wind"' not in written("duckdb", [{"columns": ["sky"]}], meta, wind_known_at="told")
    with pytest.raises(AssertionError, match="says that 'wind' is known at 'told', and the rows count from 'seen'"):
        written("duckdb", [{}], meta, wind_known_at="told")


def test_without_columns_all_but_entity_and_moments_are_taken() -> None:
    sql = written("duckdb", [{}], {"entity": ["airport", "gate"], "time": "seen", "known_at": "told"})
    assert [f'ml_known_1."{name}"' in sql for name in VIEW] == [name in FEATURES for name in VIEW]


@pytest.fixture(scope="module")
def trips() -> Iterator[Trips]:
    found = Trips.drawn()
    yield found
    found.connection.close()


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
@pytest.mark.parametrize(
    ("meta", "limits", "is_leak"),
    [
        ({"time": "began", "known_at": "done_at"}, {}, False),
        ({"time": "done_at"}, {}, False),
        ({"time": "done_at"}, {"embargo": "1 hour", "look_back": "3 days", "max_staleness": "2 days"}, False),
        ({"time": "began"}, {}, True),
    ],
)
def test_the_search_for_leaks_reads_it(
    trips: Trips, engine: str, meta: dict[str, Any], limits: dict[str, str], is_leak: bool
) -> None:
    """The delay of a driver's last trip: it is known when the trip is done, whatever the view says of itself."""
    tables = {"spine": ["id", "who", "began"], "weather": ["id", "who", "began", "done_at", "delay"]}
    asked = [{"columns": ["delay"], "entity": {}, **limits}]
    joined = written(engine, asked, {"entity": ["who"], **meta}, tables=tables, time="began")
    joined = joined.replace("select * from spine", "select * from trip", 1)
    given = "weather as (select * from trips), trip as (select id, who, began from trips)"
    sql = f"with {given} select id, delay as x from ({joined}) as joined"
    assert trips.leaks(sql) is is_leak
    found = trips.looked(sql)
    assert found.level == (WITHHOLD if is_leak else NONE), found.evidence


META = {"entity": ["airport", "gate"], "time": "seen"}


@pytest.mark.parametrize(
    ("ask", "meta", "message"),
    [
        ([], META, "late_features: point_in_time: views: expected a list such as [ref('customer_history')], found []."),
        (["weather"], META, "expected a model, as ref('customer_history'), found 'weather'."),
        ([{"column": ["wind"]}], META, "unknown key. Did you mean 'columns'?"),
        ([{"columns": ["winds"]}], META, "names the column 'winds', which is not there. Did you mean 'wind'?"),
        ([{"columns": ["wind"], "embargo": "1 month"}], META, "expected e.g. '7 days'"),
        ([{"columns": ["wind"]}], {}, "weather: a feature view says in its YAML what its rows are about"),
        ([{"columns": ["wind"]}], {"entity": "airport"}, "weather: a feature view says in its YAML"),
        ([{"columns": ["wind"]}], {**META, "time": "seem"}, "names the column 'seem', which is not there"),
        ([{"columns": ["wind"]}], {**META, "known_at": 5}, "expected the name of a column, found 5"),
        (
            [{"columns": ["wind"], "entity": {"city": "gate"}}],
            META,
            "late_features: `mlbridge.point_in_time.views[0].entity.city`: unknown key. Allowed: 'airport', 'gate'.",
        ),
        (
            [{"columns": ["sky"]}, {"columns": ["wind"], "entity": {"airport": "field"}}],
            META,
            "point_in_time: the entity of views[1] in the spine names the column 'field', which is not there",
        ),
        ([{"columns": ["wind"]}] * 2, META, "two columns would be called 'wind'"),
        (
            [{"columns": ["wind"], "prefix": "ML_"}],
            META,
            "a column would be called 'ML_wind'; names that begin with ml_",
        ),
        ([{"columns": []}], META, "`mlbridge.point_in_time.views[0].columns`: name the columns of weather"),
        (
            [Relation("__dbt__cte__weather", "")],
            META,
            "weather is ephemeral here, and a feature view is a table or a view",
        ),
    ],
)
def test_what_is_wrong_is_said(ask: list[Any], meta: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError) as refused:
        written("duckdb", ask, meta)
    assert message in str(refused.value)


def test_without_columns_an_engine_that_names_none_is_asked_no_further() -> None:
    """PostgreSQL does not list the columns of a materialized view where dbt looks."""
    with pytest.raises(AssertionError, match="which there are, the engine does not say"):
        written("duckdb", [{}], META, tables={**TABLES, "weather": []})


def test_moments_with_and_without_a_zone_are_refused() -> None:
    zoned = {**VIEW, "seen": "TIMESTAMP WITH TIME ZONE"}
    with pytest.raises(AssertionError, match="some have a time zone and some have none"):
        written("duckdb", [{"columns": ["wind"]}], META, tables={**TABLES, "weather": zoned})
    written(
        "duckdb", [{"columns": ["wind"]}], META, tables={"spine": {**SPINE, "due": "TIMESTAMPTZ"}, "weather": zoned}
    )


def test_names_that_differ_in_case_only_are_one_name() -> None:
    with pytest.raises(AssertionError, match="two columns would be called 'wind'"):
        written("duckdb", [{"columns": ["wind"]}], META, tables={**TABLES, "spine": [*SPINE, "Wind"]})


@pytest.mark.parametrize(("time", "found"), [("when", "which is not there"), (None, "expected the name of a column")])
def test_the_spine_has_the_moment(time: Any, found: str) -> None:
    with pytest.raises(AssertionError, match=found):
        written("duckdb", [{"columns": ["wind"]}], META, time=time)


@pytest.mark.parametrize("engine", ["snowflake", "bigquery", "redshift", "spark"])
def test_every_engine_gets_sql_of_its_own(engine: str) -> None:
    """Rendered and parsed, not run."""
    asked = {"columns": FEATURES, "embargo": "2 hours", "look_back": "3 days", "max_staleness": "1 week"}
    tree = parse_one(written(engine, [asked], {**META, "known_at": "told"}), dialect=engine)
    assert tree.named_selects == ["*", *FEATURES]
