"""Which labelled rows a training holds in memory: all of them, or a sample by the hash of their key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from mlbridge.engines.adapters import Relation
from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import SplitError, listed
from mlbridge.features.columns import features_of, split_summary_query, target_type, unlearnable
from mlbridge.features.row_sample import in_sample
from mlbridge.spec.specification import Spec
from mlbridge.split.checks import MIN_ROWS, Label, check_labels, label_counts
from mlbridge.split.shortage import shortage

TABLE = "split"


class Sampled(TypedDict):
    """A sample of the labelled rows: by which key, how many rows, and of how many, each by value of `ml_split`."""

    by: str
    rows: Mapping[str, int]
    of: Mapping[str, int]


@dataclass(frozen=True)
class HeldRows:
    """The rows that a training holds in memory, and their number by value of `ml_split`; `sampled` is None for all."""

    relation: Relation
    rows: Mapping[str, int]
    sampled: Sampled | None = None

    @property
    def note(self) -> str:
        """Return of which rows they are a sample, for the log; empty for all."""
        if self.sampled is None:
            return ""
        return f", a sample by {self.sampled['by']} of {sum(self.sampled['of'].values()):,} labelled rows"


def held_rows(
    node: str,
    warehouse: Warehouse,
    split: Relation,
    spec: Spec,
    counts: Mapping[str, int],
    classes: Sequence[Label] | None,
) -> HeldRows:
    """Choose the rows; `counts` are those that there are by value of `ml_split`, `classes` those of the target.

    Raises SplitError if a training needs more than the sample has: rows of a part or a class, values of a feature.
    """
    condition = in_sample(spec, sum(counts.values()))
    if condition is None:
        return HeldRows(split, counts)
    columns = warehouse.columns(split)
    features = features_of(node, columns, spec)
    relation = warehouse.where(split, condition)
    table = warehouse.table(relation, TABLE)
    summary = {row["ml_split"]: row for row in warehouse.rows(split_summary_query(features, spec, table))}
    counted = [] if classes is None else label_counts(warehouse, spec, target_type(node, columns, spec), table)
    lacking = shortage(spec, summary, counted)
    if lacking is not None:
        raise SplitError(f"{node}: {_too_small(spec.sample.by)}: {lacking.reason}")
    gone = [] if classes is None else sorted(set(classes) - set(check_labels(node, spec, counted)))
    if gone:
        raise SplitError(f"{node}: {_too_small(spec.sample.by)}: no row of the class {listed(gone)} is in it.")
    for name, problem in unlearnable(features, summary).items():
        raise SplitError(f"{node}: {_too_small(spec.sample.by)}: in it, the feature '{name}' is {problem}.")
    rows = {name: int(summary[name]["rows"]) for name in MIN_ROWS}
    return HeldRows(relation, rows, {"by": spec.sample.by, "rows": rows, "of": dict(counts)})


def _too_small(by: str) -> str:
    other = ", or sample `by: row`" if by == "entity" else ""
    return f"`mlbridge.sample` is too small. Raise `rows`{other}"
