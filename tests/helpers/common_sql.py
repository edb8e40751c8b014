"""Common SQL of a dbt project over the trips and what was known of each, and leaks that look like it.

They are judged by the oracle of `timed_features.py`; `past` is as in `other_rows.py`.
"""

from __future__ import annotations

from mlbridge.leaks.catalogue import WARN, WITHHOLD

# Keys that are cleaned, salted, prefixed and put together, days and hours, deduplication, sessions, the row as of.
COMMON = {
    "case null key": """
        select t.id, h.v as x from trips as t left join past as h on case when h.id is null then -1 else
        h.id end = case when t.id is null then -1 else t.id end""",
    "coalesce key": """
        select t.id, h.v as x from trips as t left join past as h on coalesce(h.id,-1)=coalesce(t.id,-1)""",
    "case empty key steps": """
        with a as (select case when id = 0 then 1000 else id end as k, v from past), b as (select id, case
        when id = 0 then 1000 else id end as k from trips) select b.id, a.v as x from b left join a using
        (k)""",
    "nullif key": """
        with a as (select nullif(id, -1) as k, v from past), b as (select id, nullif(id,-1) as k from trips)
        select b.id, a.v as x from b left join a using (k)""",
    "if key": """
        with a as (select if(id < 0, null, id) as k, v from past), b as (select id, if(id<0,null,id) as k
        from trips) select b.id, a.v as x from b left join a using (k)""",
    "iff group by": """
        with a as (select case when id is not null then id else -1 end as k, max(v) as v from past group by
        1) select t.id, a.v as x from trips t left join a on a.k=t.id""",
    "salted key uncast": """
        with a as (select id || left(id::text,1) as k, v from past), b as (select id, id || left(id::text,1)
        as k from trips) select b.id, a.v as x from b left join a using (k)""",
    "salted key concat": """
        with a as (select concat(id, '-', id % 10) as k, v from past), b as (select id, concat(id,'-', id %
        10) as k from trips) select b.id, a.v as x from b left join a using (k)""",
    "salted key text ids": """
        with p as (select *, id as s from past), a as (select md5(concat(s, left(s::text,2))) as k, v from
        p), b as (select id, md5(concat(id,left(id::text,2))) as k from trips) select b.id, a.v as x from b
        left join a using (k)""",
    "partition pruned": """
        select t.id, h.v as x from trips as t left join past as h on h.id % 10 = t.id % 10 and h.id = t.id""",
    "prefix and key": """
        select t.id, h.v as x from trips as t left join past as h on left(h.id::text,1)=left(t.id::text,1)
        and h.id = t.id""",
    "lower key": """
        select t.id, h.v as x from trips as t left join past as h on
        lower(h.id::varchar)=lower(t.id::varchar)""",
    "trim lpad": """
        select t.id, h.v as x from trips as t left join past as h on
        lpad(trim(h.id::varchar),8,'0')=lpad(trim(t.id::varchar),8,'0')""",
    "regexp_replace": """
        select t.id, h.v as x from trips as t left join past as h on
        regexp_replace(h.id::varchar,'^x','')=t.id::varchar""",
    "substring prefixed key": """
        with a as (select 'trip-' || id as k, v from past), b as (select substring(k, 6)::int as id, v from
        a) select t.id, b.v as x from trips t left join b using(id)""",
    "split_part prefixed key": """
        with a as (select 'trip-' || id as k, v from past), b as (select split_part(k,'-',2)::int as id, v
        from a) select t.id, b.v as x from trips t left join b using(id)""",
    "right key": """
        with a as (select lpad(id::varchar,10,'0') as k, v from past), b as (select right(k,4)::int as id, v
        from a) select t.id, b.v as x from trips t left join b using(id)""",
    "struct key": """
        with a as (select {'id': id, 'v': v} as r from past) select t.id, r['v'] as x from trips t left join
        a on a.r['id'] = t.id""",
    "json key": """
        with a as (select json_object('id', id) as r, v from past) select t.id, v as x from trips t left
        join a on (a.r->>'id')::int = t.id""",
    "epoch day join": """
        select t.id, h.v as x from trips as t left join past as h on h.who=t.who and epoch(h.began)//86400 =
        epoch(t.began)//86400 and h.id=t.id""",
    "day trunc": """
        with a as (select date_trunc('day',began) as d, avg(v) as v from past group by 1), c as (select id,
        date_trunc('day',began) as d from trips) select c.id, a.v as x from c left join a using (d)""",
    "extract year": """
        with a as (select year(began) as y, id, v from past) select t.id, a.v as x from trips t left join a
        on a.id=t.id and a.y = year(t.began)""",
    "pairs at_before": """
        with pairs as (select t.id, t.began, h.began as at_before, h.v from trips t join past h on
        h.who=t.who and h.began<t.began) select id, max(v) as x from pairs group by id""",
    "pairs prev_at": """
        with pairs as (select t.id, t.began, h.began as prev_at, h.v from trips t join past h on h.who=t.who
        and h.began<t.began) select id, max(v) as x from pairs group by id""",
    "pairs only prev": """
        with pairs as (select t.id, h.began as prev_at, h.v from trips t join past h on h.who=t.who and
        h.began<t.began) select id, max(v) as x from pairs group by id""",
    "own and previous at": """
        with s as (select id, who, began, lag(began) over (partition by who order by began) as a_prev, v
        from past) select t.id, s.v as x from trips t left join s on s.id = t.id""",
    "dedup rn": """
        with d as (select *, row_number() over (partition by id order by began desc) as rn from past) select
        t.id, d.v as x from trips t left join d on d.id = t.id and d.rn = 1""",
    "dedup rn qualify": """
        with d as (select * from past qualify row_number() over (partition by id order by began desc) = 1)
        select t.id, d.v as x from trips t left join d using(id)""",
    "distinct": """
        with d as (select distinct id, v from past) select t.id, d.v as x from trips t left join d using(id)""",
    "hash split": """
        select t.id, h.v as x from trips t left join past h on h.id = t.id where t.id % 100 < 80""",
    "split bucket": """
        with b as (select id, id % 5 as fold, v from past) select id, v as x from b""",
    "fold mean": """
        with b as (select id, id % 5 as fold, v, began from past) select id, avg(v) over (partition by fold
        order by began) as x from b""",
    "first in session": """
        with g as (select *, case when began - lag(began) over (partition by who order by began) > interval
        2 day then 1 else 0 end as n from past), s as (select *, sum(n) over (partition by who order by
        began) as sess from g) select id, sum(v) over (partition by who, sess order by began) as x from s""",
    "session first v": """
        with g as (select *, case when began - lag(began) over (partition by who order by began) > interval
        2 day then 1 else 0 end as n from past), s as (select *, sum(n) over (partition by who order by
        began) as sess from g) select id, first_value(v) over (partition by who, sess order by began) as x
        from s""",
    "cohort": """
        with f as (select who, min(began) as first_at from trips group by who), c as (select p.id,
        date_trunc('month', f.first_at) as cohort, p.v, p.began from past p join f using (who)) select id,
        avg(v) over (partition by cohort order by began) as x from c""",
    "surrogate concat": """
        with a as (select md5(cast(coalesce(cast(id as text),'_null_') || '-' || coalesce(cast(who as
        text),'_null_') as text)) as k, v from past), b as (select id, md5(cast(coalesce(cast(id as
        text),'_null_') || '-' || coalesce(cast(who as text),'_null_') as text)) as k from trips) select
        b.id, a.v as x from b left join a using(k)""",
    "lines": """
        with l as (select p.id, n.n, p.began, p.v*n.n as a from past p, range(3) as n(n)) select id, sum(a)
        as x from l group by id""",
    "lines share": """
        with l as (select p.id, n.n, p.began, p.v*n.n as a from past p, range(3) as n(n)), s as (select *, a
        / nullif(sum(a) over (partition by id),0) as sh from l) select id, max(sh) as x from s group by id""",
    "lines rank": """
        with l as (select p.id, n.n, p.began, p.v*n.n as a from past p, range(3) as n(n)), s as (select *,
        lead(a) over (partition by id order by n) as nx from l) select id, max(nx) as x from s group by id""",
    "latest as of": """
        select t.id, h.v as x from trips t left join past h on h.who=t.who and h.began<=t.began qualify
        row_number() over (partition by t.id order by h.began desc)=1""",
    "latest as of steps": """
        with p as (select t.id, h.v, h.began as seen_at, row_number() over (partition by t.id order by
        h.began desc) as rn from trips t left join past h on h.who=t.who and h.began<=t.began) select id, v
        as x from p where rn=1""",
    "latest as of, at steps": """
        with p as (select t.id, t.began as now_at, h.v, h.began as as_of from trips t left join past h on
        h.who=t.who and h.began<=t.began) select id, max_by(v, as_of) as x from p group by id""",
    "id, other moments first": """
        with s as (select p.id, p.who, p.began, p.v, q.began as a_prev from past p left join past q on q.who
        = p.who and q.began < p.began) select id, max(v) as x from s group by id""",
    "scd": """
        with s as (select id, who, began as valid_from, lead(began) over (partition by who order by began)
        as valid_to, v from past) select t.id, s.v as x from trips t left join s on s.who = t.who and
        t.began >= s.valid_from and (t.began < s.valid_to or s.valid_to is null)""",
    "steps scd dedup": """
        with s as (select who, began as valid_from, lead(began) over (partition by who order by began) as
        valid_to, v from past), j as (select t.id, s.valid_from as as_of, s.v from trips t left join s on
        s.who = t.who and s.valid_from <= t.began) select id, arg_max(v, as_of) as x from j group by id""",
    "lag pairs, dist": """
        with j as (select t.id, h.began as as_of, h.v from trips t join past h on h.who=t.who and h.began <
        t.began), k as (select distinct on (id) id, v from j order by id, as_of desc) select id, v as x from
        k""",
    "filter back in keys": """
        with j as (select t.id, h.began as as_of, h.v from trips t join past h on h.who=t.who and h.began <
        t.began), k as (select id, count(*) as n, avg(v) as m from j group by id) select t.id, k.m as x from
        trips t left join k on k.id = t.id""",
    "own rows among pairs": """
        with j as (select t.id, h.id as hid, h.began as as_of, h.v from trips t join past h on h.who=t.who
        and h.began <= t.began) select id, v as x from j where hid = id""",
    "30d window steps": """
        with j as (select t.id, h.began as as_of, h.v from trips t join past h on h.who=t.who and h.began <
        t.began and h.began >= t.began - interval 30 day) select id, sum(v) as x from j group by id""",
    "asof steps then group": """
        with j as (select t.id, h.began as as_of, h.v from trips t asof left join past h on h.who=t.who and
        t.began > h.began) select id, max(v) as x from j group by id""",
    "lateral steps": """
        with j as (select t.id, h.began as as_of, h.v from trips t, lateral (select p.v, p.began from past p
        where p.who=t.who and p.began<t.began order by p.began desc limit 1) h) select id, max(v) as x from
        j group by id""",
}

