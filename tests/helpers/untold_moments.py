"""Features over trips whose time conditions say nothing, or less than they seem to, and honest ones that are like them.

Each is judged by the oracle of `timed_features.py`: whether it changes with what becomes known later.
"""

from __future__ import annotations


def _past(moment: str, on: str = "o.m <= t.began") -> str:
    """Have the moment of past trips made in a step of its own."""
    return f"""
        with past as (select id, who, delay, {moment} as m from trips)
        select t.id, avg(o.delay) as x from trips as t left join past as o on o.who = t.who and {on} group by t.id"""


def _both(moment: str, on: str) -> str:
    """Have the same moment made of past trips and of the trip."""
    return f"""
        with made as (select id, who, delay, began, {moment} as m from trips)
        select t.id, avg(o.delay) as x from made as t left join made as o on o.who = t.who and {on} group by t.id"""


def _until(moment: str) -> str:
    """Have the moment until which trips count made in a step of its own."""
    return f"""
        with base as (select id, who, {moment} as m from trips)
        select t.id, avg(o.delay) as x from base as t left join trips as o on o.who = t.who and o.done_at <= t.m
        group by t.id"""


def _direct(on: str) -> str:
    return f"""
        select t.id, avg(o.delay) as x from trips as t left join trips as o on o.who = t.who and {on}
        group by t.id"""


def _grouped(moment: str) -> str:
    """Have the moment of a driver's sum made of all his trips."""
    return f"""
        with sums as (select who, {moment} as m, sum(delay) as x from trips group by who)
        select trips.id, sums.x from trips left join sums on sums.who = trips.who and sums.m <= trips.began"""


