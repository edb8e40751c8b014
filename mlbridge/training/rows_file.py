"""Rows in a file without a name, which is read as often as a fit needs them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mlbridge.features.frame import Batch
from mlbridge.features.large_numbers import hint

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

# A batch has so many numbers, whatever batches the rows come in: the ends of XGBoost's bins may depend on them.
BATCH_CELLS = 2**22


@dataclass(frozen=True)
class RowsFile:
    """Rows of floats: the inputs of the model and then the target."""

    file: IO[bytes]
    floats: type[np.floating[Any]]
    rows: int
    width: int
    sha256: str

    @property
    def batch_rows(self) -> int:
        """Return how many rows a batch has."""
        return max(1, BATCH_CELLS // self.width)

    def read(self, start: int, most: int) -> np.ndarray[Any, np.dtype[Any]]:
        """Return at most so many rows, the first of which is the one with that number."""
        rows = min(most, self.rows - start)
        self.file.seek(start * self.width * np.dtype(self.floats).itemsize)
        return np.fromfile(self.file, self.floats, rows * self.width).reshape(rows, self.width)

    def last_column(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return the target of all rows."""
        starts = range(0, self.rows, self.batch_rows)
        return np.concatenate([self.read(start, self.batch_rows)[:, -1].astype(np.float32) for start in starts])


def written(
    file: IO[bytes], floats: type[np.floating[Any]], preparation: BaseEstimator, batches: Iterator[Batch], fitted: bool
) -> RowsFile:
    """Write batches as their preparation gives them; it is fitted on the first one unless it is `fitted`.

    Raises ValueError for a finite number that is too large for the floats.
    """
    rows, width, digest = 0, 0, hashlib.sha256()
    if not fitted:
        first = next(batches)
        preparation.fit(first[0])
        batches = chain([first], batches)
    for features, target in batches:
        with np.errstate(over="ignore"):
            values = np.column_stack([preparation.transform(features), target]).astype(floats)
        if np.isinf(values).any():
            raise ValueError(f"a number is too large for a 32-bit float.{hint(features)}")
        content = values.tobytes()
        digest.update(content)
        file.write(content)
        rows, width = rows + len(values), values.shape[1]
    file.flush()
    return RowsFile(file, floats, rows, width, digest.hexdigest())
