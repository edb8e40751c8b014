"""Encoders of categories: the fitted encoder is applied to each category, to NULL and to an unseen value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlbridge.compile.formulas.categories import read_categories
from mlbridge.compile.formulas.lookup_tables import dense, framed
from mlbridge.compile.sql.columns import Column, Floats, Mapped, Raw, Table, Text, equals, merged
from mlbridge.compile.sql.expressions import Named, Node
from mlbridge.compile.sql.number import Number
from mlbridge.errors import CompileError


def encoder(estimator: Any, table: Table) -> Table:
    """Translate an encoder whose outputs for one column depend on that column alone."""
    _check_dtype(estimator)
    columns: list[Column] = []
    refused: list[Node] = []
    for index, column in enumerate(table.columns):
        probe = _Probe(estimator, index)
        if isinstance(column, Mapped):
            tables, reasons = probe.of_mapped(column)
        else:
            tables, reasons = probe.of_values(column)
        columns.extend(tables)
        refused.extend(reasons)
    sparse = bool(getattr(estimator, "sparse_output", False))
    return Table(tuple(columns), merged(table.refused, refused), sparse)


def _check_dtype(estimator: Any) -> None:
    dtype = np.dtype(getattr(estimator, "dtype", np.float64))
    if dtype.kind == "f" and dtype.itemsize < 8:
        name = type(estimator).__name__
        raise CompileError(f"{name}(dtype={dtype.name}): only float64 and integers give the same numbers in SQL.")


class _Probe:
    """One column of an encoder."""

    def __init__(self, estimator: Any, index: int) -> None:
        self.estimator, self.index = estimator, index
        self.what = f"{type(estimator).__name__}: the categories of column {index}"
        self.categories = read_categories(self.what, estimator.categories_[index])

    def of_values(self, column: Raw | Number | Text) -> tuple[list[Mapped], list[Node]]:
        """Look the encoder's outputs up by the column's value."""
        known = self.categories
        source = known.source(self.what, column)
        answers = self._answers([*known.values, known.missing, known.unseen()])
        tables, refusals = self._tables(answers, lambda table: self._mapped(source.node, table))
        if isinstance(source, Number) and source.infinite:
            refusals.append(source.is_infinite)
        return tables, refusals

    def of_mapped(self, column: Mapped) -> tuple[list[Mapped], list[Node]]:
        """Encode the numbers that the column can take."""
        answers = self._answers(column.table.tolist())
        return self._tables(answers, column.with_table)

    def _mapped(self, source: Node, table: Floats) -> Mapped:
        return Mapped(source.hint, source, self.categories.keys, table[:-2], float(table[-2]), float(table[-1]))

    def _tables(
        self, answers: list[Floats | None], mapped: Callable[[Floats], Mapped]
    ) -> tuple[list[Mapped], list[Node]]:
        """Give one table per output, and the reason to refuse a row where the encoder raises."""
        width = next(len(each) for each in answers if each is not None)
        rows = np.array([np.full(width, np.nan) if each is None else each for each in answers])
        wrong = np.array([each is None for each in answers], dtype=np.float64)
        reasons: list[Node] = []
        if wrong.any():
            reasons.append(Named("unknown", equals(mapped(wrong).number.node, 1)))
        return [mapped(rows[:, output]) for output in range(width)], reasons

    def _answers(self, values: list[Any]) -> list[Floats | None]:
        """Encode each value; None if the encoder rejects it."""
        try:
            return list(self._transform(values))
        except ValueError:
            return [self._answer(value) for value in values]

    def _answer(self, value: Any) -> Floats | None:
        try:
            return np.asarray(self._transform([value])[0])
        except ValueError:
            return None

    def _transform(self, values: list[Any]) -> Floats:
        columns = []
        for index, categories in enumerate(map(np.asarray, self.estimator.categories_)):
            if index == self.index:
                columns.append(np.array(values, dtype=np.float64 if categories.dtype.kind in "biuf" else object))
            else:
                columns.append(np.array([categories[0]] * len(values), dtype=categories.dtype))
        widths = self._widths()
        start = sum(widths[: self.index])
        return dense(self._quiet(framed(self.estimator, columns)))[:, start : start + widths[self.index]]

    def _quiet(self, rows: Any) -> Any:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unseen category is encoded on purpose
            return self.estimator.transform(rows)

    def _widths(self) -> list[int]:
        outputs = getattr(self.estimator, "_n_features_outs", None)
        if outputs is not None:
            return list(outputs)
        multi = getattr(self.estimator, "target_type_", None) == "multiclass"
        return [len(self.estimator.classes_) if multi else 1] * len(self.estimator.categories_)
