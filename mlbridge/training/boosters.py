"""Boosts trees over rows that lie in files: what XGBoost and LightGBM each make of the batches.

Both fit the model that a pipeline ends in, as its own `fit` does with a frame. Trees are added until the validation
rows do not get better by them, and the model keeps those up to the best.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from mlbridge.training.rows_file import RowsFile

# LightGBM's own estimators keep these from their parameters.
OF_THE_ESTIMATOR = ("class_weight", "importance_type", "n_estimators")


@dataclass(frozen=True)
class Fit:
    """What is fitted: a model on two files of rows; `classes` is 0 for a regression.

    The inputs from the position `texts` on are categories. `folder` is for temporary files.
    """

    model: Any
    train: RowsFile
    validation: RowsFile
    classes: int
    texts: int
    folder: Path


def _xgboost(fit: Fit) -> None:
    """Fit an XGBClassifier or XGBRegressor; its bins are a file."""
    import xgboost

    model = fit.model

    class Rows(xgboost.DataIter):
        """The batches of a file; XGBoost calls this as often as it needs them."""

        def __init__(self, file: RowsFile, part: str) -> None:
            self.file, self.start = file, 0
            super().__init__(cache_prefix=str(fit.folder / part))

        def reset(self) -> None:
            self.start = 0

        def next(self, input_data: Callable[..., None]) -> bool:
            if self.start >= self.file.rows:
                return False
            values = self.file.read(self.start, self.file.batch_rows)
            input_data(data=values[:, :-1], label=values[:, -1], feature_types=model.feature_types)
            self.start += len(values)
            return True

    given = {"max_bin": model.max_bin, "nthread": model.n_jobs, "enable_categorical": True}
    matrix = xgboost.ExtMemQuantileDMatrix(Rows(fit.train, "train"), **given)
    unseen = xgboost.ExtMemQuantileDMatrix(Rows(fit.validation, "validation"), ref=matrix, **given)
    params = model.get_xgb_params()
    if fit.classes > 2:
        params |= {"objective": "multi:softprob", "num_class": fit.classes}
    stop = xgboost.callback.EarlyStopping(rounds=model.early_stopping_rounds, save_best=True)
    booster = xgboost.train(
        params, matrix, model.n_estimators, evals=[(unseen, "validation")], callbacks=[stop], verbose_eval=False
    )
    model.load_model(booster.save_raw("ubj"))


def _lightgbm(fit: Fit) -> None:
    """Fit an LGBMClassifier or LGBMRegressor; its bins are in memory, a byte for each number."""
    import lightgbm

    class Rows(lightgbm.Sequence):
        """The inputs of a file; LightGBM samples rows for the bins, and then takes batches."""

        def __init__(self, file: RowsFile) -> None:
            self.file, self.batch_size = file, file.batch_rows

        def __len__(self) -> int:
            return self.file.rows

        def __getitem__(self, place: int | slice) -> Any:  # type: ignore[override] # lists are of subsets only
            if isinstance(place, slice):
                return self.file.read(place.start, place.stop - place.start)[:, :-1]
            return self.file.read(int(place), 1)[0, :-1]

    model, width = fit.model, fit.train.width - 1
    known = {name: value for name, value in model.get_params().items() if value is not None}
    # Its estimators take no model that is fitted already: what else they keep comes from a fit on a row for each class.
    labels = np.arange(max(fit.classes, 2))
    model.fit(np.zeros((len(labels), width)), labels)
    params = {name: value for name, value in known.items() if name not in OF_THE_ESTIMATOR}
    params |= {"objective": model.objective_, **({"num_class": fit.classes} if fit.classes > 2 else {})}
    matrix = lightgbm.Dataset(
        Rows(fit.train), fit.train.last_column(), categorical_feature=list(range(fit.texts, width)), params=params
    )
    unseen = lightgbm.Dataset(Rows(fit.validation), fit.validation.last_column(), reference=matrix, params=params)
    stop = lightgbm.early_stopping(20, verbose=False)
    booster = lightgbm.train(params, matrix, known["n_estimators"], valid_sets=[unseen], callbacks=[stop])
    model._Booster = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=booster.best_iteration))
    model._best_iteration = booster.best_iteration


@dataclass(frozen=True)
class Library:
    """How a library boosts, and the floats in which it takes numbers."""

    boost: Callable[[Fit], None]
    floats: type[np.floating[Any]]
    # Bytes of a number's bin on disk.
    bin_width: int


LIBRARIES: Final[Mapping[str, Library]] = MappingProxyType(
    {"xgboost": Library(_xgboost, np.float32, 1), "lightgbm": Library(_lightgbm, np.float64, 0)}
)


def library_of(model: object) -> Library:
    """Return the library of a stock candidate that is fitted out of core."""
    return LIBRARIES[type(model).__module__.partition(".")[0]]
