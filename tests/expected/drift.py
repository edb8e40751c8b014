"""Makes drift.csv: what `ml_drift` must say of features whose values are stated here, counted out by hand.

`python tests/expected/drift.py` writes the file anew. The formulas are those of docs/monitor.md, by scipy where it has
them and by plain sums where not; nothing here comes from the package but the floors of its seed.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
from expected.chance import level
from expected.drift_metrics import DRIFT_METRICS, Binned, Compared, Sampled, measured

HERE = Path(__file__).parent
FILE = HERE / "drift.csv"
SEED = HERE.parents[1] / "seeds" / "ml_thresholds.csv"
TRAINING_MONTHS, MONTH_ROWS = 4, 400
JUNE, JULY, AUGUST, SEPTEMBER, OCTOBER = (f"2024-{month:02}-01 00:00:00" for month in range(6, 11))
ROWS = {JUNE: 400, JULY: 400, AUGUST: 200, SEPTEMBER: 3, OCTOBER: 60}
OPEN = OCTOBER  # the clock stands within it
FOLDED = 100
HOSTILE, INJECTED = 'select "x"', "'); drop table t; --"

Counts = Mapping[Any, int]


@dataclass(frozen=True)
class Case:
    """A feature: rows by value in each month of the training (June is another like them), and in the windows after it.

    `uppers` are the upper edges of its bins, where it has more values than bins.
    """

    kind: str
    month: Counts
    windows: Mapping[str, Counts]
    uppers: Sequence[float] = ()

    def counts(self, window: str) -> Counts:
        return self.month if window == JUNE else self.windows[window]


def _windows(july: Counts, august: Counts, september: Any, october: Any) -> dict[str, Counts]:
    """The last two windows have one value only."""
    return {JULY: july, AUGUST: august, SEPTEMBER: {september: 3}, OCTOBER: {october: 60}}


def _each(values: Sequence[Any], rows: int) -> dict[Any, int]:
    return dict.fromkeys(values, rows)


COMMON = [f"k{index:03}" for index in range(100)]
RARE = [f"d{index:02}" for index in range(50)]
FOUR = _each((1, 2, 3, 4), 100)
DAY = 86_400

CASES: dict[str, Case] = {
    # [.25] * 4 against [.1, .2, .3, .4]
    "quarters": Case(
        "category", _each("abcd", 100), _windows({"a": 40, "b": 80, "c": 120, "d": 160}, {"a": 200}, "d", "a")
    ),
    # [.5, .5] against [.6, .4]
    "halves": Case("numeric", {0: 200, 1: 200}, _windows({0: 240, 1: 160}, {0: 80, 1: 120}, 0, 1)),
    # a bin that the window leaves empty, and one that only the window before had
    "emptied": Case(
        "category",
        {"a": 200, "b": 100, "c": 100},
        _windows({"a": 300, "b": 100}, {"a": 100, "c": 100}, "c", "b"),
    ),
    # an empty bin between others, and a window of a single value
    "single": Case("numeric", FOUR, _windows({1: 200, 3: 100, 4: 100}, {3: 200}, 2, 4)),
    # three quarters zeros, so that most quantiles tie; then half, then nothing but zeros
    "rain": Case(
        "numeric",
        {0: 300, **_each(range(1, 101), 1)},
        _windows({0: 200, **_each(range(1, 101), 2)}, {0: 200}, 100, 7),
        uppers=(0, 13, 25, 38, 50, 63, 75, 88, 100),
    ),
    # a tenth is missing; then all is, then nothing
    "missing": Case(
        "numeric",
        {**_each((1, 2, 3, 4), 90), None: 40},
        _windows({None: 400}, _each((1, 2, 3, 4), 50), None, None),
    ),
    # NaN is missing too
    "not_a_number": Case(
        "numeric",
        {0.5: 200, 1.5: 150, math.nan: 50},
        _windows({0.5: 300, math.nan: 100}, {1.5: 200}, math.nan, 0.5),
    ),
    # categories that training did not have
    "unseen": Case(
        "category",
        {"a": 200, "b": 200},
        _windows({"a": 100, "b": 100, "z": 200}, {"z": 100, None: 100}, "z", "y"),
    ),
    # 150 categories, of which those beyond the 100th are compared as one
    "many": Case(
        "category",
        {**_each(COMMON, 3), **_each(RARE, 2)},
        _windows({**_each(COMMON, 2), "d49": 200}, {"k000": 180, "unknown": 20}, "d00", "k099"),
    ),
    # all values above, then below all of training
    "beyond": Case("numeric", FOUR, _windows({10: 400}, {-5: 200}, 10, 4.5)),
    "flag": Case("numeric", {True: 100, False: 300}, _windows({True: 200, False: 200}, {None: 200}, True, True)),
    # seconds since 1970
    "opened": Case("numeric", _each((0, DAY, 2 * DAY, 3 * DAY), 100), _windows({DAY: 400}, {4 * DAY: 200}, 0, 3 * DAY)),
    HOSTILE: Case(
        "category",
        {INJECTED: 100, "NULL": 100, "it's": 200},
        _windows({INJECTED: 300, "NULL": 100}, {None: 100, 'drop "t"': 100}, "it's", INJECTED),
    ),
    # outcomes, of which some are not known
    "ml_target": Case(
        "category",
        {"no": 200, "yes": 200},
        _windows({"no": 60, "yes": 240, None: 100}, {"no": 50, None: 150}, None, "yes"),
    ),
}


# What is watched of the model: each measure of each feature against each baseline.
KINDS = {"signal": "numeric", "ml_prediction": "numeric", **{name: case.kind for name, case in CASES.items()}}
CHECKS = sum(
    measure.value is not None and measure.where(feature, kind, baseline)
    for feature, kind in KINDS.items()
    for baseline in ("training", "previous")
    for measure in DRIFT_METRICS.values()
)


def rules() -> dict[str, dict[str, str]]:
    """Read the package's seed."""
    with SEED.open() as file:
        return {row["metric"]: row for row in csv.DictReader(file)}


