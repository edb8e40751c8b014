"""What each feature, and the prediction, looked like in training: what drift is measured against."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

import numpy as np

from mlbridge.evaluation.long_texts import shortened
from mlbridge.typing import Floats, Integers

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES: Final = 10_000
"""How many values of a category column get a bin of their own, the most frequent first."""

FOLDED: Final = 100
"""When bins are compared, a category column's bins from this number on count as one, because each has few rows."""

NULL_BIN: Final = -1
"""The bin of the rows without a value."""

UNSEEN_BIN: Final = -2
"""The bin of values that training did not have: numbers below the first bin, and categories that are not listed."""

PREDICTION: Final = "ml_prediction"
"""The name of the prediction among the features."""

KINDS: Final = ("numeric", "category")

WIDE: Final = 1.5
"""Maximum width, in standard deviations, of an outer bin with 1 / bins of the rows; with fewer rows more is allowed."""


class Bin(TypedDict):
    """The rows of a column in one bin."""

    feature: str
    role: str
    kind: str
    bin: int
    lower: float | None
    upper: float | None
    category: str | None
    rows: int
    share: float
    std: float | None
    mean: float | None


class TextCounts(NamedTuple):
    """The rows of a category column that were counted elsewhere, where a frame is a sample of them.

    `frequent` gives the rows of the most frequent texts, `known` is the number of rows with any text, of `rows`.
    """

    frequent: Mapping[str, int]
    known: int
    rows: int


class _Counted(NamedTuple):
    """A bin by itself."""

    bin: int
    rows: int
    lower: float | None = None
    upper: float | None = None
    category: str | None = None
    mean: float | None = None


class Moments(TypedDict):
    """Figures of a column's numbers; None of a category, and of a column without values."""

    mean: float | None
    std: float | None
    min: float | None
    max: float | None


class Stats(Moments):
    """The rows of a column, the NULLs among them, and the distinct values besides."""

    rows: int
    nulls: int
    distinct: int


def profile_rows(
    frame: pd.DataFrame,
    kinds: Mapping[str, str],
    role: str = "feature",
    bins: int = 32,
    counts: Mapping[str, TextCounts] | None = None,
) -> list[Bin]:
    """Count the rows of each named column by bin; `kinds` says of each if it is `numeric` or a `category`.

    Returns records `feature, role, kind, bin, lower, upper, category, rows, share, std, mean`, ready for JSON; a value
    is in exactly one bin of its column, `share` is of all rows (0.0 when there are none), `std` the
    standard deviation of the whole column (ddof 0; None for a category), and `mean` that of the bin's values (None for
    NULLs, a category, and where it is infinite):

    - bin -1 counts the NULLs (NaN and None), always, also when there are none;
    - numeric: bin k holds `lower < value <= upper`, the first bin its lower edge as well. The edges are
      the column's minimum and its quantiles, each once; a column with no more distinct values than `bins` has a bin for
      each value. In other columns, the first and the last bin are halved, repeatedly, while they are too wide for their
      rows (`WIDE`), so that the area between two distribution functions is known in a long tail too; such halves may be
      empty. If the first bin holds the minimum only, `lower` equals `upper`. An infinite edge is None;
    - category: bins 0.. hold the `CATEGORIES` most frequent values as text (ties by name) in `category`, a long text
      `shortened`; the
      bin after them, always present, counts every other value, and its `category` is None. `counts` stand in place of
      the frame's rows where they are given.

    Raises ValueError on a kind that is neither.
    """
    records: list[Bin] = []
    for feature, kind in kinds.items():
        if counts and feature in counts:
            of = counts[feature]
            found, rows = _named_bins(_merged(of.frequent), of.known), of.rows
        else:
            found, rows = _BINS[_checked(feature, kind)](frame[feature], bins), len(frame)
        nulls = rows - sum(counted.rows for counted in found)
        std = _moments(_numbers(frame[feature]))["std"] if kind == "numeric" else None
        for counted in [_Counted(NULL_BIN, nulls), *found]:
            records.append(
                {
                    "feature": feature,
                    "role": role,
                    "kind": kind,
                    "bin": counted.bin,
                    "lower": counted.lower,
                    "upper": counted.upper,
                    "category": counted.category,
                    "rows": counted.rows,
                    "share": counted.rows / rows if rows else 0.0,
                    "std": std,
                    "mean": counted.mean,
                }
            )
    return records


