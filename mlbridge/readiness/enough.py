"""Whether the package's split leaves enough rows to train, since when it does, or from which date on it would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import sqlglot
from sqlglot import exp

from mlbridge.engines.warehouse import DIALECT, column, select, subquery
from mlbridge.features.columns import split_summary_query, target_type
from mlbridge.readiness.assessment import Relation, Requirement, scored
from mlbridge.readiness.rows import DAY, Course
from mlbridge.readiness.sample import Sample, held, table_of
from mlbridge.readiness.source import Source
from mlbridge.spec.specification import Spec
from mlbridge.split.by_time import split_by_time
from mlbridge.split.checks import MIN_ROWS, Queries, check_labels, label_counts
from mlbridge.split.shortage import Shortage, shortage
from mlbridge.typing import Row

WEEK = 7 * DAY
# How often the rows are repeated, later each time, to find the date from which on they would suffice.
MOST_REPETITIONS = 64


@dataclass(frozen=True)
class Parts:
    """What the split makes of the rows: its summary by value of `ml_split`, and what is missing for a training.

    `of` is the number of rows that were split, all or those of the sample.
    """

    summary: Mapping[str, Row]
    lacks: Shortage | None
    of: int

    def rows(self, total: int) -> dict[str, int]:
        """Return the rows by value of `ml_split`, if there are `total` in all."""
        return {name: round(row["rows"] * total / self.of) for name, row in self.summary.items()}


def role_columns(spec: Spec) -> dict[str, exp.Expression]:
    """Name the columns that decide the split."""
    names = (spec.target, spec.time, *(() if spec.label_time is None else (spec.label_time,)))
    return {name: column(name) for name in names}


def split_parts(source: Source, relation: Relation, sample: Sample, spec: Spec, as_of: datetime) -> Parts:
    """Split the sample; where that does not suffice for a training, all rows of the relation."""
    target_as, columns = target_type(relation.name, sample.held_types, spec), role_columns(spec)
    found = _parts(sample.warehouse, split_by_time(columns, sample.table, spec, as_of), spec, target_as, sample.count)
    if found.lacks is None or sample.limited is None:
        return found
    held_as = {name: held(name, sample.types[name], source.dialect) for name in columns}
    return _parts(source, split_by_time(held_as, table_of(relation), spec, as_of), spec, target_as, sample.total)


def _parts(queries: Queries, split: exp.Select, spec: Spec, target_as: str, of: int) -> Parts:
    rows = subquery(split, "split_rows")
    summary = {row["ml_split"]: row for row in queries.rows(split_summary_query((), spec, rows))}
    counted = label_counts(queries, spec, target_as, rows) if spec.task == "classification" else []
    found = shortage(spec, summary, counted)
    if found is None and spec.task == "classification":
        check_labels(spec.target, spec, counted)
    return Parts(summary, found, of)


def enough_requirements(
    parts: Parts, sample: Sample, spec: Spec, found: Course, as_of: datetime
) -> Iterator[Requirement]:
    """Score the rows that the split leaves, and the period that its test rows span."""
    columns, target_as = role_columns(spec), target_type(spec.target, sample.held_types, spec)
    of = "" if parts.of == found.total else f" of a sample of {parts.of:,} rows"

    def suffices(rows: exp.Expr, at: datetime) -> bool:
        split = split_by_time(columns, rows, spec, at)
        return _parts(sample.warehouse, split, spec, target_as, sample.count).lacks is None

    if parts.lacks is None:
        since = _first(found.first, min(found.last, as_of), partial(suffices, sample.table))
        counts = ", ".join(f"{parts.summary[name]['rows']:,} {name}" for name in MIN_ROWS)
        yield scored("rows_enough", 1.0, f"{counts} rows{of}; they would have sufficed since {since:%Y-%m-%d}")
    else:
        reason = parts.lacks.reason.removeprefix("not trained, because ")
        advice = _advice(spec, found, sample, suffices)
        yield scored("rows_enough", _score(parts.lacks, spec), reason, advice=advice)
    test = parts.summary.get("test")
    if test is None or not test["rows"]:
        yield scored("test_period", None, "there are no test rows yet")
        return
    spans = test["last"] - test["first"]
    evidence = f"{test['rows']:,} test rows{of} from {test['first']:%Y-%m-%d} to {test['last']:%Y-%m-%d}"
    yield scored("test_period", spans / WEEK, evidence, days=f"{spans / DAY:.3g}")


def _score(lacks: Shortage, spec: Spec) -> float:
    """Return the least of what is there / what is needed; 0 where no number of rows is what lacks."""
    figures = lacks.figures
    found = [figures[f"rows_{name}"] / figures[f"rows_{name}_needed"] for name in MIN_ROWS]
    if spec.task == "classification":
        needed = figures["rows_of_a_class_needed"]
        classes = [figures[f"classes_{name}"] for name in MIN_ROWS]
        every = {label for each in classes for label in each}
        found += [each.get(label, 0) / needed for each in classes for label in every]
        found += [0.0] if len(every) < 2 else []
    least = min(found)
    return least if least < 1 else 0.0


def _first(low: datetime, high: datetime, suffices: Callable[[datetime], bool]) -> datetime:
    """Return the first midnight after `low`, or `high`, at which rows suffice that do so at `high`; by bisection."""
    start = low.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    least, most = 0, max((high - start) // DAY, 0)
    if not suffices(start + most * DAY):
        return high
    while least < most:
        middle = (least + most) // 2
        if suffices(start + middle * DAY):
            most = middle
        else:
            least = middle + 1
    return start + most * DAY


def _date(found: Course, sample: Sample, spec: Spec, suffices: Callable[[exp.Expr, datetime], bool]) -> datetime | None:
    """Return the first day on which the split would suffice if rows kept coming as they did; None if never."""
    length = found.period + DAY
    repetitions = 1
    while repetitions <= MOST_REPETITIONS:
        rows = _repeated(sample, spec, length, repetitions)
        end = found.last + repetitions * length
        if suffices(rows, end):
            return _first(found.last, end, partial(suffices, rows))
        repetitions *= 2
    return None


def _repeated(sample: Sample, spec: Spec, length: timedelta, repetitions: int) -> exp.Subquery:
    """Return the rows, and the same rows later by once, twice, ... the length of their period."""
    moments = {spec.time, spec.label_time}
    step = sqlglot.parse_one(f"interval '1 second' * ({int(length.total_seconds())} * again)", dialect=DIALECT)
    columns = {
        name: exp.Add(this=exp.cast(each, "timestamp"), expression=step.copy()) if name in moments else each
        for name, each in role_columns(spec).items()
    }
    numbers = exp.values([(number,) for number in range(repetitions + 1)], alias="numbers", columns=["again"])
    return subquery(select(columns, sample.table).join(numbers, join_type="cross"), "repeated")


def _advice(spec: Spec, found: Course, sample: Sample, suffices: Callable[[exp.Expr, datetime], bool]) -> str:
    """Say what to do about too few rows, and from which day on they would suffice where the sample is all rows."""
    if sample.limited is not None:
        return f"Predict something more frequent than this '{spec.target}', or wait for many more rows."
    date = _date(found, sample, spec, suffices)
    if date is None:
        return f"More rows like these will not do: check how '{spec.target}' is defined, or merge its classes."
    return (
        f"Wait until {date:%Y-%m-%d}, when the rows suffice if they keep coming as from {found.first:%Y-%m-%d} to "
        f"{found.last:%Y-%m-%d}, or predict something more frequent."
    )
