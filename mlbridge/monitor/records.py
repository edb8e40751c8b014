"""Frames as plain Python values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mlbridge.typing import Json, Row

if TYPE_CHECKING:
    import pandas as pd


def records(frame: pd.DataFrame) -> list[Row]:
    """Return the rows as dicts; a NULL, whatever stands for it, as None."""
    import pandas as pd

    rows = frame.to_dict("records")
    return [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows]


def document(text: object) -> Json:
    """Read a JSON document; a NULL is an empty one."""
    return json.loads(text) if isinstance(text, str) else {}
