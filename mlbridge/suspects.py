"""The search for leaks: checks of each column alone, and with those of whole rows all that is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from mlbridge.alone import affine, left_over, skill, wilson
from mlbridge.leaks import CHECKS, NONE, WARN, WITHHOLD, Suspicion, allowed, percent
from mlbridge.log import say, warn
from mlbridge.repeats import entity_repeats, jump, label_time, rows_repeat
from mlbridge.scene import STRETCHES, Column, Scene
from mlbridge.traces import Unknown

# Of fewer rows outside the commonest class, or without an outcome, or without a value, nothing is concluded, but that
# a column without one mistake on `LEAST` of them is the target.
FEW, LEAST = 20, 5
# From this share of the model's skill on a column does nearly all that the model does.
MOST = 0.95
# What hardly ever is NULL where the outcome is known.
HARDLY = 0.02
# NULLs that tell must tell of this share of the rows with an outcome.
ENOUGH = 0.3
LEAST_AT_RANDOM = 0.6
LEAST_PERIODS = 3


def suspicions(scene: Scene) -> list[Suspicion]:
    """Look for every kind of leak; one row per column and check, with the spec's reason where it allows a column."""
    found: list[Suspicion] = []
    for name in map(str, scene.frame.features.columns):
        column = Column(scene, name)
        found += [check(column) for check in OF_A_COLUMN]
    for rows in OF_THE_ROWS:
        found += rows(scene)
    return allowed(found, scene.spec.allow_leakage)


def _same_as_target(column: Column) -> Suspicion:
    scene, check = column.scene, "same_as_target"
    left = left_over(scene.outcome, column.crossed)
    if scene.uncommon < (FEW if left else LEAST):
        few = f"cannot be told: only {scene.uncommon} rows are not of the commonest class"
        return Suspicion(column.name, check, NONE, few)
    of = "the mistakes of always saying the commonest class"
    if not scene.classes:
        left, of = min((left, "the variance of the target's ranks"), (_affine(column), "the target's variance"))
    evidence = f"alone it leaves {percent(left)} of {of}, on {len(scene.outcome):,} rows"
    return Suspicion(column.name, check, CHECKS[check].level(left, not scene.classes), evidence)


def _affine(column: Column) -> float:
    return affine(column.scene.truth[column.scene.chosen].astype(np.float64), column.values)


def _alone(column: Column) -> Suspicion:
    scene, check = column.scene, "alone"
    # A column that does not know the rows beside it knows no later ones better: then there is no need to look.
    looked = column.at_random.least > LEAST_AT_RANDOM
    least = max(column.judged.least, column.at_random.least) if looked else 0.0
    share = column.judged.value / scene.model_skill.value if least and scene.model_skill.value > 0 else None
    level = CHECKS[check].level(1 - least, not scene.classes)
    what = "2 AUC - 1" if scene.classes else "squared rank correlation"
    if share is None:
        return Suspicion(column.name, check, NONE, f"alone it has a {what} of {column.at_random.value:.3g}")
    evidence = (
        f"alone it has a {what} of {column.judged.value:.3g} (at least {least:.3g}) on validation and test rows, "
        f"which is {percent(share)} of the model's {scene.model_skill.value:.3g}"
    )
    return Suspicion(column.name, check, level if share >= MOST else NONE, evidence)


def _nulls_tell(column: Column) -> Suspicion:
    check = "nulls_tell"
    null = column.values.isna().to_numpy()
    counts = {"NULL": int(null.sum()), "not NULL": int((~null).sum())}
    if min(counts.values()) < FEW:
        return Suspicion(column.name, check, NONE, f"it is NULL in {counts['NULL']:,} of {len(null):,} rows")
    found = [_tells(column, check, word, mask) for word, mask in (("NULL", null), ("not NULL", ~null))]
    return min(found, key=lambda each: (WITHHOLD, WARN, NONE).index(each.level))


def _tells(column: Column, check: str, word: str, mask: np.ndarray[Any, Any]) -> Suspicion:
    """See whether the rows with, or without a value have one outcome that the others hardly have."""
    outcome = column.scene.outcome
    values, counts = np.unique(outcome[mask], return_counts=True)
    commonest = values[counts.argmax()]
    among, rows = int(counts.max()), int(mask.sum())
    elsewhere = float((outcome[~mask] == commonest).mean())
    covered = among / int((outcome == commonest).sum())
    evidence = (
        f"of the {rows:,} rows where it is {word} {percent(among / rows)} have one outcome, of the others "
        f"{percent(elsewhere)}"
    )
    level = CHECKS[check].level(1 - wilson(among / rows, rows))
    # An outcome that is common anyway is not told by NULLs: most customers without an order do not complain either.
    telling = elsewhere < 0.5 and covered >= ENOUGH
    return Suspicion(column.name, check, level if telling else NONE, evidence)


