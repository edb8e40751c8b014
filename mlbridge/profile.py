"""What each feature, and the prediction, looked like in training: what drift is measured against."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES: Final = 10_000
"""How many values of a category column get a bin of their own, the most frequent first."""

FOLDED: Final = 100
"""Where bins are compared, a category column's from this one on count as one: its rows are too few each."""

NULL_BIN: Final = -1
"""The bin of the rows without a value."""

UNSEEN_BIN: Final = -2
"""The bin of what training had not: numbers below the first bin, and categories that are not listed."""

PREDICTION: Final = "ml_prediction"
"""The name under which the prediction stands among the features."""

KINDS: Final = ("numeric", "category")

Floats = npt.NDArray[np.float64]
Bin = dict[str, Any]


def profile_rows(
    frame: pd.DataFrame, kinds: Mapping[str, str], role: str = "feature", bins: int = 32
) -> list[dict[str, Any]]:
    """Count the rows of each named column by bin; `kinds` says of each if it is `numeric` or a `category`.

    Gives records `feature, role, kind, bin, lower, upper, category, rows, share, std, mean`, ready for JSON; a value
    is in exactly one bin of its column, `share` is of all rows of the frame (0.0 when there are none), `std` the
    standard deviation of the whole column (ddof 0; None for a category), and `mean` that of the bin's values (None for
    NULLs, a category, and where it is infinite):

    - bin -1 counts the NULLs (NaN and None), always, also when there are none;
    - numeric: bin k holds `lower < value <= upper`, the first bin its lower edge as well. The edges are
      values of the column: its minimum and its quantiles, each once; a column with no more distinct values
      than `bins` has a bin for each. Where the first bin is the minimum alone, `lower` equals `upper`. An
      infinite edge is None;
    - category: bins 0.. hold the `CATEGORIES` most frequent values as text (ties by name) in `category`; the
      bin after them, always present, counts every other value, and its `category` is None.

    Raises ValueError on a kind that is neither.
    """
    records = []
    for feature, kind in kinds.items():
        found = _BINS[_checked(feature, kind)](frame[feature], bins)
        nulls = len(frame) - sum(counted["rows"] for counted in found)
        std = _moments(_numbers(frame[feature]))["std"] if kind == "numeric" else None
        for counted in [{"bin": NULL_BIN, "rows": nulls}, *found]:
            records.append(
                {
                    "feature": feature,
                    "role": role,
                    "kind": kind,
                    "bin": counted["bin"],
                    "lower": counted.get("lower"),
                    "upper": counted.get("upper"),
                    "category": counted.get("category"),
                    "rows": counted["rows"],
                    "share": counted["rows"] / len(frame) if len(frame) else 0.0,
                    "std": std,
                    "mean": counted.get("mean"),
                }
            )
    return records


def bins_of(column: pd.Series[Any], records: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.int64]:
    """Give the number of each value's bin; `records` are those of `profile_rows` for the column, on whatever rows.

    A missing value is in bin -1. A number below the first bin is in bin -2, one above the last in the bin after
    it; an infinite edge lets every number in. A category that is not listed is in the last bin, of all others; where
    that has no rows, the profile lists every value there was, and the bin is -2.
    """
    known = [record for record in records if record["bin"] != NULL_BIN]
    if records[0]["kind"] == "category":
        return _category_places(column, known)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    uppers = [math.inf if record["upper"] is None else record["upper"] for record in known]
    if len(known) > 1 and known[0]["upper"] is None:
        uppers[0] = -math.inf
    places = np.searchsorted(np.array(uppers), values, side="left")
    if known and known[0]["lower"] is not None:
        places[values < known[0]["lower"]] = UNSEEN_BIN
    places[np.isnan(values)] = NULL_BIN
    return places


def _category_places(column: pd.Series[Any], known: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.int64]:
    import pandas as pd

    *named, others = known
    listed = {record["category"]: record["bin"] for record in named}
    unlisted = others["bin"] if others["rows"] else UNSEEN_BIN
    codes, texts = pd.factorize(column)
    # The code of a missing value is -1, which reads the last place.
    return np.array([*(listed.get(str(text), unlisted) for text in texts), NULL_BIN])[codes]


def feature_stats(frame: pd.DataFrame, kinds: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Describe each named column: `rows, nulls, distinct, mean, std, min, max`, ready for JSON.

    `distinct` leaves out NULLs; `std` is that of the population (ddof 0). Of a category, and of a column
    without values, the last four are None. Raises ValueError on a kind that is neither.
    """
    stats: dict[str, dict[str, Any]] = {}
    for feature, kind in kinds.items():
        if _checked(feature, kind) == "numeric":
            values = _numbers(frame[feature])
            known, distinct = len(values), len(np.unique(values))
        else:
            values = np.empty(0)
            texts = _texts(frame[feature])
            known, distinct = sum(texts.values()), len(texts)
        counts = {"rows": len(frame), "nulls": len(frame) - known, "distinct": distinct}
        stats[feature] = counts | _moments(values)
    return stats


def _checked(feature: str, kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"column {feature!r} is said to be {kind!r}; a profile knows {' and '.join(KINDS)}")
    return kind


def _moments(values: Floats) -> dict[str, float | None]:
    if not len(values):
        return dict.fromkeys(("mean", "std", "min", "max"))
    with np.errstate(invalid="ignore", over="ignore"):
        found = {"mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max()}
    return {name: _finite(number) for name, number in found.items()}


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _numbers(column: pd.Series[Any]) -> Floats:
    """Give the values that are not NULL as float64, ascending; a float32 stays exactly what it was."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.sort(values[~np.isnan(values)])


def _texts(column: pd.Series[Any]) -> dict[str, int]:
    """Count the values that are not NULL by their text."""
    counts: dict[str, int] = {}
    for found, rows in column.value_counts(dropna=True).items():
        if rows:
            counts[str(found)] = counts.get(str(found), 0) + int(rows)
    return counts


def _numeric_bins(column: pd.Series[Any], bins: int) -> list[Bin]:
    values = _numbers(column)
    uppers = np.unique(values)
    if len(uppers) > bins:
        # The smallest value that has at least k / bins of the rows at or below it: numpy's `inverted_cdf`.
        last = np.ceil(np.arange(1, bins + 1) * len(values) / bins).astype(np.int64) - 1
        uppers = np.unique(values[last])
    ends = np.searchsorted(values, uppers, side="right")
    lowers = np.append(values[:1], uppers[:-1])
    with np.errstate(invalid="ignore", over="ignore"):
        means = [part.mean() for part in np.split(values, ends[:-1])] if len(values) else []
    counted = zip(lowers, uppers, means, np.diff(ends, prepend=0), strict=True)
    return [
        {"bin": place, "lower": _finite(lower), "upper": _finite(upper), "mean": _finite(mean), "rows": int(rows)}
        for place, (lower, upper, mean, rows) in enumerate(counted)
    ]


def _category_bins(column: pd.Series[Any], _: int) -> list[Bin]:
    counts = _texts(column)
    kept = sorted(counts, key=lambda text: (-counts[text], text))[:CATEGORIES]
    rest = sum(counts.values()) - sum(counts[text] for text in kept)
    named = [{"bin": place, "category": text, "rows": counts[text]} for place, text in enumerate(kept)]
    return [*named, {"bin": len(kept), "category": None, "rows": rest}]


_BINS: Final = {"numeric": _numeric_bins, "category": _category_bins}
