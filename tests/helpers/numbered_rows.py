"""Steps over numbered rows: the row before, by its number, and others that number looks for.

`past` is as in `other_rows.py`; the level is that of a search for `v`, which was known when another row was predicted.
"""

from __future__ import annotations

from mlbridge.leaks.catalogue import NONE, WARN, WITHHOLD

_N = "n as (select *, row_number() over (partition by who order by began) as k from past)"
_DESC = "n as (select *, row_number() over (partition by who order by began desc) as k from past)"
_SELF = "select t.id, max(o.v) as x from n t left join n o on {on} group by t.id"

NUMBERED = {
    "the one before": (f"with {_N} {_SELF.format(on='o.who = t.who and o.k = t.k - 1')}", NONE),
    "the one before, by using": (
        f"with {_N} select t.id, o.v as x from n t left join n o using (who) where o.k = t.k - 1", NONE,
    ),
    "the one before of all": (
        "with n as (select *, row_number() over (order by began) as k from past) "
        "select t.id, o.v as x from n t left join n o on o.k + 1 = t.k", NONE,
    ),
    "the one before, backwards": (f"with {_DESC} {_SELF.format(on='o.who = t.who and o.k = t.k + 1')}", NONE),
    "the one before, by a subquery": (
        f"with {_N} select t.id, (select o.v from n o where o.who = t.who and o.k = t.k - 1) as x from n t", NONE,
    ),
    "the one before, by a rank": (
        "with n as (select *, dense_rank() over (partition by who order by began) as k from past) "
        "select t.id, o.v as x from n t left join n o on o.who = t.who and o.k = t.k - 1", NONE,
    ),
    "under other names": (
        f"with {_N}, q as (select id, who as driver, began as at, k as nr, v from n) "
        "select t.id, o.v as x from q t left join q o on o.driver = t.driver and o.nr = t.nr - 1", NONE,
    ),
    "a number less one": (
        f"with {_N}, q as (select *, k - 1 as before from n) "
        "select t.id, o.v as x from q t left join n o on o.who = t.who and o.k = t.before", NONE,
    ),
    "the last three": (f"with {_N} {_SELF.format(on='o.who = t.who and o.k between t.k - 3 and t.k - 1')}", NONE),
    "up to four before": (f"with {_N} {_SELF.format(on='o.who = t.who and t.k - o.k between 1 and 4')}", NONE),
    "pairs that are looked through later": (
        f"with {_N}, p as (select t.id, t.k, o.k as other, o.v from n t join n o using (who)) "
        "select id, max(v) as x from p where other < k group by id", NONE,
    ),
    "a lag by number": (f"with {_N} select id, lag(v) over (partition by who order by k) as x from n", NONE),
    "the row by the number of all": (
        "with n as (select *, row_number() over (order by began) as k from past) "
        "select t.id, h.v as x from trips t left join n h on h.id = t.id", NONE,
    ),
    "the next": (f"with {_N} {_SELF.format(on='o.who = t.who and o.k = t.k + 1')}", WITHHOLD),
    "the next, backwards": (f"with {_DESC} {_SELF.format(on='o.who = t.who and o.k = t.k - 1')}", WITHHOLD),
    "all that follow": (f"with {_N} {_SELF.format(on='o.who = t.who and o.k > t.k')}", WITHHOLD),
    "a lead by number": (f"with {_N} select id, lead(v) over (partition by who order by k) as x from n", WITHHOLD),
    "a lag backwards": (f"with {_DESC} select id, lag(v) over (partition by who order by k) as x from n", WARN),
    "the number of another driver's": (f"with {_N} {_SELF.format(on='o.k = t.k - 1')}", WARN),
    "around": (f"with {_N} {_SELF.format(on='o.who = t.who and o.k between t.k - 1 and t.k + 1')}", WARN),
    "the last one": (f"with {_DESC} {_SELF.format(on='o.who = t.who and o.k = 1')}", WARN),
}  # fmt: skip

# Of the trip before, by its number: its outcome, which need not be known yet.
_TRIPS = "n as (select *, row_number() over (partition by who order by began) as k from trips)"
BEFORE = {
    "self join": f"with {_TRIPS} select t.id, {{x}} as x from n t left join n o on o.who = t.who and o.k = t.k - 1",
    "numbered twice": (
        f"with {_TRIPS}, m as (select id, who, row_number() over (partition by who order by began) as k from trips) "
        "select m.id, {x} as x from m left join n o on o.who = m.who and o.k = m.k - 1"
    ),
    "number less one": (
        f"with {_TRIPS}, m as (select *, k - 1 as before from n) "
        "select m.id, {x} as x from m left join n o on o.who = m.who and o.k = m.before"
    ),
}