def _null_where_unknown(column: Column) -> Suspicion:
    check = "null_where_unknown"
    pairs = list(_periods(column.scene.traces.unknown))
    unknown = sum(one.rows for one, _ in pairs)
    if len(pairs) < LEAST_PERIODS or unknown < FEW:
        return Suspicion(
            column.name, check, NONE,
            f"cannot be told: {unknown:,} rows of {len(pairs)} periods have no outcome where others have one",
        )  # fmt: skip
    weights = [one.rows / unknown for one, _ in pairs]
    lacking = sum(one.rows - one.known[column.name] for one, _ in pairs)
    usual = sum(
        weight * (1 - other.known[column.name] / other.rows)
        for weight, (_, other) in zip(weights, pairs, strict=True)
    )  # fmt: skip
    word, sentinel = "NULL", _sentinel(column, [one for one, _ in pairs])
    if sentinel is not None:
        word, lacking = f"always {sentinel!r}", unknown
        usual = _share_beside(column, sentinel, [one for one, _ in pairs])
    evidence = (
        f"it is {word} in {percent(lacking / unknown)} of {unknown:,} rows of the past with an unknown outcome, and in "
        f"{percent(usual)} of those of the same periods with a known one"
    )
    level = CHECKS[check].level(1 - wilson(lacking / unknown, unknown)) if usual <= HARDLY else NONE
    return Suspicion(column.name, check, level, evidence)


def _periods(found: Sequence[Unknown]) -> Iterator[tuple[Unknown, Unknown]]:
    """Pair the rows without and with an outcome of each period that has both."""
    known = {each.period: each for each in found if not each.unknown}
    for each in found:
        if each.unknown and each.period in known:
            yield each, known[each.period]


def _sentinel(column: Column, unknown: Sequence[Unknown]) -> Any:
    """Give the one value that all rows without an outcome have, as -1 or 'none' may stand for NULL; None without."""
    ends = [each.ends[column.name] for each in unknown]
    complete = all(each.known[column.name] == each.rows for each in unknown)
    values = {end for pair in ends for end in pair}
    return next(iter(values)) if complete and len(values) == 1 else None


def _share_beside(column: Column, value: Any, unknown: Sequence[Unknown]) -> float:
    """Give the share of a value among the labelled rows of the same periods; all of it where none is looked at."""
    starts = np.array(sorted({each.period for each in column.scene.traces.unknown}), dtype="datetime64[us]")
    periods = starts[np.searchsorted(starts, column.scene.frame.times[column.scene.chosen], side="right") - 1]
    same = np.isin(periods, np.array([each.period for each in unknown], dtype="datetime64[us]"))
    return float((column.values[same] == value).mean()) if same.any() else 1.0


def _random_against_time(column: Column) -> Suspicion:
    scene, check = column.scene, "random_against_time"
    if column.at_random.least < LEAST_AT_RANDOM or column.later.value > CHECKS[check].withhold * column.at_random.value:
        return Suspicion(
            column.name, check, NONE, f"on rows left out at random it has a skill of {column.at_random.value:.3g} alone"
        )
    within = _within_stretches(column)
    evidence = (
        f"alone it has a skill of {within:.3g} on rows left out at random from the same stretch of time, and of "
        f"{column.later.value:.3g} on later ones"
    )
    level = CHECKS[check].level(column.later.value / within) if within >= LEAST_AT_RANDOM else NONE
    # By time the test rows have judged it already: it gains nothing there.
    return Suspicion(
        column.name, check, WARN if level == WITHHOLD and scene.spec.split.by == "time" else level, evidence
    )


def _within_stretches(column: Column) -> float:
    scene = column.scene
    total, rows = 0.0, 0
    for number in range(STRETCHES):
        mask = scene.stretches == number
        if len(np.unique(scene.outcome[mask])) > 1:
            total += skill(scene.outcome[mask], column.crossed[mask]).value * int(mask.sum())
            rows += int(mask.sum())
    return total / rows if rows else 0.0


def tell(node: str, name: str, outcome: str, verdict: str, found: Sequence[Suspicion]) -> None:
    """Write the outcome to the log, and as a warning what a reader should act upon."""
    (warn if outcome == "withheld" else say)(node, f"{name} is {outcome}: {verdict}")
    for each in found:
        if each.level == WARN and each.reason is None:
            warn(node, each.sentence)


OF_A_COLUMN: Sequence[Callable[[Column], Suspicion]] = (
    _same_as_target, _alone, _nulls_tell, _null_where_unknown, _random_against_time,
)  # fmt: skip
OF_THE_ROWS: Sequence[Callable[[Scene], list[Suspicion]]] = (label_time, rows_repeat, entity_repeats, jump)
