"""The leak search by lineage in a world that is known: what a feature tells early is found, what is honest is not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from asked_rows import ASKED_IN_TIME, ASKED_TOO_EARLY
from common_sql import BESIDE_ANOTHER_TIME, COMMON, OF_ENDS_KNOWN, OF_OWN_END
from dbt_shapes import SHAPES
from numbered_rows import BEFORE, NUMBERED
from other_rows import HISTORIES, UNSAID, cases, over
from timed_features import BY_HAND, DIFFERENCES, LATER_ONES, NEXT, STREAM, Trips, generated
from untold_moments import HONEST, LEAKS, OWN_MODELS, WARNED

from mlbridge.errors import SetupError
from mlbridge.leaks.catalogue import NONE, WARN, WITHHOLD
from mlbridge.leaks.open_ways import open_ways
from mlbridge.leaks.time_conditions import Clock, Late
from mlbridge.lineage.graph import Relation
from mlbridge.lineage.trace import trace


@pytest.fixture(scope="module")
def trips() -> Iterator[Trips]:
    found = Trips.drawn()
    yield found
    found.connection.close()


@pytest.mark.parametrize("name", BY_HAND)
def test_a_feature_is_withheld_if_it_tells_what_comes_later(trips: Trips, name: str) -> None:
    found = trips.looked(BY_HAND[name])
    assert found.level == (WITHHOLD if trips.leaks(BY_HAND[name]) else NONE), found.evidence


@pytest.mark.parametrize("name", [name for name, sql in BY_HAND.items() if "with " in sql])
def test_it_is_the_same_if_each_step_is_a_model_of_its_own(trips: Trips, name: str) -> None:
    found = trips.looked(BY_HAND[name], apart=True)
    assert found.level == (WITHHOLD if trips.leaks(BY_HAND[name]) else NONE), found.evidence


@pytest.mark.parametrize("side", DIFFERENCES)
def test_a_difference_of_moments_says_which_is_earlier(trips: Trips, side: str) -> None:
    joined = f"trips as t left join trips as o on t.who = o.who and {side}"
    sql = f"select t.id, avg(o.delay) as x from {joined} group by t.id"
    found = trips.looked(sql)
    assert found.level == (WITHHOLD if trips.leaks(sql) else NONE), found.evidence


MONTHLY = (
    "select t.id, avg(m.x) as x from trips as t left join m on m.who = t.who and {on} group by t.id",
    "m as (select who, {on} as on_day, avg(delay) as x from trips group by 1, 2)",
)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("made", "on"),
    [
        ("date_trunc('month', done_at)", "m.on_day = date_trunc('month', t.began) - interval 1 month"),
        ("date_trunc('month', done_at)", "m.on_day = date_trunc('month', t.began - interval 1 month)"),
        ("date_trunc('month', done_at)", "m.on_day + interval 1 month = date_trunc('month', t.began)"),
        ("date_trunc('month', done_at) + interval 1 month", "m.on_day <= t.began"),
        ("date_trunc('quarter', done_at)", "m.on_day = date_trunc('quarter', t.began) - interval 1 quarter"),
        ("date_trunc('month', done_at)", "m.on_day = date_trunc('month', t.began) + interval 0 month"),
        ("date_trunc('month', done_at)", "m.on_day < date_trunc('month', t.began) + interval 1 month"),
        ("date_trunc('month', done_at) - interval 1 month", "m.on_day < date_trunc('month', t.began)"),
        ("date_trunc('quarter', done_at)", "m.on_day < date_trunc('month', t.began)"),
    ],
)
def test_whole_months_are_counted_though_they_differ_in_length(trips: Trips, made: str, on: str, apart: bool) -> None:
    step, model = MONTHLY
    sql = f"with {model.format(on=made)} {step.format(on=on)}"
    found = trips.looked(sql, apart=apart)
    assert found.level == (WITHHOLD if trips.leaks(sql) else NONE), found.evidence


# By which a trip that began earlier comes in, although it may not be over yet: a warning, whether it was over or not.
ONLY_EARLIER = (
    "order by began rows between unbounded preceding and 1 preceding)", "exclude current row)",
    "lag(delay) over (partition by who order by began)", "lag(delay, 2) over (partition by who order by began)",
    "lead(delay) over (partition by who order by began desc)", " o.began < t.began",
    "order by done_at range between interval 30 day preceding and interval 5 day preceding)",
)  # fmt: skip


@pytest.mark.parametrize(("name", "sql"), list(generated())[::3])
def test_no_generated_leak_is_missed_and_no_honest_feature_is_withheld(trips: Trips, name: str, sql: str) -> None:
    found = trips.looked(sql)
    expected = WITHHOLD if trips.leaks(sql) else NONE
    assert found.level == (WARN if name.endswith(ONLY_EARLIER) else expected), found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", LEAKS)
def test_what_is_not_read_to_the_end_lets_nothing_through(trips: Trips, name: str, apart: bool) -> None:
    found = trips.looked(LEAKS[name], apart=apart and "recursive" not in LEAKS[name])
    assert trips.leaks(LEAKS[name])
    assert found.level == (WARN if (name, apart) in WARNED else WITHHOLD), found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", HONEST)
def test_what_is_read_to_the_end_still_counts(trips: Trips, name: str, apart: bool) -> None:
    found = trips.looked(HONEST[name], apart=apart and "recursive" not in HONEST[name])
    assert not trips.leaks(HONEST[name])
    assert found.level == NONE, found.evidence


PANEL = [
    ("select t.id, h.v as x from trips as t join past as h on h.who = t.who and h.began = t.began", NONE),
    ("select t.id, h.v as x from trips as t join past as h on h.id = t.id", NONE),
    ("select id, max(v) over (partition by who, began) as x from past", NONE),
    ("select id, max(v) over (partition by who) as x from past", WARN),
    ("select t.id, h.x from trips as t join (select who, max(v) as x from past group by who) as h using (who)", WARN),
    ("select id, lead(v) over (partition by who order by began) as x from past", WITHHOLD),
]


@pytest.mark.parametrize(("sql", "level", "apart"), [pytest.param(*each, id=name) for name, *each in cases()])
def test_what_was_honest_at_another_row_is_followed_to_it(trips: Trips, sql: str, level: str, apart: bool) -> None:
    assert trips.leaks(sql) is (level != NONE)
    found = trips.looked(sql, apart=apart)
    assert found.level == level, found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("name", UNSAID)
def test_what_no_sql_says_to_be_of_later_rows_is_not_withheld(
    trips: Trips, name: str, history: str, apart: bool
) -> None:
    sql = over(HISTORIES[history], UNSAID[name])
    assert not trips.leaks(sql)
    found = trips.looked(sql, apart=apart)
    assert found.level != WITHHOLD, found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("step", "level"), PANEL)
def test_where_an_entity_has_several_rows_its_key_alone_is_no_row(
    trips: Trips, step: str, level: str, apart: bool
) -> None:
    sql = f"with {HISTORIES['joined']} {step}"
    assert trips.leaks(sql) is (level != NONE)
    found = trips.looked(sql, apart=apart, entity="who")
    assert found.level == level, found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("step", "level"),
    [
        ("select t.id, max(h.v) as x from trips as t join past as h on h.who = t.who group by t.id", WARN),
        ("select t.id, h.x from trips as t join (select who, max(v) as x from past group by 1) as h using (who)", WARN),
        ("select id, max(v) over (partition by who) as x from past", WARN),
        (
            "select t.id, max(h.v) as x from trips as t join past as h on h.who = t.who and h.began <= t.began "
            "group by t.id",
            NONE,
        ),
        ("select t.id, h.v as x from trips as t join past as h on h.who = t.who and h.began = t.began", NONE),
        ("select t.id, h.v as x from trips as t join past as h on h.id = t.id", NONE),
    ],
)
def test_a_key_that_is_unique_among_the_labelled_rows_only_is_no_row_of_a_history(
    trips: Trips, step: str, level: str, apart: bool
) -> None:
    """One trip of each driver is labelled."""
    sql = f"with {HISTORIES['joined']} {step}"
    assert trips.leaks(sql) is (level != NONE)
    first = f"trips.id in (select min(id) from raw.trips where id in {trips.looked_at} group by who)"
    found = trips.looked(sql, apart=apart, entity="who", rows=first)
    assert found.level == level, found.evidence


LINES = "lines as (select past.*, n.n as line, v + n.n as amount from past, range(3) as n(n))"


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("step", "level"),
    [
        ("lead(amount) over (partition by tour order by line)", NONE),
        ("lead(amount) over (partition by who order by began, line)", WITHHOLD),
    ],
)
def test_the_next_line_of_what_is_of_one_moment_is_no_later_row(
    trips: Trips, step: str, level: str, apart: bool
) -> None:
    """No column of the model says which trip a tour is; the rows do."""
    past = HISTORIES["joined"].replace("t.began", "t.began, t.tour", 1).replace("by t.id", "by t.tour, t.id")
    sql = f"with {past}, {LINES}, next as (select id, line, {step} as x from lines) "
    sql += "select t.id, max(n.x) as x from trips as t left join next as n using (id) group by 1"
    assert trips.leaks(sql) is (level != NONE)
    found = trips.looked(sql, apart=apart)
    assert found.level == level, found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("made", "level"),
    [
        ("{} // 10", WARN), ("cast(floor({} / 10) as int)", WARN), ("{} % 30", WARN), ("left({}::text, 1)", WARN),
        ("({}::text)[:1]", WARN), ("split_part('a-' || {}::text, '-', 1)", WARN),
        ("case when {} < 30 then 1 else 2 end", WARN), ("case {} when 1 then 1 when 2 then 2 else 3 end", WARN),
        ("least({}, 30)", WARN), ("{0} - {0} % 10", WARN), ("cast({} / 10 as int)", WARN),
        ("md5({}::text)", NONE), ("'trip-' || {}", NONE), ("coalesce({}, -1)", NONE), ("{}::bigint", NONE),
        ("md5({0}::text || left({0}::text, 1))", NONE),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "step",
    [
        "with g as (select {past} as k, max(v) as x from past group by 1) "
        "select t.id, g.x from trips as t join g on g.k = {t}",
        "select t.id, max(h.v) as x from trips as t join past as h on {h} = {t} group by 1",
        "with k as (select *, {past} as k from past) select id, max(v) over (partition by k) as x from k",
    ],
)
def test_a_part_of_a_key_is_no_key(trips: Trips, step: str, made: str, level: str, apart: bool) -> None:
    sides = {name: made.format(f"{name}.id") for name in ("past", "t", "h")}
    sql = over(HISTORIES["joined"], step.format(**sides))
    assert trips.leaks(sql) is (level != NONE)
    found = trips.looked(sql, apart=apart)
    assert found.level == level, found.evidence


CLOSED = "began < timestamp '2024-02-01'"  # trips of which the outcome is known
TARGET, LABEL_TIME = f"case when trips.{CLOSED} then hash(trips.id) % 2 end", f"case when trips.{CLOSED} then {{}} end"


@pytest.fixture(scope="module")
def open_trips() -> Trips:
    """Return trips of which the last ones have not come to their end."""
    return Trips.drawn(closed=CLOSED)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", OF_OWN_END)
def test_what_is_made_of_the_moment_of_the_outcome_is_known_with_it(open_trips: Trips, name: str, apart: bool) -> None:
    assert open_trips.leaks(OF_OWN_END[name])
    found = open_trips.looked(OF_OWN_END[name], apart=apart, target=TARGET, label_time="trips.done_at")
    assert found.level == WITHHOLD, found.evidence
    assert "from which the label time 'done_at' comes" in found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", OF_ENDS_KNOWN)
def test_what_was_known_of_the_ends_of_trips_is_no_leak(open_trips: Trips, name: str, apart: bool) -> None:
    assert not open_trips.leaks(OF_ENDS_KNOWN[name])
    found = open_trips.looked(OF_ENDS_KNOWN[name], apart=apart, target=TARGET, label_time="trips.done_at")
    assert found.level == NONE, found.evidence


@pytest.mark.parametrize("name", OF_OWN_END)
def test_a_moment_that_is_there_before_the_outcome_is_a_plan(trips: Trips, name: str) -> None:
    """Only the model masks it until the outcome is known, such as the end of a contract."""
    label_time = LABEL_TIME.format("trips.done_at")
    found = trips.looked(OF_OWN_END[name], target=TARGET, label_time=label_time)
    assert found.level == NONE, found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", COMMON)
def test_common_honest_sql_is_not_accused(trips: Trips, name: str, apart: bool) -> None:
    sql = over(HISTORIES["joined"], COMMON[name])
    assert not trips.leaks(sql)
    found = trips.looked(sql, apart=apart)
    assert found.level == NONE, found.evidence


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_of_dbt_projects(trips: Trips, name: str) -> None:
    sql, level = SHAPES[name]
    assert trips.leaks(sql) is (level != NONE)
    found = trips.looked(sql, apart=True)
    assert found.level == level, found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", ASKED_TOO_EARLY)
def test_what_is_asked_of_rows_is_told(trips: Trips, name: str, apart: bool) -> None:
    assert trips.leaks(ASKED_TOO_EARLY[name])
    found = trips.looked(ASKED_TOO_EARLY[name], apart=apart)
    assert found.level == WITHHOLD, found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", ASKED_IN_TIME)
def test_what_is_asked_of_rows_that_are_known_is_not_accused(trips: Trips, name: str, apart: bool) -> None:
    assert not trips.leaks(ASKED_IN_TIME[name])
    found = trips.looked(ASKED_IN_TIME[name], apart=apart)
    assert found.level == NONE, found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", NUMBERED)
def test_the_number_of_a_row_says_what_its_order_says(trips: Trips, name: str, apart: bool) -> None:
    step, level = NUMBERED[name]
    sql = over(HISTORIES["joined"], step)
    assert trips.leaks(sql) is (level != NONE)
    found = trips.looked(sql, apart=apart)
    assert found.level == level, found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", BEFORE)
def test_the_row_before_by_its_number_is_judged_as_a_lag(
    trips: Trips, open_trips: Trips, name: str, apart: bool
) -> None:
    """Its outcome need not be known yet, which is asked for; how long it took is its own, not this row's."""
    found = trips.looked(BEFORE[name].format(x="o.delay"), apart=apart)
    assert found.level == WARN, found.evidence
    sql = BEFORE[name].format(x="date_diff('hour', o.began, o.done_at)")
    found = open_trips.looked(sql, apart=apart, target=TARGET, label_time="trips.done_at")
    assert found.level == NONE, found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("at", ["a_first", "z_first"])
