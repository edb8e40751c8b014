"""`to_sql`: a fitted scikit-learn pipeline as one SELECT."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlglot
from sklearn.pipeline import Pipeline
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mlbridge.compile.catalogue import described, entry, translated
from mlbridge.compile.outputs import outputs_of
from mlbridge.compile.reasons import BECAUSE, because, by_feature
from mlbridge.compile.sql.assembly import Assembler
from mlbridge.compile.sql.columns import Raw, Table
from mlbridge.compile.sql.dialects import Dialect, dialect_of
from mlbridge.compile.sql.outcomes import Outcome, Several
from mlbridge.engines.warehouse import DIALECT
from mlbridge.errors import CompileError, listed, nearest


def to_sql(
    pipeline: Any,
    relation: str | exp.Expression,
    dialect: str = DIALECT,
    keep: Sequence[str] = (),
    types: Mapping[str, str] | None = None,
    header: Sequence[str] = (),
) -> str:
    """Write a fitted pipeline as a SELECT over a relation.

    It gives the columns named in `keep`, then `prediction` and, of a classifier, `probability_<class>` in the order of
    `classes_` (booleans as `true` and `false`). An estimator without probabilities gives its decision function
    instead: `decision`, or `decision_<class>` with more than two classes. With several outputs each name begins with
    the output's number: `prediction_0`, `probability_0_<class>`.

    `relation` is a table's name or a query in the dialect, or a sqlglot expression; it has a column for each feature,
    named as in the frame that the pipeline was fitted on. `types` gives the SQL types of columns, in the dialect:
    booleans, dates and timestamps need it, and for whole numbers and decimals it saves a check. Dates and timestamps
    (UTC) are read as seconds since 1970, booleans as 0 and 1, all numbers as doubles. NULL is a missing value, and so
    are NaN and an infinite date or timestamp. `header` are lines of comment to put first.

    scikit-learn predicts the same from float64 columns with NaN for missing values, and texts with NaN or None
    (whichever the fit saw). A row that it would reject (an infinite number, a missing value where none is allowed, an
    unseen category under `handle_unknown="error"`), or for which it would return NaN, has NULL in every output.

    docs/compile.md says how exact this is for each estimator. Raises CompileError for an estimator or a parameter that
    is not covered; the message names it, and lists what is covered.
    """
    engine, rows, outcome = _translated(pipeline, dialect, types or {}, keep)
    return _written(pipeline, relation, engine, keep, header, outputs_of(outcome), len(rows.columns))


def to_sql_with_reasons(
    pipeline: Any,
    relation: str | exp.Expression,
    dialect: str,
    keep: Sequence[str],
    types: Mapping[str, str],
    header: Sequence[str],
) -> str:
    """Like `to_sql`, for one output, with one more column: the reason why a row's prediction is NULL, else NULL."""
    engine, rows, outcome = _translated(pipeline, dialect, types, keep)
    if isinstance(outcome, Several):
        raise CompileError(f"{described(pipeline)} has several outputs, of which a version has one.")
    reasons = by_feature(outcome.refused, rows.columns)
    outputs = outputs_of(replace(outcome, refused=tuple(reasons.values())))
    outputs[BECAUSE] = because(reasons, rows.columns)
    return _written(pipeline, relation, engine, keep, header, outputs, len(rows.columns))


def translated_columns(pipeline: Any, types: Mapping[str, str]) -> tuple[Table, Outcome]:
    """Translate a pipeline over columns of the types given, and go no further: nothing is written."""
    _, rows, outcome = _translated(pipeline, DIALECT, types, ())
    return rows, outcome


def _translated(
    pipeline: Any, dialect: str, types: Mapping[str, str], keep: Sequence[str]
) -> tuple[Dialect, Table, Outcome]:
    engine = dialect_of(dialect)
    features = feature_names(pipeline)
    read = _types(types, features, dialect)
    _check_replaced([*features, *keep], engine)
    rows = Table(tuple(Raw(name, read.get(name), engine.infinite_decimals) for name in features))
    return engine, rows, _predicted(pipeline, rows)


def _written(
    pipeline: Any,
    relation: str | exp.Expression,
    engine: Dialect,
    keep: Sequence[str],
    header: Sequence[str],
    outputs: Mapping[str, exp.Expression],
    columns: int,
) -> str:
    dialect = engine.name
    _check_names(keep, list(outputs), engine)
    _check_replaced(list(outputs), engine)
    query = Assembler(_relation(relation, dialect), keep, engine, outputs).select(outputs)
    comment = [described(pipeline), f"{columns} columns in, {len(outputs)} out", *header]
    lines = [f"-- {' '.join(line.split())}" for line in comment]
    deepest, widest = _extent(query)
    written = query.sql(dialect=dialect, pretty=True, normalize_functions=False, max_text_width=110, copy=False)
    sql = "\n".join([*lines, written])
    for found, allowed, what in (
        (len(sql), engine.largest, "characters"),
        (deepest, engine.deepest, "levels"),
        (widest, engine.widest, "columns in one of its steps"),
    ):
        if found > allowed:
            raise CompileError(
                f"the SELECT of {described(pipeline)} would have {found:,} {what}; '{dialect}' takes {allowed:,}. "
                "Take fewer or smaller trees, or fewer columns."
            )
    return sql


