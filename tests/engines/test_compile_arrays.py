"""Each covered estimator computed by numpy from the nodes of its SELECT, over rows that hurt, against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from compile_cases import CASES, IDS
from compiled import TEXTS, literals_of, row_answers, rows_that_hurt, sql_of

from mlbridge.compile.arrays.program import Program
from mlbridge.errors import CompileError
from mlbridge.training.fitting import scores_of

# What has no scores that a version could have.
WITHOUT = ("gives no probabilities", "has several outputs", "predicts nothing")


def program_of(estimator: Any, frame: pd.DataFrame) -> Program:
    return Program(estimator, {name: "text" if name in TEXTS else "double" for name in frame.columns})


def columns_of(rows: pd.DataFrame) -> dict[str, Any]:
    return {
        name: [None if pd.isna(each) else each for each in rows[name]]
        if name in TEXTS
        else rows[name].to_numpy(dtype=np.float64)
        for name in rows.columns
    }


@pytest.mark.parametrize(("name", "index"), IDS, ids=[f"{name}-{index}" for name, index in IDS])
def test_parity(name: str, index: int) -> None:
    case = CASES[name][index]
    estimator, frame = case.fitted(), case.frame()
    try:
        program = program_of(estimator, frame)
    except CompileError as error:
        if not any(each in str(error) for each in WITHOUT):
            raise
        return
    rows = rows_that_hurt(frame, literals_of(sql_of(estimator)))

    def ask(some: pd.DataFrame) -> list[Any]:
        # CatBoost's regressor has classes, and no probabilities of them.
        found = scores_of(estimator, some) if hasattr(estimator, "predict_proba") else estimator.predict(some)
        if not np.isfinite(found).all():
            raise ValueError("no prediction")
        return list(found.reshape(len(some), -1))

    expected = row_answers(ask, rows)
    scores, reasons = program.scores(columns_of(rows), len(rows))
    scores = scores.reshape(len(rows), -1)
    for at, row in enumerate(expected):
        found = None if reasons is not None and reasons[at] is not None else scores[at]
        if row is None or found is None or not np.isfinite(found).all():
            assert row is None, (rows.iloc[at].to_dict(), row, found)
            assert found is None or not np.isfinite(found).all(), (rows.iloc[at].to_dict(), found)
            continue
        gap = np.abs(found - row)
        assert (gap <= case.tolerance * np.maximum(np.abs(row), 1e-300)).all(), (rows.iloc[at].to_dict(), row, found)
    # Each row alone has the scores that it has among the others.
    for at in range(0, len(rows), max(1, len(rows) // 5)):
        alone, _ = program.scores(columns_of(rows.iloc[[at]]), 1)
        np.testing.assert_array_equal(alone.reshape(-1), scores[at])
