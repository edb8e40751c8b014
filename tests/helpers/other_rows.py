"""Features that take what was honest at other trips: of later ones a leak, of earlier ones or the trip itself none.

They are judged by the oracle of `timed_features.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, product

from mlbridge.leaks.catalogue import NONE, WARN, WITHHOLD

# What was known of a driver's trips when each trip began, in several spellings; `past` has a row for each trip.
HISTORIES = {
    "joined": """
        past as (select t.id, t.who, t.began, sum(o.delay) as v from trips as t
            left join trips as o on o.who = t.who and o.done_at <= t.began group by t.id, t.who, t.began)""",
    "correlated": """
        past as (select id, who, began, (
            select sum(o.delay) from trips as o where o.who = t.who and o.done_at <= t.began) as v from trips as t)""",
    "stream": """
        stream as (select id, who, began as m, 0 as value from trips
            union all select null, who, done_at, delay from trips),
        sums as (select id, who, m as began, sum(value) over (partition by who order by m) as v from stream),
        past as (select id, who, began, v from sums where id is not null)""",
}
# A step over `past`: one that looks ahead, and its twin.
_JOINED = "select t.id, max(h.v) as x from trips as t left join past as h on h.who = t.who and {on} group by t.id"
_PICKED = "select t.id, h.x from trips as t left join ({picked}) as h on h.who = t.who"
_WINDOW = "select id, {call} over (partition by who order by began {frame}) as x from past"
_SUBQUERY = "select id, (select {what} from past as h where h.who = t.who and {on}) as x from trips as t"
_LATERAL = """
    select t.id, h.x from trips as t, lateral (
        select max(h.v) as x from past as h where h.who = t.who and {on}) as h"""
_ASOF = "select t.id, h.v as x from trips as t asof left join past as h on h.who = t.who and {on}"
PAIRS: dict[str, tuple[str, str]] = {
    "the next": (_WINDOW.format(call="lead(v)", frame=""), _WINDOW.format(call="lag(v)", frame="")),
    "the next but one": (_WINDOW.format(call="lead(v, 2)", frame=""), _WINDOW.format(call="lag(v, 2)", frame="")),
    "a lag backwards": (
        "select id, lag(v) over (partition by who order by began desc) as x from past",
        "select id, lead(v) over (partition by who order by began desc) as x from past",
    ),
    "a lag by less than nothing": (
        _WINDOW.format(call="lag(v, -1)", frame=""),
        _WINDOW.format(call="lead(v, -1)", frame=""),
    ),
    "a frame to the end": (
        _WINDOW.format(call="max(v)", frame="rows between unbounded preceding and unbounded following"),
        _WINDOW.format(call="max(v)", frame="rows between unbounded preceding and current row"),
    ),
    "the last value": (
        _WINDOW.format(call="last_value(v)", frame="rows between unbounded preceding and unbounded following"),
        _WINDOW.format(call="last_value(v)", frame=""),
    ),
    "the next rows": (
        _WINDOW.format(call="sum(v)", frame="rows between 1 following and 3 following"),
        _WINDOW.format(call="sum(v)", frame="rows between 3 preceding and 1 preceding"),
    ),
    "around the row": (
        _WINDOW.format(call="avg(v)", frame="rows between 2 preceding and 2 following"),
        _WINDOW.format(call="avg(v)", frame="rows between 2 preceding and current row"),
    ),
    "the next week": (
        _WINDOW.format(call="max(v)", frame="range between current row and interval 7 day following"),
        _WINDOW.format(call="max(v)", frame="range between interval 7 day preceding and current row"),
    ),
    "all of the driver's": (
        "select id, max(v) over (partition by who) as x from past",
        "select id, max(v) over (partition by id) as x from past",
    ),
    "all rows": (
        "select id, v - avg(v) over () as x from past",
        "select id, v - avg(v) over (partition by began) as x from past",
    ),
    "a named window": (
        "select id, lead(v) over w as x from past window w as (partition by who order by began)",
        "select id, lag(v) over w as x from past window w as (partition by who order by began)",
    ),
    "joined later ones": (_JOINED.format(on="h.began > t.began"), _JOINED.format(on="h.began < t.began")),
    "joined from then on": (_JOINED.format(on="h.began >= t.began"), _JOINED.format(on="h.began <= t.began")),
    "joined days from then on": (
        _JOINED.format(on="h.began::date >= t.began::date"),
        _JOINED.format(on="h.began::date < t.began::date"),
    ),
    "joined until the month": (
        _JOINED.format(on="date_trunc('month', h.began) <= date_trunc('month', t.began)"),
        _JOINED.format(on="date_trunc('month', h.began) < date_trunc('month', t.began)"),
    ),
    "joined a week ahead": (
        _JOINED.format(on="date_trunc('week', h.began) = date_trunc('week', t.began) + interval 7 day"),
        _JOINED.format(on="date_trunc('week', h.began) = date_trunc('week', t.began) - interval 7 day"),
    ),
    "joined between": (
        _JOINED.format(on="h.began between t.began and t.began + interval 9 day"),
        _JOINED.format(on="h.began between t.began - interval 9 day and t.began"),
    ),
    "joined by a difference": (
        _JOINED.format(on="date_diff('day', t.began, h.began) between 1 and 9"),
        _JOINED.format(on="date_diff('day', h.began, t.began) between 1 and 9"),
    ),
    "joined to any": (_JOINED.format(on="true"), _JOINED.format(on="h.id = t.id")),
    "joined and filtered": (
        "select t.id, max(h.v) as x from trips as t join past as h on h.who = t.who where h.began > t.began group by 1",
        "select t.id, max(h.v) as x from trips as t join past as h on h.who = t.who where h.began < t.began group by 1",
    ),
    "joined over two tables": (
        "select t.id, max(h.v) as x from trips as t, past as h where h.who = t.who and h.began > t.began group by 1",
        "select t.id, max(h.v) as x from trips as t, past as h where h.who = t.who and h.began <= t.began group by 1",
    ),
    "summed where it is later": (
        "select t.id, sum(h.v) filter (where h.began > t.began) as x from trips t join past h using (who) group by 1",
        "select t.id, sum(h.v) filter (where h.began < t.began) as x from trips t join past h using (who) group by 1",
    ),
    "summed by case": (
        "select t.id, sum(case when h.began > t.began then v end) as x from trips t join past h using (who) group by 1",
        "select t.id, sum(case when h.began < t.began then v end) as x from trips t join past h using (who) group by 1",
    ),
    "asof the next": (_ASOF.format(on="t.began + interval 1 hour <= h.began"), _ASOF.format(on="t.began >= h.began")),
    "asof after": (_ASOF.format(on="t.began < h.began"), _ASOF.format(on="t.began > h.began")),
    "a subquery of later ones": (
        _SUBQUERY.format(what="max(h.v)", on="h.began > t.began"),
        _SUBQUERY.format(what="max(h.v)", on="h.began < t.began"),
    ),
    "a subquery's latest": (
        "select id, (select h.v from past as h where h.who = t.who order by h.began desc limit 1) as x from trips as t",
        """select id, (select h.v from past as h where h.who = t.who and h.began <= t.began
            order by h.began desc limit 1) as x from trips as t""",
    ),
    "a subquery's by max_by": (
        _SUBQUERY.format(what="max_by(h.v, h.began)", on="true"),
        _SUBQUERY.format(what="max_by(h.v, h.began)", on="h.began <= t.began"),
    ),
    "a lateral of later ones": (_LATERAL.format(on="h.began > t.began"), _LATERAL.format(on="h.began < t.began")),
    "a lateral of any": (_LATERAL.format(on="true"), _LATERAL.format(on="h.id = t.id")),
    "the latest by qualify": (
        _PICKED.format(
            picked="""
            select who, v as x from past qualify row_number() over (partition by who order by began desc) = 1"""
        ),
        """with mine as (
            select id, v as x from past qualify row_number() over (partition by id order by began desc) = 1)
            select t.id, mine.x from trips as t left join mine on mine.id = t.id""",
    ),
    "the latest by a row's number": (
        _PICKED.format(
            picked="""
            select who, v as x from (
                select *, row_number() over (partition by who order by began desc) as n from past) as a where n = 1"""
        ),
        """select t.id, h.v as x from trips as t left join (
            select *, row_number() over (partition by id order by began desc) as n from past) as h
            on h.id = t.id and h.n = 1""",
    ),
    "the latest by distinct on": (
        _PICKED.format(picked="select distinct on (who) who, v as x from past order by who, began desc"),
        """select t.id, h.v as x from trips as t left join (
            select distinct on (id) id, v from past order by id, began desc) as h on h.id = t.id""",
    ),
    "the latest by max_by": (
        _PICKED.format(picked="select who, max_by(v, began) as x from past group by who"),
        """select t.id, h.x from trips as t left join (
            select id, max_by(v, began) as x from past group by id) as h on h.id = t.id""",
    ),
    "the latest by arg_max": (
        _PICKED.format(picked="select who, arg_max(v, began) as x from past group by who"),
        """select t.id, h.x from trips as t left join (
            select who, began, arg_max(v, id) as x from past group by who, began) as h
            on h.who = t.who and h.began = t.began""",
    ),
    "the latest by its moment": (
        _PICKED.format(
            picked="""
            select h.who, h.v as x from past as h
            join (select who, max(began) as began from past group by who) as ends using (who, began)"""
        ),
        """select t.id, h.v as x from trips as t left join past as h on h.who = t.who and h.began = t.began""",
    ),
    "the greatest": (
        _PICKED.format(picked="select who, max(v) as x from past group by who"),
        "select t.id, max(h.v) as x from trips as t left join past as h on h.who = t.who and h.id = t.id group by 1",
    ),
    "a list's last": (
        _PICKED.format(picked="select who, (list(v order by began))[-1] as x from past group by who"),
        "select id, (list(v order by began))[-1] as x from past group by id",
    ),
    "the means of its day": (
        """select t.id, d.x from trips as t left join (
            select who, date_trunc('week', began) as week, avg(v) as x from past group by 1, 2) as d
            on d.who = t.who and d.week = date_trunc('week', t.began) + interval 7 day""",
        """select t.id, d.x from trips as t left join (
            select who, date_trunc('week', began) as week, avg(v) as x from past group by 1, 2) as d
            on d.who = t.who and d.week = date_trunc('week', t.began) - interval 7 day""",
    ),
    "the means of later days": (
        """select t.id, avg(d.x) as x from trips as t left join (
            select who, began::date as on_day, avg(v) as x from past group by 1, 2) as d
            on d.who = t.who and d.on_day >= t.began::date group by 1""",
        """select t.id, avg(d.x) as x from trips as t left join (
            select who, began::date as on_day, avg(v) as x from past group by 1, 2) as d
            on d.who = t.who and d.on_day < t.began::date group by 1""",
    ),
    "moved back": (
        """select t.id, max(h.v) as x from trips as t left join (
            select who, began - interval 9 day as began, v from past) as h
            on h.who = t.who and h.began <= t.began group by 1""",
        """select t.id, max(h.v) as x from trips as t left join (
            select who, began + interval 9 day as began, v from past) as h
            on h.who = t.who and h.began <= t.began group by 1""",
    ),
    "a union with what is next": (
        """select id, max(x) as x from (
            select id, v as x from past union all select id, lead(v) over (partition by who order by began) from past)
            group by id""",
        """select id, max(x) as x from (
            select id, v as x from past union all select id, lag(v) over (partition by who order by began) from past)
            group by id""",
    ),
    "two steps": (
        """with a as (select id, who, began, lag(v) over (partition by who order by began) as v from past),
            b as (select id, who, began, lead(v, 3) over (partition by who order by began) as v from a)
            select id, v as x from b""",
        """with a as (select id, who, began, lag(v) over (partition by who order by began) as v from past),
            b as (select id, who, began, lag(v, 3) over (partition by who order by began) as v from a)
            select id, v as x from b""",
    ),
    "how it changes": (
        "select id, lead(v) over (partition by who order by began) - v as x from past",
        "select id, v - lag(v) over (partition by who order by began) as x from past",
    ),
    "pairs that are looked through later": (
        """with pairs as (select t.id, t.began, h.began as past_at, h.v from trips as t join past as h on h.who = t.who)
            select id, max(v) as x from pairs where past_at > began group by id""",
        """with pairs as (select t.id, t.began, h.began as past_at, h.v from trips as t join past as h on h.who = t.who)
            select id, max(v) as x from pairs where past_at <= began group by id""",
    ),
    "from the history's side": (
        "select t.id, max(h.v) as x from past h join trips t on h.who = t.who and h.began > t.began group by t.id",
        "select t.id, max(h.v) as x from past h join trips t on h.who = t.who and h.began < t.began group by t.id",
    ),
}
# More leaks, and honest ones of which the wording is like that of a leak.
LEAKS_OF_OTHERS: dict[str, str] = {
    "lead joined by id": """
        with l as (select id, lead(v) over (partition by who order by began) as w from past) select t.id,
            l.w as x from trips t left join l using (id)""",
    "by id plus one": "select t.id, h.v as x from trips t left join past h on h.id = t.id + 1",
    "the latest joined from its side": """
        with g as (select who, v from past qualify row_number() over (partition by who order by began desc)
            = 1) select t.id, g.v as x from g join trips t on t.who = g.who""",
    "joined from its side, and grouped": """
        with g as (select who, v from past) select t.id, max(g.v) as x from g join trips t on t.who = g.who
            group by t.id""",
    "joined from its side, then grouped": """
        with j as (select t.id, g.v from past g join trips t on t.who = g.who) select id, max(v) as x from j
            group by id""",
    "union all then max by who": """
        with u as (select who, v from past union all select who, -v from past), m as (select who, max(v) as
            w from u group by who) select t.id, m.w as x from trips t join m using (who)""",
    "pivot by who": """
        with u as (select who, 'a' as k, v from past union all select who, 'b', -v from past), p as (from
            (pivot u on k in ('a','b') using max(v) group by who)) select t.id, p.a as x from trips t join p
            using (who)""",
    "in three steps": """
        with a as (select who, began, v from past), b as (select who, max(v) as w from a group by who), c as
            (select * from b where w is not null) select t.id, c.w as x from trips t join c using (who)""",
    "moved on by a month": """
        with m as (select who, v, date_trunc('month', began) + interval 1 month as mon from past) select
            t.id, max(m.v) as x from trips t join m on m.who = t.who and m.mon > t.began group by t.id""",
    "its rank": "select id, rank() over (partition by who order by v) as x from past",
    "ratio to total": "select id, v / nullif(sum(abs(v)) over (partition by who), 0) as x from past",
    "scalar max": "select id, v - (select max(v) from past) as x from past",
    "scalar uncorrelated limit": "select id, (select v from past order by began desc limit 1) as x from past",
    "cross join max": """
        with m as (select max(v) as w from past) select p.id, p.v - m.w as x from past p cross join m""",
    "beside the greatest of two tables": """
        with m as (select max(v) as w from past) select p.id, p.v - m.w as x from past p, m""",
    "valid_to only": """
        with h as (select who, began as b, v from past) select t.id, max(h.v) as x from trips t left join h
            on h.who = t.who and t.began < h.b group by 1""",
    "the last but one": "select id, nth_value(v, 2) over (partition by who order by began desc) as x from past",
    "without the row": """
        select id, sum(v) over (partition by who order by began rows between unbounded preceding and
            unbounded following exclude current row) as x from past""",
    "lead default": "select id, coalesce(lead(v, 1, 0) over (partition by who order by began), 0) as x from past",
    "the median": """
        with m as (select who, quantile_cont(v, 0.5) as w from past group by who) select t.id, m.w as x from
            trips t join m using (who)""",
    "a text of all": """
        with m as (select who, string_agg(v::varchar, ',' order by began) as w from past group by who)
            select t.id, m.w as x from trips t join m using (who)""",
    "a list's last in a step": """
        with m as (select who, list(v order by began) as w from past group by who) select t.id, m.w[-1] as x
            from trips t join m using (who)""",
    "a list of a subquery": """
        select id, list_max(array(select h.v from past h where h.who = t.who)) as x from trips t""",
    "self join twice": """
        with a as (select h.id, g.v from past h join past g on g.who = h.who and g.began < h.began), b as
            (select h.id, max(a.v) as v from past h join past k on k.who = h.who and k.began > h.began join
            a on a.id = k.id group by h.id) select id, v as x from b""",
}
HONEST_OF_OTHERS: dict[str, str] = {
    "the row's own beside later ones": """
        select t.id, max(t.v) as x from trips as o join past as t on o.who = t.who and o.began <= t.began
            group by t.id""",
    "of trips that were over": """
        select t.id, max(h.v) as x from trips as t left join ( select past.*, trips.done_at from past join
            trips using (id)) as h on h.who = t.who and h.done_at <= t.began group by t.id""",
    "passed on by star": "select t.id, h.v as x from trips t join past h using (id, who)",
    "its rank at the moment": "select id, rank() over (partition by began order by v desc) as x from past",
    "the latest version of its row": """
        select id, x from (select id, v as x, row_number() over (partition by id order by began desc) as n
            from past) where n = 1""",
    "by a key that is made of the key": """
        with h as (select md5(id::varchar) as k, v from past), t as (select id, md5(id::varchar) as k from
            trips) select t.id, h.v as x from t left join h using (k)""",
    "joined by another path": "select t.id, h.v as x from past as h join trips as t on t.id = h.id",
    "spread and gathered": """
        select id, max(case when kind = 'a' then v end) as x from ( select id, 'a' as kind, v from past
            union all select id, 'b', -v from past) group by id""",
    "composite natural key": """
        with h as (select *, who as w2 from past) select t.id, h.v as x from trips t join h on h.id = t.id
            and h.w2 = t.who""",
    "by surrogate": """
        with h as (select md5(who::varchar || '-' || id::varchar) as k, v from past), t as (select id,
            md5(who::varchar || '-' || id::varchar) as k from trips) select t.id, h.v as x from t left join
            h on h.k = t.k""",
    "by surrogate one side": """
        with h as (select md5(who::varchar || '-' || id::varchar) as k, v from past) select t.id, h.v as x
            from trips t left join h on h.k = md5(t.who::varchar || '-' || t.id::varchar)""",
    "a cast key": "select t.id, h.v as x from trips t left join past h on h.id::varchar = t.id::varchar",
    "through stars": """
        with a as (select * from past), b as (select a.*, v + 1 as w from a) select id, w as x from b""",
    "a slowly changing dimension": """
        with h as (select who, began as valid_from, lead(began) over (partition by who order by began) as
            valid_to, v from past) select t.id, max(h.v) as x from trips t left join h on h.who = t.who and
            h.valid_from <= t.began and (t.began < h.valid_to or h.valid_to is null) group by 1""",
    "a slowly changing dimension in where": """
        with h as (select who, began as valid_from, coalesce(lead(began) over (partition by who order by
            began), timestamp '2999-01-01') as valid_to, v from past) select t.id, max(h.v) as x from trips
            t, h where h.who = t.who and t.began >= h.valid_from and t.began < h.valid_to group by 1""",
    "latest before by number": """
        with c as (select t.id, h.v, row_number() over (partition by t.id order by h.began desc) as n from
            trips t left join past h on h.who = t.who and h.began < t.began) select id, v as x from c where
            n = 1""",
    "latest before by qualify": """
        select t.id, h.v as x from trips t left join past h on h.who = t.who and h.began < t.began qualify
            row_number() over (partition by t.id order by h.began desc) = 1""",
    "latest before by max_by": """
        select t.id, max_by(h.v, h.began) as x from trips t left join past h on h.who = t.who and h.began <
            t.began group by t.id""",
    "latest before distinct on": """
        select distinct on (t.id) t.id, h.v as x from trips t left join past h on h.who = t.who and h.began
            < t.began order by t.id, h.began desc""",
    "two histories": """
        with g as (select id, began, sum(v) over (partition by who order by began rows between 3 preceding
            and current row) as w from past) select t.id, h.v + g.w as x from trips t left join past h using
            (id) left join g on g.id = h.id""",
    "a union": """
        with u as (select id, v from past union all select id, -v from past) select id, sum(v) as x from u
            group by id""",
    "union by kind joined": """
        with u as (select id, 'a' as k, v from past union all select id, 'b', -v from past) select t.id, a.v
            + b.v as x from trips t left join u a on a.id = t.id and a.k = 'a' left join u b on b.id = t.id
            and b.k = 'b'""",
    "pivot by id": """
        with u as (select id, 'a' as k, v from past union all select id, 'b', -v from past) select id, a as
            x from (pivot u on k in ('a','b') using sum(v) group by id)""",
    "day calendar of histories": """
        with days as (select who, began::date as d, max(v) as m from past group by 1,2) select t.id,
            sum(d.m) as x from trips t left join days d on d.who = t.who and d.d < t.began::date group by 1""",
    "previous day only": """
        with days as (select who, began::date as d, max(v) as m from past group by 1,2) select t.id, d.m as
            x from trips t left join days d on d.who = t.who and d.d = t.began::date - 1""",
    "normalized per moment": """
        with m as (select began, avg(v) as a from past group by began) select p.id, p.v - m.a as x from past
            p join m using (began)""",
    "lag in history then joined": """
        with l as (select id, lag(v) over (partition by who order by began) as w from past) select t.id, l.w
            as x from trips t left join l using (id)""",
    "the first value": "select id, first_value(v) over (partition by who order by began) as x from past",
    "subquery latest before": """
        select t.id, (select h.v from past h where h.who = t.who and h.began < t.began order by h.began desc
            limit 1) as x from trips t""",
    "lateral latest before": """
        select t.id, h.v as x from trips t left join lateral (select p.v from past p where p.who = t.who and
            p.began < t.began order by p.began desc limit 1) h on true""",
    "a lateral by the key": """
        select t.id, h.v as x from trips t left join lateral (select p.v from past p where p.id = t.id) h on
            true""",
    "nested derived in lateral": """
        select t.id, h.v as x from trips t left join lateral (select max(q.v) as v from (select * from past
            p where p.who = t.who and p.began < t.began) q) h on true""",
    "beside past trips": """
        select t.id, avg(o.delay) + max(h.v) as x from trips t left join past h on h.id = t.id left join
            trips o on o.who = t.who and o.done_at <= t.began group by t.id""",
    "grouped by all": """
        with g as (select id, who, began, max(v) as w from past group by all) select id, w as x from g""",
    "distinct rows": "select distinct id, v as x from past",
    "a right join": "select t.id, h.v as x from past h right join trips t on t.id = h.id",
    "a full join": "select coalesce(t.id, h.id) as id, h.v as x from past h full join trips t on t.id = h.id",
    "beside a driver's number": """
        with w as (select who, count(*) as n from trips group by who) select p.id, p.v / w.n as x from past
            p join w using (who)""",
    "after a driver's number": """
        with w as (select who, count(*) as n from trips group by who) select p.id, p.v / w.n as x from w
            join past p using (who)""",
    "after a driver's number, and joined": """
        with w as (select who, count(*) as n from trips group by who), j as (select p.id, p.v / w.n as x
            from w join past p using (who)) select t.id, j.x from trips t join j using (id)""",
    "after a driver's number, and grouped": """
        with w as (select who, count(*) as n from trips group by who), j as (select p.id, p.v, w.n from w
            join past p using (who)) select j.id, max(j.v) as x from j group by j.id""",
    "beside constants": "with c as (select 1 as k) select p.id, p.v * c.k as x from c cross join past p",
    "beside constants, and grouped": """
        with c as (select 1 as k union all select 2), j as (select p.id, p.v * c.k as y from c cross join
            past p) select id, sum(y) as x from j group by id""",
    "a list taken apart": """
        with l as (select id, [v, v + 1] as vs from past), u as (select id, unnest(vs) as v from l) select
            id, max(v) as x from u group by id""",
    "a semi join": "select p.id, p.v as x from past p semi join trips t on t.id = p.id",
    "those in a subquery": "select p.id, p.v as x from past p where p.id in (select id from trips)",
    "pairs asof twice": """
        with a as (select t.id, t.who, t.began, h.v, h.began as hb from trips t asof left join past h on
            h.who = t.who and t.began > h.began), b as (select a.id, a.v, g.v as v2 from a asof left join
            past g on g.who = a.who and a.hb > g.began) select id, coalesce(v,0) + coalesce(v2,0) as x from
            b""",
    "case in pairs": """
        with pairs as (select t.id, t.began, h.began as hb, h.v from trips t join past h using (who)) select
            id, sum(case when hb < began then v end) as x from pairs group by id""",
    "filter in pairs": """
        with pairs as (select t.id, t.began, h.began as hb, h.v from trips t join past h using (who)) select
            id, sum(v) filter (where hb < began) as x from pairs group by id""",
    "pairs passed on": """
        with pairs as (select t.id, t.began, h.began as hb, h.v from trips t join past h using (who)), again
            as (select * from pairs where v is not null) select id, sum(v) as x from again where hb < began
            group by id""",
    "range join on numbers": """
        select t.id, max(h.v) as x from trips t left join past h on h.who = t.who and epoch(h.began) <
            epoch(t.began) group by 1""",
    "grouped by a number that is the trip's": """
        with b as (select id as trip_id, who as k from trips) select t.id, p.v as x from b join trips t on t.id =
            b.trip_id left join past p on p.id = b.trip_id""",
    "a table of days between": """
        with days as (select distinct began::date as day from trips), f as (select began::date + 1 as day, who,
            max(v) as v from past group by 1, 2) select t.id, f.v as x from trips t join days on days.day =
            t.began::date left join f on f.day = days.day and f.who = t.who""",
    "the means of a segment's day before": """
        with s as (select id, who % 3 as part, began::date as day from trips), f as (select s.part, s.day,
            avg(p.v) as v from past p join s using (id) group by 1, 2) select s.id, f.v as x from s left join f
            on f.part = s.part and f.day = s.day - 1""",
    "beside the driver's mean before": """
        select t.id, any_value(t.v) - avg(h.v) as x from past t left join past h on h.who = t.who and h.began <
            t.began group by t.id""",
    "a month back in two steps": """
        with a as (select t.id, t.began, h.began as past_at, h.v from trips t join past h on h.who = t.who and
            h.began > t.began - interval 30 day) select id, avg(v) as x from a where past_at < began group by id""",
    "the latest before by what is between": """
        select t.id, h.v as x from trips t join past h on h.who = t.who and h.began < t.began left join past g on
            g.who = t.who and g.began > h.began and g.began < t.began where g.id is null""",
    "its own, which is no earlier": """
        select t.id, h.v as x from trips t join past h on h.id = t.id and h.began >= t.began""",
}
# Leaks of rows that are certainly later ones; where they are only rows of any time, a warning says so.
CERTAIN = {
    "the next: ahead", "the next but one: ahead", "a lag backwards: ahead", "a lag by less than nothing: ahead",
    "the next rows: ahead", "around the row: ahead", "the next week: ahead", "a named window: ahead",
    "joined later ones: ahead", "joined from then on: ahead", "joined a week ahead: ahead", "joined between: ahead",
    "joined by a difference: ahead", "joined and filtered: ahead", "joined over two tables: ahead",
    "summed where it is later: ahead", "summed by case: ahead", "asof the next: ahead", "asof after: ahead",
    "a subquery of later ones: ahead", "a lateral of later ones: ahead", "the means of its day: ahead",
    "a union with what is next: ahead", "two steps: ahead", "how it changes: ahead",
    "from the history's side: ahead", "lead joined by id", "by id plus one", "valid_to only", "lead default",
    "self join twice",
}  # fmt: skip
# Honest ones of which the SQL does not say that the rows are the trip's own or earlier: they are never withheld.
_NUMBERS = "b as (select r.id as trip_id, i.i as line from range(0, 100) as r(id), range(0, 3) as i(i))"
UNSAID: dict[str, str] = {
    "through a table of numbers": f"""
        with {_NUMBERS} select t.id, max(p.v) as x from trips t join b on t.id = b.trip_id left join past p
            on p.id = b.trip_id group by t.id""",
    "from a table of numbers": f"""
        with {_NUMBERS} select t.id, max(p.v) as x from b join trips t on t.id = b.trip_id left join past p
            on p.id = b.trip_id group by t.id""",
    "grouped lines": f"""
        with {_NUMBERS}, g as (select b.trip_id, sum(p.v) as v from b join past p on p.id = b.trip_id group by 1)
            select t.id, g.v as x from trips t left join g on g.trip_id = t.id""",
    "the last of its lines": f"""
        with {_NUMBERS}, g as (select b.trip_id, b.line, last_value(p.v) over (partition by b.trip_id order by b.line
            rows between unbounded preceding and unbounded following) as v from b join past p on p.id = b.trip_id)
            select t.id, max(g.v) as x from trips t left join g on g.trip_id = t.id group by 1""",
    "the first by its number": """
        with g as (select who, v from past qualify row_number() over (partition by who order by began) = 1)
            select t.id, g.v as x from trips t left join g using (who)""",
    "the first by arg_min": """
        with g as (select who, arg_min(v, began) as v from past group by who) select t.id, g.v as x from trips t
            left join g using (who)""",
    "the first by distinct on": """
        with g as (select distinct on (who) who, v from past order by who, began) select t.id, g.v as x from trips t
            left join g using (who)""",
    "asof in two steps": """
        with mx as (select t.id, t.who, max(h.began) as mb from trips t join past h on h.who = t.who and h.began <
            t.began group by t.id, t.who) select t.id, h.v as x from trips t left join mx using (id) left join past h
            on h.who = mx.who and h.began = mx.mb""",
    "joined by the moment before": """
        with l as (select id, who, lag(began) over (partition by who order by began) as pb from trips) select t.id,
            h.v as x from trips t left join l using (id) left join past h on h.who = l.who and h.began = l.pb""",
}


def cases() -> Iterator[tuple[str, str, str, bool]]:
    """Give a name, the SQL, the level that it gets and whether each step is a model, over each history in turn."""
    every = [
        (f"{name}: {word}", sql, is_leak)
        for name, pair in PAIRS.items()
        for word, sql, is_leak in zip(("ahead", "back"), pair, (True, False), strict=True)
    ]
    every += [(name, sql, True) for name, sql in LEAKS_OF_OTHERS.items()]
    every += [(name, sql, False) for name, sql in HONEST_OF_OTHERS.items()]
    turns = cycle(product((False, True), HISTORIES.items()))
    for (name, sql, is_leak), (apart, (kind, history)) in zip(every, turns, strict=False):
        level = NONE if not is_leak else WITHHOLD if name in CERTAIN else WARN
        yield f"{name}, {kind}", over(history, sql), level, apart


def over(history: str, sql: str) -> str:
    """Write a step after the steps of a history."""
    text = " ".join(sql.split())
    rest = f", {text[5:]}" if text.startswith("with ") else f" {text}"
    return f"with {history}{rest}"
