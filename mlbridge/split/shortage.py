"""What is missing for a training. Later builds may have more rows, so a shortage is logged and is not an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlbridge.errors import listed
from mlbridge.spec.specification import Spec
from mlbridge.split.checks import MIN_ROWS, Label, LabelCount
from mlbridge.typing import Document, Row

MIN_OF_CLASS = 5
"""With fewer rows of one of two classes, hardly any skill could be distinguished from chance."""


@dataclass(frozen=True)
class Shortage:
    """What is missing for a training: a `reason` in words, and the `figures` found and needed, ready for JSON.

    `lacks` are the parts of the reason: what there is too little of.
    """

    reason: str
    figures: Document
    lacks: Sequence[str]


def shortage(spec: Spec, split_summary: Mapping[str, Row], counted: Sequence[LabelCount]) -> Shortage | None:
    """Describe everything that is missing for a training; None when it can begin.

    `split_summary` are the rows of `split_summary_query` by value of `ml_split`, `counted` those of `label_counts`
    (none for a regression). In a split by time, `figures` also count the labelled rows that are excluded, because they
    lie in the gap or their outcome was known too late.
    """
    rows = {name: int(split_summary.get(name, {"rows": 0})["rows"]) for name in MIN_ROWS}
    classes = {
        name: {row["label"]: int(row["rows"]) for row in counted if row["ml_split"] == name} for name in MIN_ROWS
    }
    late = int(split_summary.get("score", {"targets": 0})["targets"]) if spec.split.by == "time" else 0
    lacks = [
        f"{name} has {rows[name]:,} of at least {least:,} rows"
        for name, least in MIN_ROWS.items()
        if rows[name] < least
    ]
    if spec.task == "classification":
        lacks += _of_classes(spec, classes)
    else:
        lacks += [
            f"{name} has one value only, {found['target_low']:g}, in {found['rows']:,} rows"
            for name, found in split_summary.items()
            if name in MIN_ROWS and found["rows"] > 1 and found["target_low"] == found["target_high"]
        ]
    if not lacks:
        return None
    figures: Document = {f"rows_{name}": count for name, count in rows.items()}
    figures |= {f"rows_{name}_needed": least for name, least in MIN_ROWS.items()}
    if spec.task == "classification":
        figures |= {f"classes_{name}": {str(label): n for label, n in found.items()} for name, found in classes.items()}
        figures["rows_of_a_class_needed"] = MIN_OF_CLASS
    if spec.split.by == "time":
        figures["known_too_late"] = late
    reason = f"{_opening(spec, split_summary)}: {'; '.join(lacks)}{_late(late)}. {_way_out(spec)}"
    return Shortage(reason, figures, lacks)


def _opening(spec: Spec, split_summary: Mapping[str, Row]) -> str:
    if not split_summary:
        return "not trained, because the split has no rows"
    if not sum(row["targets"] for row in split_summary.values()):
        every = sum(row["rows"] for row in split_summary.values())
        return f"not trained, because the target '{spec.target}' is NULL in every one of {every:,} rows"
    return "not trained, because the rows do not suffice yet"


def _of_classes(spec: Spec, classes: Mapping[str, Mapping[Label, int]]) -> list[str]:
    """Name the classes that have too few rows, by value of `ml_split`; one without any rows is reported elsewhere."""
    every = sorted({label for found in classes.values() for label in found})
    if len(every) < 2:
        return [f"the target '{spec.target}' has one class only, {listed(every)}, of at least two"] if every else []
    lacks = []
    for name, found in classes.items():
        if found and len(every) == 2:
            lacks += [
                f"{name} has {found.get(label, 0):,} of at least {MIN_OF_CLASS} rows of the class '{label}'"
                for label in every
                if found.get(label, 0) < MIN_OF_CLASS
            ]
        elif len(found) == 1:
            lacks.append(f"{name} has one class only, {listed(found)}, of at least two")
    unseen = {label: sum(found.get(label, 0) for found in classes.values()) for label in every}
    unseen = {label: count for label, count in unseen.items() if label not in classes["train"] and len(every) > 2}
    if unseen and classes["train"]:
        lacks.append(
            f"train has no row of the class {listed(unseen)}, of which there are {sum(unseen.values()):,} rows among "
            "validation and test"
        )
    return lacks


def _late(late: int) -> str:
    return (
        f"; {late:,} rows take no part, because their outcome was known too late or they lie in the gap" if late else ""
    )


def _way_out(spec: Spec) -> str:
    merge = ", merge rare classes in the features node" if spec.task == "classification" else ""
    return (
        "The next build tries again: wait for more rows whose outcome is known (see `label_time` and "
        f"`mlbridge_as_of`){merge}, or change `mlbridge.split`"
    )
