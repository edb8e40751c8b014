"""Features over one table of trips, and an oracle that tells honest ones from leaks by changing what comes later.

A trip begins at `began`, when it is predicted whether it will be late, and is over at `done_at`, when `delay` is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import duckdb
import numpy as np
import sqlglot
from sqlglot import exp

from mlbridge.engines.warehouse import DIALECT, Warehouse
from mlbridge.leaks.catalogue import Suspicion
from mlbridge.leaks.declared import declared
from mlbridge.leaks.lineage_queries import RowQueries
from mlbridge.leaks.lineage_search import LineageContext, search_lineage
from mlbridge.lineage.nodes import relations
from mlbridge.lineage.trace import trace
from mlbridge.spec.reading import read_spec

ROWS, LOOKED_AT = 60, 6
IS_LATE = "trips.delay > 0"
# Targets of later rows, for which what a trip itself says is known when it begins.
NEXT = "lead(trips.delay) over (partition by trips.who order by trips.began) > 0"
LATER_ONES = "(select sum(o.delay) from trips as o where o.who = trips.who and o.began > trips.began) > 0"
SPEC = {"task": "classification", "target": "y", "entity": "id", "time": "began", "label_time": "done_at"}
TRIPS = "with trips as (select * from raw.trips)"
STREAM = """
stream as (
    select id, who, began as moment, 0 as value, 0 as one from trips
    union all
    select null, who, {placed}, delay, 1 from trips where done_at is not null
)"""
# What a test plants by hand, and what the generator makes: the SQL that gives `id` and `x`.
BY_HAND = {
    "the schedule": "select id, hour(began) as x from trips",
    "a copy": "select id, delay as x from trips",
    "computed": "select id, case when delay > 3 then 1 else 0 end as x from trips",
    "through a star": """
        with a as (select * from trips), b as (select * exclude (who) from a)
        select id, delay as x from b""",
    "the mean of everything": "select id, avg(delay) over () as x from trips",
    "the mean of the driver": "select id, avg(delay) over (partition by who) as x from trips",
    "joined means": """
        with means as (select who, avg(delay) as x from trips group by who)
        select trips.id, means.x from trips join means using (who)""",
    **{
        f"what a {kind} join keeps": f"""
            select t.id, avg(o.delay) as x from trips as t join trips as o on o.who = t.who
                {kind} join trips as z on z.id = t.id and o.done_at <= t.began group by t.id"""
        for kind in ("semi", "anti")
    },
    "its own outcome where it is known already": "select id, case when done_at <= began then delay end as x from trips",
    "the means of days before": """
        with days as (select who, date_trunc('day', done_at) as day, avg(delay) as x from trips group by 1, 2)
        select trips.id, avg(days.x) as x from trips left join days
            on trips.who = days.who and days.day < date_trunc('day', trips.began) group by trips.id""",
    "the means of the day before": """
        with days as (select who, date_trunc('day', done_at) as day, avg(delay) as x from trips group by 1, 2)
        select trips.id, days.x from trips left join days
            on trips.who = days.who and days.day = date_trunc('day', trips.began) - interval 1 day""",
    "the means of the day": """
        with days as (select who, date_trunc('day', done_at) as day, avg(delay) as x from trips group by 1, 2)
        select trips.id, days.x from trips left join days
            on trips.who = days.who and days.day = date_trunc('day', trips.began)""",
    "the means of the same days": """
        with days as (select who, date_trunc('day', done_at) as day, avg(delay) as x from trips group by 1, 2)
        select trips.id, avg(days.x) as x from trips left join days
            on trips.who = days.who and days.day <= date_trunc('day', trips.began) group by trips.id""",
    "asof": """
        select trips.id, before.delay as x from trips asof left join trips as before
            on trips.who = before.who and trips.began >= before.done_at""",
    "asof by the beginning": """
        select trips.id, before.delay as x from trips asof left join trips as before
            on trips.who = before.who and trips.began >= before.began""",
    "correlated": "select id, (select avg(delay) from trips as o where o.done_at < trips.began) as x from trips",
    "correlated with anything": """
        select id, (select avg(delay) from trips as o where o.who = trips.who) as x from trips""",
    "lateral": """
        select trips.id, seen.x from trips, lateral (
            select avg(o.delay) as x from trips as o where o.who = trips.who and o.done_at <= trips.began) as seen""",
    "lateral that looks ahead": """
        select trips.id, seen.x from trips, lateral (
            select avg(o.delay) as x from trips as o where o.done_at <= trips.began + interval 30 day) as seen""",
    "of the row in a stream": f"""
        with {STREAM.format(placed="done_at")}, seen as (
            select id, sum(value) over (partition by who order by moment) / nullif(sum(one) over (partition by who
                order by moment), 0) as x from stream)
        select * from seen where id is not null""",
    "a stream that knows the end": f"""
        with {STREAM.format(placed="began")}, seen as (
            select id, sum(value) over (partition by who order by moment) as x from stream)
        select * from seen where id is not null""",
    "a stream joined back": f"""
        with {STREAM.format(placed="done_at")}, seen as (select id, sum(value) over (order by moment range between
            interval 9 day preceding and current row) as x from stream)
        select trips.id, seen.x from trips join seen on trips.id = seen.id""",
}
# A driver's earlier trips, each half made in a step of its own: of the trips before, of the trip, and their comparison.
CUT, BEGAN_ON = "date_trunc('day', done_at) as day", "date_trunc('day', began) as day"
IN_STEPS = {
    "cut days before": (CUT, BEGAN_ON, "past.day < base.day"),
    "cut days until the day": (CUT, BEGAN_ON, "past.day <= base.day"),
    "a cut day before a moment": (CUT, "began", "past.day < base.began"),
    "a moment before a cut day": ("done_at", BEGAN_ON, "past.done_at <= base.day"),
    "dates before": ("done_at::date as day", "began::date as day", "past.day < base.day"),
    "dates until the day": ("done_at::date as day", "began::date as day", "past.day <= base.day"),
    "a month before a day": ("date_trunc('month', done_at) as month", BEGAN_ON, "past.month < base.day"),
    "a day moved on by one": ("done_at::date + 1 as free_from", "began", "past.free_from <= base.began"),
    "a day moved on by hours": (CUT, "began", "past.day + interval 2 hour <= base.began"),
    "a moment moved back": ("done_at - interval 3 day as early", "began", "past.early <= base.began"),
}
BY_HAND |= {
    name: f"""
        with past as (select who, delay, {past} from trips), base as (select id, who, {base} from trips)
        select base.id, avg(past.delay) as x
        from base left join past on past.who = base.who and {on} group by base.id"""
    for name, (past, base, on) in IN_STEPS.items()
}
# The same over a stream: what places the outcomes, what places the trips, and the frame.
UP_TO = "range between unbounded preceding and"
STREAMS = {
    "days": ("date_trunc('day', done_at)", "began", ""),
    "days up to the row": ("date_trunc('day', done_at)", "began", "rows between unbounded preceding and current row"),
    "days until an hour before": ("date_trunc('day', done_at)", "began", f"{UP_TO} interval 1 hour preceding"),
    "days until a day before": ("date_trunc('day', done_at)", "began", f"{UP_TO} interval 1 day preceding"),
    "days beside days": ("date_trunc('day', done_at)", "date_trunc('day', began)", ""),
    "days an hour before": ("done_at::date", "date_trunc('day', began)", f"{UP_TO} interval 1 hour preceding"),
    "the days after": ("date_trunc('day', done_at) + interval 1 day", "began", ""),
    "moments moved back": ("done_at - interval 2 day", "began", ""),
    "moments moved back by less": ("done_at - interval 9 hour", "began", f"{UP_TO} interval 1 day preceding"),
    "moments moved on": ("done_at + interval 2 day", "began", ""),
}  # fmt: skip
BY_HAND |= {
    f"a stream of {name}": f"""
        with past as (select delay, {placed} as placed from trips) select * from (
            select id, sum(value) over (order by moment {frame}) as x from (
                select id, {base} as moment, 0 as value from trips union all select null, placed, delay from past))
        where id is not null"""
    for name, (placed, base, frame) in STREAMS.items()
}
# What is known until a moment that a step made of the time of the prediction, without the key of the trip.
BY_HAND |= {
    f"known until {until}": f"""
        with ends as (select who, began, {until} as until from trips)
        select trips.id, avg(o.delay) as x from trips join ends on ends.who = trips.who and ends.began = trips.began
            left join trips as o on o.who = ends.who and o.done_at <= ends.until group by trips.id"""
    for until in ("began + interval 7 day", "began - interval 7 day", "date_trunc('day', began)", "began")
}
DIFFERENCES = (
    "date_diff('day', o.done_at, t.began) > 0", "date_diff('day', o.done_at, t.began) >= 0",
    "date_diff('hour', o.done_at, t.began) between 1 and 900", "date_diff('day', t.began, o.done_at) < 0",
    "t.began - o.done_at >= interval 1 hour", "t.began - o.done_at > interval 0 hour",
    "t.began - o.done_at > interval (-3) day", "o.done_at - t.began < interval 9 day",
    "o.done_at + interval 1 day <= t.began", "epoch(t.began) - epoch(o.done_at) > 3600",
    "extract(epoch from t.began - o.done_at) > 0", "abs(date_diff('day', o.done_at, t.began)) > 0",
    "t.began::date - o.done_at::date > 0", "t.began::date - o.done_at::date >= 0",
)  # fmt: skip
FRAMES = (
    "", "rows between unbounded preceding and 1 preceding", "rows between 3 preceding and current row",
    "range between interval 30 day preceding and interval 5 day preceding", "rows between 1 following and 2 following",
    "range between unbounded preceding and current row exclude current row",
)  # fmt: skip
SIDES = ("o.done_at < t.began", "o.done_at <= t.began", "t.began > o.done_at + interval 1 hour", "o.done_at > t.began",
         "o.began < t.began", "o.began < t.began - interval 5 day", "o.began <= t.began", "o.done_at < t.done_at",
         "o.done_at between t.began - interval 20 day and t.began", "o.done_at < t.began + interval 9 day",
         "o.done_at::date < t.began::date", "o.done_at < date_trunc('day', t.began)", "true")  # fmt: skip


def generated() -> Iterator[tuple[str, str]]:
    """Yield a name and the SQL of many features: windows, joins, filters, CASE, correlated subqueries."""
    for order, frame, function in product(("began", "done_at"), FRAMES, ("sum(delay)", "max(delay * 2)")):
        over = f"{function} over (partition by who order by {order} {frame})"
        yield over, f"select id, {over} as x from trips"
    for order, call in product(("began", "done_at", "began desc"), ("lag(delay)", "lag(delay, 2)", "lead(delay)")):
        over = f"{call} over (partition by who order by {order})"
        yield over, f"select id, {over} as x from trips"
    pairs = "trips as t left join trips as o on t.who = o.who"
    for side in SIDES:
        yield f"join {side}", f"select t.id, avg(o.delay) as x from {pairs} and {side} group by t.id"
        inner = f"select t.id, sum(o.delay) as x from {pairs} where {side} group by t.id"
        yield f"where {side}", f"with seen as ({inner}) select trips.id, seen.x from trips left join seen using (id)"
        yield f"filter {side}", f"select t.id, sum(o.delay) filter (where {side}) as x from {pairs} group by t.id"
        yield (
            f"case {side}",
            f"select t.id, sum(case when {side} then o.delay else 0 end) as x from {pairs} group by t.id",
        )


@dataclass(frozen=True)
class Trips:
    """The table of trips in a DuckDB of its own."""

    connection: duckdb.DuckDBPyConnection
    looked_at: tuple[int, ...]

    @classmethod
    def drawn(cls, seed: int = 0, closed: str = "true") -> Trips:
        """Draw trips of a few drivers over two months, some of which last for days; those not `closed` have no end."""
        rng = np.random.default_rng(seed)
        connection = duckdb.connect()
        connection.execute(
            "create schema raw; create table raw.trips (id int, who int, began timestamp, done_at timestamp, "
            "delay int, tour int)"
        )
        for id_ in range(ROWS):
            at, lasts, delay = (
                float(rng.uniform(0, 60 * 24)),
                float(rng.exponential(48)) + 1,
                int(rng.integers(-50, 50)),
            )
            values = (id_, int(rng.integers(4)), at, at + lasts, delay, id_)
            connection.execute(
                "insert into raw.trips select ?, ?, timestamp '2024-01-01' + to_seconds(3600 * ?), "
                "timestamp '2024-01-01' + to_seconds(3600 * ?), ?, 1000 + ?",
                values,
            )
        connection.execute(f"update raw.trips set done_at = null where not ({closed})")
        times = connection.sql(f"select id from raw.trips order by began desc limit {LOOKED_AT * 7}").fetchall()
        trips = cls(connection, tuple(id_ for (id_,) in times[::7]))
        trips.change_what_comes_later()
        return trips

    def leaks(self, sql: str) -> bool:
        """Whether a feature of a trip changes with what is known only after it began, or only of others by then."""
        before = self._values("raw.trips", sql)
        return any(self._values(f"changed_{id_}", sql).get(id_) != before.get(id_) for id_ in self.looked_at)

    def _values(self, table: str, sql: str) -> dict[int, Any]:
        self.connection.execute(f"create or replace temp view trips as from {table}")
        return dict(self.connection.sql(sql).fetchall())

    def change_what_comes_later(self) -> None:
        """Write a table for each trip that is looked at, in which what was not known when it began is otherwise."""
        for id_ in self.looked_at:
            self.connection.execute(
                f"create table changed_{id_} as select * replace (case when coalesce(done_at > looked, true) then "
                "977 - delay else delay end as delay, case when coalesce(done_at > looked, true) then "
                "coalesce(done_at, greatest(began, looked)) + interval 3 hour else done_at end as done_at) "
                f"from (select *, (select began from raw.trips where id = {id_}) as looked from raw.trips)"
            )

    def looked(
        self,
        sql: str,
        check: str = "shared_with_target",
        target: str = IS_LATE,
        apart: bool = False,
        entity: str = "id",
        rows: str = "true",
        label_time: str = "trips.done_at",
        **columns: Mapping[str, Any],
    ) -> Suspicion:
        """Search the lineage of a feature of some `rows`; `columns` gives the meta of columns of the trips.

        `target` and `label_time` say what is predicted and when it is known.

        With `apart`, each common table expression is a dbt model of its own.
        """
        models, sql = models_of(sql) if apart else ({}, sql)
        code = (
            f"{TRIPS}, made as ({sql}) select trips.id, trips.who, trips.began, {label_time} as done_at, "
            f"{target} as y, made.x from trips left join made on trips.id = made.id where {rows}"
        )
        for name, model in models.items():
            self.connection.execute(f"create or replace view {name} as {model}")
        self.connection.execute(f"create or replace table late_split as {code}")
        manifest = manifest_of({**models, "late_split": code}, columns)
        warehouse = Warehouse(self.connection)
        found = relations(manifest, warehouse.every_column())
        lineage = trace(found, DIALECT)
        assert not lineage.unread
        spec = read_spec("late_training", {**SPEC, "entity": entity}, None)
        tables = {each.id: exp.table_(each.place[2], db=each.place[1]) for each in found}
        split = warehouse.table(self.connection.table("late_split"), "split")
        types = {each.id: each.columns for each in found}
        queries = RowQueries(warehouse, lineage, spec, "model.late_split", split, tables, types)
        titles = {each.id: each.id.split(".", 1)[1] for each in found}
        says = declared(manifest, lineage)
        context = LineageContext(lineage, spec, "model.late_split", ["x"], says, queries, titles, {})
        return next(each for each in search_lineage(context) if each.check == check)


def models_of(sql: str) -> tuple[dict[str, str], str]:
    """Give each common table expression as the SQL of a model, and what is left of a query."""
    tree = sqlglot.parse_one(sql, dialect=DIALECT)
    clause = tree.args.get("with_")
    expressions = [] if clause is None else clause.expressions
    tree.set("with_", None)
    return {each.alias: f"{TRIPS} {_named(each)}" for each in expressions}, tree.sql(DIALECT)


def _named(each: exp.CTE) -> str:
    """Give the SQL of a common table expression, with the columns that it is given as in `t(a, b)`."""
    body = each.this.sql(DIALECT)
    return f"select * from ({body}) as {each.args['alias'].sql(DIALECT)}" if each.alias_column_names else body


def manifest_of(models: Mapping[str, str], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Give what dbt would say of the source and of models, each of which may read those before it."""
    described = {name: {"name": name, "config": {"meta": meta}} for name, meta in columns.items()}
    source = {
        "resource_type": "source", "name": "trips", "source_name": "raw", "database": "memory", "schema": "raw",
        "identifier": "trips", "relation_name": '"memory"."raw"."trips"', "columns": described, "package_name": "p",
    }  # fmt: skip
    nodes: dict[str, Any] = {}
    for name, code in models.items():
        nodes[f"model.{name}"] = {
            "resource_type": "model", "name": name, "database": "memory", "schema": "main", "alias": name,
            "language": "sql", "compiled_code": code, "columns": {}, "config": {"materialized": "table"},
            "depends_on": {"nodes": ["source.raw.trips", *nodes]}, "package_name": "p",
        }  # fmt: skip
    return {"metadata": {}, "nodes": nodes, "sources": {"source.raw.trips": source}}
