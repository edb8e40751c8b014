"""Which labelled rows a training holds in memory: all of them, or a sample by the hash of their key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from mlbridge.engines.adapters import Relation
from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import listed
from mlbridge.features.columns import Feature, split_summary_query, unlearnable
from mlbridge.features.row_sample import in_sample
from mlbridge.spec.specification import Spec
from mlbridge.split.checks import MIN_ROWS, Label, LabelCount, check_labels, label_counts
from mlbridge.split.shortage import Shortage, shortage
from mlbridge.typing import Row

TABLE = "split"


@dataclass(frozen=True)
class Contents:
    """What a split has: the rows of `split_summary_query` by value of `ml_split`, those of `label_counts`.

    The latter are none for a regression.
    """

    summary: Mapping[str, Row]
    labels: Sequence[LabelCount]

    @classmethod
    def of(
        cls, warehouse: Warehouse, split: Relation, spec: Spec, features: tuple[Feature, ...], target_as: str
    ) -> Contents:
        """Ask for them; `target_as` is the `target_type`."""
        table = warehouse.table(split, TABLE)
        summary = {row["ml_split"]: row for row in warehouse.rows(split_summary_query(features, spec, table))}
        counted = label_counts(warehouse, spec, target_as, table) if spec.task == "classification" else []
        return cls(summary, counted)

    @property
    def rows(self) -> dict[str, int]:
        """Return the number of labelled rows by value of `ml_split`."""
        return {name: int(self.summary[name]["rows"]) for name in MIN_ROWS}


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
    def every(self) -> Mapping[str, int]:
        """Return how many rows there are, in memory or not, by value of `ml_split`."""
        return self.rows if self.sampled is None else self.sampled["of"]

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
    features: tuple[Feature, ...],
    target_as: str,
    every: Contents,
) -> HeldRows | Shortage:
    """Choose the rows; `every` is what the whole split has, which suffices for a training.

    Returns what is missing if the sample does not suffice: rows of a part or a class, values of a feature.
    """
    condition = in_sample(spec, sum(every.rows.values()))
    if condition is None:
        return HeldRows(split, every.rows)
    relation = warehouse.where(split, condition)
    found = Contents.of(warehouse, relation, spec, features, target_as)
    lacking = shortage(spec, found.summary, found.labels)
    if lacking is not None:
        return Shortage(_too_small(spec, lacking.lacks), lacking.figures, lacking.lacks)
    lacks = [f"the feature '{name}' is {problem}" for name, problem in unlearnable(features, found.summary).items()]
    if spec.task == "classification":
        classes: list[set[Label]] = [set(check_labels(node, spec, each.labels)) for each in (every, found)]
        lacks += [f"no row of the class {listed(gone)}"] if (gone := sorted(classes[0] - classes[1])) else []
    if lacks:
        return Shortage(_too_small(spec, lacks), {}, lacks)
    return HeldRows(relation, found.rows, {"by": spec.sample.by, "rows": found.rows, "of": every.rows})


def _too_small(spec: Spec, lacks: Sequence[str]) -> str:
    other = ", or sample `by: row`" if spec.sample.by == "entity" else ""
    return f"not trained, because the sample is too small: {'; '.join(lacks)}. Raise `sample.rows`{other}"
