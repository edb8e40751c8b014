"""Encoders of categories. The encoder itself is asked what becomes of each category, of NULL and of an unseen value."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlbridge.compile.columns import Column, Floats, Mapped, Number, Raw, Table, Text, equals, merged
from mlbridge.compile.expressions import Named, Node
from mlbridge.compile.tabulate import dense, framed
from mlbridge.errors import CompileError


def encoder(estimator: Any, table: Table) -> Table:
    """Translate an encoder whose outputs for one column depend on that column alone."""
    _check_dtype(estimator)
    columns: list[Column] = []
    refused: list[Node] = []
    for place, column in enumerate(table.columns):
        asked = _Asked(estimator, place)
        if isinstance(column, Mapped):
            tables, reasons = asked.of_mapped(column)
        else:
            tables, reasons = asked.of_values(column)
        columns.extend(tables)
        refused.extend(reasons)
    sparse = bool(getattr(estimator, "sparse_output", False))
    return Table(tuple(columns), merged(table.refused, refused), sparse)


def _check_dtype(estimator: Any) -> None:
    dtype = np.dtype(getattr(estimator, "dtype", np.float64))
    if dtype.kind == "f" and dtype.itemsize < 8:
        name = type(estimator).__name__
        raise CompileError(f"{name}(dtype={dtype.name}): only float64 and integers give the same numbers in SQL.")


class _Asked:
    """One column of an encoder."""

    def __init__(self, estimator: Any, place: int) -> None:
        self.estimator, self.place = estimator, place
        self.categories = np.asarray(estimator.categories_[place])
        self.textual = self.categories.dtype.kind in "OUT"
        known = [each for each in self.categories if not _is_missing(each)]
        if self.textual and not all(isinstance(each, str) for each in known):
            raise CompileError(
                f"{type(estimator).__name__}: the categories of column {place} are neither all texts nor all numbers: "
                f"{known[:3]}. Make them one kind before."
            )
        self.known = tuple(str(each) if self.textual else float(each) for each in known)
        if len(set(self.known)) < len(self.known):
            raise CompileError(
                f"{type(estimator).__name__}: categories of column {place} are the same number as a double. Make "
                "them texts before."
            )
        self.missing = next((each for each in self.categories if _is_missing(each)), np.nan)

    def of_values(self, column: Raw | Number | Text) -> tuple[list[Mapped], list[Node]]:
        """Look the encoder's outputs up by the column's value."""
        if isinstance(column, Raw):
            column = column.text if self.textual else column.number
        if isinstance(column, Text) != self.textual:
            kinds = "texts" if self.textual else "numbers"
            raise CompileError(f"{type(self.estimator).__name__}: the categories of column {self.place} are {kinds}.")
        answers = self._answers([*self.known, self.missing, self._unseen()])
        tables, refusals = self._tables(answers, lambda table: self._mapped(column.node, table))
        if isinstance(column, Number) and column.infinite:
            refusals.append(column.is_infinite)
        return tables, refusals

    def of_mapped(self, column: Mapped) -> tuple[list[Mapped], list[Node]]:
        """Encode the numbers that the column can take."""
        answers = self._answers(column.table.tolist())
        return self._tables(answers, column.with_table)

    def _mapped(self, source: Node, table: Floats) -> Mapped:
        return Mapped(source.hint, source, self.known, table[:-2], float(table[-2]), float(table[-1]))

    def _tables(self, answers: list[Floats | None], mapped: Any) -> tuple[list[Mapped], list[Node]]:
        """Give one table per output, and the reason to refuse a row where the encoder raises."""
        width = next(len(each) for each in answers if each is not None)
        rows = np.array([np.full(width, np.nan) if each is None else each for each in answers])
        wrong = np.array([each is None for each in answers], dtype=np.float64)
        reasons: list[Node] = []
        if wrong.any():
            reasons.append(Named("unknown", equals(mapped(wrong).number.node, 1)))
        return [mapped(rows[:, output]) for output in range(width)], reasons

    def _answers(self, values: list[Any]) -> list[Floats | None]:
        """Ask what each value becomes; None where the encoder refuses it."""
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
        kind = object if self.textual else np.float64
        columns = []
        for place, categories in enumerate(self.estimator.categories_):
            if place == self.place:
                columns.append(np.array(values, dtype=kind))
            else:
                columns.append(np.array([categories[0]] * len(values), dtype=np.asarray(categories).dtype))
        widths = self._widths()
        start = sum(widths[: self.place])
        return dense(self._quiet(framed(self.estimator, columns)))[:, start : start + widths[self.place]]

    def _quiet(self, rows: Any) -> Any:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that an unseen category is encoded as zeros is what is asked here
            return self.estimator.transform(rows)

    def _widths(self) -> list[int]:
        outputs = getattr(self.estimator, "_n_features_outs", None)
        if outputs is not None:
            return list(outputs)
        multi = getattr(self.estimator, "target_type_", None) == "multiclass"
        return [len(self.estimator.classes_) if multi else 1] * len(self.estimator.categories_)

    def _unseen(self) -> Any:
        """Give a value that is none of the categories."""
        if not self.textual:
            return float(np.ceil(max((abs(float(each)) for each in self.known), default=0.0)) * 2 + 1)
        unseen = "unseen"
        while unseen in self.known:
            unseen += "_"
        return unseen


def _is_missing(value: Any) -> bool:
    return value is None or value != value