@pytest.mark.parametrize("name", BESIDE_ANOTHER_TIME)
def test_the_time_of_another_row_beside_the_own_one_is_not_taken_for_it(
    trips: Trips, name: str, at: str, apart: bool
) -> None:
    step, level = BESIDE_ANOTHER_TIME[name]
    sql = over(HISTORIES["joined"], step.format(at=at))
    assert trips.leaks(sql)
    found = trips.looked(sql, apart=apart)
    assert found.level == level, found.evidence


@pytest.mark.parametrize("apart", [False, True])
def test_the_whole_history_of_an_entity_counts_where_its_last_row_is_the_labelled_one(
    trips: Trips, apart: bool
) -> None:
    sql = over(HISTORIES["joined"], "select t.id, max(h.v) as x from trips as t join past as h using (who) group by 1")
    last = "trips.id in (select arg_max(id, began) from raw.trips group by who)"
    found = trips.looked(sql, apart=apart, entity="who", rows=last)
    assert found.level == NONE, found.evidence


@pytest.mark.parametrize("name", OWN_MODELS)
def test_days_that_come_from_no_column_are_moments_of_the_model_that_makes_them(trips: Trips, name: str) -> None:
    assert not trips.leaks(OWN_MODELS[name])
    assert trips.looked(OWN_MODELS[name], apart=True).level == NONE


