"""What a case of a covered estimator's parity is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from compiled import NUMBERS, rows_to_fit, targets

SEED = 0
EXACT, ROUNDED = 0.0, 1e-12


@dataclass(frozen=True)
class Case:
    """An estimator that is not fitted yet, its target, its columns, and the tolerance; `missing`: fitted on NaN."""

    make: Callable[[], Any]
    target: str = "number"
    columns: tuple[str, ...] = NUMBERS
    missing: bool = False
    tolerance: float = EXACT

    def frame(self) -> pd.DataFrame:
        return rows_to_fit(self.missing)[list(self.columns)]

    def fitted(self) -> Any:
        frame = rows_to_fit(self.missing)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.make().fit(frame[list(self.columns)], targets(frame, self.target))