# Moments of past trips, compared with `began`, that need not be when the trip was over.
MADE = {
    "chosen by case": "case when delay > 0 then began else done_at end",
    "the first that is there": "coalesce(began, done_at)",
    "the earlier of two": "least(done_at, began)",
    "the trip before's": "lag(done_at) over (partition by who order by done_at)",
    "the first of the driver's": "first_value(done_at) over (partition by who order by done_at)",
    "the earliest of the driver's": "min(done_at) over (partition by who)",
    "less a column": "done_at - delay * interval '1 hour'",
    "less a sum of numbers": "done_at + interval '1 day' * (5 - 20)",
    "less a text of days": "done_at - interval '20 days'",
    "in another clock": "(done_at at time zone 'Pacific/Kiritimati') at time zone 'Pacific/Midway'",
    "put together": "make_date(year(done_at)::int, month(done_at)::int, 1)",
    "a bucket with an origin": "time_bucket(interval '9 days', done_at, timestamp '2024-01-05 20:00:00')",
    "of a subquery": "(select min(a.done_at) from trips as a where a.who = trips.who)",
    "a field of a struct": "{'began': began, 'done_at': done_at}.began",
    "an element of a list": "[began, done_at][1]",
    "a month earlier": "done_at - interval 1 month",
    "its month": "date_trunc('month', done_at)",
    "its year": "make_timestamp(year(done_at)::int, 1, 1, 0, 0, 0)",
    "negated twice": "timestamp '2024-02-01' - (done_at - timestamp '2024-02-01')",
    "if it is there": "nullif(least(began, done_at), timestamp '2000-01-01')",
    "replaced where it is late": "if(done_at > timestamp '2024-01-20', began, done_at)",
}
# Comparisons of both trips' moments as numbers, texts and parts.
COMPARED = {
    "cut texts": "left(o.done_at::varchar, 7) <= left(t.began::varchar, 7)",
    "times of any day": "o.done_at::time <= t.began::time",
    "texts in two formats": "strftime(o.done_at, '%Y-%m-%d') < strftime(t.began, '%Y%m%d')",
    "weeks that begin on two days": "date_trunc('week', o.done_at) < date_trunc('week', t.began + interval 3 day)",
    "the hours of the day": "hour(o.done_at) < hour(t.began)",
    "the days of the month": "extract(day from o.done_at) <= extract(day from t.began)",
    "numbers of two scales": "epoch(o.done_at) <= epoch_ms(t.began)",
    "milliseconds": "epoch_ms(date_trunc('day', o.done_at)) + 86400 <= epoch_ms(t.began)",
    "the later of two": "o.done_at <= greatest(t.began, timestamp '2024-02-20')",
    "or nothing": "coalesce(o.done_at <= t.began, true) or o.delay > 0",
    "is not": "(o.done_at <= t.began) = (o.delay > 0)",
    "not between": "o.done_at not between t.began - interval 90 day and t.began",
    "two zones": "(o.done_at at time zone 'Pacific/Kiritimati') <= (t.began at time zone 'Pacific/Midway')",
    "less than no days": "o.done_at <= t.began - interval 1 day * (5 - 20)",
    "until a difference": "o.done_at <= t.began + (t.done_at - t.began)",
}
# Moments of both trips, by which only trips that were over count if it means time.
ORDERED = {
    "backwards in time": ("-epoch(began)", "o.m < t.m - 86400"),
    "hours of the day": ("hour(began)", "o.m < t.m - 1"),
    "of the row itself": ("greatest(began, done_at)", "o.m <= t.m"),
    "of a field that is none": ("case when delay > 0 then epoch(began) else 0 end", "o.m < t.m - 1"),
}
UNTIL = {
    "the later of two moments": "greatest(began, done_at)",
    "the trip after's": "lead(began) over (partition by who order by began)",
    "the latest of the driver's": "max(began) over (partition by who)",
    "a month later": "began + interval 1 month",
    "the end of its month": "last_day(began)",
    "the first that is not missing": "coalesce(case when id % 2 = 0 then began end, timestamp '2999-01-01')",
    "moved by a column": "began + id * interval 1 day",
    "the end of the bucket": "time_bucket(interval '20 days', began) + interval '20 days'",
}
GROUPED = {
    "any of the driver's": "any_value(done_at)",
    "the median": "median(done_at)",
    "the earliest": "min(done_at)",
    "the latest of some": "max(done_at) filter (where delay < -40)",
    "the latest by another": "arg_min(done_at, delay)",
}
_EVENTS = "union all select id, who, {moment}, delay from trips"
LEAKS: dict[str, str] = {
    **{f"past moments: {name}": _past(moment) for name, moment in MADE.items()},
    **{f"compared: {name}": _direct(on) for name, on in COMPARED.items()},
    **{f"ordered by {name}": _both(moment, on) for name, (moment, on) in ORDERED.items()},
    **{f"until {name}": _until(moment) for name, moment in UNTIL.items()},
    **{f"grouped: {name}": _grouped(moment) for name, moment in GROUPED.items()},
    "a window backwards in time": """
        with made as (select id, who, delay, -epoch(began) as m from trips)
        select id, sum(delay) over (
            partition by who order by m range between unbounded preceding and 86400 preceding) as x from made""",
    "a union of a good and a bad moment": f"""
        with events as (select id, who, done_at as m, 0 as delay from trips {_EVENTS.format(moment="began")})
        select t.id, sum(o.delay) as x from trips as t left join events as o on o.who = t.who and o.m <= t.began
        group by t.id""",
    "a union with a constant moment": f"""
        with events as (
            select id, who, done_at as m, 0 as delay from trips {_EVENTS.format(moment="timestamp '2024-01-01'")})
        select t.id, sum(o.delay) as x from trips as t left join events as o on o.who = t.who and o.m <= t.began
        group by t.id""",
    "rows of the end as if they were of the beginning": """
        with events as (select id, who, began as m from trips union all select id, who, done_at from trips)
        select e.id, sum(o.delay) as x from events as e left join trips as o on o.who = e.who and o.done_at <= e.m
        group by e.id""",
    "what except leaves": """
        with kept as (select id, who, began as m, delay from trips except select 0, 0, timestamp '2024-01-01', 0)
        select t.id, avg(o.delay) as x from trips as t left join kept as o on o.who = t.who and o.m <= t.began
        group by t.id""",
    "moved back in rounds": """
        with recursive past as (
            select id, who, delay, done_at as m, 0 as n from trips
            union all select id, who, delay, m - interval 9 day, n + 1 from past where n < 4)
        select t.id, avg(o.delay) as x from trips as t
        left join past as o on o.who = t.who and o.m + interval 9 day <= t.began and o.n = 4 group by t.id""",
    "the best by qualify": """
        with best as (
            select who, done_at as m, delay from trips
            qualify row_number() over (partition by who order by delay desc) = 1)
        select trips.id, best.delay as x from trips left join best
            on best.who = trips.who and best.m - interval 40 day <= trips.began""",
    "distinct on": """
        with best as (select distinct on (who) who, least(began, done_at) as m, delay from trips order by who, delay)
        select trips.id, best.delay as x from trips left join best
            on best.who = trips.who and best.m <= trips.began""",
    "branches told apart by true and one": """
        with stream as (
            select id, began as m, delay as value, true as flag from trips
            union all select id, began, 0, false from trips)
        select id, max(value) as x from stream where flag = 1 group by id""",
    "branches told apart by case": """
        with stream as (
            select id, delay as value, 'A' as kind from trips union all select id, 0, 'b' from trips)
        select id, sum(value) as x from stream where lower(kind) <> 'b' group by id""",
}
# The moment of one row beside the value of another one, or of several: it says nothing about when these are known.
_OF = {
    "the sum of all rows": "sum(delay) over (partition by who)",
    "rows of the same month": "sum(delay) over (partition by who order by date_trunc('month', done_at))",
    "the next row": "lead(delay) over (partition by who order by done_at)",
    "a subquery": "(select sum(o.delay) from trips as o where o.who = trips.who)",
}


