"""The queries of the leak search: rows without an outcome, and entities on both sides of the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlglot import exp

from mlbridge.engines.warehouse import Warehouse, column, select, subquery
from mlbridge.features.columns import Feature
from mlbridge.spec.specification import Spec
from mlbridge.typing import Value

# Periods are long enough to hold rows with and without an outcome, and short enough that rows in them are alike.
PERIODS = ((timedelta(days=720), "month"), (timedelta(days=90), "week"), (timedelta(days=10), "day"))


@dataclass(frozen=True)
class PeriodCounts:
    """The rows of one period without an outcome (`unknown`), or those with one.

    `known` gives by feature the number of values that are not NULL, `ends` the lowest and the highest value.
    """

    period: datetime
    unknown: bool
    rows: int
    known: Mapping[str, int]
    ends: Mapping[str, tuple[Value, Value]]


@dataclass(frozen=True)
class RepeatedValues:
    """Test rows whose value of a key column also occurs in training, there always with the same outcome.

    There are `rows` of them, of which `same` have that outcome too. `every` is the number of all test rows, `expected`
    the probability that two random test rows have the same outcome.
    """

    rows: int
    same: int
    every: int
    expected: float


@dataclass(frozen=True)
class LeakQueryResults:
    """The results of the queries: rows with and without an outcome by period, and repeated values by key column."""

    unknown: Sequence[PeriodCounts] = ()
    repeats: Mapping[str, RepeatedValues] = field(default_factory=dict)


def run_leak_queries(
    warehouse: Warehouse,
    split: exp.Expression,
    features: Sequence[Feature],
    spec: Spec,
    first: datetime,
    last: datetime,
) -> LeakQueryResults:
    """Run the queries; `first` and `last` are the moments of the earliest and latest labelled row."""
    rows = warehouse.rows(unknown_query(split, features, spec, first, last))
    unknown = [
        PeriodCounts(
            row["period"],
            bool(row["unknown"]),
            row["rows"],
            {each.name: row[f"n_{index}"] for index, each in enumerate(features)},
            {each.name: (row[f"low_{index}"], row[f"high_{index}"]) for index, each in enumerate(features)},
        )
        for row in rows
    ]
    repeats = {}
    for name in repeatable_key_columns(spec):
        found = warehouse.row(repeats_query(split, name, spec))
        shares = [each["share"] for each in warehouse.rows(shares_query(split, spec))]
        expected = sum(share**2 for share in shares)
        repeats[name] = RepeatedValues(found["rows"], found["same"] or 0, found["every"], expected)
    return LeakQueryResults(unknown, repeats)


def unknown_query(
    split: exp.Expression, features: Sequence[Feature], spec: Spec, first: datetime, last: datetime
) -> exp.Select:
    """Count by period and by whether the outcome is known; rows later than the latest labelled one are left out."""
    moment = exp.cast(column(spec.time), "timestamp")
    size = next((size for least, size in PERIODS if last - first >= least), "hour")
    groups: dict[str, exp.Expression] = {
        "period": exp.cast(exp.TimestampTrunc(this=moment, unit=exp.var(size.upper())), "timestamp"),
        "unknown": exp.Case(
            ifs=[exp.If(this=column(spec.target).is_(exp.null()), true=exp.Literal.number(1))],
            default=exp.Literal.number(0),
        ),
    }
    values: dict[str, exp.Expression] = {f"value_{index}": each.value() for index, each in enumerate(features)}
    chosen: dict[str, exp.Expression] = {**groups, **values}
    ends = [_moment(first), _moment(last)]
    rows = select(chosen, split).where(exp.Between(this=moment.copy(), low=ends[0], high=ends[1]))
    counted: dict[str, exp.Expression] = {
        **{name: column(name) for name in groups},
        "rows": exp.Count(this=exp.Star()),
    }
    for index in range(len(features)):
        for name, function in (("n", exp.Count), ("low", exp.Min), ("high", exp.Max)):
            counted[f"{name}_{index}"] = function(this=column(f"value_{index}"))
    return select(counted, subquery(rows, "facts")).group_by(*(column(name) for name in groups))


def _moment(at: datetime) -> exp.Expression:
    return exp.cast(exp.Literal.string(at.isoformat(sep=" ")), "timestamp")


def repeatable_key_columns(spec: Spec) -> tuple[str, ...]:
    """Return the key columns of which a value should not occur in both training and test rows.

    In a split by time there are none: there entities occur again by design.
    """
    if spec.split.by == "time" or (spec.split.by == "hash" and spec.split.group is None and len(spec.entity) == 1):
        return ()
    return tuple(name for name in spec.entity if name != spec.split.group)


def repeats_query(split: exp.Expression, name: str, spec: Spec) -> exp.Select:
    """Count the test rows of which training has the same value of a column, always with one and the same outcome."""
    known = {"value": column(name), "outcome": exp.cast(column(spec.target), "text")}
    trained = select(known, split).where(column("ml_split").eq(exp.Literal.string("train")))
    outcome = column("outcome")
    ends = {"value": column("value"), "low": exp.Min(this=outcome), "high": exp.Max(this=outcome.copy())}
    train = subquery(select(ends, subquery(trained, "rows_of_train")).group_by(column("value")), "train")
    test = subquery(
        select({name: each.copy() for name, each in known.items()}, split).where(
            column("ml_split").eq(exp.Literal.string("test"))
        ),
        "test",
    )
    alike = column("low", "train").eq(column("high", "train"))
    same = exp.and_(alike.copy(), column("outcome", "test").eq(column("low", "train")))
    counted = {"rows": _sum(alike), "same": _sum(same), "every": exp.Count(this=exp.Star())}
    on = column("value", "test").eq(column("value", "train"))
    return select(counted, test).join(train, on=on, join_type="left")


def _sum(condition: exp.Expr) -> exp.Expression:
    one = exp.Case(ifs=[exp.If(this=condition, true=exp.Literal.number(1))], default=exp.Literal.number(0))
    return exp.cast(exp.Coalesce(this=exp.Sum(this=one), expressions=[exp.Literal.number(0)]), "bigint")


def shares_query(split: exp.Expression, spec: Spec) -> exp.Select:
    """Select the share of each outcome among the test rows, for the hundred most frequent ones: one column, `share`."""
    outcome = exp.cast(column(spec.target), "text")
    test = subquery(
        select({"outcome": outcome}, split).where(column("ml_split").eq(exp.Literal.string("test"))), "test"
    )
    rows = exp.Count(this=exp.Star())
    whole = exp.Window(this=exp.Sum(this=rows.copy()))
    share = exp.Div(this=exp.cast(rows, "double"), expression=whole, typed=False, safe=False)
    query = select({"share": share}, test).group_by(column("outcome"))
    return query.order_by(exp.Ordered(this=column("share"), desc=True)).limit(100)
