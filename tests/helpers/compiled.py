"""What the tests of compiled scoring share: rows that hurt, an estimator per row of the table, and how to compare.

`CASES` has for each covered estimator at least one pipeline, fitted on `rows_to_fit`. `row_answers` gives what
scikit-learn predicts for each row, None where it refuses the row.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sqlglot import exp

from mlbridge import to_sql
from mlbridge.compile.catalogue import translated
from mlbridge.compile.sql.assembly import Assembler
from mlbridge.compile.sql.columns import Raw, Table, number_of
from mlbridge.compile.sql.dialects import dialect_of
from mlbridge.compile.sql.expressions import Named, case, either, ref

NUMBERS = ("x", "y z", 'quoted "q"', "count")
TEXTS = ("city", "Straße")
WORDS = ("", "a", "A", "á", "a ", " a", "it's", "NULL", "nan", "日本", "'); drop table t; --")
ROWS = 300


def rows_to_fit(missing: bool = True, texts: bool = True, seed: int = 0) -> pd.DataFrame:
    """Give the rows that estimators are fitted on."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": np.round(rng.normal(size=ROWS), 2),
            "y z": rng.normal(size=ROWS) * 1e3,
            'quoted "q"': rng.exponential(size=ROWS) + 0.01,
            "count": rng.integers(0, 6, ROWS).astype(np.float64),
        }
    )
    if missing:
        for name in ("x", "count"):
            frame.loc[rng.random(ROWS) < 0.1, name] = np.nan
    if texts:
        frame["city"] = pd.Series(rng.choice(np.array(WORDS, dtype=object), ROWS), dtype=object)
        frame["Straße"] = pd.Series([f"s{each}" for each in rng.integers(0, 40, ROWS)], dtype=object)
        frame.loc[rng.random(ROWS) < 0.1, "city"] = np.nan
    return frame


def targets(frame: pd.DataFrame, kind: str, seed: int = 1) -> Any:
    """Give a target that depends on the rows: a number, a class, whole numbers for three classes, or two columns."""
    rng = np.random.default_rng(seed)
    score = frame["x"].fillna(0.3) + frame["count"].fillna(2) / 3 + frame["y z"] / 2e3 + rng.normal(size=len(frame)) / 3
    if "city" in frame:
        score = score + (frame["city"] == "a") - (frame["city"] == "A")
    score = score.to_numpy()
    three = np.digitize(score, np.quantile(score, [0.3, 0.7]))
    return {
        "number": score,
        "positive": np.exp(score / 3),
        "share": 1 / (1 + np.exp(-score)),
        "two": score > np.median(score),
        "three": np.array(["low", "it's", "High"], dtype=object)[three],
        "codes": three,
        "numbers": np.column_stack([score, -2 * score + rng.normal(size=len(score))]),
        "pairs": np.column_stack([three, 3 * (score > 0)]),
        "labels": np.column_stack([three > 0, score > 0, three == 1]).astype(int),
    }[kind]


def rows_that_hurt(frame: pd.DataFrame, literals: Sequence[float] = (), tiniest: float = 5e-324) -> pd.DataFrame:
    """Give the fitted rows, and rows with each awkward value in each position; `tiniest` is the least above 0."""
    edges = [
        float(value)
        for each in literals
        for value in (
            each,
            np.nextafter(each, np.inf),
            np.nextafter(each, -np.inf),
            np.nextafter(np.float32(each), np.float32(np.inf)),
            np.nextafter(np.float32(each), np.float32(-np.inf)),
        )
        if math.isfinite(value) and not 0 < abs(value) < tiniest
    ]
    awkward = [np.nan, np.inf, -np.inf, 0.0, -0.0, 2.0**53 + 2, -1e39, 3.4028235677973366e38, 3.5, tiniest, *edges]
    rows = [frame]
    for name in frame.columns:
        values = [*WORDS, "unseen", "a  ", np.nan] if name in TEXTS else awkward
        part = frame.iloc[np.arange(len(values)) % len(frame)].copy()
        part[name] = pd.Series(values, index=part.index, dtype=object if name in TEXTS else np.float64)
        rows.append(part)
    empty = frame.iloc[:1].copy()
    for name in frame.columns:
        empty[name] = pd.Series([np.nan], index=empty.index, dtype=frame[name].dtype)
    return pd.concat([*rows, empty], ignore_index=True)