# What was known of the ends of this driver's trips, of those that are over and of those that are still open.
OF_ENDS_KNOWN = {
    "own dur guarded": """
        select id, case when done_at <= began then hour(done_at) end as x from trips""",
    "days since last done": """
        select t.id, date_diff('hour', max(o.done_at), t.began) as x from trips t left join trips o on
        o.who=t.who and o.done_at <= t.began group by t.id, t.began""",
    "open by number": """
        with n as (select *, row_number() over (partition by who order by began) as k from trips) select
        t.id, case when o.done_at > t.began or o.done_at is null then 1 else 0 end as x from n t left join n
        o on o.who=t.who and o.k = t.k-1""",
    "open asof": """
        select t.id, case when o.done_at > t.began or o.done_at is null then 1 else 0 end as x from trips t
        asof left join trips o on o.who=t.who and t.began > o.began""",
    "open qualify": """
        select t.id, case when o.done_at > t.began or o.done_at is null then 1 else 0 end as x from trips t
        left join trips o on o.who=t.who and o.began < t.began qualify row_number() over (partition by t.id
        order by o.began desc)=1""",
    "open lateral": """
        select t.id, case when o.done_at > t.began or o.done_at is null then 1 else 0 end as x from trips t
        left join lateral (select p.done_at from trips p where p.who=t.who and p.began<t.began order by
        p.began desc limit 1) o on true""",
    "open prev id": """
        with p as (select *, lag(id) over (partition by who order by began) as prev_id from trips) select
        t.id, case when o.done_at > t.began or o.done_at is null then 1 else 0 end as x from p t left join
        trips o on o.id=t.prev_id""",
    "open prev id, step": """
        with p as (select *, lag(id) over (partition by who order by began) as prev_id from trips), q as
        (select t.id, t.began, o.done_at from p t left join trips o on o.id = t.prev_id) select t.id, case
        when o.done_at > t.began or o.done_at is null then 1 else 0 end as x from q t left join q o using
        (id)""",
    "open lag": """
        with p as (select id, began, lag(done_at) over (partition by who order by began) as done_at from
        trips) select t.id, case when o.done_at > t.began or o.done_at is null then 1 else 0 end as x from p
        t join p o using (id)""",
    "open asof known": """
        select t.id, case when o.done_at > t.began or o.done_at is null then 1 else 0 end as x from trips t
        asof left join trips o on o.who=t.who and t.began >= o.done_at""",
    "since by number": """
        with n as (select *, row_number() over (partition by who order by began) as k from trips) select
        t.id, case when o.done_at <= t.began then date_diff('hour', o.done_at, t.began) end as x from n t
        left join n o on o.who=t.who and o.k = t.k-1""",
    "since asof": """
        select t.id, case when o.done_at <= t.began then date_diff('hour', o.done_at, t.began) end as x from
        trips t asof left join trips o on o.who=t.who and t.began > o.began""",
    "since qualify": """
        select t.id, case when o.done_at <= t.began then date_diff('hour', o.done_at, t.began) end as x from
        trips t left join trips o on o.who=t.who and o.began < t.began qualify row_number() over (partition
        by t.id order by o.began desc)=1""",
    "since lateral": """
        select t.id, case when o.done_at <= t.began then date_diff('hour', o.done_at, t.began) end as x from
        trips t left join lateral (select p.done_at from trips p where p.who=t.who and p.began<t.began order
        by p.began desc limit 1) o on true""",
    "since prev id": """
        with p as (select *, lag(id) over (partition by who order by began) as prev_id from trips) select
        t.id, case when o.done_at <= t.began then date_diff('hour', o.done_at, t.began) end as x from p t
        left join trips o on o.id=t.prev_id""",
    "since prev id, step": """
        with p as (select *, lag(id) over (partition by who order by began) as prev_id from trips), q as
        (select t.id, t.began, o.done_at from p t left join trips o on o.id = t.prev_id) select t.id, case
        when o.done_at <= t.began then date_diff('hour', o.done_at, t.began) end as x from q t left join q o
        using (id)""",
    "since lag": """
        with p as (select id, began, lag(done_at) over (partition by who order by began) as done_at from
        trips) select t.id, case when o.done_at <= t.began then date_diff('hour', o.done_at, t.began) end as
        x from p t join p o using (id)""",
    "since asof known": """
        select t.id, case when o.done_at <= t.began then date_diff('hour', o.done_at, t.began) end as x from
        trips t asof left join trips o on o.who=t.who and t.began >= o.done_at""",
    "open least by number": """
        with n as (select *, row_number() over (partition by who order by began) as k from trips) select
        t.id, date_diff('hour', least(o.done_at, t.began), t.began) as x from n t left join n o on
        o.who=t.who and o.k = t.k-1""",
    "open least asof": """
        select t.id, date_diff('hour', least(o.done_at, t.began), t.began) as x from trips t asof left join
        trips o on o.who=t.who and t.began > o.began""",
    "open least qualify": """
        select t.id, date_diff('hour', least(o.done_at, t.began), t.began) as x from trips t left join trips
        o on o.who=t.who and o.began < t.began qualify row_number() over (partition by t.id order by o.began
        desc)=1""",
    "open least lateral": """
        select t.id, date_diff('hour', least(o.done_at, t.began), t.began) as x from trips t left join
        lateral (select p.done_at from trips p where p.who=t.who and p.began<t.began order by p.began desc
        limit 1) o on true""",
    "open least prev id": """
        with p as (select *, lag(id) over (partition by who order by began) as prev_id from trips) select
        t.id, date_diff('hour', least(o.done_at, t.began), t.began) as x from p t left join trips o on
        o.id=t.prev_id""",
    "open least prev id, step": """
        with p as (select *, lag(id) over (partition by who order by began) as prev_id from trips), q as
        (select t.id, t.began, o.done_at from p t left join trips o on o.id = t.prev_id) select t.id,
        date_diff('hour', least(o.done_at, t.began), t.began) as x from q t left join q o using (id)""",
    "open least lag": """
        with p as (select id, began, lag(done_at) over (partition by who order by began) as done_at from
        trips) select t.id, date_diff('hour', least(o.done_at, t.began), t.began) as x from p t join p o
        using (id)""",
    "open least asof known": """
        select t.id, date_diff('hour', least(o.done_at, t.began), t.began) as x from trips t asof left join
        trips o on o.who=t.who and t.began >= o.done_at""",
    "own masked": """
        select id, case when done_at <= began then done_at end is not null as x from trips""",
    "as of mask model": """
        with m as (select t.id, t.who, t.began, o.id as oid, case when o.done_at <= t.began then o.done_at
        end as seen_done from trips t join trips o on o.who = t.who and o.began < t.began) select id,
        count(seen_done) as x from m group by id""",
    "as of mask model, last": """
        with m as (select t.id, t.began, o.began as ob, case when o.done_at <= t.began then o.done_at end as
        seen_done from trips t join trips o on o.who = t.who and o.began < t.began), l as (select * from m
        qualify row_number() over (partition by id order by ob desc) = 1) select id, seen_done is null as x
        from l""",
}