def bins_of(column: pd.Series, records: Sequence[Bin]) -> Integers:
    """Return the bin number of each value; `records` are those of `profile_rows` for the column, from any frame.

    A missing value is in bin -1. A number below the first bin is in bin -2, one above the last in the bin after
    it; an infinite edge lets every number in. A category that is not listed is in the last bin, of all others; where
    that has no rows, the profile lists every value there was, and the bin is -2.
    """
    known = [record for record in records if record["bin"] != NULL_BIN]
    if records[0]["kind"] == "category":
        return _bins_of_categories(column, known)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    uppers = [math.inf if record["upper"] is None else record["upper"] for record in known]
    if len(known) > 1 and known[0]["upper"] is None:
        uppers[0] = -math.inf
    found = np.searchsorted(np.array(uppers), values, side="left")
    if known and known[0]["lower"] is not None:
        found[values < known[0]["lower"]] = UNSEEN_BIN
    found[np.isnan(values)] = NULL_BIN
    return found


def _bins_of_categories(column: pd.Series, known: Sequence[Bin]) -> Integers:
    import pandas as pd

    *named, others = known
    # An earlier mlbridge stored long texts whole.
    listed = {shortened(str(record["category"])): record["bin"] for record in named}
    unlisted = others["bin"] if others["rows"] else UNSEEN_BIN
    codes, texts = pd.factorize(column)
    # The code of a missing value is -1, which indexes the last element.
    return np.array([*(listed.get(shortened(str(text)), unlisted) for text in texts), NULL_BIN])[codes]


def usual_value(records: Sequence[Bin]) -> float | str | None:
    """Return the median of a numeric column, or the most frequent category; `records` are its bins.

    The median is the smallest value at or below which half of the known values are, up to the width of a bin. None if
    most rows have no value, if no category is listed, or if the median is infinite.
    """
    missing = sum(record["rows"] for record in records if record["bin"] == NULL_BIN)
    known = sorted((record for record in records if record["bin"] >= 0), key=lambda record: record["bin"])
    values = sum(record["rows"] for record in known)
    if missing > values or not values:
        return None
    if known[0]["kind"] == "category":
        return known[0]["category"]
    ends = np.cumsum([record["rows"] for record in known])
    return known[int(np.searchsorted(ends, values / 2))]["upper"]


def feature_stats(frame: pd.DataFrame, kinds: Mapping[str, str]) -> dict[str, Stats]:
    """Describe each named column.

    `distinct` leaves out NULLs; `std` is that of the population (ddof 0). Of a category, and of a column
    without values, the last four are None. Raises ValueError on a kind that is neither.
    """
    stats: dict[str, Stats] = {}
    for feature, kind in kinds.items():
        if _checked(feature, kind) == "numeric":
            values = _numbers(frame[feature])
            known, distinct = len(values), len(np.unique(values))
        else:
            values = np.empty(0)
            texts = _texts(frame[feature])
            known, distinct = sum(texts.values()), len(texts)
        stats[feature] = {
            "rows": len(frame), "nulls": len(frame) - known, "distinct": distinct, **_moments(values)
        }  # fmt: skip
    return stats


def _checked(feature: str, kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"column {feature!r} has the kind {kind!r}; allowed are {' and '.join(KINDS)}")
    return kind


