"""Fits boosted trees on more rows than memory holds: batch by batch.

The batches wait in a file as the floats that the library takes: it reads them several times, and each query would sort
them anew. Memory holds a batch, and of each row its gradients. Nothing here holds a connection to the warehouse, but
the batches of a sampled training are read from it while the first file is written.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile, gettempdir
from typing import TYPE_CHECKING

import numpy as np

from mlbridge.errors import TrainingError
from mlbridge.features.frame import Batch
from mlbridge.training.boosters import Fit, library_of
from mlbridge.training.candidates import describe
from mlbridge.training.fitting import Fitted, on_one_thread, peak_memory_mb
from mlbridge.training.rows_file import written

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Gives the batches of one value of `ml_split`, with class codes or numbers as target.
Batches = Callable[[str], Iterator[Batch]]


def fit_out_of_core(node: str, name: str, pipeline: Pipeline, batches: Batches, classes: int, rows: int) -> Fitted:
    """Fit a pipeline of a preparation and a model of `LIBRARIES`; `classes` is 0 for a regression.

    The preparation must not depend on the rows: it is fitted on the first batch. Trees are added until the validation
    rows do not get better by them. Any error becomes a TrainingError that names the candidate, and so does a disk
    without room for `rows`, those of training and validation.
    """
    preparation, library = pipeline[:-1], library_of(pipeline[-1])
    numbers, *texts = (len(columns) for _, _, columns in preparation[0].transformers)
    width = np.dtype(library.floats).itemsize + library.bin_width
    _check_disk(node, name, rows * (numbers + sum(texts) + 1) * width)
    params = describe(pipeline)
    started = time.perf_counter()
    try:
        with (
            TemporaryDirectory(prefix="mlbridge_") as folder,
            TemporaryFile(dir=folder) as first,
            TemporaryFile(dir=folder) as second,
        ):
            train = written(first, library.floats, preparation, batches("train"), fitted=False)
            validation = written(second, library.floats, preparation, batches("validation"), fitted=True)
            library.boost(Fit(pipeline[-1], train, validation, classes, numbers, Path(folder)))
    except Exception as error:
        raise TrainingError(f"{node}: the candidate '{name}' failed to fit: {error}") from error
    seconds = time.perf_counter() - started
    on_one_thread(pipeline)
    names = json.dumps(describe([getattr(step, "categories", None) for _, step, _ in preparation[0].transformers]))
    data_hash = hashlib.sha256(f"{train.sha256} {validation.sha256} {names}".encode()).hexdigest()
    return Fitted(name, pipeline, params, seconds, peak_memory_mb(), train.rows, data_hash)


def _check_disk(node: str, name: str, needed: int) -> None:
    folder = gettempdir()
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise TrainingError(
            f"{node}: the candidate '{name}' needs about {needed / 2**30:,.1f} GiB for temporary files, and "
            f"{free / 2**30:,.1f} GiB are free in '{folder}'. Set TMPDIR to a folder on a disk with so much room."
        )