def literals_of(sql: str, most: int = 30) -> list[float]:
    """Find the numbers that the SQL compares with."""
    found = sorted({float(each.replace("- ", "-")) for each in re.findall(r"(?:<=|>|<|>=) (-?\d[\d.]*e[-+]?\d+)", sql)})
    kept = [each for each in found if abs(each) < 1e30]
    return kept[:: max(1, len(kept) // most)]


def row_answers(ask: Callable[[pd.DataFrame], Any], rows: pd.DataFrame) -> list[Any]:
    """Give the answer for each row, None where it is refused."""
    # Most refusals are of what is no number or too large: asked apart, these rows cost the others no halving.
    numbers = rows.select_dtypes("number").to_numpy()
    usual = (np.abs(numbers) <= np.finfo(np.float32).max).all(axis=1)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in (np.flatnonzero(usual), np.flatnonzero(~usual)):
            found |= dict(zip(part, _row_answers(ask, rows.iloc[part]), strict=True)) if len(part) else {}
    return [found[index] for index in range(len(rows))]


def _row_answers(ask: Callable[[pd.DataFrame], Any], rows: pd.DataFrame) -> Iterator[Any]:
    try:
        yield from ask(rows)
    except (ValueError, OverflowError, TypeError, IndexError):
        if len(rows) == 1:
            yield None
        else:
            half = len(rows) // 2
            yield from _row_answers(ask, rows.iloc[:half])
            yield from _row_answers(ask, rows.iloc[half:])


def answers(estimator: Any) -> Callable[[pd.DataFrame], list[tuple[Any, ...]]]:
    """Give what scikit-learn answers, in the order of the SQL's columns."""

    def ask(rows: pd.DataFrame) -> list[tuple[Any, ...]]:
        predicted = np.asarray(estimator.predict(rows))
        columns: list[Any] = []
        if hasattr(estimator, "predict_proba"):
            found = estimator.predict_proba(rows)
            if predicted.shape[1:] == (1,):
                predicted = predicted[:, 0]  # several classes are one column to CatBoost
            several = found if isinstance(found, list) else [found]
            if predicted.ndim > 1 and not isinstance(found, list):  # only the shares of those that have the label
                several = [np.column_stack([1 - share, share]) for share in found.T]
            for index, shares in enumerate(several):
                columns.append(predicted[:, index] if predicted.ndim > 1 else predicted)
                columns.extend(shares.T)
        elif hasattr(estimator, "decision_function"):
            decided = np.atleast_2d(estimator.decision_function(rows).T)
            labels = predicted.ndim > 1
            columns = (
                [each for pair in zip(predicted.T, decided, strict=True) for each in pair]
                if labels
                else [predicted, *decided]
            )
        else:
            columns = list(np.atleast_2d(predicted.T)) if predicted.ndim > 1 else [predicted]
        output_rows = zip(*(np.asarray(each).tolist() for each in columns), strict=True)
        return [tuple(None if _has_nan(row) else each for each in row) for row in output_rows]

    return ask


def _has_nan(row: tuple[Any, ...]) -> bool:
    """Say whether scikit-learn says of a row what is no number: SQL says nothing of it then."""
    return any(isinstance(each, float) and math.isnan(each) for each in row)


def columns_sql(transformer: Any, names: Sequence[str], dialect: str, keep: Sequence[str]) -> str:
    """Write a transformer's outputs as SQL, column by column."""
    table = translated(transformer, Table(tuple(Raw(name) for name in names)))
    assert isinstance(table, Table)
    refused = Named("refused", either([ref(each) for each in table.refused])) if table.refused else None
    outputs = {}
    for index, column in enumerate(table.columns):
        value = ref(number_of(column).node)
        outputs[f"out_{index}"] = value if refused is None else case([(ref(refused), exp.null())], value)
    query = Assembler(exp.to_table("t"), list(keep), dialect_of(dialect), outputs).select(outputs)
    return str(query.sql(dialect=dialect, pretty=True))


def transformed(transformer: Any) -> Callable[[pd.DataFrame], Any]:
    """Give what scikit-learn makes of rows."""

    def ask(rows: pd.DataFrame) -> list[tuple[float, ...]]:
        found = transformer.transform(rows)
        found = found.toarray() if hasattr(found, "toarray") else np.asarray(found, dtype=np.float64)
        return [tuple(row) for row in found.tolist()]

    return ask


def same(one: Any, other: Any, tolerance: float, least: float = 1e-290) -> bool:
    """Say whether two values are the same, NULL and NaN taken for one; numbers below `least` count as it does."""
    missing = [each is None or each != each for each in (one, other)]
    if any(missing):
        return all(missing)
    if isinstance(one, (bool, str)) or isinstance(other, (bool, str)):
        return bool(one == other)
    return bool(one == other) or abs(one - other) <= tolerance * max(abs(one), abs(other), least)


def differences(
    expected: Sequence[Any], found: Sequence[tuple[Any, ...]], tolerance: float, least: float = 1e-290
) -> list[tuple[int, Any, Any]]:
    """Find the rows that differ; a row that scikit-learn refuses is NULL throughout."""
    assert len(expected) == len(found)
    wrong = []
    for index, (one, other) in enumerate(zip(expected, found, strict=True)):
        wanted = (None,) * len(other) if one is None else one
        if not all(same(mine, its, tolerance, least) for mine, its in zip(wanted, other, strict=True)):
            wrong.append((index, wanted, other))
    return wrong


def sql_of(estimator: Any, dialect: str = "duckdb") -> str:
    """Write an estimator of either kind as SQL over the table `t` with the key `id`."""
    if hasattr(estimator, "predict"):
        return to_sql(estimator, "t", dialect, keep=["id"])
    return columns_sql(estimator, list(estimator.feature_names_in_), dialect, ["id"])


def answer_function(estimator: Any) -> Callable[[pd.DataFrame], Any]:
    """Return a function that predicts rows, or transforms them if the estimator does not predict."""
    return answers(estimator) if hasattr(estimator, "predict") else transformed(estimator)


Case = tuple[Any, str, Mapping[str, Any]]