def _types(types: Mapping[str, str], names: Sequence[str], dialect: str) -> dict[str, exp.DataType]:
    """Parse the types of columns; other columns may be named too, unless the name looks like a typo."""
    untyped = [name for name in names if name not in types]
    for name in types:
        meant = "" if name in names else nearest(name, untyped)
        if meant:
            raise CompileError(
                f"`types` names '{name}', which the pipeline was not fitted on.{meant} Columns that are read without "
                f"a type are {listed(untyped)}."
            )
    return {name: exp.DataType.build(type_, dialect=dialect, udt=True) for name, type_ in types.items()}


def _extent(query: exp.Expr) -> tuple[int, int]:
    """Give how deep the deepest expression is, and how many columns the widest SELECT has."""
    deepest, widest, waiting = 0, 0, [(query, 0)]
    while waiting:
        part, depth = waiting.pop()
        deepest = max(deepest, depth)
        if isinstance(part, exp.Select):
            widest = max(widest, len(part.selects))
        waiting.extend((each, 0 if isinstance(each, exp.Query) else depth + 1) for each in part.iter_expressions())
    return deepest, widest


def feature_names(pipeline: Any) -> list[str]:
    """Give the columns that a pipeline was fitted on; raises CompileError where it does not know, or is not covered."""
    entry(pipeline)  # an estimator that is not covered is reported first, whether or not it has column names
    names = getattr(pipeline, "feature_names_in_", None)
    if names is None and isinstance(pipeline, Pipeline):
        names = next((step.feature_names_in_ for _, step in pipeline.steps if hasattr(step, "feature_names_in_")), None)
    if names is None:
        first = pipeline.steps[0][1] if isinstance(pipeline, Pipeline) else pipeline
        names = getattr(first, "feature_names_", None)  # as CatBoost calls them
    if names is None:
        raise CompileError(
            f"{described(pipeline)} does not know the names of its columns. Fit it on a pandas DataFrame."
        )
    return [str(name) for name in names]


def _predicted(pipeline: Any, rows: Table) -> Outcome:
    outcome = translated(pipeline, rows)
    if isinstance(outcome, Table):
        raise CompileError(f"{described(pipeline)} predicts nothing. Give a pipeline that ends in a predictor.")
    return outcome


def _relation(relation: str | exp.Expression, dialect: str) -> exp.Expression:
    found: Any = relation if isinstance(relation, exp.Expr) else _parsed(relation, dialect)
    if isinstance(found, exp.Query) and not isinstance(found, exp.Subquery):
        return exp.Subquery(this=found.copy(), alias=exp.TableAlias(this=exp.to_identifier("ml_relation")))
    copied: exp.Expression = found.copy()
    return copied


def _parsed(relation: str, dialect: str) -> exp.Expr:
    """Read a query, or else a table's name; raises CompileError for what is neither, as for several statements."""
    with contextlib.suppress(SqlglotError):
        statements = sqlglot.parse(relation, dialect=dialect)
        if len(statements) == 1 and isinstance(statements[0], exp.Query) and statements[0].selects:
            return statements[0]
    with contextlib.suppress(SqlglotError, ValueError):
        table: exp.Expr = exp.to_table(relation, dialect=dialect)
        if isinstance(table, exp.Table):
            return table
    raise CompileError(
        f"the relation {relation!r} is neither the name of a table nor one query in {dialect}. Put a name with other "
        "characters than letters, digits and _ in quotes, as in '\"my table\"'."
    )


def _check_replaced(names: Sequence[str], engine: Dialect) -> None:
    replaced = [name for name in names if "${" in name] if engine.substitutes else []
    if replaced:
        raise CompileError(
            f"'{engine.name}' would replace '${{...}}' in the name '{replaced[0]}'. Rename the column or the class."
        )


def _check_names(keep: Sequence[str], outputs: Sequence[str], engine: Dialect) -> None:
    seen: dict[str, str] = {}
    for name in (*keep, *outputs):
        same = name.encode()[: engine.longest_name].decode(errors="ignore")
        same = same.lower() if engine.folds_case else same
        if same in seen:
            raise CompileError(
                f"the columns '{seen[same]}' and '{name}' would have one name in '{engine.name}'. Rename the kept "
                f"column or the class; the outputs are {listed(outputs)}."
            )
        seen[same] = name