def _missing(value: Any) -> bool:
    return value is None or value != value


def bins(case: Case) -> tuple[list[Any], np.ndarray[Any, Any] | None]:
    """Give the values that end the bins, or are them, and the edges of numbers."""
    if case.kind == "category":
        return sorted(case.month, key=lambda text: (-case.month[text], text)), None
    values = sorted(value for value in case.month if not _missing(value))
    uppers = [*(case.uppers or values)]
    return uppers, np.array([values[0], *uppers], dtype=float)


def binned(case: Case, counts: Counts, times: int = 1) -> Binned:
    """Count the rows of a window by bin."""
    uppers, _ = bins(case)
    last = len(uppers) if case.kind == "category" else len(uppers) - 1
    n = np.zeros(min(last, FOLDED) + 1)
    sums = {"nulls": 0.0, "below": 0.0, "above": 0.0, "unseen": 0.0}
    inside = np.zeros(len(n))
    for value, rows in counts.items():
        if _missing(value):
            sums["nulls"] += rows
        elif case.kind == "category":
            n[min(uppers.index(value) if value in uppers else last, FOLDED)] += rows
            sums["unseen"] += 0 if value in uppers else rows
        else:
            index, least = (
                min(np.searchsorted(uppers, value), last),
                min(each for each in case.month if not _missing(each)),
            )
            n[index] += rows
            inside[index] += min(max(value, least), uppers[-1]) * rows
            sums["unseen"] += rows if value < least or value > uppers[-1] else 0
            sums["below"] += max(min(case.month) - value, 0) * rows if value < uppers[0] else 0
            sums["above"] += max(value - uppers[-1], 0) * rows
    return Binned(n * times, **{name: each * times for name, each in sums.items()}, inside=inside * times)


def _metrics(name: str, baseline: str, now: Binned, before: Binned) -> dict[str, float | None]:
    case, std = CASES[name], math.nan
    if case.kind == "numeric":
        std = float(
            np.std([float(each) for each, rows in case.month.items() for _ in range(rows) if not _missing(each)])
        )
    return measured(name, case.kind, baseline, Compared(now, before, bins(case)[1], std))


def expected() -> Iterator[list[Any]]:
    """Give the rows of the file: every metric of every case in every window, against both baselines."""
    floors = rules()
    for name, case in CASES.items():
        training, usual = binned(case, case.month, TRAINING_MONTHS), binned(case, case.month)
        windows = {window: binned(case, case.counts(window)) for window in ROWS}
        assert {window: each.rows for window, each in windows.items()} == ROWS, name
        for (window, now), earlier in zip(windows.items(), (None, *windows.values()), strict=False):
            for baseline, before in (("training", training), ("previous", earlier)):
                if before is None:
                    continue
                values = _metrics(name, baseline, now, before)
                for metric, value in values.items():
                    counts = [DRIFT_METRICS[metric].rows(each) for each in (now, before, usual)]
                    enough = min(counts[:2]) >= 30
                    comparable = window != OPEN and enough and min(counts[:2]) >= counts[2] / 10
                    judged = comparable or (enough and floors[metric]["while_open"] == "true")
                    verdict = _verdict(floors[metric], value, now, before, judged, case)
                    rows = [int(counts[0]), int(now.rows - counts[0]), int(counts[1])]
                    yield [name, window, baseline, metric, *verdict, *rows, comparable]


def _verdict(
    rule: Mapping[str, str], value: float | None, now: Binned, before: Binned, judged: bool, case: Case
) -> list[Any]:
    """Give value, threshold, its source and alert; the months of the training are all alike, so that only floor and
    noise count, and any distance is farther than theirs."""
    measure = DRIFT_METRICS[rule["metric"]]
    if value is None:
        return ["", "", "", False]
    floor = float(rule["floor"]) * (measure.scale(now, before) if rule["relative"] == "true" else 1.0)
    chance = measure.noise(Sampled(now, before, level(CHECKS, "month"), category=case.kind == "category"))
    limit, source = max((floor, "floor"), (chance, "noise"), key=lambda each: each[0])
    may = measure.may_alarm(limit, before, fixed=False, judged=judged, bins=len(now.n), few=False)
    return [repr(float(value)), repr(limit), source, abs(value) > limit and may]


COLUMNS = (
    "feature", "window", "baseline", "metric", "value", "threshold", "threshold_from", "alert", "rows_used",
    "rows_unused", "rows_baseline", "is_comparable",
)  # fmt: skip


def written() -> str:
    """Give the file's text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *expected()])
    return text.getvalue()


if __name__ == "__main__":
    FILE.write_text(written())