def _beside(made: str) -> str:
    return f"""
        with made as ({made})
        select t.id, max(made.x) as x from trips as t
        left join made on made.who = t.who and made.m <= t.began group by t.id"""


LEAKS |= {f"beside {name}": _beside(f"select who, done_at as m, {x} as x from trips") for name, x in _OF.items()}
LEAKS |= {
    "beside a self join": _beside(
        "select a.who, a.done_at as m, b.delay as x from trips as a join trips as b on b.who = a.who"
    ),
    "beside a lateral": _beside("""
        select trips.who, trips.done_at as m, seen.x from trips,
            lateral (select sum(o.delay) as x from trips as o where o.who = trips.who) as seen"""),
    "grouped by another row's day": """
        with sums as (
            select a.who, date_trunc('day', a.done_at) as m, sum(b.delay) as x
            from trips as a join trips as b on b.who = a.who group by 1, 2)
        select t.id, sum(sums.x) as x from trips as t
        left join sums on sums.who = t.who and sums.m < date_trunc('day', t.began) group by t.id""",
}
# Days of a calendar, each with what was known when it began, and how a trip then takes a day's value.
_DAYS = "select range as day from range(timestamp '2024-01-01', timestamp '2024-04-01', interval 1 day)"
_SPINES = {
    "range": _DAYS,
    "unnest": "select unnest(generate_series(timestamp '2024-01-01', timestamp '2024-04-01', interval 1 day)) as day",
    "row numbers": "select timestamp '2024-01-01' + (row_number() over () - 1) * interval 1 day as day from range(90)",
}
_OF_DAY = "left join seen on seen.day = date_trunc('day', trips.began)"


def _spine(days: str, seen: str = "select day, x from until", joined: str = _OF_DAY) -> str:
    return f"""
        with days as ({days}), until as (
            select days.day, sum(o.delay) as x from days left join trips as o on o.done_at < days.day
            group by days.day),
        seen as ({seen})
        select trips.id, seen.x from trips {joined}"""


LEAKS |= {
    f"a calendar of which {name}": _spine(_DAYS, *parts)
    for name, parts in {
        "a later day is taken": ("select day, lead(x, 4) over (order by day) as x from until",),
        "all days are taken": ("select day, max(x) over () as x from until",),
        "another day is taken": (
            "select a.day, b.x from until as a join until as b on b.day = a.day + interval 9 day",
        ),
        "the days are moved": ("select day - interval 9 day as day, x from until",),
        "a day after is joined": (
            "select day, x from until", "left join seen on seen.day = date_trunc('day', trips.began) + interval 6 day"
        ),
        "the days of other rows stand beside": (
            "select days.day, until.x from days join until on until.day = days.day + interval 9 day",
        ),
        "the next day is joined": ("select day, x from until", "asof left join seen on trips.began <= seen.day"),
    }.items()
}  # fmt: skip
# Those of the leaks that are only warned of, and whether each step is a model then: what places the rows lies before
# Streams in which the trips are placed otherwise than the outcomes, and moments that are NULL in some rows.
_STREAM = """
    with e as (select id, who, {placed} as m, 0 as v from trips union all select null, who, {at}, delay from trips),
    g as (select id, sum(v) over (partition by who order by m {order}) as x from e)
    select id, x from g where id is not null"""
