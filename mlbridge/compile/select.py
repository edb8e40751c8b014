"""`to_sql`: a fitted scikit-learn pipeline as one SELECT."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlglot
from sklearn.pipeline import Pipeline
from sqlglot import exp
from sqlglot.errors import ParseError

from mlbridge.compile.assemble import Assembler
from mlbridge.compile.columns import Classification, Outcome, Raw, Several, Table
from mlbridge.compile.covered import described, entry, translated
from mlbridge.compile.dialects import Dialect, dialect_of
from mlbridge.compile.expressions import Named, Node, case, double, either, ref
from mlbridge.errors import CompileError, listed
from mlbridge.warehouse import DIALECT


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
    is NaN. `header` are lines of comment to put first.

    scikit-learn says the same when it is fed float64 columns with NaN for what is missing, and texts with NaN or None
    (whichever the fit saw). A row that it would refuse - an infinite number, a missing value where none is allowed, an
    unseen category under `handle_unknown="error"` - has NULL in every output.

    How exact this is stands in docs/compile.md for each estimator. Raises CompileError for an estimator or a
    parameter that is not covered, naming it and what is.
    """
    engine = dialect_of(dialect)
    parsed = {name: exp.DataType.build(type_, dialect=dialect, udt=True) for name, type_ in (types or {}).items()}
    features = feature_names(pipeline)
    rows = Table(tuple(Raw(name, parsed.get(name)) for name in features))
    outputs = _outputs(_predicted(pipeline, rows))
    _check_names(keep, list(outputs), engine)
    _check_replaced([*features, *keep, *outputs], engine)
    query = Assembler(_relation(relation, dialect), keep, engine, outputs).select(outputs)
    comment = [described(pipeline), f"{len(rows.columns)} columns in, {len(outputs)} out", *header]
    lines = [f"-- {' '.join(line.split())}" for line in comment]
    deepest = _depth(query)
    written = query.sql(dialect=dialect, pretty=True, normalize_functions=False, max_text_width=110, copy=False)
    sql = "\n".join([*lines, written])
    for found, allowed, what in ((len(sql), engine.largest, "characters"), (deepest, engine.deepest, "levels")):
        if found > allowed:
            raise CompileError(
                f"the SELECT of {described(pipeline)} would have {found:,} {what}; '{dialect}' takes {allowed:,}. "
                "Take fewer or smaller trees, or fewer columns."
            )
    return sql


def _depth(query: exp.Expr) -> int:
    """Give how deep the deepest expression is."""
    deepest, waiting = 0, [(query, 0)]
    while waiting:
        part, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting.extend((each, 0 if isinstance(each, exp.Query) else depth + 1) for each in part.iter_expressions())
    return deepest


def feature_names(pipeline: Any) -> list[str]:
    """Give the columns that a pipeline was fitted on; raises CompileError where it does not know, or is not covered."""
    entry(pipeline)  # what is not covered need not know its columns' names
    names = getattr(pipeline, "feature_names_in_", None)
    if names is None and isinstance(pipeline, Pipeline):
        names = next((step.feature_names_in_ for _, step in pipeline.steps if hasattr(step, "feature_names_in_")), None)
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
    """Read a query, or else a table's name."""
    with contextlib.suppress(ParseError):
        parsed = sqlglot.parse_one(relation, dialect=dialect)
        if isinstance(parsed, exp.Query):
            return parsed
    return exp.to_table(relation, dialect=dialect)


def _outputs(outcome: Outcome) -> dict[str, exp.Expression]:
    if isinstance(outcome, Several):
        return {
            name: value
            for place, each in enumerate(outcome.outcomes)
            for name, value in _classified(each, f"_{place}").items()
        }
    if isinstance(outcome, Classification):
        return _classified(outcome, "")
    refused = _any(outcome.refused)
    several = len(outcome.values) > 1
    return {
        f"prediction_{place}" if several else "prediction": _unless(refused, ref(value))
        for place, value in enumerate(outcome.values)
    }


def _classified(outcome: Classification, suffix: str) -> dict[str, exp.Expression]:
    *firsts, last = [_literal(label) for label in outcome.classes]
    wins = [(ref(win), label) for win, label in zip(outcome.wins, firsts, strict=True)]
    refused = _any(outcome.refused)
    outputs = {f"prediction{suffix}": _unless(refused, case(wins, last))}
    named = {
        f"probability{suffix}_{class_name(label)}": node
        for label, node in zip(outcome.classes, outcome.probabilities, strict=False)
    }
    if not named:
        several = len(outcome.decisions) > 1
        ends = [f"_{class_name(label)}" if several else "" for label in outcome.classes]
        named = {f"decision{suffix}{end}": node for end, node in zip(ends, outcome.decisions, strict=False)}
    outputs |= {name: _unless(refused, ref(node)) for name, node in named.items()}
    return outputs


def _any(refused: Sequence[Node]) -> Node | None:
    return Named("refused", either([ref(node) for node in refused])) if refused else None


def _unless(refused: Node | None, value: exp.Expression) -> exp.Expression:
    return value if refused is None else case([(ref(refused), exp.null())], value)


def _literal(label: Any) -> exp.Expression:
    label = label.item() if hasattr(label, "item") else label
    if isinstance(label, bool):
        return exp.Boolean(this=label)
    if isinstance(label, int):
        return exp.Literal.number(label)
    return double(label) if isinstance(label, float) else exp.Literal.string(str(label))


def class_name(label: Any) -> str:
    """Give what the name of a class's column ends in."""
    label = label.item() if hasattr(label, "item") else label
    return str(label).lower() if isinstance(label, bool) else str(label)


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
