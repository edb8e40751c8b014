"""Dates and moments of JSON, as texts of ISO 8601. What has no zone is UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from mlbridge.typing import Json

DATE, TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}", r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
DATES, MOMENTS = re.compile(DATE), re.compile(rf"{DATE}[T ]{TIME}(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?")
EPOCH, NAIVE_EPOCH = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)


def seconds_of(text: str, is_date: bool, zoned: bool) -> float:
    """Return seconds since 1970 (UTC), as engines count them, from microseconds.

    A date is one without a time, and what is `zoned` says its zone; raises ValueError or OverflowError for other texts.
    """
    if not (DATES if is_date else MOMENTS).fullmatch(text):
        raise ValueError(text)
    if is_date:
        return float((date.fromisoformat(text) - EPOCH.date()).days * 86_400)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if zoned:
            raise ValueError(text)
        return ((moment - NAIVE_EPOCH) // MICROSECOND) / 1e6
    return ((moment - EPOCH) // MICROSECOND) / 1e6


def moment_of(value: Json) -> int:
    """Read a date or moment as microseconds since 1970 (UTC); raises ValueError or OverflowError for what is none."""
    if not isinstance(value, str):
        raise ValueError(value)
    return round(seconds_of(value, bool(DATES.fullmatch(value)), False) * 1e6)


def is_moment(value: Json) -> bool:
    """Return whether a value is a date or a moment."""
    try:
        moment_of(value)
    except (ValueError, OverflowError):
        return False
    return True