# What a row computes of the moment of its own end.
OF_OWN_END = {
    "own duration self join": """
        select t.id, date_diff('hour', t.began, o.done_at) as x from trips t left join trips o on o.id=t.id""",
    "own duration dedup": """
        with d as (select *, row_number() over (partition by id order by began) rn from trips) select id,
        date_diff('hour', began, done_at) as x from d where rn=1""",
    "own duration if done": """
        select id, case when done_at is not null then date_diff('hour', began, done_at) end as x from trips""",
    "hour of": """
        select id, hour(done_at) as x from trips""",
    "own duration": """
        select id, date_diff('hour', began, done_at) as x from trips""",
    "own duration in days": """
        select id, date_diff('hour', began, done_at) / 24 as x from trips""",
    "own duration in whole days": """
        select id, (date_diff('hour', began, done_at) / 24)::int as x from trips""",
    "own duration, rounded": """
        select id, round(greatest(extract(epoch from done_at - began), 0) / 60) as x from trips""",
    "how long after midnight": """
        select id, done_at - date_trunc('day', done_at) as x from trips""",
    "longer than two hours": """
        select id, case when done_at > began + interval 2 hour then 1 else 0 end as x from trips""",
}

# Later rows of a driver beside the moment of the first one, with how sure it is that they are later.
BESIDE_ANOTHER_TIME = {
    "lead": (
        """
        with f as (select who, began as {at} from trips qualify row_number() over (partition by who order by
        began)=1), s as (select p.id, p.who, p.began, p.v, f.{at} from past p join f using (who)), n as
        (select id, lead(v) over (partition by who order by began) as x from s) select id, x from n""",
        WITHHOLD,
    ),
    "max over who": (
        """
        with f as (select who, began as {at} from trips qualify row_number() over (partition by who order by
        began)=1), s as (select p.id, p.who, p.began, p.v, f.{at} from past p join f using (who)), n as
        (select id, max(v) over (partition by who) as x from s) select id, x from n""",
        WARN,
    ),
    "group who": (
        """
        with f as (select who, began as {at} from trips qualify row_number() over (partition by who order by
        began)=1), s as (select p.id, p.who, p.began, p.v, f.{at} from past p join f using (who)), n as
        (select who, max(v) as m from s group by who) select s.id, n.m as x from s join n using (who)""",
        WARN,
    ),
    "self join later": (
        """
        with f as (select who, began as {at} from trips qualify row_number() over (partition by who order by
        began)=1), s as (select p.id, p.who, p.began, p.v, f.{at} from past p join f using (who)) select
        s.id, max(o.v) as x from s join s o on o.who = s.who and o.began > s.began group by 1""",
        WITHHOLD,
    ),
}
