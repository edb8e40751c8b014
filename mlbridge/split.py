"""Split: whether the rows that the split macro marked allow a training. The words themselves are made in SQL."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlglot import exp

from mlbridge.errors import SplitError, listed
from mlbridge.spec import SPLIT_WORDS, Spec
from mlbridge.warehouse import as_text, column

# Below this a figure has no interval worth stating, and a fit nothing to learn from.
MOST_CLASSES = 100
MIN_ROWS = {"train": 50, "validation": 20, "test": 20}


def missing_query(spec: Spec, split: exp.Expression) -> exp.Select:
    """Count the NULLs in each column that says which row is meant, when, and to which group it belongs; one row."""
    counts = [
        exp.alias_(
            exp.Sub(this=exp.Count(this=exp.Star()), expression=exp.Count(this=column(name))), f"missing_{place}"
        )
        for place, name in enumerate(_key(spec))
    ]
    return exp.select(*counts).from_(split)


def duplicates_query(spec: Spec, split: exp.Expression) -> exp.Select:
    """Ask for one key that stands in more than one row, and how often."""
    return (
        exp.select(
            exp.alias_(as_text(spec.entity), "entity"),
            exp.alias_(exp.cast(column(spec.time), "text"), "time"),
            exp.alias_(exp.Count(this=exp.Star()), "rows"),
        )
        .from_(split)
        .group_by(*(column(name) for name in (*spec.entity, spec.time)))
        .having(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1)))
        .limit(1)
    )


def _key(spec: Spec) -> tuple[str, ...]:
    return (spec.time, *spec.entity, *([] if spec.split.group is None else [spec.split.group]))


def check_keys(node: str, spec: Spec, missing: Mapping[str, int], duplicates: Sequence[Mapping[str, Any]]) -> None:
    """Refuse rows of which nobody could say which they are; takes the answers of the two queries above."""
    for place, name in enumerate(_key(spec)):
        if missing[f"missing_{place}"]:
            raise SplitError(
                f"{node}: '{name}' is NULL in {missing[f'missing_{place}']:,} row(s), and it says which row is meant, "
                "when, or to which group it belongs. Filter those rows out in the features node."
            )
    for row in duplicates:
        raise SplitError(
            f"{node}: {', '.join(spec.entity)} = {row['entity']} at {row['time']} stands in {row['rows']:,} rows; "
            "entity and time together must be unique. Remove the duplicates in the features node, or add a column "
            "to `entity`."
        )


def check_rows(node: str, spec: Spec, facts: Mapping[Any, Mapping[str, Any]]) -> None:
    """Refuse words that are none of the four, and outcomes that are none; `facts` by word.

    Too few rows are no mistake: what they lack, `mlbridge.shortage` says.
    """
    unknown = [word for word in facts if word not in SPLIT_WORDS]
    if unknown:
        raise SplitError(
            f"{node}: `ml_split` holds {listed(unknown)}; allowed: {listed(SPLIT_WORDS)}. With `split: {{by: "
            f"{spec.split.by}}}` that column must say one of these words in every row whose target is known."
        )
    _check_targets(node, spec, facts)


def _check_targets(node: str, spec: Spec, facts: Mapping[Any, Mapping[str, Any]]) -> None:
    """Refuse labelled rows without a label, and outcomes that are no finite number."""
    for word, row in facts.items():
        if word in MIN_ROWS and row["targets"] < row["rows"]:
            raise SplitError(
                f"{node}: the target '{spec.target}' is NULL in {row['rows'] - row['targets']:,} rows that `ml_split` "
                f"calls {word}. A row whose outcome is not known must be called 'score'."
            )
        ends = [row[end] for end in ("target_low", "target_high") if row.get(end) is not None]
        if not all(math.isfinite(end) for end in ends):
            raise SplitError(
                f"{node}: the target '{spec.target}' is NaN or infinite in some {word} rows. Where the outcome is not "
                "known it must be NULL; mend it in the features node."
            )


def labels_query(spec: Spec, target_as: str, split: exp.Expression) -> exp.Select:
    """Count the labelled rows by word and class."""
    label = exp.cast(column(spec.target), target_as)
    return (
        exp.select(
            exp.alias_(column("ml_split"), "word"),
            exp.alias_(label, "label"),
            exp.alias_(exp.Count(this=exp.Star()), "rows"),
        )
        .from_(split)
        .where(column("ml_split").isin(*MIN_ROWS))
        .group_by(column("ml_split"), label.copy())
    )


def check_labels(node: str, spec: Spec, counted: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    """Give the classes that training sees, in their order; refuse too many, or one that a column keeps from training.

    A class that training has not seen by time or by hash is rare or new, which more rows mend; so is one of few rows.
    """
    by_word = {word: {row["label"]: row["rows"] for row in counted if row["word"] == word} for word in MIN_ROWS}
    if len(by_word["train"]) > MOST_CLASSES:
        raise SplitError(
            f"{node}: the target '{spec.target}' has {len(by_word['train']):,} classes, more than {MOST_CLASSES}. "
            "Is it a number? Then write `task: regression`."
        )
    held = {label for word in ("validation", "test") for label in by_word[word]} - set(by_word["train"])
    many = [
        label
        for label in sorted(held)
        if sum(by_word[word].get(label, 0) for word in ("validation", "test")) >= MIN_ROWS["train"]
    ]
    if many and spec.split.by not in ("time", "hash"):
        raise SplitError(
            f"{node}: the target '{spec.target}' has {listed(many)} among the validation or test rows, but never in "
            f"training. Merge classes in the features node, or let '{spec.split.by}' give training some of them."
        )
    return tuple(sorted(by_word["train"]))
