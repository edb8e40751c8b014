"""How a long value of a column is stored: with its beginning and its MD5."""

from __future__ import annotations

import hashlib

LONGEST, KEPT = 200, 160


def shortened(text: str) -> str:
    """Return a text of more than 200 characters as its first 160 and its MD5, any other as it is.

    The result has 196 characters, so that shortening it again changes nothing. `shortened` in
    `macros/monitor/windows/values.sql` says the same.
    """
    if len(text) <= LONGEST:
        return text
    return f"{text[:KEPT]}... {hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}"
