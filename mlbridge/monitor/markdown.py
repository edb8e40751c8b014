"""Markdown in which data are only text: what a name holds is shown as it is written, by any renderer."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

NO_VALUE = "\N{EN DASH}"
# Characters with a meaning in CommonMark, GitHub's tables and links, and Streamlit's formulas and colours. An
# underscore within a word, a colon before a blank, and one in a time of day have none and are not escaped.
SPECIAL = re.compile(r"[\\`*{}\[\]#|~$@]|:(?!\s|$|\d\d(?!\d))|(?<![^\W_])_|_(?![^\W_])")
LIST = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[-+=]))([-+=.)])")
WEB = re.compile(r"(?i)\bwww\.")
BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def text(value: object) -> str:
    """Write data so that nothing in it is Markdown or HTML; a line break or control character becomes a blank."""
    plain = BREAKS.sub(" ", str(value)).strip()
    if not plain:
        return "''"
    escaped = SPECIAL.sub(r"\\\g<0>", html.escape(plain, quote=False))
    # Neither the beginning of a list or heading, nor an address that some renderers make a link of.
    return WEB.sub(lambda found: found[0][:-1] + "\\.", LIST.sub(r"\1\\\2", escaped))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Write a table of cells that are Markdown already; `numbers` are the indices of the columns that hold numbers."""
    line = ["---:" if index in numbers else "---" for index in range(len(columns))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (columns, line, *rows))


def number(value: float | None) -> str:
    """Write a measurement with four significant digits."""
    if value is None:
        return NO_VALUE
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def count(value: float | None) -> str:
    """Write a number of rows."""
    return NO_VALUE if value is None else f"{int(value):,}"


def interval(low: float | None, high: float | None) -> str:
    """Write a 95 % interval."""
    return NO_VALUE if low is None or high is None else f"{number(low)} to {number(high)}"


def moment(value: datetime | None) -> str:
    """Write a moment (UTC) to the minute, as a day where it is midnight."""
    if value is None:
        return NO_VALUE
    return f"{value:%Y-%m-%d}" if (value.hour, value.minute) == (0, 0) else f"{value:%Y-%m-%d %H:%M}"
