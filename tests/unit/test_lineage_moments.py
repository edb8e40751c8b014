"""What comparisons say about the order of two moments, in the words of several dialects."""

from __future__ import annotations

import pytest
import sqlglot

from mlbridge.lineage.comparisons import comparisons
from mlbridge.lineage.graph import ANY, BEFORE, GAP, UNTIL
from mlbridge.lineage.moments import DATE, EXACT, UNKNOWN, Shift

# Columns called `day` are dates, those called `cut` were cut off to their day by another model.
SHIFTS = {"day": DATE, "cut": Shift(-86400.0, 0.0, 86400.0), "unread": UNKNOWN}
CASES = (
    ("duckdb", "a.t < b.t", BEFORE),
    ("duckdb", "a.t <= b.t", UNTIL),
    ("duckdb", "b.t - a.t >= interval 1 day", GAP),
    ("duckdb", "datediff('day', a.t, b.t) > 0", BEFORE),
    ("duckdb", "datediff('day', a.t, b.t) >= 2", GAP),
    ("duckdb", "datediff('day', a.t, b.t) >= 0", ANY),
    ("duckdb", "a.cut < b.t", ANY),
    ("duckdb", "a.cut < b.cut", BEFORE),
    ("duckdb", "a.cut <= b.cut", ANY),
    ("duckdb", "a.cut + interval 1 day <= b.t", BEFORE),
    ("duckdb", "a.cut + interval 1 hour <= b.t", ANY),
    ("duckdb", "a.cut + to_days(2) <= b.t", GAP),
    ("duckdb", "date_trunc('month', a.t) < b.cut", ANY),
    ("duckdb", "a.day < b.day", BEFORE),
    ("duckdb", "a.day <= b.day", UNTIL),
    ("duckdb", "a.day <= b.t", ANY),
    ("duckdb", "b.day - a.day >= 1", GAP),
    ("duckdb", "a.t::time < b.t::time", None),
    ("duckdb", "extract(hour from b.t - a.t) > 0", None),
    ("postgres", "a.t + '1 day'::interval <= b.t", GAP),
    ("postgres", "a.t + 7 * interval '1 day' <= b.t", GAP),
    ("postgres", "extract(epoch from (b.t - a.t)) > 3600", GAP),
    ("postgres", "date_part('day', b.t - a.t) >= 1", BEFORE),
    ("postgres", "b.t - a.t > interval '0'", BEFORE),
    ("postgres", "a.t - b.t < interval '1 day'", ANY),
    ("snowflake", "datediff(day, a.t, b.t) > 0", BEFORE),
    ("snowflake", "timestampdiff(hour, a.t, b.t) >= 3", GAP),
    ("snowflake", "dateadd(day, -1, b.t) >= a.t", GAP),
    ("snowflake", "dateadd(day, 1, b.t) >= a.t", ANY),
    ("bigquery", "date_diff(b.t, a.t, DAY) > 0", BEFORE),
    ("bigquery", "timestamp_diff(b.t, a.t, HOUR) between 1 and 48", BEFORE),
    ("bigquery", "timestamp_sub(b.t, interval 1 day) > a.t", GAP),
    ("bigquery", "timestamp_trunc(a.t, DAY) < timestamp_trunc(b.t, DAY)", BEFORE),
    ("spark", "datediff(b.t, a.t) > 0", BEFORE),
    ("spark", "datediff(b.t, a.t) >= 0", ANY),
    ("spark", "date_add(a.t, 1) < b.t", BEFORE),
    ("spark", "date_sub(b.t, 1) > a.t", GAP),
    ("redshift", "datediff(day, a.t, b.t) > 0", BEFORE),
    ("trino", "date_diff('day', a.t, b.t) >= 1", BEFORE),
    ("mysql", "datediff(b.t, a.t) > 0", BEFORE),
    ("duckdb", "a.t + to_hours(1) <= b.t", GAP),
    ("duckdb", "a.t + to_minutes(-5) <= b.t", ANY),
    ("duckdb", "a.cut + to_hours(20) <= b.t", ANY),
    ("bigquery", "unix_millis(a.t) <= unix_millis(b.t)", UNTIL),
    ("bigquery", "unix_millis(a.t) <= unix_micros(b.t)", ANY),
    ("bigquery", "unix_seconds(a.t) < unix_seconds(b.t)", BEFORE),
    ("bigquery", "unix_seconds(a.t) <= unix_seconds(b.t)", ANY),
    ("bigquery", "unix_seconds(a.t) + 3600 <= unix_seconds(b.t)", GAP),
    ("bigquery", "unix_date(date(a.t)) < unix_date(date(b.t))", BEFORE),
    ("bigquery", "unix_date(date(a.t)) <= unix_date(date(b.t))", ANY),
    ("bigquery", "unix_date(a.day) <= unix_date(b.day)", UNTIL),
    ("bigquery", "unix_date(date(a.t)) < b.t", ANY),
    ("bigquery", "datetime(a.t) <= datetime(b.t)", UNTIL),
    ("bigquery", "datetime(a.t, 'Asia/Tokyo') <= datetime(b.t)", None),
    ("spark", "unix_millis(a.t) <= unix_millis(b.t)", UNTIL),
    # What is not read to the end tells nothing, and is no comparison or one that lets anything in.
    ("postgres", "a.t::varchar(10) <= b.t::varchar(10)", None),
    ("tsql", "cast(a.t as varchar(10)) <= cast(b.t as varchar(10))", None),
    ("postgres", "a.t::timestamp(0) <= b.t", None),
    ("postgres", "a.t::timestamp(3) <= b.t", UNTIL),
    ("bigquery", "date_trunc(a.t, week(monday)) < date_trunc(b.t, week(sunday))", ANY),
    ("bigquery", "date_trunc(a.t, week(monday)) < date_trunc(b.t, week(monday))", BEFORE),
    ("bigquery", "date_trunc(a.t, isoweek) < date_trunc(b.t, week)", ANY),
    ("bigquery", "timestamp_trunc(a.t, day, 'Asia/Tokyo') < timestamp_trunc(b.t, day)", None),
    ("bigquery", "date(a.t, 'Asia/Tokyo') < date(b.t)", None),
    ("snowflake", "a.t <= last_day(dateadd(month, -2, b.t), 'year')", None),
    (
        "duckdb",
        "time_bucket(interval 1 day, a.t, timestamp '2024-01-01') < b.t",
        None,
    ),
    ("postgres", "to_char(a.t, 'YYYY-MM-DD') < to_char(b.t, 'YYYYMMDD')", None),
    ("postgres", "a.t at time zone 'UTC' <= b.t", ANY),
    ("postgres", "a.t at time zone 'UTC' <= b.t at time zone 'UTC'", UNTIL),
    ("snowflake", "convert_timezone('UTC', a.t) <= convert_timezone('Asia/Tokyo', b.t)", ANY),
    ("snowflake", "convert_timezone('UTC', a.t) <= convert_timezone('UTC', b.t)", UNTIL),
    ("duckdb", "epoch(a.t) <= epoch_ms(b.t)", ANY),
    ("duckdb", "epoch_ms(a.cut) + 86400 <= epoch_ms(b.t)", ANY),
    ("duckdb", "epoch_ms(a.t) <= epoch_ms(b.t)", UNTIL),
    ("bigquery", "parse_timestamp('%Y-%m-%d %H:%M:%S', a.t) <= b.t", UNTIL),
    ("bigquery", "parse_timestamp('%Y-%m-%d', a.t) <= b.t", ANY),
    ("bigquery", "parse_timestamp('%H:%M', a.t) <= b.t", None),
    ("duckdb", "a.t <= b.t - interval 1 day * (5 - 10)", None),
    ("duckdb", "a.t <= b.t - interval (5 - 10) day", None),
    ("postgres", "a.t <= b.t - interval '1 day -5 hour'", None),
    ("postgres", "a.t <= b.t - interval '1 day 5 hours'", GAP),
    ("duckdb", "a.t <= b.t - interval 3 month + interval 89 day", ANY),
    ("duckdb", "date_trunc('quarter', a.t) + interval 90 day <= b.t", ANY),
    ("duckdb", "a.unread <= b.t", ANY),
    ("duckdb", "a.t <= greatest(b.t, a.t)", None),
)


@pytest.mark.parametrize(("dialect", "sql", "kind"), CASES)
def test_how_far_the_first_lies_before_the_second(dialect: str, sql: str, kind: str | None) -> None:
    condition = sqlglot.parse_one(f"select 1 from a, b where {sql}", dialect=dialect).args["where"]
    found = list(comparisons(condition, dialect, lambda each: SHIFTS.get(each.name, EXACT), lambda each: EXACT))
    of_first = [each.kind for each in found if each.first.table == "a"]
    assert of_first == ([] if kind is None else [kind])


def test_a_long_sum_is_not_followed() -> None:
    terms = " + ".join(f"a.c{index}" for index in range(3_000))
    tree = sqlglot.parse_one(f"select 1 from a, b where {terms} < b.t")
    assert list(comparisons(tree.args["where"], "", lambda each: EXACT, lambda each: EXACT)) == []
