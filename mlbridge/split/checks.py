"""Whether the rows of a split allow a training. The column `ml_split` itself is computed in SQL."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias, TypedDict

from sqlglot import exp

from mlbridge.engines.warehouse import Warehouse, column
from mlbridge.errors import SplitError, listed
from mlbridge.spec.specification import SPLIT_NAMES, Spec
from mlbridge.typing import Row, Value

MOST_CLASSES = 100
# Intervals are made of the squares of squared errors, which a double still holds, summed over any number of rows.
LARGEST_TARGET = 1e60
# With fewer rows, intervals are too wide to be useful, and a fit has too little to learn from.
MIN_ROWS = {"train": 50, "validation": 20, "test": 20}

# A class of the target, as `target_type` fetches it; all of one target are of one type.
Label: TypeAlias = Value


class Queries(Protocol):
    """What runs a query whose result is small."""

    def rows(self, query: exp.Query) -> list[Row]:
        """Run it; returns the rows as dicts."""
        ...


class LabelCount(TypedDict):
    """The rows of a class in the part of the split called `ml_split`."""

    ml_split: str
    label: Label
    rows: int


def check_keys(node: str, warehouse: Warehouse, problem: exp.Select) -> None:
    """Raise SplitError if a key is NULL or not unique; `problem` is the query of `macros/split/keys.sql`."""
    for row in warehouse.rows(problem):
        raise SplitError(f"{node}: {row['problem']}")


def check_rows(node: str, spec: Spec, split_summary: Mapping[str, Row]) -> None:
    """Raise SplitError for unknown values of `ml_split`, for NULL targets outside `score`, and for targets that are
    infinite or too large to square.

    `split_summary` are the rows of `split_summary_query` by value of `ml_split`. Too few rows are no error:
    `mlbridge.split.shortage` describes them.
    """
    unknown = [name for name in split_summary if name not in SPLIT_NAMES]
    if unknown:
        raise SplitError(
            f"{node}: `ml_split` holds {listed(unknown)}; allowed: {listed(SPLIT_NAMES)}. With `split: {{by: "
            f"{spec.split.by}}}` that column must hold one of these values in every row whose target is known."
        )
    _check_targets(node, spec, split_summary)


def _check_targets(node: str, spec: Spec, split_summary: Mapping[str, Row]) -> None:
    """Refuse rows of a fit without a target, and targets that are not finite or too large."""
    for name, row in split_summary.items():
        if name in MIN_ROWS and row["targets"] < row["rows"]:
            raise SplitError(
                f"{node}: the target '{spec.target}' is NULL in {row['rows'] - row['targets']:,} rows that `ml_split` "
                f"calls {name}. A row whose outcome is not known must be called 'score'."
            )
        ends = [row[end] for end in ("target_low", "target_high") if row.get(end) is not None]
        if not all(math.isfinite(end) for end in ends):
            raise SplitError(
                f"{node}: the target '{spec.target}' is NaN or infinite in some {name} rows. Where the outcome is not "
                "known it must be NULL; correct it in the features node."
            )
        largest = max(ends, key=abs, default=0.0)
        if abs(largest) > LARGEST_TARGET:
            raise SplitError(
                f"{node}: the target '{spec.target}' is {largest:.3g} in some {name} rows; numbers beyond "
                f"{LARGEST_TARGET:g} are too large to square. Choose another unit in the features node, or make what "
                "is not known NULL."
            )


def label_counts(warehouse: Queries, spec: Spec, target_as: str, split: exp.Expression) -> list[LabelCount]:
    """Count the labelled rows by split and class: columns `ml_split, label, rows`, without `score`."""
    rows = warehouse.rows(_labels_query(spec, target_as, split))
    return [{"ml_split": row["ml_split"], "label": row["label"], "rows": row["rows"]} for row in rows]


def _labels_query(spec: Spec, target_as: str, split: exp.Expression) -> exp.Select:
    label = exp.cast(column(spec.target), target_as)
    return (
        exp.select(
            column("ml_split"),
            exp.alias_(label, "label"),
            exp.alias_(exp.Count(this=exp.Star()), "rows"),
        )
        .from_(split)
        .where(column("ml_split").isin(*MIN_ROWS))
        .group_by(column("ml_split"), label.copy())
    )


def check_labels(node: str, spec: Spec, counted: Sequence[LabelCount]) -> tuple[Label, ...]:
    """Return the classes of the training rows, sorted.

    Raises SplitError for more than `MOST_CLASSES` classes and, in a split by column, if a frequent class has no
    training row. In a split by time or hash, a class without training rows is rare or new; later builds may have rows
    of it, so it is no error here.
    """
    by_split = {name: {row["label"]: row["rows"] for row in counted if row["ml_split"] == name} for name in MIN_ROWS}
    if len(by_split["train"]) > MOST_CLASSES:
        raise SplitError(
            f"{node}: the target '{spec.target}' has {len(by_split['train']):,} classes, more than {MOST_CLASSES}. "
            "Is it a number? Then write `task: regression`."
        )
    held = {label for name in ("validation", "test") for label in by_split[name]} - set(by_split["train"])
    many = [
        label
        for label in sorted(held)
        if sum(by_split[name].get(label, 0) for name in ("validation", "test")) >= MIN_ROWS["train"]
    ]
    if many and spec.split.by not in ("time", "hash"):
        raise SplitError(
            f"{node}: the target '{spec.target}' has {listed(many)} among the validation or test rows, but never in "
            f"training. Merge classes in the features node, or let '{spec.split.by}' give training some of them."
        )
    return tuple(sorted(by_split["train"]))
