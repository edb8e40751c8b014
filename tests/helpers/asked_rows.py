"""Features that count or look for rows by what was known of them only later, and shapes in which a branch may decide.

They are judged by the oracle of `timed_features.py`.
"""

from __future__ import annotations

_FLAGGED = """
    with f as (select id, who, began, done_at,
        exists(select 1 from trips c where c.id = t.id and c.delay > 0) as bad from trips t)"""
_PAIRS = "from trips t join trips o on o.who = t.who"

ASKED_TOO_EARLY = {
    "exists": "select id, exists(select 1 from trips o where o.id = t.id and o.delay > 0) as x from trips t",
    "exists in a case": """
        select id, case when exists(select 1 from trips o where o.id = t.id and o.delay > 0) then 1 else 0 end as x
        from trips t""",
    "in": "select id, id in (select id from trips where delay > 0) as x from trips",
    "any": "select id, id = any(select id from trips where delay > 0) as x from trips",
    "counted by a filter": "select id, count(*) filter (where delay > 0) over (partition by who) as x from trips",
    "counted by a condition": f"select t.id, count_if(o.delay > 0) as x {_PAIRS} group by t.id",
    "counted by a subquery": """
        select id, (select count(*) from trips o where o.who = t.who and o.delay > 0) as x from trips t""",
    "a share": """
        with c as (select who, count(*) filter (where delay > 0)::float / count(*) as x from trips group by who)
        select id, x from trips join c using (who)""",
    "if": "select id, if(delay > 0, 1, 0) as x from trips",
}
ASKED_IN_TIME = {
    "exists": """
        select id, exists(select 1 from trips o where o.who = t.who and o.delay > 0 and o.done_at <= t.began) as x
        from trips t""",
    "exists at any time, by what is known": """
        select id, exists(select 1 from trips o where o.who = t.who and o.id % 2 = 0) as x from trips t""",
    "exists before": """
        select id, exists(select 1 from trips o where o.who = t.who and o.began < t.began) as x from trips t""",
    "counted by a subquery": """
        select id, (select count(*) from trips o where o.who = t.who and o.delay > 0 and o.done_at <= t.began) as x
        from trips t""",
    "still open": """
        select id, (select count(*) from trips o where o.who = t.who and o.began < t.began and o.done_at > t.began)
            as x from trips t""",
    "counted by a filter": f"""
        select t.id, count(*) filter (where o.delay > 0) as x {_PAIRS} and o.done_at <= t.began group by t.id""",
    "counted by a filter that says when": f"""
        select t.id, count(*) filter (where o.delay > 0 and o.done_at <= t.began) as x {_PAIRS} group by t.id""",
    "counted by a condition": f"""
        select t.id, count_if(o.delay > 0 and o.done_at <= t.began) as x {_PAIRS} group by t.id""",
    "counted over pairs": """
        with p as (select t.id, t.began, o.done_at as was, o.delay from trips t join trips o using (who))
        select id, count(*) filter (where was <= began and delay > 0) as x from p group by id""",
    "counted in a stream": """
        with s as (select id, who, began as m, 0 as y from trips
            union all select null, who, done_at, delay from trips)
        select * from (select id, count(*) filter (where y > 0) over (partition by who order by m) as x from s)
        where id is not null""",
    "a flag, then its history": f"""
        {_FLAGGED} select t.id, max(f.bad::int) as x from trips t join f on f.who = t.who and f.done_at <= t.began
        group by t.id""",
    "summed by if": f"select t.id, sum(if(o.done_at <= t.began, o.delay, 0)) as x {_PAIRS} group by t.id",
    "rows that are left out": """
        select id, hour(began) as x from trips t where delay is not null and not exists (
            select 1 from trips o where o.id = t.id and o.delay > t.delay)""",
}
