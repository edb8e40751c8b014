"""The gate of a version's SELECT: it is kept only when it says, on test rows, what the estimator says.

The SELECT reads rows of the split, keyed by `score.keyed_rows`, from a relation called `ml_split_rows`, which whoever
runs it puts before it, and gives the columns of `<model>_predictions` that a row decides.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.select import class_name, feature_names, to_sql
from mlbridge.errors import CompileError, ScoringError, listed
from mlbridge.score import ENTITY, SPLIT, TIME, answers, keyed_rows, scored_columns
from mlbridge.versions import Version
from mlbridge.warehouse import DIALECT, Warehouse, batched, column, select, subquery, type_in

ROWS, SCORED = "ml_split_rows", "ml_scored_rows"
LONGEST_COMPILE = 30.0  # seconds
CHECKED_ROWS, FEW_ROWS = 20_000, 1_000
TOLERANCE = 1e-12

Rows = dict[tuple[Any, Any], dict[str, Any]]


@dataclass(frozen=True)
class Scoring:
    """A version's SELECT, or None and the reason.

    `cost` gives for `sql` and `python` seconds, fixed and per row; None where the two
    agree within the guarantee but not to the last bit, so that Python scores.
    """

    sql: str | None
    note: str | None
    cost: Mapping[str, Mapping[str, float]] | None = None


def scoring_sql(version: Version, title: str, relation: str = ROWS, dialect: str = DIALECT) -> str:
    """Write a version as a SELECT over rows of the split; raises CompileError where something is not covered.

    One row per row: `entity, time, prediction, prediction_value, probability, probabilities`, as Python writes them;
    `title` is the comment that it begins with.
    """
    types = column_types(version, dialect)
    renamed = set(feature_names(version.estimator)) - set(types)
    if renamed:
        raise CompileError(
            f"the estimator calls features {listed(sorted(renamed))}, which is not how they are called. LightGBM "
            "replaces blanks: rename the columns in the features node."
        )
    inner = to_sql(version.estimator, relation, dialect, keep=[ENTITY, TIME], types=types, header=[title])
    outer = select(_columns(version), exp.to_table(SCORED)).sql(dialect=dialect, pretty=True)
    return f"with {SCORED} as (\n{inner}\n)\n{outer}"


def column_types(version: Version, dialect: str) -> dict[str, str]:
    """Give the type of each feature's column in a dialect; texts of all kinds are texts."""
    return {each.name: "text" if each.kind == "category" else type_in(each.type, dialect) for each in version.features}


def _columns(version: Version) -> dict[str, exp.Expression]:
    nothing: exp.Expression = exp.null()
    found: dict[str, exp.Expression] = {"entity": column(ENTITY), "time": column(TIME)}
    if version.classes is None:
        found |= {"prediction": exp.cast(column("prediction"), "text"), "prediction_value": column("prediction")}
        return found | {"probability": nothing, "probabilities": nothing}
    # XGBoost numbers the classes, whatever they are; their order is that of the version's.
    scores = [column(f"probability_{class_name(label)}") for label in version.estimator.classes_]
    best = [_first_of_the_greatest(place, scores) for place in range(len(scores))]
    texts: list[exp.Expression] = [exp.Literal.string(name) for name in version.classes]
    found["prediction"] = _by_place(best, texts)
    if version.numbers is None:
        found["prediction_value"] = nothing
    else:
        found["prediction_value"] = exp.cast(_by_place(best, [_number(each) for each in version.numbers]), "double")
    if len(scores) == 2:
        return found | {"probability": scores[1], "probabilities": nothing}
    found["probability"] = exp.Greatest(this=scores[0], expressions=scores[1:]).copy()
    return found | {"probabilities": _listed(scores)}


def _first_of_the_greatest(place: int, scores: Sequence[exp.Expression]) -> exp.Expression:
    others = [other for other in range(len(scores)) if other != place]
    greatest: Any = exp.and_(
        *((exp.GT if other < place else exp.GTE)(this=scores[place], expression=scores[other]) for other in others)
    )
    found: exp.Expression = greatest
    return found


def _number(value: float) -> exp.Expression:
    return exp.Literal.number(value)


def _by_place(best: Sequence[exp.Expression], values: Sequence[exp.Expression]) -> exp.Expression:
    ifs = [exp.If(this=is_best.copy(), true=value) for is_best, value in zip(best, values, strict=True)]
    return exp.Case(ifs=ifs)


def _listed(scores: Sequence[exp.Expression]) -> exp.Expression:
    """Write the scores as a JSON array."""
    text: exp.Expression = exp.Literal.string("[")
    for place, score in enumerate(scores):
        before = text if place == 0 else exp.DPipe(this=text, expression=exp.Literal.string(", "))
        text = exp.DPipe(this=before, expression=exp.cast(score.copy(), "text"))
    return exp.DPipe(this=text, expression=exp.Literal.string("]"))


def examine(version: Version, title: str, warehouse: Warehouse, split: exp.Expression) -> Scoring:
    """Compile a version and run it beside Python on test rows, as it was judged by; one that differs is not kept."""
    begun = time.perf_counter()
    try:
        sql = scoring_sql(version, title)
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
    # Which way is sooner is another matter every day: only where both give the same bits may it decide.
    return Scoring(sql, None, {"sql": sql_cost, "python": python_cost} if difference == 0 else None)


def _timed(score: Callable[[exp.Select], Rows], rows: exp.Select) -> tuple[Rows, dict[str, float]]:
    """Score few rows and many; two points make a line."""
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
    """Score on one core, as the engine does with so few rows: with many, both spread over the cores alike."""
    found: Rows = {}
    batches = batched(warehouse.batches(select(scored_columns(version), subquery(rows, SPLIT)), CHECKED_ROWS))
    for batch, columns in answers(version, batches, workers=1):
        keys = zip(batch[ENTITY].to_pylist(), batch[TIME].to_pylist(), strict=True)
        for place, each in enumerate(keys):
            found[each] = {name: None if values is None else values[place] for name, values in columns.items()}
    return found


def _difference(by_sql: Rows, by_python: Rows) -> tuple[float, str | None]:
    """Give the largest relative difference, and what is wrong where SQL and Python differ beyond the guarantee."""
    if by_sql.keys() != by_python.keys():
        return math.inf, f"the SELECT gave {len(by_sql):,} of {len(by_python):,} rows"
    worst, scale = 0.0, _scale(by_python)
    for key, expected in by_python.items():
        found = by_sql[key]
        for name in ("prediction", "prediction_value", "probability"):
            if (found[name] is None) != (expected[name] is None):
                return math.inf, f"the SELECT and Python disagree on whether the entity {key[0]} has a {name}"
        is_class = expected["probability"] is not None  # a number is told by its value
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
    """Give the least size that a difference is relative to: a regression's terms cancel out where it predicts 0."""
    sizes = [abs(row["prediction_value"]) for row in rows.values() if row["probability"] is None]
    return max(float(np.median(sizes)) if sizes else 0.0, float(np.finfo(float).tiny))


def title(model: str, row: Mapping[str, Any]) -> str:
    """Name a version at the head of its SELECT, `row` is its logbook row."""
    return f"{model} version {row['version']}, artifact {row['artifact_sha256']}"


def cheaper(cost: Mapping[str, Mapping[str, float]], rows: int) -> str:
    """Say whether `sql` or `python` is expected to score so many rows sooner."""
    return min(("python", "sql"), key=lambda way: cost[way]["fixed"] + rows * cost[way]["per_row"])
