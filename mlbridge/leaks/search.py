"""The leak search: runs the checks of each feature alone and those of whole rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mlbridge.leaks.catalogue import CHECKS, NONE, UNDECIDED, WARN, WITHHOLD, Suspicion, allowed, percent
from mlbridge.leaks.evidence import STRETCHES, LeakContext, SingleFeature
from mlbridge.leaks.queries import PeriodCounts
from mlbridge.leaks.single_feature import skill, unexplained_by_line, unexplained_share, wilson
from mlbridge.leaks.whole_rows import entity_repeats, jump, label_time, rows_repeat
from mlbridge.log import info, warn
from mlbridge.typing import Flags, Value

# With fewer rows outside the most frequent class, without an outcome, or without a value, nothing is concluded; but a
# column that predicts `MIN_ROWS_WITHOUT_ERROR` of them without an error is the target.
MIN_ROWS, MIN_ROWS_WITHOUT_ERROR = 20, 5
# A column with this share of the model's skill predicts nearly as well as the model.
MIN_SHARE_OF_MODEL_SKILL = 0.95
# A column with at most this share of NULLs among rows with a known outcome counts as complete.
MAX_NULL_SHARE = 0.02
# Of all rows with the outcome in question, at least this share must be in the group with, or without, a value.
MIN_COVERED_SHARE = 0.3
MIN_RANDOM_SKILL = 0.6
MIN_PERIODS = 3


def suspicions(context: LeakContext) -> list[Suspicion]:
    """Run all leak checks; one suspicion per column and check, with the spec's reason if it allows the column."""
    found: list[Suspicion] = []
    for name in map(str, context.frame.features.columns):
        column = SingleFeature(context, name)
        found += [check(column) for check in COLUMN_CHECKS]
    for rows in ROW_CHECKS:
        found += rows(context)
    return allowed(found, context.spec.allow_leakage)


def _same_as_target(column: SingleFeature) -> Suspicion:
    context, check = column.context, "same_as_target"
    left = unexplained_share(context.target, column.cross_fitted)
    if context.uncommon < (MIN_ROWS if left else MIN_ROWS_WITHOUT_ERROR):
        few = f"{UNDECIDED}only {context.uncommon} rows are outside the most frequent class"
        return Suspicion(column.name, check, NONE, few)
    of = "the errors of always predicting the most frequent class"
    if not context.classes:
        left, of = min(
            (left, "the variance of the target's ranks"), (_unexplained_by_line(column), "the target's variance")
        )
    evidence = f"alone it leaves {percent(left)} of {of}, on {len(context.target):,} rows"
    return Suspicion(column.name, check, CHECKS[check].level(left, not context.classes), evidence)


def _unexplained_by_line(column: SingleFeature) -> float:
    return unexplained_by_line(column.context.truth[column.context.chosen].astype(np.float64), column.values)


def _alone(column: SingleFeature) -> Suspicion:
    context, check = column.context, "alone"
    # A column that does not predict random rows predicts later ones no better, so that need not be computed.
    looked = column.cross_fitted_skill.lower_limit > MIN_RANDOM_SKILL
    least = max(column.held_out_skill.lower_limit, column.cross_fitted_skill.lower_limit) if looked else 0.0
    share = column.held_out_skill.value / context.model_skill.value if least and context.model_skill.value > 0 else None
    level = CHECKS[check].level(1 - least, not context.classes)
    what = "2 AUC - 1" if context.classes else "squared rank correlation"
    if share is None:
        return Suspicion(column.name, check, NONE, f"alone it has a {what} of {column.cross_fitted_skill.value:.3g}")
    evidence = (
        f"alone it has a {what} of {column.held_out_skill.value:.3g} (at least {least:.3g}) on validation and test "
        f"rows, which is {percent(share)} of the model's {context.model_skill.value:.3g}"
    )
    return Suspicion(column.name, check, level if share >= MIN_SHARE_OF_MODEL_SKILL else NONE, evidence)


def _nulls_tell(column: SingleFeature) -> Suspicion:
    check = "nulls_tell"
    null = column.values.isna().to_numpy()
    counts = {"NULL": int(null.sum()), "not NULL": int((~null).sum())}
    if min(counts.values()) < MIN_ROWS:
        return Suspicion(column.name, check, NONE, f"it is NULL in {counts['NULL']:,} of {len(null):,} rows")
    found = [_nulls_tell_of(column, check, state, mask) for state, mask in (("NULL", null), ("not NULL", ~null))]
    return min(found, key=lambda each: (WITHHOLD, WARN, NONE).index(each.level))


def _nulls_tell_of(column: SingleFeature, check: str, state: str, mask: Flags) -> Suspicion:
    """Check whether the rows with, or without, a value nearly all have one outcome that is rare among the others."""
    target = column.context.target
    values, counts = np.unique(target[mask], return_counts=True)
    commonest = values[counts.argmax()]
    among, rows = int(counts.max()), int(mask.sum())
    elsewhere = float((target[~mask] == commonest).mean())
    covered = among / int((target == commonest).sum())
    evidence = (
        f"of the {rows:,} rows where it is {state} {percent(among / rows)} have one outcome, of the others "
        f"{percent(elsewhere)}"
    )
    level = CHECKS[check].level(1 - wilson(among / rows, rows))
    # An outcome that is common anyway is no sign of a leak: most customers without an order do not complain either.
    telling = elsewhere < 0.5 and covered >= MIN_COVERED_SHARE
    return Suspicion(column.name, check, level if telling else NONE, evidence)


