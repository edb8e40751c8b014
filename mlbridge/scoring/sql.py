"""Scoring as SQL: a version's SELECT is kept only if it predicts the test rows as the estimator does.

The SELECT reads rows of the split, keyed by `rows.keyed_rows`, from a common table expression `ml_split_rows` that the
caller puts before it. It returns the columns of `<model>_predictions` that depend on the row.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlglot import exp

from mlbridge.compile.outputs import class_name
from mlbridge.compile.reasons import BECAUSE, TOGETHER
from mlbridge.compile.sql.ranges import GREATEST
from mlbridge.engines.warehouse import DIALECT, Warehouse, column, non_empty_batches, select, subquery, type_in
from mlbridge.errors import CompileError, ScoringError, listed
from mlbridge.registry.documents import Cost, Costs
from mlbridge.registry.logbook import CandidateRow
from mlbridge.registry.versions import Version
from mlbridge.scoring.python import score_batches
from mlbridge.scoring.rows import ENTITY, SPLIT, TIME, keyed_rows, scored_columns
from mlbridge.typing import Row

ROWS, SCORED = "ml_split_rows", "ml_scored_rows"
LONGEST_COMPILE = 30.0  # seconds
CHECKED_ROWS, FEW_ROWS = 20_000, 1_000
TOLERANCE = 1e-12

# Rows of `<model>_predictions` by entity and time.
Rows = dict[tuple[str, datetime], Row]


@dataclass(frozen=True)
class Scoring:
    """A version's SELECT, or None and the reason in `note`.

    `cost` holds for `sql` and `python` the seconds `fixed` and `per_row`. It is None if the two agree within the
    tolerance but not to the last bit; then Python scores.
    """

    sql: str | None
    note: str | None
    cost: Costs | None = None


def scoring_sql(version: Version, title: str, relation: str = ROWS, dialect: str = DIALECT) -> str:
    """Write a version as a SELECT over rows of the split; raises CompileError where something is not covered.

    It returns one row per row of the relation: `entity, time, prediction, prediction_value, probability,
    probabilities`, as Python writes them, and `not_scored_because`, the reason if the prediction is NULL. `title` is
    the comment at its head.
    """
    from mlbridge.compile.select import feature_names, to_sql_with_reasons

    types = column_types(version, dialect)
    renamed = set(feature_names(version.estimator)) - set(types)
    if renamed:
        raise CompileError(
            f"the estimator knows features named {listed(sorted(renamed))}, and the split has no such columns. "
            "LightGBM replaces blanks in names: rename the columns in the features node."
        )
    inner = to_sql_with_reasons(version.estimator, relation, dialect, [ENTITY, TIME], types, [title])
    outer = select(_columns(version), exp.to_table(SCORED)).sql(dialect=dialect, pretty=True)
    return f"with {SCORED} as (\n{inner}\n)\n{outer}"


def column_types(version: Version, dialect: str) -> dict[str, str]:
    """Return the type of each feature's column in a dialect; every text type becomes `text`."""
    return {each.name: "text" if each.kind == "category" else type_in(each.type, dialect) for each in version.features}


def _columns(version: Version) -> dict[str, exp.Expression]:
    nothing: exp.Expression = exp.null()
    found: dict[str, exp.Expression] = {"entity": column(ENTITY), "time": column(TIME)}
    if version.classes is None:
        infinite = exp.GT(this=exp.Abs(this=column("prediction")), expression=exp.Literal.number(repr(GREATEST)))
        number = exp.Case(ifs=[exp.If(this=exp.not_(infinite), true=column("prediction"))])
        found |= {"prediction": exp.cast(number, "text"), "prediction_value": number.copy()}
        found |= {"probability": nothing, "probabilities": nothing}
        together = exp.If(this=infinite.copy(), true=exp.Literal.string(TOGETHER))
        return found | {BECAUSE: exp.Coalesce(this=column(BECAUSE), expressions=[exp.Case(ifs=[together])])}
    # XGBoost replaces the classes by their numbers, which are in the order of the version's classes.
    scores = [column(f"probability_{class_name(label)}") for label in version.estimator.classes_]
    best = [_first_of_the_greatest(index, scores) for index in range(len(scores))]
    texts: list[exp.Expression] = [exp.Literal.string(name) for name in version.classes]
    found["prediction"] = _by_index(best, texts)
    if version.numbers is None:
        found["prediction_value"] = nothing
    else:
        found["prediction_value"] = exp.cast(_by_index(best, [_number(each) for each in version.numbers]), "double")
    if len(scores) == 2:
        return found | {"probability": scores[1], "probabilities": nothing, BECAUSE: column(BECAUSE)}
    found["probability"] = exp.Greatest(this=scores[0], expressions=scores[1:]).copy()
    return found | {"probabilities": _listed(scores), BECAUSE: column(BECAUSE)}


def _first_of_the_greatest(index: int, scores: Sequence[exp.Expression]) -> exp.Expr:
    others = [other for other in range(len(scores)) if other != index]
    return exp.and_(
        *((exp.GT if other < index else exp.GTE)(this=scores[index], expression=scores[other]) for other in others)
    )


def _number(value: float) -> exp.Expression:
    return exp.Literal.number(value)


def _by_index(best: Sequence[exp.Expr], values: Sequence[exp.Expression]) -> exp.Expression:
    ifs = [exp.If(this=is_best.copy(), true=value) for is_best, value in zip(best, values, strict=True)]
    return exp.Case(ifs=ifs)