LEAKS |= {
    "a stream of outcomes that are moved": _STREAM.format(placed="began", at="done_at - interval 9 day", order=""),
    "a stream of outcomes that are cut": _STREAM.format(placed="began", at="date_trunc('day', done_at)", order=""),
    "a stream with outcomes of no time at first": _STREAM.format(
        placed="began", at="null", order="nulls first range between unbounded preceding and interval 1 day preceding"
    ),
    "a total placed by another moment": """
        with st as (select who, done_at as d, done_at + interval 30 day as m, 0 as v from trips
            union all select who, done_at, done_at, delay from trips),
        c as (select who, d, sum(v) over (partition by who order by m) as x from st)
        select t.id, max(c.x) as x from trips as t left join c on c.who = t.who and c.d <= t.began group by t.id""",
    "the latest of moments and of none": """
        with e as (select who, done_at as m, 0 as v from trips where done_at < '2024-01-20'
            union all select who, null, delay from trips),
        g as (select who, max(m) as m, sum(v) as x from e group by who)
        select t.id, g.x from trips as t left join g on g.who = t.who and g.m <= t.began""",
    "the latest of days and of their total": """
        with days as (select done_at::date as on_day, sum(delay) as x from trips group by 1),
        every as (select on_day, max(x) as x from days group by grouping sets ((on_day), ())),
        g as (select max(on_day) as m, max(x) as x from every where on_day is null or on_day < '2024-01-20')
        select t.id, g.x from trips as t left join g on g.m <= t.began""",
}
# the prediction, but says nothing about when the value is known.
WARNED = {
    ("a union of a good and a bad moment", False),
    ("a union of a good and a bad moment", True),
    ("a calendar of which the days of other rows stand beside", True),
}
# Honest ones beside them: what can be read still counts.
HONEST: dict[str, str] = {
    "the latest of the driver's": _grouped("max(done_at)"),
    "columns that the step is given": """
        with past(driver, m, late) as (select who, done_at, delay from trips)
        select t.id, avg(o.late) as x from trips as t left join past as o on o.driver = t.who and o.m <= t.began
        group by t.id""",
    "until the earliest": """
        with firsts as (select who, min(began) as m from trips group by who)
        select t.id, avg(o.delay) as x from trips as t join firsts as f on f.who = t.who
            left join trips as o on o.who = t.who and o.done_at <= f.m group by t.id""",
    "a cast": _past("done_at::timestamp"),
    "a try_cast": _past("try_cast(done_at as timestamp)"),
    "one zone": _both("began", "(o.done_at at time zone 'UTC') <= (t.began at time zone 'UTC')")
    .replace("select id, who, delay, began,", "select id, who, delay, began, done_at,"),
    "weeks before": _direct("date_trunc('week', o.done_at) < date_trunc('week', t.began)"),
    "months before": _direct("date_trunc('month', o.done_at) < date_trunc('month', t.began)"),
    "months by their number": _direct("datediff('month', o.done_at, t.began) > 0"),
    "a month earlier": _until("began - interval 1 month"),
    "moved on by a month": _past("done_at + interval 1 month"),
    "a field of a struct": _past("{'began': began, 'done_at': done_at}.done_at"),
    "in rounds that leave it": """
        with recursive past as (
            select id, who, delay, done_at as m, 0 as n from trips
            union all select id, who, delay, m, n + 1 from past where n < 3)
        select t.id, avg(o.delay) as x from trips as t
        left join past as o on o.who = t.who and o.m <= t.began group by t.id""",
    "what except leaves": """
        with kept as (select id, who, done_at as m, delay from trips except select 0, 0, timestamp '2024-01-01', 0)
        select t.id, avg(o.delay) as x from trips as t left join kept as o on o.who = t.who and o.m <= t.began
        group by t.id""",
    "seconds": _past("epoch(done_at)", "o.m <= epoch(t.began)"),
}  # fmt: skip
HONEST |= {
    "beside the rows until then": _beside(
        "select who, done_at as m, sum(delay) over (partition by who order by done_at) as x from trips"
    ),
    "beside the row before": _beside(
        "select who, done_at as m, lag(delay) over (partition by who order by done_at) as x from trips"
    ),
    "pairs that are looked through later": """
        with pairs as (select t.id, t.began, o.done_at, o.delay from trips as t join trips as o on o.who = t.who)
        select id, avg(delay) as x from pairs where done_at <= began group by id""",
    "a calendar by range": _spine(_DAYS),
    "a calendar's day before": _spine(_DAYS, "select day, lag(x) over (order by day) as x from until"),
    "a calendar asof": _spine(_DAYS, joined="asof left join seen on trips.began >= seen.day"),
    "a dimension that is a union": """
        with dims as (select 0 as who, 1 as k union all select 1, 1 union all select 2, 2 union all select 3, 3),
        stream as (
            select id, who, began as m, 0 as value from trips
            union all select null, who, done_at, delay from trips where done_at is not null),
        seen as (
            select s.id, sum(s.value) over (partition by d.k order by s.m) as x
            from stream as s left join dims as d on d.who = s.who)
        select id, x from seen where id is not null""",
}
# A step that cuts or moves the moment of a running total.
_RUNNING = """
    with c as (select who, {moment} as m, sum(delay) over (partition by who order by done_at) as x from trips)
    select t.id, max(c.x) as x from trips as t left join c on c.who = t.who and {on} group by t.id"""
