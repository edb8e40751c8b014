"""Formats numbers, times and names for the pages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import TypeAlias

import pandas as pd

from mlbridge.monitor.markdown import text

# A NULL is None, NaN or NaT.
Figure: TypeAlias = float | None
Moment: TypeAlias = datetime | pd.Timestamp | None
JOINER = "\u2060"
# Within an address of the web or of a person, and a name of an icon; escaped or not.
LINKS = re.compile(r"(?<=:)(?=//|material/|streamlit\b)|(?<!\\)(?=\\?@)|(?<=www)(?=\\?\.)", re.IGNORECASE)
# Characters that Streamlit draws as an arrow, a dash or a relation if they stand alone, escaped or not.
SIGNS = re.compile(r"(?<!\S)(-|<|>|~|!|\\~|&lt;|&gt;)(-|>|=|&gt;)(?!\S)")
NO_VALUE = "\u2013"
LONGEST = (28, 44, 60)  # characters of a name on an axis; more where names would be alike


def plain(value: object) -> str:
    """Make data safe within Markdown: whatever a name holds, it is shown as it is written.

    An invisible word joiner breaks up what Streamlit would otherwise turn into links, icons and arrows.
    """
    return text(inert(str(value)))


def inert(markdown: str) -> str:
    """Keep Streamlit from making links, icons and arrows of the data in a text, or in a document."""
    return SIGNS.sub(rf"\1{JOINER}\2", LINKS.sub(JOINER, markdown))


def count(value: Figure) -> str:
    """Write a number of things: 12,345."""
    return NO_VALUE if pd.isna(value) else f"{value:,.0f}"


def number(value: Figure) -> str:
    """Write a measurement with four significant digits, without exponents where it can be."""
    if pd.isna(value):
        return NO_VALUE
    return (
        f"{value:,.0f}"
        if abs(value) >= 10_000
        else f"{value:.4g}"
        if abs(value) >= 1e-4 or value == 0
        else f"{value:.1e}"
    )


def change(value: float) -> str:
    """Write a difference with its sign and two significant digits."""
    return f"{value:+,.0f}" if abs(value) >= 10 else f"{value:+.2g}"


def shortened(names: Iterable[str]) -> dict[str, str]:
    """Write names for an axis, long ones without their middle, an empty one as a pair of quotes; two never alike."""
    known = list(dict.fromkeys(names))
    for longest in LONGEST:
        short = {name: _short(name, longest) or "''" for name in known}
        if len(set(short.values())) == len(known):
            return short
    return {name: name for name in known}


def _short(name: str, longest: int) -> str:
    end = longest // 3
    return name if len(name) <= longest else f"{name[: longest - end - 1]}…{name[-end:]}"


def opening(text: str, most: int = 220) -> str:
    """Return a text, or of one with more than `most` characters the first words and an ellipsis."""
    if len(text) <= most:
        return text
    words = text[:most].rpartition(" ")[0]
    return f"{words or text[:most]}…"


def interval(value: Figure, low: Figure, high: Figure) -> str:
    """Write a measurement with its 95 % interval."""
    if pd.isna(low) or pd.isna(high):
        return number(value)
    return f"{number(value)} ({number(low)} to {number(high)})"


def share(value: Figure) -> str:
    """Write a share of 1 as a percentage."""
    return NO_VALUE if pd.isna(value) else f"{100 * value:.1f} %"


def day(value: Moment) -> str:
    """Write a day: 1 Nov 2013."""
    return NO_VALUE if pd.isna(value) else f"{value.day} {value:%b %Y}"


def moment(value: Moment) -> str:
    """Write a moment to the minute."""
    return NO_VALUE if value is None or pd.isna(value) else f"{value.day} {value:%b %Y, %H:%M}"


def window(value: Moment, size: str) -> str:
    """Write a window by its size: a month as Nov 2013, a day or week by its first day."""
    return NO_VALUE if pd.isna(value) else f"{value:%b %Y}" if size == "month" else day(value)


def duration(seconds: Figure) -> str:
    """Write a duration in seconds, minutes or hours."""
    if pd.isna(seconds):
        return NO_VALUE
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def age(days: Figure) -> str:
    """Write how long ago something was, in days."""
    return (
        NO_VALUE if pd.isna(days) else "today" if days < 1 else "1 day ago" if days < 2 else f"{int(days):,} days ago"
    )
