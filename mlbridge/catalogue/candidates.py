"""The stock candidates: the one table that the spec, the training and the docs read.

`mlbridge.training.candidates` builds each one by its name; a test compares the names. If the spec names no candidates,
all of its task are fitted, in the order of the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Candidate:
    """One stock candidate.

    `what` names the estimator, `features` describes its preprocessing, `why` says when it is a good choice; these are
    texts for the docs.
    """

    name: str
    tasks: tuple[str, ...]
    what: str
    features: str
    why: str


_LINEAR: Final = (
    "numbers: median imputation with a missing indicator, standardized; texts of up to 50 distinct values: one-hot "
    "encoding, rare and unseen values together; other texts: cross-fitted target encoding, standardized"
)
_CODES: Final = (
    "numbers unchanged, missing values included; texts of up to 50 distinct values: ordinal encoding; other texts: "
    "cross-fitted target encoding"
)
_BOTH: Final = ("classification", "regression")
_CANDIDATES: Final = (
    Candidate(
        name="logistic_regression",
        tasks=("classification",),
        what="`LogisticRegression` of scikit-learn",
        features=_LINEAR,
        why="few parameters: hard to beat with few rows, and quick to score",
    ),
    Candidate(
        name="ridge",
        tasks=("regression",),
        what="`Ridge` of scikit-learn",
        features=_LINEAR,
        why="the same for numbers",
    ),
    Candidate(
        name="random_forest",
        tasks=_BOTH,
        what="`RandomForestClassifier` or `RandomForestRegressor`: 100 trees, up to 12 deep, leaves of 20 rows or more",
        features=_CODES,
        why="interactions and non-linear effects without tuning",
    ),
    Candidate(
        name="hist_gradient_boosting",
        tasks=_BOTH,
        what="`HistGradientBoostingClassifier` or `HistGradientBoostingRegressor`, without early stopping",
        features=_CODES + "; the codes count as categories",
        why="usually the most accurate with many rows",
    ),
)
CANDIDATES: Final[dict[str, Candidate]] = {candidate.name: candidate for candidate in _CANDIDATES}


def candidates_for(task: str) -> tuple[str, ...]:
    """Return the names of a task's stock candidates, in the order of the table."""
    return tuple(name for name, candidate in CANDIDATES.items() if task in candidate.tasks)