@pytest.mark.parametrize("placed", ["done_at", "began"])
def test_windows_around_windows_over_a_union_are_told_apart(trips: Trips, placed: str) -> None:
    summed = "sum(value) over (partition by who order by moment) + value as value"
    steps = [f"s{n} as (select id, who, moment, {summed} from s{n - 1})" for n in range(1, 9)]
    stream = STREAM.format(placed=placed).replace("stream as", "s0 as", 1)
    sql = f"with {', '.join([stream, *steps])} select id, value as x from s8 where id is not null"
    found = trips.looked(sql)
    assert found.level == (WITHHOLD if trips.leaks(sql) else NONE), found.evidence


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "step",
    [
        "select id, who, m, x + sum(x) over (partition by who order by m) as x from s{0}",
        "select a.id, a.who, a.m, a.x + b.x as x from s{0} as a join s{0} as b on b.m < a.m",
        "select id, who, m, sum(x) over (order by m) as x from s{0} union all "
        "select id, who, m, x + lag(x) over (order by m) as x from s{0}",
    ],
)
def test_a_chain_of_steps_takes_no_longer_than_its_length(step: str, apart: bool) -> None:
    first = (
        "select id, who, began as m, 0 as x from raw.trips union all select null, who, done_at, delay from raw.trips"
    )
    steps = [first, *(step.format(n) for n in range(20))]
    types = {"id": "INT", "who": "INT", "began": "TIMESTAMP", "done_at": "TIMESTAMP", "delay": "INT"}
    trips = Relation("trips", (None, "raw", "trips"), None, types)
    names = [f"s{n}" for n in range(len(steps))]
    if apart:
        models = [
            Relation(name, (None, "main", name), sql, {}, ("trips", *names[:n]))
            for n, (name, sql) in enumerate(zip(names, steps, strict=True))
        ]
    else:
        whole = ", ".join(f"{name} as ({sql})" for name, sql in zip(names, steps, strict=True))
        models = [
            Relation(names[-1], (None, "main", "last"), f"with {whole} select * from {names[-1]}", {}, ("trips",))
        ]
    started = time.process_time()
    lineage = trace([trips, *models], "duckdb")
    clock = Clock(lineage, ("trips", "began"), delayed=True)
    assert open_ways(lineage, [(names[-1], "x")], Late("trips", "delay", frozenset({("trips", "done_at")})), clock)
    assert time.process_time() - started < 1
    assert not lineage.unread


