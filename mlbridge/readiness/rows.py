"""Requirements of all rows: complete and unique keys, a period without gaps that goes on until now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlglot import exp

from mlbridge.engines.warehouse import column, select, subquery
from mlbridge.errors import listed
from mlbridge.features.columns import WITH_ZONE
from mlbridge.readiness.assessment import Relation, Requirement, scored
from mlbridge.readiness.relations import ReadinessError
from mlbridge.readiness.sample import Sample, held, parsed, table_of
from mlbridge.readiness.settled import Settled
from mlbridge.readiness.source import Source
from mlbridge.typing import Row

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Course:
    """The rows of a relation by day; `days` have `day`, `rows` and `known`, sorted, those without a time left out.

    `total` are all rows, `complete` those with a complete key, `first` and `last` the ends of `time` (UTC).
    """

    total: int
    complete: int
    first: datetime
    last: datetime
    days: Sequence[Row]

    @property
    def known(self) -> int:
        """Return the number of rows whose target is not NULL."""
        return sum(each["known"] for each in self.days)

    @property
    def period(self) -> timedelta:
        """Return the time between the first and the last row; at least an hour."""
        return max(self.last - self.first, timedelta(hours=1))


def course(source: Source, relation: Relation, types: Mapping[str, str], settled: Settled) -> Course:
    """Count the rows of the relation by day; raises ReadinessError if no row has a time."""
    time = settled.time.one
    moment = held(time, types[time], source.dialect)
    keys = [column(name).is_(exp.null()).not_() for name in (*settled.entity.columns, time)]
    whole: dict[str, exp.Expression] = {
        "total": exp.Count(this=exp.Star()),
        "complete": exp.Count(this=exp.Case(ifs=[exp.If(this=exp.and_(*keys), true=exp.Literal.number(1))])),
        "first": exp.Min(this=moment),
        "last": exp.Max(this=moment.copy()),
    }
    found = source.rows(select(whole, table_of(relation)))[0]
    if found["first"] is None:
        raise ReadinessError(f"'{relation.name}': the time '{time}' is NULL in every row. Name another with --time.")
    day = exp.cast(exp.TimestampTrunc(this=moment.copy(), unit=exp.var("DAY")), "timestamp")
    rows = select({"day": day, "target": column(settled.target.one)}, table_of(relation)).where(
        column(time).is_(exp.null()).not_()
    )
    counted: dict[str, exp.Expression] = {
        "day": column("day"),
        "rows": exp.Count(this=exp.Star()),
        "known": exp.Count(this=column("target")),
    }
    days = source.rows(select(counted, subquery(rows, "facts")).group_by(column("day")).order_by(column("day")))
    return Course(int(found["total"]), int(found["complete"]), found["first"], found["last"], days)


def row_requirements(
    found: Course, repeated: int, moments: Sequence[str], as_of: datetime, sample: Sample
) -> Iterator[Requirement]:
    """Score keys and period of all rows; `repeated` of them repeat another's key, `moments` are time and label time."""
    share = found.complete / found.total
    yield scored(
        "key_complete", share, f"{found.total - found.complete:,} of {found.total:,} rows have a NULL in the key"
    )
    yield scored("key_unique", 1 - repeated / found.total, f"{repeated:,} of {found.total:,} rows repeat another's key")
    yield _zones(sample, moments)
    yield from _period(found, as_of)


def _zones(sample: Sample, names: Sequence[str]) -> Requirement:
    zoned = [name for name in names if parsed(sample.types[name], sample.dialect).is_type(*WITH_ZONE)]
    types = ", ".join(f"'{name}' is a {sample.types[name]}" for name in names)
    return scored("time_in_utc", 1 - len(zoned) / len(names), types, columns=listed(zoned))


def _period(found: Course, as_of: datetime) -> Iterator[Requirement]:
    moments = [each["day"] for each in found.days]
    stretches = [(after - before - DAY, before) for before, after in pairwise(moments)]
    longest, before = max(stretches, default=(timedelta(0), found.first))
    longest = max(longest, timedelta(0))
    usual, age = 2 * max(longest, DAY), as_of - found.last
    yield scored(
        "fresh",
        1.0 if age <= usual else usual / age,
        f"the newest of {found.total:,} rows is of {found.last:%Y-%m-%d %H:%M}, {in_days(age)} before {as_of:%Y-%m-%d}",
        last=f"{found.last:%Y-%m-%d}",
    )
    start, end = before + DAY, before + DAY + longest
    yield scored(
        "no_gaps",
        1 - longest / (found.period + DAY),
        f"{len(found.days):,} of {(found.last.date() - found.first.date()).days + 1:,} days from "
        f"{found.first:%Y-%m-%d} to {found.last:%Y-%m-%d} have rows"
        + (f"; the longest stretch without is {in_days(longest)} from {start:%Y-%m-%d}" if longest else ""),
        start=f"{start:%Y-%m-%d}",
        end=f"{end:%Y-%m-%d}",
    )


def in_days(length: timedelta) -> str:
    """Write a length of time for a sentence."""
    if length >= 100 * DAY:
        return f"{length / DAY:,.0f} days"
    return f"{length / DAY:.3g} days" if length >= DAY else f"{length / timedelta(hours=1):.3g} hours"
