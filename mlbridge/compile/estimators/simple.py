"""Classifiers and regressors that use no column."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.sql.columns import Table
from mlbridge.compile.sql.expressions import Named, Node, double
from mlbridge.compile.sql.outcomes import Classification, Regression
from mlbridge.errors import CompileError


def dummy_classifier(estimator: Any, table: Table) -> Classification:
    """Translate DummyClassifier, unless its answers are random."""
    if estimator.strategy not in ("prior", "most_frequent", "constant"):
        raise CompileError(f"DummyClassifier(strategy={estimator.strategy!r}): its answers are random.")
    if estimator.n_outputs_ > 1:
        raise CompileError("DummyClassifier with several outputs is not covered.")
    (shares,) = estimator.predict_proba(np.zeros((1, 1)))
    nodes: tuple[Node, ...] = tuple(Named("share", double(share)) for share in shares)
    return Classification(tuple(estimator.classes_), first_greatest(nodes), nodes, (), table.refused)


def dummy_regressor(estimator: Any, table: Table) -> Regression:
    """Translate DummyRegressor: its constants."""
    values = np.ravel(estimator.constant_)
    return Regression(tuple(Named("constant", double(value)) for value in values), table.refused)