@pytest.mark.parametrize(("declared", "found"), [("done_at", 0), ("began", 1)])
def test_a_moment_that_a_model_makes_as_it_likes_is_believed_if_it_is_declared(declared: str, found: int) -> None:
    """Else it may be any moment."""
    source = Relation(
        "source", (None, "raw", "source"), None, dict.fromkeys(("id", "y", "m", "d", "a", "delay"), "INT")
    )
    day = "make_date(y, m, d) + to_minutes(a)"
    staged = f"select id, {day} as began, {day} + to_minutes(delay) as done_at, delay from raw.source"
    past = "select t.id, avg(o.delay) as x from staged as t join staged as o on o.done_at <= t.began group by t.id"
    split = f"with past as ({past}) select t.*, past.x from staged as t join past on past.id = t.id"
    models = [
        Relation("staged", (None, "main", "staged"), staged, {}, ("source",)),
        Relation("split", (None, "main", "split"), split, {}, ("staged",)),
    ]
    lineage = trace([source, *models], "duckdb")
    late = Late("source", "delay", frozenset({("split", declared)}))
    clock = Clock(lineage, ("split", "began"), True, key=(("split", "id"),), is_unique=lambda names: True)
    assert len(open_ways(lineage, [("split", "x")], late, clock)) == found


