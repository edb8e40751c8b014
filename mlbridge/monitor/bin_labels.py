"""Labels of a profile's bins for people, with no more digits than distinguish neighbouring bins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlglot import exp

from mlbridge.engines.warehouse import parse_type
from mlbridge.features.columns import TEMPORAL, family
from mlbridge.reference.profile import NULL_BIN, UNSEEN_BIN
from mlbridge.typing import Row

MISSING, BELOW, ABOVE, OTHERS, UNSEEN = "missing", "below training", "above training", "others", "not in training"
RESERVED_LABELS = (MISSING, BELOW, ABOVE, OTHERS, UNSEEN)
BOOLEAN_LABELS = {0.0: "false", 1.0: "true"}
STEPS = {"integer": 1.0, "date": 86_400.0}
DIGITS = range(3, 17)
# From this size on a number is written with an exponent (TOO_LONG), or with thousands separators (LONG).
TOO_LONG, LONG = 1e15, 1e4
MOMENTS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")

Bins = Sequence[Row]
Ends = tuple[float | None, float | None]


def labels(bins: Bins, type_: str | None, distinct: int | None) -> dict[int, str]:
    """Return a label for every bin that rows can be in, by bin number; all labels are different.

    `bins` are the bins of one feature from 0 on; those of categories from the hundredth on are one bin. `type_` is the
    feature's type in the warehouse, None for prediction and target. `distinct` is the number of distinct values in
    training, None if unknown. A bin of integers or dates is labelled by its first and last value, a bin of other
    numbers by its lower and upper edge. Dates and timestamps, which are stored as seconds since 1970, are written as
    such (UTC).
    """
    outside = {NULL_BIN: MISSING, bins[-1]["bin"] + 1: ABOVE, UNSEEN_BIN: BELOW}
    if bins[0]["kind"] == "category":
        names = {each["bin"]: _category(each["category"]) for each in bins}
        return {**names, NULL_BIN: MISSING, UNSEEN_BIN: UNSEEN}
    if type_ is not None and parse_type(type_).is_type(exp.DataType.Type.BOOLEAN):
        return {**outside, **{each["bin"]: BOOLEAN_LABELS[each["upper"]] for each in bins}}
    step = STEPS.get(family(type_)) if type_ is not None else None
    ends = [_ends(each, step, len(bins) == distinct) for each in bins]
    edges = sorted({end for pair in ends for end in pair if end is not None})
    moments = type_ is not None and parse_type(type_).is_type(*TEMPORAL)
    texts = _moments(edges) if moments else _numbers(edges)
    return {**outside, **{each["bin"]: _span(pair, texts) for each, pair in zip(bins, ends, strict=True)}}


def _category(category: str | None) -> str:
    """Return a category as it is, but in quotes if it equals a reserved label, is empty, or has outer blanks."""
    if category is None:
        return OTHERS
    if category in RESERVED_LABELS or category != category.strip() or category[:1] in ("", "'"):
        return "'" + category.replace("'", "''") + "'"
    return category


def _ends(bin_: Row, step: float | None, one_value: bool) -> Ends:
    """Return the first and last value of a bin of integers or dates, else its edges; None for an open end."""
    lower, upper = bin_["lower"], bin_["upper"]
    if one_value:
        return upper, upper
    if step is not None and bin_["bin"] > 0 and lower is not None:
        lower += step
    return lower, upper


def _span(ends: Ends, texts: Mapping[float, str]) -> str:
    low, high = ends
    if low is None or high is None:
        return f"above {texts[low]}" if low is not None else f"up to {texts[high]}" if high is not None else "any"
    return texts[high] if low == high else f"{texts[low]} to {texts[high]}"


def _numbers(edges: Sequence[float]) -> dict[float, str]:
    """Write ascending numbers with three significant digits, or with more if neighbours would look equal."""
    texts = {}
    for index, edge in enumerate(edges):
        neighbours = [*edges[max(index - 1, 0) : index], *edges[index + 1 : index + 2]]
        fitting = (
            text
            for text, *others in ([_number(each, digits) for each in (edge, *neighbours)] for digits in DIGITS)
            if text not in others
        )
        texts[edge] = next(fitting, repr(edge))
    return texts


def _number(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if abs(value) >= TOO_LONG or magnitude < -4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{_trimmed(mantissa)}e{int(exponent)}"
    decimals = max(digits - 1 - magnitude, 0)
    return _trimmed(f"{value:,.{decimals}f}" if abs(value) >= LONG else f"{value:.{decimals}f}")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moments(edges: Sequence[float]) -> dict[float, str]:
    """Write ascending times to the day, or as precisely as is needed to distinguish them."""
    try:
        moments = [datetime(1970, 1, 1) + timedelta(seconds=edge) for edge in edges]
    except OverflowError:  # beyond the year 9999
        return _numbers(edges)
    written = [[moment.strftime(form) for moment in moments] for form in MOMENTS]
    finest = next((texts for texts in written if len(set(texts)) == len(texts)), written[-1])
    return dict(zip(edges, finest, strict=True))
