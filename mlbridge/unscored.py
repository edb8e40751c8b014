"""Rows that a version cannot score: found one by one, so that the others are scored, and told why.

Two things keep a row from a prediction: a feature that is infinite, and one that is finite but beyond a 32-bit float,
where the version's estimator refuses it (trees do, linear models do not). `macros/score/unscored.sql` says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlglot import exp

from mlbridge.errors import ScoringError
from mlbridge.features import Feature
from mlbridge.frame import scoring_frame
from mlbridge.large import BEYOND
from mlbridge.warehouse import column, infinite, parse_type

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from mlbridge.versions import Version

INFINITE, LARGE = "ml infinite", "ml large"
NAMED_ROWS = 3
# How many rows something is said of, and the first of them by moment and entity.
Unscored = dict[str, tuple[int, list[tuple[Any, str]]]]


def words(features: Sequence[Feature]) -> dict[str, exp.Expression]:
    """Give, as SQL over rows of the split, what is infinite and what is too large; NULL where nothing is.

    Of several such features the first is named.
    """
    floats = [each for each in features if parse_type(each.type).is_type(*exp.DataType.REAL_TYPES)]
    return {
        INFINITE: _first(floats, infinite, "is infinite"),
        LARGE: _first(floats, _beyond, "is beyond 3.4e38, which the version's estimator does not take"),
    }


def why_not(features: Sequence[Feature], table: str) -> exp.Expression:
    """Give, as SQL, why a row of the split may get no prediction; NULL where nothing speaks against one."""
    found = words(features).values()
    named = [each.transform(lambda node: _of(node, table)) for each in found]
    return exp.Coalesce(this=named[0], expressions=named[1:])


def _of(node: exp.Expression, table: str) -> exp.Expression:
    return exp.column(node.this.copy(), table=table) if isinstance(node, exp.Column) else node


def _first(floats: Sequence[Feature], test: Callable[[exp.Expression], exp.Expression], said: str) -> exp.Expression:
    ifs = [
        exp.If(
            this=test(exp.cast(column(each.name), "double")),
            true=exp.Literal.string(f"the feature '{each.name}' {said}"),
        )
        for each in floats
    ]
    return exp.cast(exp.Case(ifs=ifs) if ifs else exp.null(), "text")


def _beyond(value: exp.Expression) -> exp.Expression:
    """Say whether a double is finite and beyond; NaN counts as greater than infinity."""
    size = exp.Abs(this=value)
    limit = exp.GTE(this=size, expression=exp.Literal.number(repr(BEYOND)))
    finite = exp.LT(this=size.copy(), expression=exp.cast(exp.Literal.string("infinity"), "double"))
    return exp.And(this=limit, expression=finite)


def scored_rows(
    version: Version, batch: pa.RecordBatch
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], list[str | None] | None]:
    """Score what can be scored of a batch: the places of those rows, their scores, and what is said of each row.

    The last is None where all rows are scored. Raises ScoringError for whatever else is wrong.
    """
    import pyarrow.compute as pc

    frame = scoring_frame(batch, version.features, version.categories)
    is_infinite, is_large = (pc.is_valid(batch[name]).to_numpy(zero_copy_only=False) for name in (INFINITE, LARGE))
    is_large &= ~is_infinite
    every = np.arange(len(frame))
    if not (is_infinite | is_large).any():
        return every, version.scores(frame), None
    plain = every[~(is_infinite | is_large)]
    found = [(plain, version.scores(frame.iloc[plain]))] if len(plain) else []
    found += _tried(version, frame, every[is_large])
    said = pc.coalesce(batch[INFINITE], batch[LARGE]).to_pylist()
    for places, _ in found:
        for place in places:
            said[place] = None
    if not found:
        return every[:0], np.empty(0 if version.classes is None else (0, len(version.classes))), said
    places, scores = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(places)
    return places[order], scores[order], said


def _tried(
    version: Version, frame: pd.DataFrame, places: np.ndarray[Any, Any]
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Score rows together where the estimator takes all of them, and halve them where it does not."""
    if not len(places):
        return
    try:
        yield places, version.scores(frame.iloc[places])
    except ScoringError:
        if len(places) > 1:
            half = len(places) // 2
            yield from _tried(version, frame, places[:half])
            yield from _tried(version, frame, places[half:])


def count(found: Unscored, said: Iterable[str | None], rows: Iterable[tuple[Any, str]]) -> None:
    """Add rows, given by moment and entity, to those that were counted by what is said of them."""
    for why, row in zip(said, rows, strict=True):
        if why is not None:
            number, first = found.get(why, (0, []))
            found[why] = (number + 1, sorted([*first, row])[:NAMED_ROWS])


def sentence(number: int, found: Unscored) -> str:
    """Say how many rows a version gives no prediction for, why, and which are the first."""
    parts = []
    for why, (rows, first) in sorted(found.items()):
        more = f" and {rows - NAMED_ROWS:,} more" if rows > NAMED_ROWS else ""
        parts.append(f"{why} ({', '.join(entity for _, entity in first)}{more})")
    return (
        f"version {number} gives no prediction for {sum(rows for rows, _ in found.values()):,} row(s): "
        f"{'; '.join(parts)}. A value that cannot be known should be NULL: mend it in the features node, and a later "
        "build scores them."
    )