@pytest.mark.parametrize(("declared", "found"), [("done_at", 0), ("began", 1)])
def test_a_declared_moment_that_a_model_cuts_is_believed_as_it_is(declared: str, found: int) -> None:
    types = {"id": "INT", "began": "TIMESTAMP", "ended": "TIMESTAMP", "delay": "INT"}
    source = Relation("source", (None, "raw", "source"), None, types)
    staged = "select id, began, date_trunc('minute', ended) as done_at, delay from raw.source"
    seen = "(select avg(o.delay) from staged as o where o.done_at <= t.began and o.id % 7 = t.id % 7)"
    models = [
        Relation("staged", (None, "main", "staged"), staged, {}, ("source",)),
        Relation("split", (None, "main", "split"), f"select t.*, {seen} as x from staged as t", {}, ("staged",)),
    ]
    lineage = trace([source, *models], "duckdb")
    late = Late("source", "delay", frozenset({("split", declared)}))
    assert len(open_ways(lineage, [("split", "x")], late, Clock(lineage, ("split", "began"), delayed=True))) == found


@pytest.mark.parametrize("target", [NEXT, LATER_ONES])
@pytest.mark.parametrize(
    ("sql", "level"),
    [
        ("select id, delay as x from trips", NONE),
        ("select id, avg(delay) over (partition by who order by began rows 3 preceding) as x from trips", NONE),
        ("select id, lag(delay) over (partition by who order by began) as x from trips", NONE),
        ("select t.id, sum(o.delay) as x from trips t join trips o on o.began <= t.began group by t.id", NONE),
        ("select id, lead(delay) over (partition by who order by began) as x from trips", WITHHOLD),
        ("select id, avg(delay) over (partition by who) as x from trips", WITHHOLD),
        ("select t.id, sum(o.delay) as x from trips t join trips o on o.began > t.began group by t.id", WITHHOLD),
    ],
)
def test_what_the_target_takes_from_later_rows_is_known_of_this_one(
    trips: Trips, sql: str, level: str, target: str
) -> None:
    found = trips.looked(sql, target=target)
    assert found.level == level, found.evidence


