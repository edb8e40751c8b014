"""The stock candidates: the one table that the spec, the training and the docs read.

`mlbridge.training.candidates` builds each one by its name; a test compares the names. If the spec names no candidates,
all of its task that need no extra are fitted, in the order of the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Candidate:
    """One stock candidate.

    `what` names the estimator, `features` describes its preprocessing, `why` says when it is a good choice; these are
    texts for the docs. `extra` is what `pip install 'mlbridge[...]'` adds for it; naming such a candidate in the spec
    trusts the types `trusts`, which its artifact holds beyond the closed list. `out_of_core` says whether it is fitted
    batch by batch, on all rows, whatever a sample holds in memory. Beside the frame, a fit takes `bytes_a_cell` of
    memory for each number that it reads, and `bytes_a_row` for each row and column of scores: one, or of more than two
    classes one each (`benchmarks/training_memory.py`).
    """

    name: str
    tasks: tuple[str, ...]
    what: str
    features: str
    why: str
    bytes_a_cell: int = 0
    bytes_a_row: int = 0
    extra: str | None = None
    trusts: tuple[str, ...] = ()
    out_of_core: bool = False


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
        bytes_a_cell=60,
    ),
    Candidate(
        name="ridge",
        tasks=("regression",),
        what="`Ridge` of scikit-learn",
        features=_LINEAR,
        why="the same for numbers",
        bytes_a_cell=60,
    ),
    Candidate(
        name="random_forest",
        tasks=_BOTH,
        what="`RandomForestClassifier` or `RandomForestRegressor`: 100 trees, up to 12 deep, leaves of 20 rows or more",
        features=_CODES,
        why="interactions and non-linear effects without tuning",
        bytes_a_cell=24,
    ),
    Candidate(
        name="hist_gradient_boosting",
        tasks=_BOTH,
        what="`HistGradientBoostingClassifier` or `HistGradientBoostingRegressor`, without early stopping",
        features=_CODES + "; the codes count as categories",
        why="usually the most accurate with many rows",
        bytes_a_cell=30,
        bytes_a_row=16,
    ),
    Candidate(
        name="xgboost",
        tasks=_BOTH,
        what="`XGBClassifier` or `XGBRegressor` of XGBoost: up to 200 trees, 5 deep, until `validation` gets no better",
        features="numbers unchanged, missing values included; texts: categories, unseen values as missing; of more "
        "than 254 distinct values the 254 most frequent ones, rare and unseen values together",
        why="more rows than memory holds: it reads them batch by batch",
        bytes_a_row=40,
        extra="xgboost",
        trusts=("xgboost.core.Booster", "xgboost.sklearn.XGBClassifier", "xgboost.sklearn.XGBRegressor"),
        out_of_core=True,
    ),
    Candidate(
        name="lightgbm",
        tasks=_BOTH,
        what="`LGBMClassifier` or `LGBMRegressor` of LightGBM: up to 200 trees of 31 leaves, until `validation` gets "
        "no better",
        features="numbers unchanged, missing values included; texts: categories, unseen values as missing; of more "
        "than 254 distinct values the 254 most frequent ones, rare and unseen values together",
        why="the same; its bins are in memory, a byte for each number",
        bytes_a_cell=1,
        bytes_a_row=55,
        extra="lightgbm",
        trusts=(
            "collections.OrderedDict",
            "lightgbm.basic.Booster",
            "lightgbm.sklearn.LGBMClassifier",
            "lightgbm.sklearn.LGBMRegressor",
        ),
        out_of_core=True,
    ),
)
CANDIDATES: Final[dict[str, Candidate]] = {candidate.name: candidate for candidate in _CANDIDATES}


def candidates_for(task: str) -> tuple[str, ...]:
    """Return the names of a task's stock candidates, in the order of the table."""
    return tuple(name for name, candidate in CANDIDATES.items() if task in candidate.tasks)


def default_candidates(task: str) -> tuple[str, ...]:
    """Return the names of those that are fitted if the spec names none."""
    return tuple(name for name in candidates_for(task) if CANDIDATES[name].extra is None)


def is_stock(name: str) -> bool:
    """Return whether a candidate is one of these; others are a user's own."""
    return name in CANDIDATES


def is_out_of_core(name: str) -> bool:
    """Return whether a candidate is fitted batch by batch; those of a user's own are not."""
    return name in CANDIDATES and CANDIDATES[name].out_of_core


def trusted_with(names: Iterable[str]) -> tuple[str, ...]:
    """Return the types that naming some candidates in the spec trusts, beyond the closed list."""
    return tuple(each for name in names if name in CANDIDATES for each in CANDIDATES[name].trusts)
