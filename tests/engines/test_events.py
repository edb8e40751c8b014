"""Features over events: by a plain definition, by pandas, and as the search for leaks reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
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

from mlbridge.leaks.catalogue import NONE, WARN, WITHHOLD

START = datetime(2024, 1, 1)
SPINE = {"row_id": "BIGINT", "who": "VARCHAR", "gate": "BIGINT", "due": "TIMESTAMP"}
EVENTS = {
    "who": "VARCHAR",
    "gate": "BIGINT",
    "seen": "TIMESTAMP",
    "told": "TIMESTAMP",
    "size": "BIGINT",
    "late": "BOOLEAN",
    "sky": "VARCHAR",
}
TABLES = {"spine": SPINE, "events": EVENTS}
NUMBER = exp.DataType.build("int")
HOURS = (None, *range(9))
Rows = list[tuple[Any, ...]]
Event = tuple[Any, ...]

moments = st.sampled_from(HOURS).map(lambda hour: None if hour is None else START + timedelta(hours=hour))
whose = st.sampled_from(["JFK", "LGA", None])
gates = st.sampled_from([1, 2, None])
spines = st.lists(st.tuples(whose, gates, moments), min_size=1, max_size=10)
events_drawn = st.lists(
    st.tuples(
        whose,
        gates,
        moments,
        moments,
        st.sampled_from([1, -2, 5, None]),
        st.sampled_from([True, False, None]),
        st.sampled_from(["clear", "fog", None]),
    ),
    max_size=16,
)
embargoes = st.sampled_from([0, 0, 1])


def written(engine: str, macro: str, events: Any, features: Any, **found: Any) -> str:
    """Write the SELECT of a macro; `meta` is what the YAML says of the events. A refusal is an AssertionError."""
    package = Package(engine)
    tables = {
        name: [Column(each, columns[each] if isinstance(columns, dict) else "", NUMBER) for each in columns]
        for name, columns in found.get("tables", TABLES).items()
    }
    package.names["adapter"].get_columns_in_relation = lambda relation: tables[relation.identifier]
    meta = found.get("meta")
    config = SimpleNamespace(meta={} if meta is None else {"mlbridge": meta})
    columns = {
        name: {"name": name, "config": {"meta": {"mlbridge": {"known_at": known_at}}}}
        for name, known_at in found.get("known_at", {}).items()
    }
    node = SimpleNamespace(name="events", alias="events", config=config, columns=columns)
    package.names["graph"] = SimpleNamespace(nodes={"model.host.events": node})
    package.names["model"] = SimpleNamespace(
        name="late_features", depends_on=SimpleNamespace(nodes=["model.host.events"])
    )
    if isinstance(events, dict):
        events = {"view": Relation("events", "events"), **events}
    return package.sql(
        macro, found.get("spine", Relation("spine", "spine")), found.get("time", "due"), events, features
    )


def answers(
    server: Postgres, spine: Rows, events: Rows, macro: str, ask: dict[str, Any], features: dict[str, Any]
) -> dict[str, Rows]:
    """Give the new columns that each engine finds, in the order of the spine."""
    numbered = [(number, *row) for number, row in enumerate(spine)]
    tables = {"spine": (SPINE, numbered), "events": (EVENTS, events)}
    found = {}
    with duckdb.connect() as connection:
        load_both(connection, server, "told_events", tables)
        sql = f"select * from ({written('duckdb', macro, ask, features)}) as found order by row_id"
        found["duckdb"] = connection.execute(sql).fetchall()
    sql = f"select * from ({written('postgres', macro, ask, features)}) as found order by row_id"
    found["postgres"] = server.rows(sql)
    assert all([row[: len(SPINE)] for row in rows] == numbered for rows in found.values())
    return {engine: [row[len(SPINE) :] for row in rows] for engine, rows in found.items()}


def place(event: Event, two_clocks: bool, embargo: int) -> datetime | None:
    """Say from when an event counts; never without its moments."""
    _, _, seen, told, *_ = event
    known = told if two_clocks else seen
    return None if seen is None or known is None else max(seen, known + timedelta(hours=embargo))


def least(value: Any) -> tuple[bool, Any]:
    return (value is not None, value or 0)


class World:
    """Events as a plain loop sees them, for each row of the spine."""

    def __init__(self, spine: Rows, events: Rows, two_clocks: bool, embargo: int) -> None:
        self.spine, self.events, self.two_clocks, self.embargo = spine, events, two_clocks, embargo

    def seen(self, row: Event, keys: Sequence[int], over: int | None, order: Callable[[Event], Any]) -> list[Event]:
        """Give the events that count at a row, in the order in which they came to."""
        at = row[2]
        if at is None or any(row[key] is None for key in keys):
            return []
        found = []
        for event in self.events:
            counts_from = place(event, self.two_clocks, self.embargo)
            if counts_from is None or counts_from > at or any(event[key] != row[key] for key in keys):
                continue
            if over is None or counts_from >= at - timedelta(hours=over):
                found.append((counts_from, event[2], order(event), event))
        return [event for *_, event in sorted(found, key=lambda each: each[:3])]

    def column(self, keys: Sequence[int], over: int | None, figure: Callable[..., Any], at: int) -> list[Any]:
        """Compute a figure of the values at a place in the events."""
        return [
            figure([event[at] for event in self.seen(row, keys, over, lambda event: least(event[at]))])
            for row in self.spine
        ]


def filled(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def mean(values: list[Any]) -> float | None:
    there = filled(values)
    return sum(there) / len(there) if there else None


SIZE, LATE, SKY = 4, 5, 6
FIGURES: dict[str, tuple[dict[str, Any], int, Callable[[list[Any]], Any]]] = {
    "all": ({"count": "*"}, SIZE, len),
    "sized": ({"count": "size"}, SIZE, lambda values: len(filled(values))),
    "total": ({"sum": "size"}, SIZE, lambda values: sum(filled(values))),
    "middle": ({"mean": "size"}, SIZE, mean),
    "late": ({"share": "late"}, LATE, mean),
    "skies": ({"distinct": "sky"}, SKY, lambda values: len(set(filled(values)))),
    "oldest": ({"first": "size"}, SIZE, lambda values: values[0] if values else None),
    "newest": ({"last": "size"}, SIZE, lambda values: values[-1] if values else None),
}
BOTH = ["who", "gate"]


def asked_of(two_clocks: bool, embargo: int) -> dict[str, Any]:
    return {"time": "seen", **({"known_at": "told"} if two_clocks else {}), "embargo": f"{embargo} hours"}


@settings(max_examples=25)
@given(spines, events_drawn, st.booleans(), embargoes)
def test_figures_of_the_events_that_counted(
    server: Postgres, spine: Rows, events: Rows, two_clocks: bool, embargo: int
) -> None:
    """Each figure by two columns, by one, and of all events; over two spans and all the past."""
    world = World(spine, events, two_clocks, embargo)
    features, expected = {}, []
    for name, (said, at, figure) in FIGURES.items():
        features[name] = {**said, "entity": BOTH, "over": ["1 hour", "180 minutes"]}
        features[f"{name}_of_who"] = {**said, "entity": {"who": "who"}}
        features[f"{name}_of_any"] = {**said, "entity": [], "over": "2 hours"}
        for keys, over in (((0, 1), 1), ((0, 1), 3), ((0,), None), ((), 2)):
            expected.append(world.column(keys, over, figure, at))
    rows = list(zip(*expected, strict=True))
    for engine, got in answers(server, spine, events, "rolling", asked_of(two_clocks, embargo), features).items():
        assert got == rows, engine


@settings(max_examples=15)
@given(spines, events_drawn, st.booleans(), embargoes)
def test_the_last_events_and_the_time_since(
    server: Postgres, spine: Rows, events: Rows, two_clocks: bool, embargo: int
) -> None:
    world = World(spine, events, two_clocks, embargo)
    ask = {**asked_of(two_clocks, embargo), "entity": BOTH}

    def back(number: int) -> list[Any]:
        return world.column((0, 1), None, lambda values: values[-number] if len(values) >= number else None, SIZE)

    expected = list(zip(back(1), back(2), back(3), strict=True))
    for engine, got in answers(
        server,
        spine,
        events,
        "lagged",
        ask,
        {"size": {"value": "size", "back": [1, 2]}, "third": {"value": "size", "back": 3}},
    ).items():
        assert got == expected, engine
    hours = []
    for over in (None, 2):
        newest = world.column((0, 1), over, lambda values: max(values, default=None), 2)
        hours.append(
            [
                None if seen is None else (row[2] - seen).total_seconds() / 3600
                for row, seen in zip(spine, newest, strict=True)
            ]
        )
    units = {"hours": {"unit": "hours"}, "recent": {"unit": "hours", "over": "2 hours"}}
    for engine, got in answers(server, spine, events, "since_last", ask, units).items():
        assert got == list(zip(*hours, strict=True)), engine


@settings(max_examples=15)
@given(spines, events_drawn, st.booleans(), embargoes)
def test_the_rate_is_drawn_to_that_of_all(
    server: Postgres, spine: Rows, events: Rows, two_clocks: bool, embargo: int
) -> None:
    world = World(spine, events, two_clocks, embargo)
    expected = []
    for at, over, weight in ((LATE, None, 20), (SIZE, 2, 0.5)):
        own, every = (world.column(keys, over, filled, at) for keys in ((0,), ()))
        expected.append(
            [
                (sum(mine) + weight * sum(all_) / len(all_)) / (len(mine) + weight) if all_ else None
                for mine, all_ in zip(own, every, strict=True)
            ]
        )
    features = {"late": {"share": "late"}, "size": {"mean": "size", "over": "2 hours", "weight": 0.5}}
    ask = {**asked_of(two_clocks, embargo), "entity": "who"}
    for engine, got in answers(server, spine, events, "encoded_rate", ask, features).items():
        for found, wanted in zip(got, zip(*expected, strict=True), strict=True):
            for one, other in zip(found, wanted, strict=True):
                assert one is other is None or math.isclose(one, other, rel_tol=1e-12), engine


@settings(max_examples=15)
@given(events_drawn)
def test_it_is_the_rolling_window_of_pandas(server: Postgres, events: Rows) -> None:
    """At the moments of the events themselves, sorted and without NULLs; two of a moment pandas counts one by one."""
    kept = {(event[0], event[2]): event for event in events if None not in (event[0], event[2], event[4])}
    if not kept:
        return
    frame = pd.DataFrame(sorted(kept.values(), key=lambda event: (event[0], event[2])), columns=list(EVENTS))
    windows = frame.set_index("seen").groupby("who")["size"].rolling("3h", closed="both")
    spine = [(row.who, None, row.seen.to_pydatetime()) for row in frame.itertuples()]
    expected = list(zip(windows.sum(), windows.mean(), windows.count(), strict=True))
    features = {"total": {"sum": "size"}, "middle": {"mean": "size"}, "n": {"count": "size"}}
    features = {name: {**said, "entity": "who", "over": "3 hours"} for name, said in features.items()}
    for engine, got in answers(server, spine, list(kept.values()), "rolling", {"time": "seen"}, features).items():
        assert [tuple(map(float, row)) for row in got] == [pytest.approx(row) for row in expected], engine


@pytest.fixture(scope="module")
def trips() -> Iterator[Trips]:
    found = Trips.drawn()
    yield found
    found.connection.close()


HONEST = {"time": "began", "known_at": "done_at"}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "count": ("rolling", {"count": "delay", "over": "9 days"}),
    "sum": ("rolling", {"sum": "delay"}),
    "mean": ("rolling", {"mean": "delay", "over": "3 days"}),
    "share": ("rolling", {"share": "is_late", "over": "9 days"}),
    "distinct": ("rolling", {"distinct": "is_late", "over": "9 days"}),
    "first": ("rolling", {"first": "delay", "over": "9 days"}),
    "last": ("rolling", {"last": "delay"}),
    "lagged": ("lagged", {"value": "delay", "back": 2}),
    "rate": ("encoded_rate", {"share": "is_late", "over": "20 days"}),
}


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
@pytest.mark.parametrize(("macro", "feature"), ASKED.values(), ids=ASKED)
@pytest.mark.parametrize(
    ("clocks", "is_leak"),
    [
        (HONEST, False),
        ({"time": "done_at"}, False),
        ({"time": "done_at", "embargo": "1 hour"}, False),
        ({"time": "began"}, True),
    ],
    ids=["two clocks", "when known", "embargo", "when begun"],
)
def test_the_search_for_leaks_reads_it(
    trips: Trips, engine: str, macro: str, feature: dict[str, Any], clocks: dict[str, str], is_leak: bool
) -> None:
    """Of a driver's trips: an outcome is known when the trip is done, whatever the call says of it."""
    trip = ["id", "who", "began", "done_at", "delay", "is_late"]
    tables = {"spine": trip[:3], "events": trip}
    found = {"x": {**feature, "entity": "who"}}
    made = written(engine, macro, clocks, found, tables=tables, time="began", spine=Relation("spine", "trip"))
    given = "events as (select *, delay > 0 as is_late from trips), trip as (select id, who, began from trips)"
    sql = f"with {given} select id, x from ({made}) as made"
    if feature.get("count") is None:
        assert trips.leaks(sql) is is_leak
    looked = trips.looked(sql)
    assert looked.level == (WITHHOLD if is_leak else NONE), looked.evidence