def test_the_evidence_is_the_way(trips: Trips) -> None:
    found = trips.looked(BY_HAND["joined means"])
    assert found.evidence == (
        "it comes from raw.trips.delay, which the target 'y' comes from: late_split.x (aggregated); it is aggregated "
        "over rows of any time: let only those in that were known by then, such as `where known_at <= predicted_at` or "
        "a window that ends before the row"
    )
    way = trips.looked("select id, sum(delay) over (partition by who order by began) as x from trips").evidence
    assert "late_split.x (aggregated by SUM(delay) OVER (PARTITION BY who ORDER BY began))" in way


def test_what_is_declared_is_compared_row_by_row(trips: Trips) -> None:
    late = {"who": {"mlbridge": {"known_at": "done_at"}}}
    found = trips.looked("select id, who % 2 as x from trips", "known_later", **late)
    assert found.level == WITHHOLD
    assert found.evidence.endswith("; 'done_at' lies after 'began' in 100 % of the rows")
    early = {"who": {"mlbridge": {"known_at": "began"}}}
    found = trips.looked("select id, who % 2 as x from trips", "known_later", **early)
    assert found.level == NONE
    assert found.evidence.endswith("; 'began' lies after 'began' in 0 % of the rows")
    honest = "select t.id, min(o.who) as x from trips t left join trips o on o.done_at <= t.began group by 1"
    assert trips.looked(honest, "known_later", **late).level == NONE
    within = "select id, max(who) as x from trips group by id"
    assert trips.looked(within, "known_later", **early).level == NONE
    assert trips.looked("select id, max(who) over () as x from trips", "known_later", **early).level == WITHHOLD


def test_known_at_must_name_a_column(trips: Trips) -> None:
    with pytest.raises(
        SetupError, match=r"trips: `mlbridge.known_at` names the column 'don_at', which the node does not"
    ):
        trips.looked("select id, who as x from trips", who={"mlbridge": {"known_at": "don_at"}})


BY_DAY = """
past as (select who, date_trunc('day', done_at) as day, delay from trips),
base as (select id, who, began, date_trunc('day', began) as day from trips)"""
BY_MOMENT = """
past as (select who, began, done_at, delay from trips),
base as (select id, who, began from trips),
later as (select id, who, began, began + interval 2 day as until from trips)"""
TAKEN_IN = "select base.id, avg(m.delay) as x from base left join m on m.who = base.who and"


@pytest.mark.parametrize("apart", [False, True], ids=["one query", "models apart"])
@pytest.mark.parametrize(
    "sql",
    [
        f"""with {BY_DAY} select base.id, avg(past.delay) as x from base left join past
            on past.who = base.who and past.day = base.day where base.day <= base.began group by base.id""",
        f"""with {BY_DAY}, m as (select base.who, base.day, past.delay from base join past
            on past.who = base.who and past.day = base.day) {TAKEN_IN} m.day <= base.began group by base.id""",
        f"""with {BY_MOMENT}, m as (select later.who, later.began, o.delay from later join past as o
            on o.who = later.who and o.done_at <= later.until) {TAKEN_IN} m.began <= base.began group by base.id""",
        f"""with {BY_MOMENT}, m as (select later.who, later.began, o.delay from later join past as o
            on o.who = later.who and o.began <= later.began) {TAKEN_IN} m.began <= base.began group by base.id""",
        f"""with {BY_MOMENT}, m as (select later.who, later.began, o.delay from later join past as o
            on o.who = later.who and o.began = later.began) {TAKEN_IN} m.began <= base.began group by base.id""",
    ],
    ids=["the same day", "the same day in steps", "until later", "begun before", "begun at the same moment"],
)
def test_a_moment_of_a_joined_row_bounds_no_more_than_it_is_compared_with(trips: Trips, sql: str, apart: bool) -> None:
    """Outcomes that come in until another moment than that of which it is known that it lies before the prediction."""
    assert trips.leaks(sql)
    assert trips.looked(sql, apart=apart).level == WITHHOLD
