"""Shortage: what the rows lack for a training yet. That is a state which time mends, no mistake of anybody's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlbridge.errors import listed
from mlbridge.spec import Spec
from mlbridge.split import MIN_ROWS

MIN_OF_CLASS = 5
"""With fewer rows of one of two classes, hardly any skill could be told from chance."""


@dataclass(frozen=True)
class Shortage:
    """All that is lacking, in words; `figures` are the numbers found and needed, ready for JSON."""

    reason: str
    figures: dict[str, Any]


def shortage(
    spec: Spec, facts: Mapping[Any, Mapping[str, Any]], counted: Sequence[Mapping[str, Any]]
) -> Shortage | None:
    """Say what the rows lack, all of it at once; None when a training can begin.

    `facts` are the answer of `facts_query` by word, `counted` that of `labels_query` (nothing for a regression). An
    outcome that was known too late for its part of a split by time takes no part, and is counted.
    """
    rows = {word: int(facts.get(word, {"rows": 0})["rows"]) for word in MIN_ROWS}
    classes = {word: {row["label"]: int(row["rows"]) for row in counted if row["word"] == word} for word in MIN_ROWS}
    late = int(facts.get("score", {"targets": 0})["targets"]) if spec.split.by == "time" else 0
    lacks = [
        f"{word} has {rows[word]:,} of at least {least:,} rows"
        for word, least in MIN_ROWS.items()
        if rows[word] < least
    ]
    if spec.task == "classification":
        lacks += _of_classes(spec, classes)
    else:
        lacks += [
            f"{word} has one value only, {found['target_low']:g}, in {found['rows']:,} rows"
            for word, found in facts.items()
            if word in MIN_ROWS and found["rows"] > 1 and found["target_low"] == found["target_high"]
        ]
    if not lacks:
        return None
    figures: dict[str, Any] = {f"rows_{word}": count for word, count in rows.items()}
    figures |= {f"rows_{word}_needed": least for word, least in MIN_ROWS.items()}
    if spec.task == "classification":
        figures |= {f"classes_{word}": {str(label): n for label, n in found.items()} for word, found in classes.items()}
        figures["rows_of_a_class_needed"] = MIN_OF_CLASS
    if spec.split.by == "time":
        figures["known_too_late"] = late
    return Shortage(f"{_opening(spec, facts)}: {'; '.join(lacks)}{_late(late)}. {_way_out(spec)}", figures)


def _opening(spec: Spec, facts: Mapping[Any, Mapping[str, Any]]) -> str:
    if not facts:
        return "not trained, because the split has no rows"
    if not sum(row["targets"] for row in facts.values()):
        every = sum(row["rows"] for row in facts.values())
        return f"not trained, because the target '{spec.target}' is NULL in every one of {every:,} rows"
    return "not trained, because the rows do not suffice yet"


def _of_classes(spec: Spec, classes: Mapping[str, Mapping[Any, int]]) -> list[str]:
    """Say of which class there are too few rows, word by word; a word without rows lacks those first."""
    every = sorted({label for found in classes.values() for label in found})
    if len(every) < 2:
        return [f"the target '{spec.target}' has one class only, {listed(every)}, of at least two"] if every else []
    lacks = []
    for word, found in classes.items():
        if found and len(every) == 2:
            lacks += [
                f"{word} has {found.get(label, 0):,} of at least {MIN_OF_CLASS} rows of the class '{label}'"
                for label in every
                if found.get(label, 0) < MIN_OF_CLASS
            ]
        elif len(found) == 1:
            lacks.append(f"{word} has one class only, {listed(found)}, of at least two")
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
