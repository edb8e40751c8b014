"""The rows that a version's estimator rejects, found by halving a batch, each with the feature that is the reason.

A version's SELECT gives the same reasons (`mlbridge.compile.reasons`). The feature is found by putting the row's
values, one at a time, into a row that the estimator accepts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mlbridge.compile.reasons import TOGETHER, missing, not_taken
from mlbridge.errors import ScoringError

if TYPE_CHECKING:
    import pandas as pd

    from mlbridge.registry.versions import Version

Positions = np.ndarray[Any, np.dtype[np.int64]]
Scores = np.ndarray[Any, Any]
# How many rows of a batch are tried, one by one, to find one that the estimator accepts.
TRIED = 100


@dataclass
class Halves:
    """The rows of a frame, scored together where the estimator takes all of them, and by halves where it does not.

    `scored` are positions with their scores, `reasons` say of the other positions why there are none.
    """

    version: Version
    frame: pd.DataFrame
    scored: list[tuple[Positions, Scores]] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)

    def score(self, positions: Positions) -> None:
        """Score rows; raises ScoringError where the estimator takes no row, so that the rows are not the reason."""
        try:
            self.scored.append((positions, self.version.scores(self.frame.iloc[positions])))
        except ScoringError:
            good = _plain_row(self.version, self.frame)
            if good is None:
                raise
            self._halved(positions, good)

    def _halved(self, positions: Positions, good: pd.DataFrame) -> None:
        left = np.array([each for each in positions if int(each) not in self.reasons], dtype=np.int64)
        if not len(left):
            return
        if _takes(self.version, self.frame.iloc[left]):
            self.scored.append((left, self.version.scores(self.frame.iloc[left])))
        elif len(left) == 1:
            self._explain(int(left[0]), good)
        else:
            half = len(left) // 2
            self._halved(left[:half], good)
            self._halved(left[half:], good)

    def _explain(self, position: int, good: pd.DataFrame) -> None:
        """Name the first feature whose value alone is refused; every row with that value is refused for it."""
        import pandas as pd

        for index, name in enumerate(self.frame.columns):
            changed = good.copy()
            changed[name] = self.frame[name].iloc[[position]].array
            if not _takes(self.version, changed):
                values = self.frame.iloc[:, index]
                value = values.iloc[position]
                same = values.isna() if pd.isna(value) else values == value
                why = missing(str(name)) if pd.isna(value) else not_taken(str(name))
                self.reasons |= {int(each): why for each in np.flatnonzero(same) if int(each) not in self.reasons}
                return
        self.reasons[position] = TOGETHER


def _takes(version: Version, rows: pd.DataFrame) -> bool:
    try:
        version.scores(rows)
    except ScoringError:
        return False
    return True


def _plain_row(version: Version, frame: pd.DataFrame) -> pd.DataFrame | None:
    """Return a row that the estimator accepts: one of ones and the first training texts, else one of the first rows.

    None if it accepts none of these.
    """
    import pandas as pd

    ones = frame.iloc[:1].copy()
    for name, values in frame.items():
        if isinstance(values.dtype, pd.CategoricalDtype):
            ones[name] = pd.Categorical(list(values.cat.categories[:1]) or [None], dtype=values.dtype)
        else:
            ones[name] = 1.0
    candidates = [ones, *(frame.iloc[[place]] for place in range(min(len(frame), TRIED)))]
    return next((row for row in candidates if _takes(version, row)), None)
