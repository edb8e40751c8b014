"""A version that answers requests: by numpy where that gives what scikit-learn gives, else by scikit-learn itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlbridge.compile.arrays.program import Columns, Program
from mlbridge.errors import CompileError, ScoringError
from mlbridge.features.frame import model_input
from mlbridge.registry.versions import Version
from mlbridge.scoring.refused_rows import Halves
from mlbridge.typing import Floats

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-12
# Scores, and why rows have none; None: all rows have scores.
Scored = tuple[Floats, "list[str | None] | None"]


@dataclass
class Scorer:
    """Scores rows with a version. `check` are inputs of training rows, by which numpy is compared with scikit-learn.

    `serving_note` says why scikit-learn answers, None where numpy does. `difference` is the largest one between both on
    the `checked_rows`, of a number relative to its size; 0: they gave the same bits.
    """

    version: Version
    check: Columns
    program: Program | None = None
    serving_note: str | None = None
    difference: float | None = None
    checked_rows: int = 0

    def __post_init__(self) -> None:
        """Translate the version, and compare; raises ArtifactError for an artifact that is damaged or not trusted."""
        estimator = self.version.estimator
        try:
            types = {each.name: "text" if each.kind == "category" else "double" for each in self.version.features}
            program = Program(estimator, types)
            self._compare(program)
            self.program = program
        except CompileError as error:
            self.serving_note = str(error)
        except Exception as error:  # what nobody has foreseen in the translation: scikit-learn has no part in it
            self.serving_note = f"numpy cannot compute it: {type(error).__name__}: {error}"

    def scores(self, columns: Columns, rows: int) -> Scored:
        """Score rows; raises ScoringError where the version gives NaN or infinity, and where it takes no row."""
        if self.program is None:
            return self._by_estimator(columns, rows)
        scores, reasons = self.program.scores(columns, rows)
        finite = np.isfinite(scores).reshape(rows, -1).all(axis=1)
        if not finite.all():
            refused = (
                np.zeros(rows, dtype=bool) if reasons is None else np.array([each is not None for each in reasons])
            )
            if not (finite | refused).all():
                raise ScoringError(f"{self.version.node}: version {self.version.number} gives NaN or infinity.")
        return scores, reasons

    def _by_estimator(self, columns: Columns, rows: int) -> Scored:
        halves = Halves(self.version, self.frame(columns))
        halves.score(np.arange(rows))
        scores = np.full((rows, len(self.version.classes)) if self.version.classes else (rows,), np.nan)
        for positions, found in halves.scored:
            scores[positions] = found
        if not halves.reasons:
            return scores, None
        return scores, [halves.reasons.get(row) for row in range(rows)]

    def frame(self, columns: Columns) -> pd.DataFrame:
        """Return inputs as the frame that scikit-learn takes, in the order of the version's features."""
        import pandas as pd

        values: dict[str, Any] = {
            each.name: pd.Categorical(columns[each.name]) if each.kind == "category" else columns[each.name]
            for each in self.version.features
        }
        categories: Mapping[str, Sequence[str]] = self.version.categories or dict.fromkeys(values, ())
        return model_input(values, categories)

    @cached_property
    def background(self) -> pd.DataFrame:
        """Return the training rows that a prediction is explained against."""
        return self.frame(self.check)

    def _compare(self, program: Program) -> None:
        """Score the rows of the check both ways; raises CompileError where they differ."""
        columns, rows = _with_odd_rows(self.check, self.version)
        if not rows:
            raise CompileError("no training rows are published by which numpy could be compared with scikit-learn.")
        try:
            expected, refusals = self._by_estimator(columns, rows)
        except ScoringError as error:
            raise CompileError(f"scikit-learn takes none of the rows that it is compared on: {error}") from error
        found, reasons = program.scores(columns, rows)
        if _refused(refusals, rows) != _refused(reasons, rows):
            raise CompileError("numpy and scikit-learn do not take the same rows.")
        taken = np.isfinite(expected).reshape(rows, -1).all(axis=1)
        one, other = found[taken], expected[taken]
        gap = np.abs(one - other)
        size = np.ones_like(other) if self.version.classes else np.maximum(np.abs(other), np.median(np.abs(other)))
        if not (gap <= TOLERANCE * size).all():
            raise CompileError(f"numpy differs from scikit-learn by up to {np.nanmax(gap):.1e}.")
        self.difference, self.checked_rows = float(np.max(gap / size, initial=0.0)), int(taken.sum())


def _refused(reasons: Sequence[str | None] | None, rows: int) -> list[bool]:
    return [False] * rows if reasons is None else [each is not None for each in reasons]


def _with_odd_rows(columns: Columns, version: Version) -> tuple[Columns, int]:
    """Return rows and, for each feature, one of them without its value and one with a value that is far away."""
    rows = len(next(iter(columns.values()), ()))
    if not rows:
        return columns, 0
    odd: dict[str, Floats | list[str | None]] = {}
    for index, feature in enumerate(version.features):
        values = columns[feature.name]
        base = [values[each % rows] for each in range(2 * len(version.features))]
        is_text = feature.kind == "category"
        base[2 * index] = None if is_text else np.nan
        base[2 * index + 1] = "never seen before" if is_text else -1e30
        every = [*values, *base]
        odd[feature.name] = every if is_text else np.array(every, dtype=np.float64)
    return odd, rows + 2 * len(version.features)
