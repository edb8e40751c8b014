"""Fits XGBoost on more rows than memory holds: batch by batch, into a matrix of bins that is a file itself.

The batches wait in a file, too, as 32-bit floats: XGBoost takes them several times, and each query would sort them
anew. Memory holds a batch, and of each row its gradients. Nothing here holds a connection to the warehouse, but the
batches of a sampled training are read from it while the first file is written.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile, gettempdir
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mlbridge.errors import TrainingError
from mlbridge.features.frame import Batch
from mlbridge.features.large_numbers import hint
from mlbridge.training.candidates import describe
from mlbridge.training.fitting import Fitted, on_one_thread, peak_memory_mb

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline

# XGBoost gets batches of so many numbers, whatever batches the rows come in: the ends of its bins may depend on them.
BATCH_CELLS = 2**22
# Gives the batches of one value of `ml_split`, with class codes or numbers as target.
Batches = Callable[[str], Iterator[Batch]]
WIDTH = np.dtype(np.float32).itemsize
# On disk a number is a float and, in the matrix, a bin of one byte.
DISK_WIDTH = WIDTH + 1


def fit_out_of_core(node: str, name: str, pipeline: Pipeline, batches: Batches, classes: int, rows: int) -> Fitted:
    """Fit a pipeline of a preparation and an XGBoost model; `classes` is 0 for a regression.

    The preparation must not depend on the rows: it is fitted on the first batch. Trees are added until the validation
    rows do not get better by them. Any error becomes a TrainingError that names the candidate, and so does a disk
    without room for `rows`, those of training and validation.
    """
    _check_disk(node, name, rows * (len(pipeline[-1].feature_types) + 1) * DISK_WIDTH)
    params = describe(pipeline)
    started = time.perf_counter()
    preparation, model = pipeline[:-1], pipeline[-1]
    try:
        with (
            TemporaryDirectory(prefix="mlbridge_") as folder,
            TemporaryFile(dir=folder) as first,
            TemporaryFile(dir=folder) as second,
        ):
            train = _written(first, preparation, batches("train"), fitted=False)
            validation = _written(second, preparation, batches("validation"), fitted=True)
            _boost(model, train, validation, classes, Path(folder))
    except Exception as error:
        raise TrainingError(f"{node}: the candidate '{name}' failed to fit: {error}") from error
    seconds = time.perf_counter() - started
    on_one_thread(pipeline)
    texts = json.dumps(describe([getattr(step, "categories", None) for _, step, _ in preparation[0].transformers]))
    data_hash = hashlib.sha256(f"{train.sha256} {validation.sha256} {texts}".encode()).hexdigest()
    return Fitted(name, pipeline, params, seconds, peak_memory_mb(), train.rows, data_hash)


def _check_disk(node: str, name: str, needed: int) -> None:
    folder = gettempdir()
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise TrainingError(
            f"{node}: the candidate '{name}' needs about {needed / 2**30:,.1f} GiB for temporary files, and "
            f"{free / 2**30:,.1f} GiB are free in '{folder}'. Set TMPDIR to a folder on a disk with so much room."
        )


@dataclass(frozen=True)
class _File:
    """Rows in a file without a name: 32-bit floats, of each row the inputs of the model and then the target."""

    file: IO[bytes]
    rows: int
    width: int
    sha256: str

    @property
    def batch_rows(self) -> int:
        """Return how many rows a batch has."""
        return max(1, BATCH_CELLS // self.width)

    def read(self, start: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return the batch that begins with a row."""
        rows = min(self.batch_rows, self.rows - start)
        self.file.seek(start * self.width * WIDTH)
        values = np.fromfile(self.file, np.float32, rows * self.width)
        return values.reshape(rows, self.width)


def _written(file: IO[bytes], preparation: BaseEstimator, batches: Iterator[Batch], fitted: bool) -> _File:
    rows, width, digest = 0, 0, hashlib.sha256()
    if not fitted:
        first = next(batches)
        preparation.fit(first[0])
        batches = chain([first], batches)
    for features, target in batches:
        with np.errstate(over="ignore"):
            values = np.column_stack([preparation.transform(features), target]).astype(np.float32)
        if np.isinf(values).any():
            raise ValueError(f"a number is too large for a 32-bit float.{hint(features)}")
        content = values.tobytes()
        digest.update(content)
        file.write(content)
        rows, width = rows + len(values), values.shape[1]
    return _File(file, rows, width, digest.hexdigest())


def _boost(model: Any, train: _File, validation: _File, classes: int, folder: Path) -> None:
    """Fit an XGBClassifier or XGBRegressor, as its own `fit` does with a frame; its bins are in `folder`."""
    import xgboost

    class Rows(xgboost.DataIter):
        """The batches of a file; XGBoost calls this as often as it needs them."""

        def __init__(self, file: _File, part: str) -> None:
            self.file, self.start = file, 0
            super().__init__(cache_prefix=str(folder / part))

        def reset(self) -> None:
            self.start = 0

        def next(self, input_data: Callable[..., None]) -> bool:
            if self.start >= self.file.rows:
                return False
            values = self.file.read(self.start)
            input_data(data=values[:, :-1], label=values[:, -1], feature_types=model.feature_types)
            self.start += len(values)
            return True

    given = {"max_bin": model.max_bin, "nthread": model.n_jobs, "enable_categorical": True}
    matrix = xgboost.ExtMemQuantileDMatrix(Rows(train, "train"), **given)
    unseen = xgboost.ExtMemQuantileDMatrix(Rows(validation, "validation"), ref=matrix, **given)
    params = model.get_xgb_params()
    if classes > 2:
        params |= {"objective": "multi:softprob", "num_class": classes}
    stop = xgboost.callback.EarlyStopping(rounds=model.early_stopping_rounds, save_best=True)
    booster = xgboost.train(
        params, matrix, model.n_estimators, evals=[(unseen, "validation")], callbacks=[stop], verbose_eval=False
    )
    model.load_model(booster.save_raw("ubj"))
