"""Pipelines that nobody thought of: any covered steps over columns of any kind, compared on two engines.

`python -m compile_random --minutes 10 --first 0` draws pipelines by their numbers, from the first on, and prints where
an engine and scikit-learn differ. The same number draws the same pipeline and the same rows.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import psycopg2
from compile_random_steps import ENCODERS, MODELS, NUMERIC, Step
from compiled import answers, differences, row_answers
from postgres import Postgres, binaries
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from stored import check_compiled

from mlbridge import CompileError, to_sql

KNOWN, NEW = 60, 30
HURT = [np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1e-75, -1e39, 3.4028235677973366e38, 2.0**53 + 2, 1e12]
HUGE = [1.5e308, -1e200, 5e-324]
WORDS = ["", "a", "A", "a ", "á", "it's", "NULL", "nan", "日本", "unseen"]
MOMENTS = pd.DatetimeIndex(map(pd.Timestamp, ["1960-02-29", "2020-01-01", "2021-06-30 12:00:00.25", "2400-01-01"]))
TYPES = {"text": "VARCHAR", "flag": "BOOLEAN", "moment": "TIMESTAMP"}
Draw = np.random.Generator


@dataclass(frozen=True)
class Drawn:
    """A fitted pipeline, rows, the SQL types of their columns, and how exact the SQL is.

    `rounds`: a step before the last may give another last bit, of which a later threshold makes any difference.
    """

    pipeline: Any
    rows: pd.DataFrame
    types: Mapping[str, str]
    tolerance: float
    rounds: bool


def column(draw: Draw, kind: str, rows: int, known: bool) -> pd.Series:
    """Draw a column; the known rows hold nothing that scikit-learn cannot be fitted on."""
    if kind in ("text", "flag", "moment"):
        choices: list[Any] = {"text": WORDS, "flag": [True, False], "moment": list(MOMENTS)}[kind]
        values = [choices[index] for index in draw.integers(0, len(choices) - (known and kind != "flag"), rows)]
        missing = draw.random(rows) < 0.15
        if kind == "moment":
            return pd.Series(pd.DatetimeIndex(values)).astype("datetime64[us]").mask(missing)
        return pd.Series([None if none else value for none, value in zip(missing, values, strict=True)], dtype=object)
    values = {
        "whole": lambda: draw.integers(-1, 5, rows) * 1.0,
        "double": lambda: np.round(draw.normal(size=rows) * 10.0 ** draw.integers(-2, 4), 3),
        "positive": lambda: draw.exponential(size=rows) + 0.01,
        "constant": lambda: np.full(rows, 2.5),
        "empty": lambda: np.full(rows, np.nan),
        "holes": lambda: np.where(draw.random(rows) < 0.2, np.nan, draw.normal(size=rows)),
    }[kind]()
    if not known:
        values = np.where(draw.random(rows) < 0.4, draw.choice(HURT, rows), values)
    return pd.Series(values, dtype=np.float64)


def chain(draw: Draw, steps: Sequence[Step], least: int, most: int) -> list[Step]:
    return [steps[index] for index in draw.integers(0, len(steps), draw.integers(least, most + 1))]


def drawn(number: int, huge: bool = False) -> Drawn | None:
    """Draw the pipeline of a number and fit it; None where scikit-learn cannot be fitted."""
    draw = np.random.default_rng(number)
    numeric = ["whole", "double", "positive", "constant", "empty", "holes"]
    kinds = {f"n{index} {kind}": kind for index, kind in enumerate(draw.choice(numeric, draw.integers(1, 4)))}
    coded = {f"c{index}": kind for index, kind in enumerate(draw.choice(list(TYPES), draw.integers(0, 3)))}
    columns = {**kinds, **coded}
    known = pd.DataFrame({name: column(draw, kind, KNOWN, True) for name, kind in columns.items()})
    new = pd.DataFrame({name: column(draw, kind, NEW, False) for name, kind in columns.items()})
    if huge:
        for name in kinds:
            new[name] = np.where(draw.random(NEW) < 0.2, draw.choice(HUGE, NEW), new[name])
    used: list[Step] = []

    def chosen(steps: Sequence[Step], least: int, most: int) -> Any:
        found = chain(draw, steps, least, most)
        if steps is NUMERIC and draw.random() < 0.6:
            found.insert(draw.integers(0, len(found) + 1), NUMERIC[0])
        used.extend(found)
        return make_pipeline(*(step.make() for step in found)) if found else "passthrough"

    groups = [("n", chosen(NUMERIC, 0, 3), list(kinds))]
    if draw.random() < 0.25 and groups[0][1] != "passthrough":
        groups[0] = ("n", FeatureUnion([("one", groups[0][1]), ("two", chosen(NUMERIC, 1, 2))]), list(kinds))
    groups += [(name, chosen(ENCODERS, 1, 1), [name]) for name in coded]
    steps: list[Any] = [ColumnTransformer(groups, sparse_threshold=draw.choice([0.0, 0.0, 1.0]))]
    steps.append(chosen(NUMERIC, 0, 1))
    model = MODELS[draw.integers(0, len(MODELS))]
    used.append(model)
    pipeline = Pipeline([(str(index), step) for index, step in enumerate([*steps, model.make()])])
    answer = targets(draw, known, model.target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pipeline.fit(known, answer)
        except (ValueError, TypeError, FloatingPointError, IndexError, np.linalg.LinAlgError, ZeroDivisionError):
            return None
    types = {name: TYPES.get(kind, "DOUBLE") for name, kind in columns.items()}
    return Drawn(
        pipeline,
        pd.concat([known, new], ignore_index=True),
        types,
        max(step.tolerance for step in used),
        any(step.tolerance for step in used[:-1]),
    )


def targets(draw: Draw, known: pd.DataFrame, kind: str) -> Any:
    score = known.iloc[:, 0].fillna(0).to_numpy() + draw.normal(size=len(known))
    codes = np.digitize(score, np.quantile(score, [0.3, 0.7]))
    return {
        "two": score > np.median(score), "three": np.array(["x", "it's", "Z"], dtype=object)[codes], "number": score,
        "positive": np.exp(np.clip(score / (1 + np.abs(score).max()), -3, 3)), "codes": codes,
        "labels": np.column_stack([score > 0, codes > 0]).astype(int), "numbers": np.column_stack([score, codes]),
    }[kind]  # fmt: skip


def values_of(rows: pd.DataFrame, nan_is_null: bool) -> list[tuple[Any, ...]]:
    def plain(value: Any) -> Any:
        if value is None or value is pd.NaT or (nan_is_null and isinstance(value, float) and np.isnan(value)):
            return None
        return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value

    return [(index, *map(plain, row)) for index, row in enumerate(rows.itertuples(index=False, name=None))]


def in_duckdb(found: Drawn, sql: str) -> list[Any]:
    declared = ", ".join(f'"{name}" {type_}' for name, type_ in found.types.items())
    with duckdb.connect() as connection:
        connection.execute(f"set threads = 1; create table t (id integer, {declared})")
        marks = ", ".join("?" * (len(found.types) + 1))
        connection.executemany(f"insert into t values ({marks})", values_of(found.rows, nan_is_null=False))
        return [row[1:] for row in connection.execute(f"select * from ({sql}\n) order by id").fetchall()]


def in_postgres(server: Postgres, found: Drawn, sql: str) -> list[Any]:
    with server.connection.cursor() as cursor:
        cursor.execute("drop table if exists public.t")
    server.load("public", "t", {"id": "INTEGER", **found.types}, values_of(found.rows, nan_is_null=True))
    return [row[1:] for row in server.rows(f"select * from ({sql}\n) as found order by id")]


def compared(number: int, server: Postgres | None, huge: bool = False) -> tuple[str, Any]:
    """Compare the pipeline of a number: what came of it, and the rows that differ or the sentence of a refusal."""
    found = drawn(number, huge)
    if found is None:
        return "cannot be fitted", None
    named = {name: type_ for name, type_ in found.types.items() if type_ != "DOUBLE"}
    try:
        sql = {dialect: to_sql(found.pipeline, "t", dialect, ["id"], named) for dialect in ("duckdb", "postgres")}
    except CompileError as error:
        return "refused", str(error)
    for dialect, text in sql.items():
        check_compiled(text, dialect)
    expected = row_answers(answers(found.pipeline), found.rows)
    least = 1e-290 if found.tolerance == 0 else scale(expected)
    answers_by_engine = {"duckdb": in_duckdb(found, sql["duckdb"])}
    if server is not None:
        try:
            answers_by_engine["postgres"] = in_postgres(server, found, sql["postgres"])
        except psycopg2.errors.NumericValueOutOfRange:
            return "too large for postgres", None
    for engine, rows in answers_by_engine.items():
        wrong = differences(expected, rows, found.tolerance, least)
        if wrong:
            rounding = " after rounding" if found.rounds else ""
            return f"differs on {engine}{rounding}", [
                (found.rows.iloc[index].to_dict(), *rest) for index, *rest in wrong[:2]
            ]
    return "the same", None


def scale(expected: Sequence[Any]) -> float:
    """Give the size that differences are relative to: terms cancel each other where a number is small."""
    sizes = [abs(each) for row in expected if row for each in row if isinstance(each, float) and np.isfinite(each)]
    return max(float(np.median(sizes)) if sizes else 0.0, 1e-290)


def main() -> None:
    """Draw pipelines for some minutes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--huge", action="store_true", help="with numbers whose products are no doubles, DuckDB only")
    options = parser.parse_args()
    programs, counts, end = binaries(), Counter[str](), time.monotonic() + 60 * options.minutes
    if programs is None or options.huge:
        run(options, None, counts, end)
    else:
        with Postgres(programs) as server:
            run(options, server, counts, end)


def run(options: Any, server: Postgres | None, counts: Counter[str], end: float) -> None:
    number = options.first
    while time.monotonic() < end:
        try:
            outcome, why = compared(number, server, options.huge)
        except Exception as error:
            outcome, why = f"{type(error).__name__}", str(error)[:300]
        counts[outcome] += 1
        if outcome not in ("the same", "cannot be fitted"):
            print(number, outcome, why, flush=True)  # noqa: T201 (a script)
        number += 1
    print(f"up to number {number}: {dict(counts)}", flush=True)  # noqa: T201 (a script)


if __name__ == "__main__":
    main()
