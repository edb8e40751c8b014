"""The requirements of an ML branch: the one table that the assessment, its pages and the docs read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BLOCKS, WARNS, INFORMS = "blocks", "warns", "informs"
GROUPS: Final = {
    "data": "Does the data fit?",
    "leaks": "What would leak?",
    "rights": "May we?",
    "room": "How much room?",
}


@dataclass(frozen=True)
class Criterion:
    """One requirement: what it asks, and how its score from 0 to 1 comes about.

    It is met from `threshold` on. `level` says what it means if it is not: nothing can be trained (`blocks`), something
    should be mended first (`warns`), or it is good to know (`informs`). `fix` is the sentence that says what to do.
    """

    code: str
    group: str
    asks: str
    score: str
    threshold: float
    level: str
    fix: str


_REQUIREMENTS: Final = (
    Criterion(
        code="key_complete",
        group="data",
        asks="entity and time have a value in every row",
        score="the share of the rows without a NULL in them",
        threshold=1.0,
        level=BLOCKS,
        fix="Filter the rows without a key out in the features node.",
    ),
)
REQUIREMENTS: Final[dict[str, Criterion]] = {each.code: each for each in _REQUIREMENTS}
