"""Features as people write them in dbt projects, over the trips, each with the level that a search for leaks gives it.

They are judged by the oracle of `timed_features.py`; each step of a query is a model of its own.
"""

from __future__ import annotations

from mlbridge.leaks.catalogue import NONE, WARN, WITHHOLD

SHAPES = {
    "dbt style prior stats": (
        """
        with source as (select * from trips), renamed as (select id as trip_id, who as driver_id, began
        as started_at, done_at as ended_at, delay from source), history as (select cur.trip_id,
        avg(prev.delay) as avg_delay, count(prev.trip_id) as n from renamed cur left join renamed prev
        on prev.driver_id = cur.driver_id and prev.ended_at < cur.started_at group by 1), final as
        (select trip_id as id, coalesce(avg_delay, 0) as x from history) select * from final""",
        NONE,
    ),
    "30 days": (
        """
        with f as (select a.id, sum(b.delay) as x from trips a left join trips b on a.who=b.who and
        b.done_at between a.began - interval '30 days' and a.began - interval '1 second' group by a.id)
        select * from f""",
        NONE,
    ),
    "daily agg prev day": (
        """
        with d as (select who, cast(done_at as date) as d, avg(delay) as m from trips group by who,
        cast(done_at as date)), r as (select who, d, avg(m) over (partition by who order by d rows
        between 7 preceding and current row) as m7 from d) select t.id, r.m7 as x from trips t left join
        r on r.who=t.who and r.d = cast(t.began as date) - 1""",
        NONE,
    ),
    "daily agg same day (leak)": (
        """
        with d as (select who, cast(done_at as date) as d, avg(delay) as m from trips group by who,
        cast(done_at as date)), r as (select who, d, avg(m) over (partition by who order by d rows
        between 7 preceding and current row) as m7 from d) select t.id, r.m7 as x from trips t left join
        r on r.who=t.who and r.d = cast(t.began as date)""",
        WITHHOLD,
    ),
    "qualify latest known": (
        """
        select a.id, b.delay as x from trips a left join trips b on a.who=b.who and b.done_at <= a.began
        qualify row_number() over (partition by a.id order by b.done_at desc) = 1""",
        NONE,
    ),
    "qualify latest any (leak)": (
        """
        select a.id, b.delay as x from trips a left join trips b on a.who=b.who qualify row_number()
        over (partition by a.id order by b.done_at desc) = 1""",
        WITHHOLD,
    ),
    "distinct on": (
        """
        select distinct on (a.id) a.id, b.delay as x from trips a left join trips b on a.who=b.who and
        b.done_at <= a.began order by a.id, b.done_at desc""",
        NONE,
    ),
    "lateral limit 1": (
        """
        select a.id, l.delay as x from trips a left join lateral (select b.delay from trips b where
        b.who=a.who and b.done_at < a.began order by b.done_at desc limit 1) l on true""",
        NONE,
    ),
    "lateral limit 1 (leak)": (
        """
        select a.id, l.delay as x from trips a left join lateral (select b.delay from trips b where
        b.who=a.who order by b.done_at desc limit 1) l on true""",
        WITHHOLD,
    ),
    "max_by": (
        """
        select a.id, max_by(b.delay, b.done_at) as x from trips a left join trips b on a.who=b.who and
        b.done_at <= a.began group by 1""",
        NONE,
    ),
    "arg_max filter": (
        """
        select a.id, arg_max(b.delay, b.done_at) filter (where b.done_at <= a.began) as x from trips a
        left join trips b on a.who=b.who group by 1""",
        NONE,
    ),
    "list last": (
        """
        select a.id, list_last(list(b.delay order by b.done_at)) as x from trips a left join trips b on
        a.who=b.who and b.done_at <= a.began group by 1""",
        NONE,
    ),
    "union events cumul": (
        """
        with e as (select who, done_at as moment, delay, null::int as id, 1 as n from trips union all
        select who, began, 0, id, 0 from trips), c as (select *, sum(delay) over w as s, sum(n) over w
        as k from e window w as (partition by who order by moment, n rows between unbounded preceding
        and current row)) select id, s / nullif(k,0) as x from c where id is not null""",
        NONE,
    ),
    "union events cumul by began (leak)": (
        """
        with e as (select who, began as moment, delay, null::int as id, 1 as n from trips union all
        select who, began, 0, id, 0 from trips), c as (select *, sum(delay) over w as s, sum(n) over w
        as k from e window w as (partition by who order by moment, n rows between unbounded preceding
        and current row)) select id, s / nullif(k,0) as x from c where id is not null""",
        WITHHOLD,
    ),
    "snapshot scd2": (
        """
        with snap as (select who, delay as rating, done_at as dbt_valid_from, lead(done_at) over
        (partition by who order by done_at) as dbt_valid_to from trips) select t.id, s.rating as x from
        trips t left join snap s on s.who=t.who and t.began >= s.dbt_valid_from and t.began <
        coalesce(s.dbt_valid_to, timestamp '9999-01-01')""",
        NONE,
    ),
    "snapshot scd2 or null": (
        """
        with snap as (select who, delay as rating, done_at as dbt_valid_from, lead(done_at) over
        (partition by who order by done_at) as dbt_valid_to from trips) select t.id, s.rating as x from
        trips t left join snap s on s.who=t.who and s.dbt_valid_from <= t.began and (s.dbt_valid_to >
        t.began or s.dbt_valid_to is null)""",
        NONE,
    ),
    "snapshot between": (
        """
        with snap as (select who, delay as rating, done_at as valid_from, coalesce(lead(done_at) over
        (partition by who order by done_at), timestamp '2099-01-01') as valid_to from trips) select
        t.id, s.rating as x from trips t left join snap s on s.who=t.who and t.began between
        s.valid_from and s.valid_to""",
        NONE,
    ),
    "snapshot current (leak)": (
        """
        with snap as (select who, delay as rating, done_at as valid_from, lead(done_at) over (partition
        by who order by done_at) as valid_to from trips) select t.id, s.rating as x from trips t left
        join snap s on s.who=t.who and s.valid_to is null""",
        WITHHOLD,
    ),
    "spine": (
        """
        with spine as (select distinct cast(began as date) as d from trips), k as (select s.d, o.who,
        avg(o.delay) as m from spine s join trips o on o.done_at < s.d group by 1,2) select t.id, k.m as
        x from trips t left join k on k.who=t.who and k.d = cast(t.began as date)""",
        NONE,
    ),
    "spine le (leak)": (
        """
        with spine as (select distinct cast(began as date) as d from trips), k as (select s.d, o.who,
        avg(o.delay) as m from spine s join trips o on cast(o.done_at as date) <= s.d group by 1,2)
        select t.id, k.m as x from trips t left join k on k.who=t.who and k.d = cast(t.began as date)""",
        WITHHOLD,
    ),
    "cross join where": (
        """
        select a.id, avg(b.delay) as x from trips a, trips b where a.who=b.who and b.done_at < a.began
        group by a.id""",
        NONE,
    ),
    "inner then left": (
        """
        with p as (select a.id, avg(b.delay) as m from trips a join trips b on a.who=b.who and b.done_at
        < a.began group by a.id) select t.id, coalesce(p.m, -1) as x from trips t left join p on
        p.id=t.id""",
        NONE,
    ),
    "case sum": (
        """
        select a.id, sum(case when b.done_at <= a.began then b.delay end) as x from trips a join trips b
        using (who) group by a.id""",
        NONE,
    ),
    "case sum began (leak)": (
        """
        select a.id, sum(case when b.began > a.began then b.delay end) as x from trips a join trips b
        using (who) group by a.id""",
        WITHHOLD,
    ),
    "iff sum": (
        """
        select a.id, sum(if(b.done_at <= a.began, b.delay, 0)) as x from trips a join trips b using
        (who) group by a.id""",
        NONE,
    ),
    "smoothed": (
        """
        with g as (select a.id, sum(b.delay) as s, count(b.id) as n from trips a left join trips b on
        b.who=a.who and b.done_at < a.began group by 1) select id, (s + 10*0.2)/(n+10) as x from g""",
        NONE,
    ),
    "ratio to own plan": (
        """
        with g as (select a.id, avg(b.delay) as m from trips a left join trips b on b.who=a.who and
        b.done_at < a.began group by 1) select t.id, g.m / (1 + hour(t.began)) as x from trips t join g
        using (id)""",
        NONE,
    ),
    "global mean before": (
        """
        select a.id, (select avg(b.delay) from trips b where b.done_at < a.began) as x from trips a""",
        NONE,
    ),
    "target encoding (leak)": (
        """
        with m as (select who, avg(case when delay > 0 then 1.0 else 0 end) as rate from trips group by
        who) select t.id, m.rate as x from trips t left join m using (who)""",
        WITHHOLD,
    ),
    "leave one out (leak)": (
        """
        with m as (select who, sum(delay) as s, count(*) as n from trips group by who) select t.id, (m.s
        - t.delay) / nullif(m.n - 1, 0) as x from trips t left join m using (who)""",
        WITHHOLD,
    ),
    "zscore (leak)": (
        """
        select id, (delay - avg(delay) over ()) / stddev(delay) over () as x from trips""",
        WITHHOLD,
    ),
    "rank (leak)": (
        """
        select id, percent_rank() over (partition by who order by delay) as x from trips""",
        WITHHOLD,
    ),
    "ntile (leak)": (
        """
        select id, ntile(4) over (order by delay) as x from trips""",
        WITHHOLD,
    ),
    "lag": (
        """
        select id, lag(delay, 1, 0) over (partition by who order by began) as x from trips""",
        WARN,
    ),
    "rows prec": (
        """
        select id, avg(delay) over (partition by who order by began rows between 10 preceding and 1
        preceding) as x from trips""",
        WARN,
    ),
    "rows incl (leak)": (
        """
        select id, avg(delay) over (partition by who order by began rows between 10 preceding and
        current row) as x from trips""",
        WITHHOLD,
    ),
    "cumulative minus own (leak)": (
        """
        select id, sum(delay) over (partition by who order by began) - delay as x from trips""",
        WITHHOLD,
    ),
    "range gap": (
        """
        select id, avg(delay) over (partition by who order by began range between interval 40 day
        preceding and interval 30 day preceding) as x from trips""",
        NONE,
    ),
    "pivot (leak)": (
        """
        with p as (select * from (select who, hour(began) % 2 as h, delay from trips) pivot (avg(delay)
        for h in (0, 1))) select t.id, p."0" as x from trips t left join p using (who)""",
        WITHHOLD,
    ),
    "array agg (leak)": (
        """
        select t.id, list_sum(a.l) as x from trips t join (select who, list(delay) as l from trips group
        by who) a using (who)""",
        WITHHOLD,
    ),
    "struct (leak)": (
        """
        with s as (select id, {'d': delay, 'w': who} as r from trips) select id, r.d as x from s""",
        WITHHOLD,
    ),
    "json (leak)": (
        """
        with s as (select id, to_json({'d': delay}) as r from trips) select id, (r->>'$.d')::int as x
        from s""",
        WITHHOLD,
    ),
    "unpivot (leak)": (
        """
        with u as (unpivot (select id, delay as a, who as b from trips) on a, b into name k value v)
        select id, sum(v) as x from u group by id""",
        WITHHOLD,
    ),
    "coalesce (leak)": (
        """
        select id, coalesce(nullif(delay, 0), -1) as x from trips""",
        WITHHOLD,
    ),
    "group all (leak)": (
        """
        select id, max(delay) as x from trips group by all""",
        WITHHOLD,
    ),
    "except (leak)": (
        """
        select id, delay as x from trips except select id, 0 from trips""",
        WITHHOLD,
    ),
    "not known masked": (
        """
        select id, case when done_at <= began then delay end as x from trips""",
        NONE,
    ),
    "asof known": (
        """
        select t.id, o.delay as x from trips t asof left join trips o on t.who=o.who and t.began >=
        o.done_at""",
        NONE,
    ),
    "asof forward (leak)": (
        """
        select t.id, o.delay as x from trips t asof left join trips o on t.who=o.who and t.began <=
        o.began""",
        WITHHOLD,
    ),
    "hours since last late": (
        """
        select t.id, date_diff('hour', max(o.done_at), t.began) as x from trips t left join trips o on
        o.who=t.who and o.done_at <= t.began and o.delay > 0 group by t.id, t.began""",
        NONE,
    ),
    "streak": (
        """
        with h as (select a.id, b.delay, row_number() over (partition by a.id order by b.done_at desc)
        as rn from trips a join trips b on a.who=b.who and b.done_at <= a.began) select id, min(case
        when delay <= 0 then rn end) as x from h group by id""",
        NONE,
    ),
    "ewma-like": (
        """
        with h as (select a.id, b.delay, row_number() over (partition by a.id order by b.done_at desc)
        as rn from trips a join trips b on a.who=b.who and b.done_at <= a.began) select id, sum(delay *
        power(0.5, rn)) as x from h group by id""",
        NONE,
    ),
    "top3": (
        """
        with h as (select a.id, b.delay, row_number() over (partition by a.id order by b.done_at desc)
        as rn from trips a join trips b on a.who=b.who and b.done_at <= a.began) select id, avg(delay)
        filter (where rn <= 3) as x from h group by id""",
        NONE,
    ),
    "group then window month": (
        """
        with m as (select who, date_trunc('month', done_at) as mon, avg(delay) as a from trips group by
        1,2) select t.id, m.a as x from trips t left join m on m.who=t.who and m.mon =
        date_trunc('month', t.began) - interval 1 month""",
        NONE,
    ),
    "month same (leak)": (
        """
        with m as (select who, date_trunc('month', done_at) as mon, avg(delay) as a from trips group by
        1,2) select t.id, m.a as x from trips t left join m on m.who=t.who and m.mon =
        date_trunc('month', t.began)""",
        WITHHOLD,
    ),
    "last month-end cumul": (
        """
        with m as (select who, date_trunc('month', done_at) as mon, sum(delay) as a from trips group by
        1,2), c as (select who, mon, sum(a) over (partition by who order by mon) as cum from m) select
        t.id, arg_max(c.cum, c.mon) as x from trips t left join c on c.who=t.who and c.mon <
        date_trunc('month', t.began) group by t.id""",
        NONE,
    ),
}
