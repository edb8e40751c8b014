"""Tables as CSV files that a spreadsheet opens without computing anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# What a spreadsheet takes for a formula by its first character, also in full width, and what is already marked.
FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20']")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
MARK = "'"
ESCAPED = (
    "A text that a spreadsheet could take for a formula (it begins with = + - @ or a tab and is no number), or that "
    "begins with an apostrophe, has an apostrophe put in front: take one away to have the text as it was."
)


def csv(frame: pd.DataFrame) -> str:
    """Write a frame without its index as CSV in which no text or name of a column can be a formula; ESCAPED says how.

    Numbers, also those that are texts, dates and NULL (an empty cell) are as they are.
    """
    return str(frame.rename(columns=escaped).map(escaped).to_csv(index=False))


def escaped(value: object) -> object:
    """Put an apostrophe in front of a text that could be taken for a formula; return any other value as it is."""
    if isinstance(value, str) and FORMULA.match(value) and not NUMBER.fullmatch(value):
        return f"{MARK}{value}"
    return value