# A running total as a join of days with themselves.
_SUMMED = """
    with daily as (select who, done_at::date as day, sum(delay) as s from trips group by 1, 2),
    summed as (
        select a.who, a.day, sum(b.s) as x from daily as a join daily as b on b.who = a.who and {on} group by 1, 2)
    select t.id, max(summed.x) as x from trips as t
    left join summed on summed.who = t.who and summed.day {until} t.began::date group by t.id"""
HONEST |= {
    "a running total until yesterday": _RUNNING.format(moment="done_at::date", on="c.m < t.began::date"),
    "a running total of a day before": _RUNNING.format(moment="done_at + interval 1 day", on="c.m <= t.began"),
    "a running total that is moved twice": _RUNNING.format(
        moment="done_at::date", on="c.m + interval 1 day <= t.began"
    ),
    "days until a day": _SUMMED.format(on="b.day <= a.day", until="<"),
    "days before a day": _SUMMED.format(on="b.day < a.day", until="<"),
    "days of a week": _SUMMED.format(on="b.day between a.day - 6 and a.day", until="<"),
}
LEAKS |= {
    "a running total of the day": _RUNNING.format(moment="done_at::date", on="c.m <= t.began::date"),
    "a running total that is moved back": _RUNNING.format(moment="done_at - interval 9 day", on="c.m <= t.began"),
    "a running total by another moment": _RUNNING.format(moment="began", on="c.m <= t.began"),
    "days until a day that is not over": _SUMMED.format(on="b.day <= a.day", until="<="),
    "days from a day on": _SUMMED.format(on="b.day >= a.day", until="<"),
    "days until a day after": _SUMMED.format(on="b.day <= a.day + 9", until="<"),
    "days until another row's day": _SUMMED.replace(
        "join daily as b on", "join daily as c on c.who = a.who join daily as b on"
    ).format(on="b.day <= c.day", until="<"),
}
# Calendars that are let through only as models of their own: within a query their days are columns of nothing.
_ENDS = "select min(began)::date::timestamp as low, max(began) as high from trips"
_SPINES |= {
    "ends of a table": f"""
        select unnest(generate_series(({_ENDS.replace("as low, max(began) as high", "")}),
            (select max(began) from trips), interval 1 day)) as day""",
    "ends of a subquery": f"select day from ({_ENDS}) as e, generate_series(e.low, e.high, interval 1 day) as s(day)",
}
LEAKS |= {
    f"a later day by {name}": _spine(
        sql, joined="left join seen on seen.day = date_trunc('day', trips.began) + interval 6 day"
    )
    for name, sql in _SPINES.items()
}
OWN_MODELS = {f"a calendar by {name}": _spine(sql) for name, sql in _SPINES.items()}