def _listed(scores: Sequence[exp.Expression]) -> exp.Expression:
    """Write the scores as a JSON array."""
    text: exp.Expression = exp.Literal.string("[")
    for index, score in enumerate(scores):
        before = text if index == 0 else exp.DPipe(this=text, expression=exp.Literal.string(", "))
        text = exp.DPipe(this=before, expression=exp.cast(score.copy(), "text"))
    return exp.DPipe(this=text, expression=exp.Literal.string("]"))


def compile_and_verify(version: Version, title: str, warehouse: Warehouse, split: exp.Expression) -> Scoring:
    """Compile a version and compare it with Python on the test rows; SQL that differs is not kept."""
    begun = time.perf_counter()
    try:
        sql = scoring_sql(version, title, dialect=warehouse.dialect)
    except CompileError as error:
        return Scoring(None, str(error))
    seconds = time.perf_counter() - begun
    if seconds > LONGEST_COMPILE:
        return Scoring(None, f"compiling took {seconds:.0f} s; more than {LONGEST_COMPILE:.0f} s is not worth it")
    key = [*(column(name) for name in version.spec.entity), column(version.spec.time)]
    test = column("ml_split").eq(exp.Literal.string("test"))
    rows = exp.select("*").from_(split).where(test).order_by(*key)
    by_sql, sql_cost = _timed(lambda rows: _in_sql(warehouse, sql, keyed_rows(version, rows)), rows)
    try:
        by_python, python_cost = _timed(lambda rows: _in_python(version, warehouse, rows), rows)
    except ScoringError as error:
        return Scoring(None, str(error))
    difference, note = _difference(by_sql, by_python)
    if note is not None:
        return Scoring(None, note)
    # Which of the two is faster varies, so speed may decide only if their predictions are bitwise equal.
    return Scoring(sql, None, {"sql": sql_cost, "python": python_cost} if difference == 0 else None)


def _timed(score: Callable[[exp.Select], Rows], rows: exp.Select) -> tuple[Rows, Cost]:
    """Time the scoring of few rows and of many; the line through both points gives fixed and per-row seconds."""
    points = []
    found: Rows = {}
    for limit in (FEW_ROWS, CHECKED_ROWS):
        begun = time.perf_counter()
        found = score(rows.limit(limit))
        points.append((len(found), time.perf_counter() - begun))
    (few, short), (many, long) = points
    per_row = max(0.0, (long - short) / (many - few)) if many > few else 0.0
    return found, {"fixed": max(0.0, short - few * per_row), "per_row": per_row}


def _in_sql(warehouse: Warehouse, sql: str, rows: exp.Select) -> Rows:
    return {(each["entity"], each["time"]): each for each in warehouse.rows_of(sql, ROWS, rows)}


def _in_python(version: Version, warehouse: Warehouse, rows: exp.Select) -> Rows:
    """Score on one core, as the engine does with so few rows; with many rows both use all cores."""
    found: Rows = {}
    batches = non_empty_batches(warehouse.batches(select(scored_columns(version), subquery(rows, SPLIT)), CHECKED_ROWS))
    for batch, columns, _ in score_batches(version, batches, workers=1):
        keys = zip(batch[ENTITY].to_pylist(), batch[TIME].to_pylist(), strict=True)
        for index, each in enumerate(keys):
            found[each] = {name: None if values is None else values[index] for name, values in columns.items()}
    return found


def _difference(by_sql: Rows, by_python: Rows) -> tuple[float, str | None]:
    """Return the largest relative difference, and a description if it exceeds `TOLERANCE`, else None."""
    if by_sql.keys() != by_python.keys():
        return math.inf, f"the SELECT gave {len(by_sql):,} of {len(by_python):,} rows"
    worst, scale = 0.0, _scale(by_python)
    for key, expected in by_python.items():
        found = by_sql[key]
        for name in ("prediction", "prediction_value", "probability"):
            if (found[name] is None) != (expected[name] is None):
                return math.inf, f"the SELECT and Python disagree on whether the entity {key[0]} has a {name}"
        is_class = expected["probability"] is not None  # a regression is compared by its value
        if is_class and found["prediction"] != expected["prediction"]:
            return math.inf, f"the SELECT and Python predict different classes for the entity {key[0]}"
        for name in ("prediction_value", "probability"):
            if expected[name] is not None:
                gap = abs(found[name] - expected[name]) / max(abs(expected[name]), scale)
                worst = max(worst, math.inf if math.isnan(gap) else gap)
        if found["probabilities"] != expected["probabilities"]:
            worst = max(worst, np.finfo(float).eps)  # not the same bits
    return worst, None if worst <= TOLERANCE else f"SQL differs from Python by up to {worst:.1e}, relatively"


def _scale(rows: Rows) -> float:
    """Return the smallest size that a difference is divided by, because a regression can predict nearly 0."""
    sizes = [abs(row["prediction_value"]) for row in rows.values() if row["probability"] is None]
    return max(float(np.median(sizes)) if sizes else 0.0, float(np.finfo(float).tiny))


def title(model: str, row: CandidateRow) -> str:
    """Return the comment at the head of a version's SELECT; `row` is its logbook row."""
    return f"{model} version {row.version}, artifact {row.artifact_sha256}"


def cheaper(cost: Costs, rows: int) -> str:
    """Return `sql` or `python`, whichever is expected to score `rows` rows faster; `cost` as in `Scoring`."""
    return min(("python", "sql"), key=lambda way: cost[way]["fixed"] + rows * cost[way]["per_row"])
