"""What the bins of a profile are called where people read them: no more digits than tell neighbours apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlglot import exp

from mlbridge.features import TEMPORAL, family
from mlbridge.profile import NULL_BIN, UNSEEN_BIN
from mlbridge.warehouse import parse_type

MISSING, BELOW, ABOVE, OTHERS, UNSEEN = "missing", "below training", "above training", "others", "not in training"
OURS = (MISSING, BELOW, ABOVE, OTHERS, UNSEEN)
TRUTH = {0.0: "false", 1.0: "true"}
STEPS = {"integer": 1.0, "DATE": 86_400.0}
DIGITS = range(3, 17)
# From here on a number is written with an exponent, from here on with commas.
TOO_LONG, LONG = 1e15, 1e4
MOMENTS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")

Bins = Sequence[Mapping[str, Any]]
Ends = tuple[float | None, float | None]


def labels(bins: Bins, type_: str | None, distinct: int | None) -> dict[int, str]:
    """Name every bin that rows can be in, each differently, by its number.

    `bins` are those of one feature from 0 on, categories from the hundredth on as one. `type_` is the feature's in the
    warehouse, None for prediction and target; `distinct` how many values training had, None where it is not known. A
    bin of whole numbers or days is called by its first and last value, one of other numbers by what it is above and by
    its greatest. Dates and moments, which are kept as seconds since 1970, are written as such (UTC).
    """
    outside = {NULL_BIN: MISSING, bins[-1]["bin"] + 1: ABOVE, UNSEEN_BIN: BELOW}
    if bins[0]["kind"] == "category":
        names = {each["bin"]: _category(each["category"]) for each in bins}
        return {**names, NULL_BIN: MISSING, UNSEEN_BIN: UNSEEN}
    if type_ is not None and parse_type(type_).is_type(exp.DataType.Type.BOOLEAN):
        return {**outside, **{each["bin"]: TRUTH[each["upper"]] for each in bins}}
    step = STEPS.get(family(type_)) if type_ is not None else None
    ends = [_ends(each, step, len(bins) == distinct) for each in bins]
    edges = sorted({end for pair in ends for end in pair if end is not None})
    moments = type_ is not None and parse_type(type_).is_type(*TEMPORAL)
    texts = _moments(edges) if moments else _numbers(edges)
    return {**outside, **{each["bin"]: _span(pair, texts) for each, pair in zip(bins, ends, strict=True)}}


def _category(category: str | None) -> str:
    """Write a category as it is; one that reads like a word of ours, or like nothing, in quotes."""
    if category is None:
        return OTHERS
    if category in OURS or category != category.strip() or category[:1] in ("", "'"):
        return "'" + category.replace("'", "''") + "'"
    return category


def _ends(bin_: Mapping[str, Any], step: float | None, one_value: bool) -> Ends:
    """Give the first and last value of a bin, or between which it lies; None where it has no end."""
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
    """Write ascending numbers with three significant digits, and with as many more as its neighbours ask for."""
    texts = {}
    for place, edge in enumerate(edges):
        neighbours = [*edges[max(place - 1, 0) : place], *edges[place + 1 : place + 2]]
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
    place = math.floor(math.log10(abs(value)))
    if abs(value) >= TOO_LONG or place < -4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{_trimmed(mantissa)}e{int(exponent)}"
    decimals = max(digits - 1 - place, 0)
    return _trimmed(f"{value:,.{decimals}f}" if abs(value) >= LONG else f"{value:.{decimals}f}")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moments(edges: Sequence[float]) -> dict[float, str]:
    """Write ascending moments to the day, or as finely as tells them apart."""
    try:
        moments = [datetime(1970, 1, 1) + timedelta(seconds=edge) for edge in edges]
    except OverflowError:  # beyond the year 9999
        return _numbers(edges)
    written = [[moment.strftime(form) for moment in moments] for form in MOMENTS]
    finest = next((texts for texts in written if len(set(texts)) == len(texts)), written[-1])
    return dict(zip(edges, finest, strict=True))
