"""The labelled rows of a training, batch by batch, in the frame's order: for fits on more than memory holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from mlbridge.engines.warehouse import Warehouse, column, non_empty_batches, select, subquery
from mlbridge.features.columns import FetchedFeature
from mlbridge.features.frame import Batch, batch_columns, fitted_columns, model_input, rows_at_once
from mlbridge.spec.specification import Spec


@dataclass(frozen=True)
class Stream:
    """The rows of `split` in the warehouse; each call of `batches` reads them anew."""

    warehouse: Warehouse
    split: exp.Expression
    columns: Sequence[FetchedFeature]
    spec: Spec
    target_as: str

    def batches(self, part: str) -> Iterator[Batch]:
        """Iterate over the rows of one value of `ml_split`, by time and entity."""
        chosen = fitted_columns(self.columns, self.spec, self.target_as)
        query = select(chosen, self.split.copy()).where(column("ml_split").eq(exp.Literal.string(part)))
        query = query.order_by(column(self.spec.time), *(column(name) for name in self.spec.entity))
        # An estimator that is fitted so goes by the texts themselves, and not by their numbers in a frame.
        texts: dict[str, Sequence[str]] = {each.feature.name: () for each in self.columns}
        for batch in non_empty_batches(self.warehouse.batches(query, rows_at_once(len(self.columns)))):
            features, target = batch_columns(batch)
            yield model_input(features, texts), target


def frequent_texts(
    warehouse: Warehouse, split: exp.Expression, columns: Sequence[FetchedFeature], most: int
) -> dict[str, tuple[str, ...]]:
    """Return by text feature its texts in the training rows, sorted; of more than `most` the most frequent ones."""
    counted = text_counts(warehouse, split, columns, most)
    return {name: tuple(sorted(texts)) for name, texts in counted.items()}


def text_counts(
    warehouse: Warehouse, split: exp.Expression, columns: Sequence[FetchedFeature], most: int
) -> dict[str, dict[str, int]]:
    """Return by text feature the rows of each of its `most` most frequent texts in the training rows."""
    found = {}
    for each in columns:
        if each.feature.kind != "category":
            continue
        rows = select({"value": each.feature.value()}, split.copy())
        rows = rows.where(column("ml_split").eq(exp.Literal.string("train")))
        counted = {"value": column("value"), "rows": exp.Count(this=exp.Star())}
        query = select(counted, subquery(rows, "texts")).where(exp.not_(column("value").is_(exp.null())))
        query = query.group_by(column("value"))
        order = (exp.Ordered(this=column("rows"), desc=True), column("value"))
        rows_by_text = warehouse.rows(query.order_by(*order).limit(most))
        found[each.feature.name] = {row["value"]: int(row["rows"]) for row in rows_by_text}
    return found