CALENDAR = """
calendar as (select unnest(generate_series(timestamp '2024-01-01', timestamp '2024-03-05', interval 6 hour)) as at),
points as (select trips.who, calendar.at from calendar cross join (select distinct who from trips) as trips)"""


@pytest.mark.parametrize(
    ("clocks", "joined", "level"),
    [
        (HONEST, "trip.began >= seen.at", NONE),
        ({"time": "done_at"}, "trip.began >= seen.at", NONE),
        ({"time": "began"}, "trip.began >= seen.at", WARN),
        (HONEST, "trip.began <= seen.at", WITHHOLD),
    ],
    ids=["two clocks", "when known", "when begun", "a later moment"],
)
@pytest.mark.parametrize("name", ["sum", "last", "lagged", "rate"])
def test_the_search_for_leaks_follows_it_through_a_view_on_a_calendar(
    trips: Trips, name: str, clocks: dict[str, str], joined: str, level: str
) -> None:
    """Figures as of each moment of a calendar, of which a trip has the last before its prediction, or the next."""
    macro, feature = ASKED[name]
    tables = {"points": ["who", "at"], "events": ["id", "who", "began", "done_at", "delay", "is_late"]}
    found = {"x": {**feature, "entity": "who"}}
    made = written("duckdb", macro, clocks, found, tables=tables, time="at", spine=Relation("points", "points"))
    models = (
        f"events as (select *, delay > 0 as is_late from trips), {CALENDAR}, seen as (select * from ({made}) as made)"
    )
    asof = f"asof left join seen on trip.who = seen.who and {joined}"
    sql = f"with {models}, trip as (select id, who, began from trips) select id, x from trip {asof}"
    looked = trips.looked(sql, apart=True)
    assert looked.level == level, looked.evidence


