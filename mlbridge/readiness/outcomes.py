"""Requirements of the target: in how many rows it is known, whether that is steady, how soon, and how it varies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from statistics import median

import numpy as np
from sqlglot import exp

from mlbridge.engines.warehouse import column
from mlbridge.leaks.queries import PERIODS
from mlbridge.readiness.assessment import Requirement, scored
from mlbridge.readiness.rows import DAY, Course, in_days
from mlbridge.readiness.sample import Sample
from mlbridge.readiness.settled import Settled
from mlbridge.spec.specification import Split
from mlbridge.typing import Floats

# A period with fewer rows says nothing about the share of known outcomes.
MIN_ROWS_OF_PERIOD = 50


def outcome_requirements(found: Course, sample: Sample, settled: Settled) -> Iterator[Requirement]:
    """Score what concerns the outcomes of all rows, and of the sampled ones their delay and their values."""
    target, time, label_time = settled.target.one, settled.time.one, settled.label_time.column
    yield scored(
        "outcomes_known",
        found.known / found.total,
        f"'{target}' is known in {found.known:,} of {found.total:,} rows ({100 * found.known / found.total:.3g} %)",
    )
    delays = None if label_time is None else delays_of(sample, time, label_time)
    if delays is not None and len(delays):
        usual, late = (timedelta(seconds=float(np.quantile(delays, part))) for part in (0.5, 0.95))
        yield _steady(found, max(late, timedelta(0)))
        yield _soon(found, usual, late)
        early = int((delays < 0).sum())
        evidence = f"in {early:,} of {len(delays):,} rows '{label_time}' lies before '{time}'"
        yield scored("outcome_later", 1 - early / len(delays), evidence, label_time=label_time)
    else:
        yield _steady(found, timedelta(0))
        without = "no label time is known, so outcomes count as known at the moment of the prediction"
        yield scored("outcomes_soon", None, without)
        yield scored("outcome_later", None, without)
    yield _variety(sample, target)


def delays_of(sample: Sample, time: str, label_time: str) -> Floats:
    """Return the seconds from the prediction to the moment at which its outcome is known, where it is."""
    moments = sample.arrays({"time": column(time), "known": column(label_time)})
    lengths = (moments["known"] - moments["time"]).astype("timedelta64[s]")
    if (moments["known"][~np.isnat(lengths)] == moments["known"][~np.isnat(lengths)].astype("datetime64[D]")).all():
        # A date has no hour: an outcome of the same day may have been known after the prediction.
        lengths = (moments["known"] - moments["time"].astype("datetime64[D]")).astype("timedelta64[s]")
    return np.asarray(lengths[~np.isnat(lengths)].astype(np.float64))


def _steady(found: Course, waiting: timedelta) -> Requirement:
    """Compare the share of known outcomes by period, without the newest rows, whose outcomes are still to come."""
    size = next((size for least, size in PERIODS if found.period >= least), "day")
    periods: dict[datetime, list[int]] = {}
    for each in found.days:
        if each["day"] + DAY + waiting <= found.last:
            start = _start(each["day"], size)
            rows, known = periods.get(start, [0, 0])
            periods[start] = [rows + int(each["rows"]), known + int(each["known"])]
    shares = {start: known / rows for start, (rows, known) in periods.items() if rows >= MIN_ROWS_OF_PERIOD}
    if len(shares) < 2:
        return scored("outcomes_steady", None, f"fewer than two periods have {MIN_ROWS_OF_PERIOD} rows each")
    lowest, usual = min(shares, key=lambda start: shares[start]), median(shares.values())
    return scored(
        "outcomes_steady",
        shares[lowest] / usual if usual else 0.0,
        f"by {size}, {100 * usual:.3g} % of the outcomes are known in the median; the lowest share, "
        f"{100 * shares[lowest]:.3g} %, is that of {lowest:%Y-%m-%d}",
        start=f"{lowest:%Y-%m-%d}",
    )


def _start(day: datetime, size: str) -> datetime:
    if size == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if size == "week" else day


def _soon(found: Course, usual: timedelta, late: timedelta) -> Requirement:
    spans = Split().test * found.period
    return scored(
        "outcomes_soon",
        spans / late if late > spans else 1.0,
        f"half of the outcomes are known within {in_days(usual)} of the prediction, 95 % within {in_days(late)}; the "
        f"test rows span about {in_days(spans)}",
    )


def _variety(sample: Sample, target: str) -> Requirement:
    counted = exp.Count(this=exp.Star())
    known = exp.select(exp.alias_(column(target), "value", quoted=True), exp.alias_(counted, "rows"))
    query = known.from_(sample.table).where(column(target).is_(exp.null()).not_()).group_by(column(target))
    rows = sample.warehouse.rows(query.order_by(exp.Ordered(this=exp.column("rows"), desc=True)).limit(2))
    every = sample.facts[target].known
    if not every:
        return scored("target_varies", 0.0, f"'{target}' is NULL in every row")
    first = int(rows[0]["rows"])
    return scored(
        "target_varies",
        1 - first / every,
        f"the commonest of {sample.facts[target].distinct:,} values of '{target}' is '{rows[0]['value']}', in "
        f"{100 * first / every:.3g} % of {every:,} rows",
    )