def _moments(values: Floats) -> Moments:
    if not len(values):
        return {"mean": None, "std": None, "min": None, "max": None}
    with np.errstate(invalid="ignore", over="ignore"):
        return {
            "mean": _finite(values.mean()),
            "std": _finite(values.std()),
            "min": _finite(values.min()),
            "max": _finite(values.max()),
        }


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _numbers(column: pd.Series) -> Floats:
    """Return the values that are not NULL as float64, ascending; a float32 stays exactly what it was."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.sort(values[~np.isnan(values)])


def _texts(column: pd.Series) -> dict[str, int]:
    """Count the values that are not NULL by their text, a long one shortened."""
    return _merged(column.value_counts(dropna=True))


def _merged(texts: Mapping[str, int] | pd.Series) -> dict[str, int]:
    counts: dict[str, int] = {}
    for found, rows in texts.items():
        if rows:
            text = shortened(str(found))
            counts[text] = counts.get(text, 0) + int(rows)
    return counts


def _numeric_bins(column: pd.Series, bins: int) -> list[_Counted]:
    values = _numbers(column)
    uppers = np.unique(values)
    if len(uppers) > bins:
        # The smallest value that has at least k / bins of the rows at or below it: numpy's `inverted_cdf`.
        last = np.ceil(np.arange(1, bins + 1) * len(values) / bins).astype(np.int64) - 1
        uppers = _with_tails(values, np.unique(values[last]), bins)
    ends = np.searchsorted(values, uppers, side="right")
    lowers = np.append(values[:1], uppers[:-1])
    with np.errstate(invalid="ignore", over="ignore"):
        parts = np.split(values, ends[:-1]) if len(values) else []
        means = [part.mean() if len(part) else math.nan for part in parts]
    counted = zip(lowers, uppers, means, np.diff(ends, prepend=0), strict=True)
    return [
        _Counted(index, int(rows), lower=_finite(lower), upper=_finite(upper), mean=_finite(mean))
        for index, (lower, upper, mean, rows) in enumerate(counted)
    ]


def _with_tails(values: Floats, uppers: Floats, bins: int) -> Floats:
    """Halve the first and the last bin where they are too wide for their rows, and then their halves."""
    edges = [values[0], *uppers]
    with np.errstate(invalid="ignore", over="ignore"):
        most = WIDE * values.std() * len(values) / bins
    if len(edges) < 3 or not 0 < most < math.inf:
        return uppers
    first, last = (_halved(values, lower, upper, most) for lower, upper in (edges[:2], edges[-2:]))
    return np.array([*first, *uppers[1:-1], *last])


def _halved(values: Floats, lower: float, upper: float, most: float) -> list[float]:
    """Return the upper edges of the parts of a bin; whole numbers get edges among those that the column can have."""
    step = _step(values)
    edges, waiting = [], [(lower, upper)]
    while waiting:
        lower, upper = waiting.pop()
        inside = np.searchsorted(values, upper, side="left") - np.searchsorted(values, lower, side="right")
        half = (upper - lower) / 2
        middle = lower + (step * math.floor(half / step) if step else half)
        if (upper - lower) * (inside + 1) <= most or not lower < middle < upper:
            edges.append(upper)
        else:
            waiting += [(middle, upper), (lower, middle)]
    return edges


def _step(values: Floats) -> int:
    """Return the greatest common divisor of the distances between whole numbers (of dates a day); 0 for others."""
    if np.any(values != np.floor(values)) or max(-values[0], values[-1]) > 2**53:
        return 0
    return int(np.gcd.reduce(np.diff(values.astype(np.int64))))


def _category_bins(column: pd.Series, _: int) -> list[_Counted]:
    counts = _texts(column)
    return _named_bins(counts, sum(counts.values()))


def _named_bins(counts: Mapping[str, int], known: int) -> list[_Counted]:
    kept = sorted(counts, key=lambda text: (-counts[text], text))[:CATEGORIES]
    rest = known - sum(counts[text] for text in kept)
    named = [_Counted(index, counts[text], category=text) for index, text in enumerate(kept)]
    return [*named, _Counted(len(kept), rest)]


_BINS: Final = {"numeric": _numeric_bins, "category": _category_bins}