def _null_where_unknown(column: SingleFeature) -> Suspicion:
    check = "null_where_unknown"
    pairs = list(_periods(column.context.leak_queries.unknown))
    unknown = sum(one.rows for one, _ in pairs)
    if len(pairs) < MIN_PERIODS or unknown < MIN_ROWS:
        return Suspicion(
            column.name, check, NONE,
            f"{UNDECIDED}only {unknown:,} rows without an outcome, in {len(pairs)} periods that also have outcomes",
        )  # fmt: skip
    weights = [one.rows / unknown for one, _ in pairs]
    lacking = sum(one.rows - one.known[column.name] for one, _ in pairs)
    usual = sum(
        weight * (1 - other.known[column.name] / other.rows)
        for weight, (_, other) in zip(weights, pairs, strict=True)
    )  # fmt: skip
    state, sentinel = "NULL", _sentinel(column, [one for one, _ in pairs])
    if sentinel is not None:
        state, lacking = f"always {sentinel!r}", unknown
        usual = _share_beside(column, sentinel, [one for one, _ in pairs])
    evidence = (
        f"it is {state} in {percent(lacking / unknown)} of {unknown:,} rows of the past with an unknown outcome, and "
        f"in {percent(usual)} of those of the same periods with a known one"
    )
    level = CHECKS[check].level(1 - wilson(lacking / unknown, unknown)) if usual <= MAX_NULL_SHARE else NONE
    return Suspicion(column.name, check, level, evidence)


def _periods(found: Sequence[PeriodCounts]) -> Iterator[tuple[PeriodCounts, PeriodCounts]]:
    """Pair the rows without and with an outcome of each period that has both."""
    known = {each.period: each for each in found if not each.unknown}
    for each in found:
        if each.unknown and each.period in known:
            yield each, known[each.period]


def _sentinel(column: SingleFeature, unknown: Sequence[PeriodCounts]) -> Value:
    """Return the one value of all rows without an outcome, such as -1 or 'none' in place of NULL, else None."""
    ends = [each.ends[column.name] for each in unknown]
    complete = all(each.known[column.name] == each.rows for each in unknown)
    values = {end for pair in ends for end in pair}
    return next(iter(values)) if complete and len(values) == 1 else None


def _share_beside(column: SingleFeature, value: Value, unknown: Sequence[PeriodCounts]) -> float:
    """Return the share of a value among the sampled labelled rows of the same periods; 1.0 if there are none."""
    starts = np.array(sorted({each.period for each in column.context.leak_queries.unknown}), dtype="datetime64[us]")
    periods = starts[np.searchsorted(starts, column.context.frame.times[column.context.chosen], side="right") - 1]
    same = np.isin(periods, np.array([each.period for each in unknown], dtype="datetime64[us]"))
    return float((column.values[same] == value).mean()) if same.any() else 1.0


def _random_against_time(column: SingleFeature) -> Suspicion:
    context, check = column.context, "random_against_time"
    if (
        column.cross_fitted_skill.lower_limit < MIN_RANDOM_SKILL
        or column.later_skill.value > CHECKS[check].withhold * column.cross_fitted_skill.value
    ):
        return Suspicion(
            column.name,
            check,
            NONE,
            f"on rows left out at random it has a skill of {column.cross_fitted_skill.value:.3g} alone",
        )
    within = _within_stretches(column)
    evidence = (
        f"alone it has a skill of {within:.3g} on rows left out at random from the same stretch of time, and of "
        f"{column.later_skill.value:.3g} on later ones"
    )
    level = CHECKS[check].level(column.later_skill.value / within) if within >= MIN_RANDOM_SKILL else NONE
    # In a split by time the test rows are later ones already, so such a column gains nothing there.
    return Suspicion(
        column.name, check, WARN if level == WITHHOLD and context.spec.split.by == "time" else level, evidence
    )


def _within_stretches(column: SingleFeature) -> float:
    context = column.context
    total, rows = 0.0, 0
    for number in range(STRETCHES):
        mask = context.stretches == number
        if len(np.unique(context.target[mask])) > 1:
            total += skill(context.target[mask], column.cross_fitted[mask]).value * int(mask.sum())
            rows += int(mask.sum())
    return total / rows if rows else 0.0


def log_outcome(node: str, name: str, outcome: str, verdict: str, found: Sequence[Suspicion]) -> None:
    """Log the outcome of a training, and as a warning each suspicion of level `warn` that the spec does not allow."""
    (warn if outcome == "withheld" else info)(node, f"{name} is {outcome}: {verdict}")
    for each in found:
        if each.level == WARN and each.reason is None:
            warn(node, each.sentence)


COLUMN_CHECKS: Sequence[Callable[[SingleFeature], Suspicion]] = (
    _same_as_target, _alone, _nulls_tell, _null_where_unknown, _random_against_time,
)  # fmt: skip
ROW_CHECKS: Sequence[Callable[[LeakContext], list[Suspicion]]] = (label_time, rows_repeat, entity_repeats, jump)
