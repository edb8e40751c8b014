"""Leaks: what is looked for among the rows before a promotion, from which level on it counts, and what follows.

A leak is a column that is known only with or after the outcome, or rows that give the outcome away. What the rows show
is a suspicion: a column may be that good. So the levels lie where honest features do not come (`benchmarks/leaks.py`
counts how often they do), and `allow_leakage` in the spec takes one column out of suspicion, with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

WITHHOLD, WARN, NONE = "withhold", "warn", "none"


@dataclass(frozen=True)
class Check:
    """One kind of leak: what it means, and the levels of its figure, which is worse the smaller it is; None is never.

    `numbers` are the levels of a regression, where they are others; `way` says what to do where leaving the column out
    of the features is no way.
    """

    means: str
    warn: float | None
    withhold: float
    source: str
    numbers: tuple[float | None, float] | None = None
    way: str = ""

    def level(self, figure: float, regression: bool = False) -> str:
        """Give the level that a figure reaches."""
        warn, withhold = self.numbers if regression and self.numbers else (self.warn, self.withhold)
        if figure <= withhold:
            return WITHHOLD
        return WARN if warn is not None and figure <= warn else NONE


CHECKS = {
    # What is left of the errors of always saying the commonest class; of a regression, of the ranks' variance.
    "same_as_target": Check(
        "the column is the target, or a function of it, or a copy with a little noise", 0.10, 0.05,
        "Kaufman, Rosset, Perlich: Leakage in Data Mining (2012)", (0.01, 0.005),
    ),
    # 1 - the least skill (99 %) of the column alone, where that is `MOST` of the model's: an AUC of at least 0.985.
    "alone": Check(
        "the column alone does nearly all that the model does, and nearly all that can be done", None, 0.03,
        "Kaufman, Rosset, Perlich: Leakage in Data Mining (2012)", (None, 0.01),
    ),
    # 1 - the least share (99 %) of one outcome among the rows with, or those without a value.
    "nulls_tell": Check(
        "whether the column is NULL tells the outcome", None, 0.02,
        "Rosset, Perlich, Swirszcz: Medical data mining: insights from winning two competitions (2010)",
    ),
    # 1 - the least share (99 %) of NULL (or of one value) among rows of the past with an unknown outcome.
    "null_where_unknown": Check(
        "the column has no value where the outcome is not known, but has it where it is", 0.5, 0.2,
        "point in time: a value that comes with the outcome comes after the prediction",
    ),
    # 1 - the share of labelled rows whose outcome was known before the prediction.
    "label_time": Check(
        "the outcome was known before the moment of the prediction", 1 - 1e-12, 0.99,
        "point in time: `label_time` lies at `time` or after it",
        way="Mend it in the features node, or filter those rows out",
    ),
    # The skill on later rows by the skill on rows left out at random, both of the column alone.
    "random_against_time": Check(
        "the column knows the outcomes of rows beside it in time, and none of later ones", None, 0.25,
        "Kapoor, Narayanan: Leakage and the reproducibility crisis in machine-learning-based science (2023)",
    ),
    # How often two rows that belong together differ in outcome, by how often any two rows do.
    "rows_repeat": Check(
        "test rows are repetitions of training rows, outcome included", None, 0.05,
        "Kapoor, Narayanan: Leakage and the reproducibility crisis in machine-learning-based science (2023)",
        way="Remove the repetitions, or keep them on one side: `split: {by: hash, group: ...}`",
    ),
    "entity_repeats": Check(
        "the same entity is in training and test, with the same outcome", None, 0.05,
        "Kapoor, Narayanan: Leakage and the reproducibility crisis in machine-learning-based science (2023)",
        way="Remove the repetitions, or keep them on one side: `split: {by: hash, group: ...}`",
    ),
    # The share of what the champion leaves to be done that is left, where shuffling one new feature undoes the gain.
    "jump": Check(
        "a feature new since the champion makes nearly all of what was impossible possible", None, 0.2,
        "a jump that one new column makes alone",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Suspicion:
    """What a check came to: a row of `ml_leaks`. `reason` is what `allow_leakage` says of the column."""

    feature: str
    check: str
    level: str
    evidence: str
    reason: str | None = None

    @property
    def withholds(self) -> bool:
        """Whether it keeps the version from being used."""
        return self.level == WITHHOLD and self.reason is None

    @property
    def sentence(self) -> str:
        """Say in words what it is."""
        return f"'{self.feature}' looks like a leak ({self.evidence})"


def percent(share: float) -> str:
    """Write a share for a sentence."""
    return f"{100 * share:.3g} %"


def allowed(found: Iterable[Suspicion], reasons: Mapping[str, str]) -> list[Suspicion]:
    """Give each the reason that the spec's `allow_leakage` has for its column."""
    return [replace(each, reason=reasons.get(each.feature)) for each in found]


def rows(found: Iterable[Suspicion]) -> list[dict[str, Any]]:
    """Give the document of the logbook."""
    return [asdict(each) for each in found]


def verdict(found: Sequence[Suspicion], promoted: bool, said: str) -> tuple[str, str]:
    """Give outcome and reason of a version from what was found, and what else would become of it."""
    held = [each for each in found if each.withholds]
    if not held:
        told = [f"'{each.feature}' is allowed to look like a leak: {each.reason}" for each in found if _used(each)]
        return ("promoted" if promoted else "rejected"), "; ".join([said, *told])
    otherwise = "promoted" if promoted else "rejected"
    return "withheld", (
        f"withheld: {'; '.join(each.sentence for each in held)}. {'. '.join(ways(held))}. Without that it would be "
        f"{otherwise}: {said}"
    )


def ways(held: Sequence[Suspicion]) -> list[str]:
    """Say what can be done about suspicions, each way once."""
    columns = dict.fromkeys(f"'{each.feature}'" for each in held if not CHECKS[each.check].way)
    others = dict.fromkeys(CHECKS[each.check].way for each in held if CHECKS[each.check].way)
    excluded = f"Exclude {', '.join(columns)} (`features: {{exclude: [...]}}`)"
    found = [f"{excluded}, or say in `allow_leakage` why it is known at the prediction"] if columns else []
    return [*found, *(f"{way}, or say in `allow_leakage` why it is none" for way in others)]


def _used(each: Suspicion) -> bool:
    return each.level == WITHHOLD and each.reason is not None