META = {"entity": "who", "time": "seen", "known_at": "told"}
COUNT = {"n": {"count": "*"}}


@pytest.mark.parametrize(
    ("macro", "events", "features", "message"),
    [
        ("rolling", 5, COUNT, "late_features: `mlbridge.rolling.events`: expected events, as ref('arrivals')"),
        ("rolling", {"times": "seen"}, COUNT, "`mlbridge.rolling.events.times`: unknown key. Did you mean 'time'?"),
        ("rolling", {}, COUNT, "say when an event happened: `{'view': ..., 'time': 'happened_at'}`"),
        ("rolling", {"time": "seem"}, COUNT, "names the column 'seem', which is not there"),
        ("rolling", {"time": "seen", "embargo": "soon"}, COUNT, "expected e.g. '7 days'"),
        ("rolling", {"time": "seen"}, COUNT, "`mlbridge.rolling.features.n.entity`: say whose events count"),
        ("rolling", {"time": "seen", "entity": "when"}, COUNT, "names the column 'when', which is not there"),
        ("rolling", {"time": "seen", "entity": {"who": "whom"}}, COUNT, "of the spine, it names the column 'whom'"),
        ("lagged", META, {}, "what it is, as {'last_delay': {'value': 'delay'}}"),
        ("rolling", META, {"n": None}, "`mlbridge.rolling.features.n`: expected what the column is"),
        ("rolling", META, {"n": {"over": "1 day"}}, "say what it is by one of 'count', 'sum', 'mean'"),
        ("rolling", META, {"n": {"sum": "size", "mean": "size"}}, "found 'sum', 'mean'."),
        ("rolling", META, {"n": {"median": "size"}}, "`mlbridge.rolling.features.n.median`: unknown key."),
        ("rolling", META, {"n": {"sum": "sizes"}}, "the column 'sizes', which is not there. Did you mean 'size'?"),
        ("rolling", META, {"n": {"sum": "*"}}, "names the column '*', which is not there"),
        ("rolling", META, {"n": {"count": "*", "over": "1 month"}}, "mlbridge.rolling.features.n.over`: expected e.g."),
        ("rolling", META, {"n": {"count": "*", "over": []}}, "expected one or a list of several, found []"),
        ("rolling", META, {"Due": {"count": "*"}}, "two columns would be called 'Due'"),
        ("rolling", META, {"n": {"count": "*", "over": ["1 day"]}, "n_1D": {"count": "*"}}, "would be called 'n_1D'"),
        ("rolling", META, {"ml_n": {"count": "*"}}, "would be called 'ml_n'; a name is a text, and those that"),
        ("lagged", META, {"n": {"value": "size", "back": 0}}, "a whole number from 1, the last event, to 1000"),
        ("lagged", META, {"n": {"value": "size", "over": "1 day"}}, "`mlbridge.lagged.features.n.over`: unknown key."),
        ("since_last", META, {"n": {"unit": "hour"}}, "found 'hour'. Did you mean 'hours'?"),
        ("encoded_rate", META, {"n": {"share": "late", "weight": 0}}, "expected a number of events above 0, found 0."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(macro: str, events: Any, features: Any, message: str) -> None:
    with pytest.raises(AssertionError) as refused:
        written("duckdb", macro, events, features)
    assert message in str(refused.value)


def test_what_the_yaml_says_of_a_view_is_not_said_again() -> None:
    assert '"told"' in written("duckdb", "rolling", {}, COUNT, meta=META)
    with pytest.raises(AssertionError, match="the YAML of events says it already"):
        written("duckdb", "rolling", {"time": "seen"}, COUNT, meta=META)


@pytest.mark.parametrize("spine", [5, None, "", ["departures"]])
def test_the_spine_is_a_relation(spine: Any) -> None:
    with pytest.raises(AssertionError, match=r"`mlbridge\.rolling\.spine`: expected the rows to be completed"):
        written("duckdb", "rolling", META, COUNT, spine=spine)


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_days_are_hours_across_a_clock_change(server: Postgres, engine: str) -> None:
    """New York moved its clocks on by an hour on 2024-03-10: 24 hours before 12:15 of that day it was 11:15."""
    asked = {"view": "told", "time": "seen", "entity": []}
    features = {"n": {"count": "*", "over": ["1 day"]}, "sizes": {"distinct": "size", "over": ["1 day"]}}
    given = (
        "told as (select 1 as size, cast('2024-03-09 11:30:00-05' as timestamptz) as seen), "
        "asked as (select cast('2024-03-10 12:15:00-04' as timestamptz) as due)"
    )
    sql = f"with {given} select n_1d, sizes_1d from ({written(engine, 'rolling', asked, features, spine='asked')}) as x"
    zone = "set timezone = 'America/New_York'"
    if engine == "duckdb":
        with duckdb.connect() as connection:
            connection.execute(zone)
            assert connection.execute(sql).fetchall() == [(1, 1)]
    else:
        server.connection.cursor().execute(zone)
        try:
            assert server.rows(sql) == [(1, 1)]
        finally:
            server.connection.cursor().execute("reset timezone")


def test_a_feature_is_the_same_whatever_else_is_asked_for() -> None:
    """Of events alike in their moments the one with the greatest value is the last, by each column for itself."""
    alike = "select 'JFK' as who, {0} as seen, {1} as size, '{2}' as sky"
    at = "make_timestamp(2024, 1, 1, 0, 0, 0)"
    given = f"told as ({alike.format(at, 1, 'fog')} union all {alike.format(at, 2, 'clear')}), "
    given += f"asked as (select 'JFK' as who, {at} as due)"
    asked = {"view": "told", "time": "seen", "entity": "who"}
    wanted = {"size": {"value": "size"}, "sky": {"value": "sky"}}
    with duckdb.connect() as connection:
        for names in (["size"], ["sky"], ["size", "sky"], ["sky", "size"]):
            made = written("duckdb", "lagged", asked, {f"last_{name}": wanted[name] for name in names}, spine="asked")
            columns = ", ".join(f"last_{name}" for name in names)
            (found,) = connection.execute(f"with {given} select {columns} from ({made}) as made").fetchall()
            assert dict(zip(names, found, strict=True)) == {
                name: value for name, value in (("size", 2), ("sky", "fog")) if name in names
            }


def test_columns_of_the_entity_may_have_other_names_and_any() -> None:
    columns = {**EVENTS, 'Whose "own"': "VARCHAR"}
    tables = {"spine": {**SPINE, "order": "VARCHAR"}, "events": columns}
    asked = {"time": "seen", "entity": {'Whose "own"': "order"}}
    features = {"n": {"count": "*"}, "last": {"last": "size"}, "d": {"distinct": "size"}}
    made = written("duckdb", "rolling", asked, features, tables=tables)
    given = (
        'events as (select \'JFK\' as "Whose ""own""", make_timestamp(2024, 1, 1, 0, 0, 0) as seen, 5 as size), '
        "spine as (select 'JFK' as \"order\", make_timestamp(2024, 1, 1, 1, 0, 0) as due)"
    )
    with duckdb.connect() as connection:
        assert connection.execute(f"with {given} select n, last, d from ({made}) as x").fetchall() == [(1, 5, 1)]


def test_each_thing_the_yaml_says_holds_by_itself() -> None:
    """When events become known stands in the YAML alone, and the call says when they happened."""
    made = written("duckdb", "rolling", {"time": "seen", "entity": "who"}, COUNT, meta={"known_at": "told"})
    assert made == written("duckdb", "rolling", META, COUNT)
    assert made == written("duckdb", "rolling", {"time": "seen", "known_at": "told"}, COUNT, meta={"entity": "who"})


@pytest.mark.parametrize("column", ["size", "who", "seen"])
def test_a_column_that_is_known_later_than_its_event_is_refused(column: str) -> None:
    features = {"n": {"sum": "size"}}
    for clock in ("seen", "TOLD"):
        assert '"size"' in written("duckdb", "rolling", META, features, known_at={column: clock, "late": "size"})
    message = f"says that '{column}' is known at 'told', and the rows count from 'seen'. Say `known_at: told`"
    with pytest.raises(AssertionError, match=message):
        written("duckdb", "rolling", {"time": "seen", "entity": "who"}, features, known_at={column: "told"})


def test_ctes_and_ephemeral_models_are_taken_at_their_word() -> None:
    asked = {"view": "arrivals", "time": "landed", "entity": "plane"}
    assert "from arrivals" in written("duckdb", "rolling", asked, COUNT, spine="departures")
    ephemeral = {**asked, "view": Relation("__dbt__cte__arrivals", "__dbt__cte__arrivals")}
    assert "from __dbt__cte__arrivals" in written("duckdb", "rolling", ephemeral, COUNT, spine="departures")


@pytest.mark.parametrize(
    ("macro", "feature", "expected"),
    [
        ("rolling", {"count": "*"}, 1),
        ("rolling", {"distinct": "size"}, 1),
        ("lagged", {"value": "size"}, 5),
        ("since_last", {"unit": "hours"}, 1),
        ("encoded_rate", {"mean": "size"}, 5),
    ],
)
def test_events_may_be_called_spine(macro: str, feature: dict[str, Any], expected: float) -> None:
    asked = {"view": "spine", "time": "seen", "entity": "who"}
    made = written("duckdb", macro, asked, {"x": feature}, spine="asked", time="due")
    values = "select 'JFK' as who, {} as seen, 5 as size"
    given = ", ".join(
        (
            f"spine as ({values.format('make_timestamp(2024, 1, 1, 0, 0, 0)')})",
            "asked as (select 1 as row_id, 'JFK' as who, make_timestamp(2024, 1, 1, 1, 0, 0) as due "
            "union all select 2, 'JFK', make_timestamp(2023, 1, 1, 1, 0, 0))",
        )
    )
    with duckdb.connect() as connection:
        rows = connection.execute(f"with {given} select row_id, x from ({made}) as made order by 1").fetchall()
    assert rows[0] == (1, expected)
    assert rows[1][1] in (None, 0)


def test_moments_with_and_without_a_zone_are_refused() -> None:
    zoned = {**EVENTS, "seen": "TIMESTAMP WITH TIME ZONE"}
    with pytest.raises(AssertionError, match="rolling: of the moments of the spine and of the events some have"):
        written("duckdb", "rolling", {"time": "seen", "entity": "who"}, COUNT, tables={**TABLES, "events": zoned})


@pytest.mark.parametrize("engine", ["snowflake", "bigquery", "redshift", "spark"])
def test_every_engine_gets_sql_of_its_own(engine: str) -> None:
    """Rendered and parsed, not run. Redshift has no window over a span of time."""
    features = {name: {**said, "over": "2 weeks"} for name, (said, *_) in FIGURES.items()}
    if engine == "bigquery":
        assert "order by unix_micros(timestamp(ml_moment)) range between 1209600000000" in written(
            engine, "rolling", META, features
        )
    if engine == "redshift":
        with pytest.raises(AssertionError, match="Redshift has no window over a span of time"):
            written(engine, "rolling", META, features)
        features = {name: said for name, (said, *_) in FIGURES.items()}
    made = written(engine, "rolling", META, features)
    tree = parse_one(made, dialect=engine)
    assert engine != "redshift" or " range " not in made
    assert tree.named_selects == ["*", *FIGURES]
