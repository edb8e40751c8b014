"""Estimators that contain others: pipelines, column transformers, searches. `parts` translates the inner ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlbridge.compile.sql.columns import Column, Table, merged, number_of, numbers
from mlbridge.compile.sql.expressions import Node, double, multiply, ref
from mlbridge.compile.sql.number import computed
from mlbridge.compile.sql.outcomes import Outcome
from mlbridge.errors import CompileError

Parts = Callable[[Any, Table], Table | Outcome]


def transformed(parts: Parts, estimator: Any, table: Table) -> Table:
    """Translate an estimator that must be a transformer."""
    result = parts(estimator, table)
    if not isinstance(result, Table):
        raise CompileError(f"{type(estimator).__name__} stands where a transformer is expected.")
    return result


def pipeline(estimator: Any, table: Table, parts: Parts) -> Table | Outcome:
    """Translate a Pipeline, step by step."""
    result: Table | Outcome = table
    for _, step in estimator.steps:
        if not isinstance(result, Table):
            raise CompileError("a Pipeline has a step after a predictor.")
        if step is not None and step != "passthrough":
            result = parts(step, result)
    return result


def column_transformer(estimator: Any, table: Table, parts: Parts) -> Table:
    """Translate a ColumnTransformer; its outputs stand in the order of its transformers, the remainder last."""
    columns: list[Column] = []
    refused: list[Node] = []
    weights = estimator.transformer_weights or {}
    for name, transformer, _ in estimator.transformers_:
        positions = estimator._transformer_to_input_indices[name]
        if transformer == "drop" or len(positions) == 0:
            continue
        chosen = Table(tuple(table.columns[position] for position in positions))
        result = chosen if transformer == "passthrough" else transformed(parts, transformer, chosen)
        columns.extend(_weighted(result, weights.get(name)))
        refused.extend(result.refused)
    return Table(tuple(columns), merged(table.refused, refused), bool(estimator.sparse_output_))


def feature_union(estimator: Any, table: Table, parts: Parts) -> Table:
    """Translate a FeatureUnion: every transformer sees every column."""
    columns: list[Column] = []
    refused: list[Node] = []
    sparse = False
    weights = estimator.transformer_weights or {}
    for name, transformer in estimator.transformer_list:
        if transformer == "drop":
            continue
        result = table if transformer == "passthrough" else transformed(parts, transformer, table)
        columns.extend(_weighted(result, weights.get(name)))
        refused.extend(result.refused)
        sparse = sparse or result.sparse
    return Table(tuple(columns), merged(table.refused, refused), sparse)


def _weighted(table: Table, weight: float | None) -> tuple[Column, ...]:
    if weight is None:
        return table.columns
    numbers = [number_of(column) for column in table.columns]
    return tuple(computed(each.node.hint, multiply(ref(each.node), double(weight)), [each]) for each in numbers)


def chosen_estimator(estimator: Any, table: Table, parts: Parts) -> Table | Outcome:
    """Translate a search by the estimator that it found best."""
    if not hasattr(estimator, "best_estimator_"):
        raise CompileError(f"{type(estimator).__name__}(refit=False) holds no fitted estimator.")
    return parts(estimator.best_estimator_, table)


def frozen(estimator: Any, table: Table, parts: Parts) -> Table | Outcome:
    """Translate a FrozenEstimator by the estimator inside it."""
    return parts(estimator.estimator, table)


def selector(estimator: Any, table: Table) -> Table:
    """Translate a feature selector: some of the columns, as they are."""
    if not estimator.__sklearn_tags__().input_tags.allow_nan:
        table = Table(*numbers(table, missing=False), table.sparse)
    positions = estimator.get_support(indices=True)
    return Table(tuple(table.columns[position] for position in positions), table.refused, table.sparse)
