"""Checks of every estimator, whatever translates it: that it was fitted on the columns that it is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from mlbridge.compile.sql.columns import Raw, Table
from mlbridge.compile.sql.outcomes import Outcome
from mlbridge.errors import CompileError

# Seconds from 1970 to the end of the year 9999: a number beyond that counts smaller units.
LAST_SECOND = 253_402_300_800
# Attributes of estimators that hold values in the unit of each feature; their last dimension is the feature.
OF_FEATURES = ("mean_", "center_", "data_min_", "data_max_", "max_abs_", "statistics_", "quantiles_", "theta_")


def check_inputs(estimator: Any, table: Table) -> None:
    """Raise CompileError where an estimator is given other columns than it was fitted on."""
    name, expected = type(estimator).__name__, getattr(estimator, "n_features_in_", 0)  # CatBoost's is 0 once loaded
    if expected and expected != len(table.columns):
        raise CompileError(f"{name} was fitted on {expected} columns, and is given {len(table.columns)}.")
    for index, column in enumerate(table.columns):
        moment = isinstance(column, Raw) and column.is_moment
        if moment and any(abs(each) > LAST_SECOND for each in _of_feature(estimator, index)):
            raise CompileError(
                f"{name} was fitted on column {index}, a date or timestamp, in smaller units than seconds; SQL counts "
                "seconds since 1970. Fit it on seconds."
            )


def check_outputs(estimator: Any, result: Table | Outcome) -> None:
    """Raise CompileError where a transformer is written with more or fewer columns than it gives."""
    if not isinstance(result, Table):
        return
    try:
        names = estimator.get_feature_names_out()
    except (AttributeError, NotFittedError, TypeError, ValueError):
        return  # it has no names for its outputs: the next step checks how many columns it was fitted on
    if len(names) != len(result.columns):
        raise CompileError(
            f"{type(estimator).__name__} gives {len(names)} columns, and would be written with "
            f"{len(result.columns)}. This version of scikit-learn is not covered."
        )


def _of_feature(estimator: Any, index: int) -> Iterator[float]:
    """Return the finite numbers that an estimator stores about a feature, such as thresholds and means."""
    for each in _kept_of(estimator, index):
        numbers = np.asarray(each)
        if numbers.dtype.kind in "iuf":
            yield from numbers[np.isfinite(numbers)].ravel().tolist()


def _kept_of(estimator: Any, index: int) -> Iterator[Any]:
    for name in OF_FEATURES:
        kept = getattr(estimator, name, None)
        if kept is not None:
            yield np.asarray(kept)[..., index]
    if hasattr(estimator, "bin_edges_"):
        yield estimator.bin_edges_[index]
    if hasattr(estimator, "_bin_mapper"):
        yield estimator._bin_mapper.bin_thresholds_[index]
    trees = [estimator, *np.ravel(getattr(estimator, "estimators_", []))]
    for tree in (each.tree_ for each in trees if hasattr(each, "tree_")):
        yield tree.threshold[tree.feature == index]
