"""The leak checks that run before a promotion: their levels, and the consequences for the version.

A leak is a column that is known only with or after the outcome, or rows that give the outcome away. A finding is a
suspicion only: a legitimate feature may predict that well. So the levels are beyond what legitimate features reach
(`benchmarks/leaks.py` counts how often they do), and `allow_leakage` in the spec exempts a column, with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from mlbridge.typing import Document

WITHHOLD, WARN, NONE = "withhold", "warn", "none"
UNDECIDED = "not decidable: "  # how the evidence begins where a check could not be made, at the level `none`


@dataclass(frozen=True)
class Check:
    """One leak check. A smaller figure is worse: up to `withhold` the version is withheld, up to `warn` it is logged.

    `warn` None: there is no warning level. `regression_levels` are (warn, withhold) of a regression where they differ.
    `remedy` is what to do if excluding the column does not help; empty: exclude it.
    """

    meaning: str
    warn: float | None
    withhold: float
    source: str
    regression_levels: tuple[float | None, float] | None = None
    remedy: str = ""

    def level(self, figure: float, regression: bool = False) -> str:
        """Return the level that a figure reaches."""
        warn, withhold = self.regression_levels if regression and self.regression_levels else (self.warn, self.withhold)
        if figure <= withhold:
            return WITHHOLD
        return WARN if warn is not None and figure <= warn else NONE


CHECKS = {
    # The column's errors / the errors of always predicting the most frequent class; for a regression, the unexplained
    # share of the variance of the target or of its ranks.
    "same_as_target": Check(
        "the column is the target, or a function of it, or a copy with a little noise", 0.10, 0.05,
        "Kaufman, Rosset, Perlich: Leakage in Data Mining (2012)", (0.01, 0.005),
    ),
    # 1 - the lower 99 % limit of the column's skill, if that is `MIN_SHARE_OF_MODEL_SKILL` of the model's. 0.03: AUC
    # 0.985.
    "alone": Check(
        "the column alone predicts nearly as well as the model, and nearly perfectly", None, 0.03,
        "Kaufman, Rosset, Perlich: Leakage in Data Mining (2012)", (None, 0.01),
    ),
    # 1 - the lower 99 % limit of the share of one outcome among the rows with, or without, a value.
    "nulls_tell": Check(
        "whether the column is NULL determines the outcome", None, 0.02,
        "Rosset, Perlich, Swirszcz: Medical data mining: insights from winning two competitions (2010)",
    ),
    # 1 - the lower 99 % limit of the share of NULLs (or of one value) among past rows without an outcome.
    "null_where_unknown": Check(
        "the column has no value where the outcome is not known, but has it where it is", 0.5, 0.2,
        "point in time: a value that comes with the outcome comes after the prediction",
    ),
    # 1 - the share of labelled rows whose outcome was known before the prediction.
    "label_time": Check(
        "the outcome was known before the moment of the prediction", 1 - 1e-12, 0.99,
        "point in time: `label_time` lies at `time` or after it",
        remedy="Correct it in the features node, or filter those rows out",
    ),
    # The column's skill on later rows / its skill on rows left out at random.
    "random_against_time": Check(
        "the column predicts the outcomes of rows close to it in time, but not of later ones", None, 0.25,
        "Kapoor, Narayanan: Leakage and the reproducibility crisis in machine-learning-based science (2023)",
    ),
    # How often a repeated row has another outcome / how often any two rows have different outcomes.
    "rows_repeat": Check(
        "test rows are repetitions of training rows, outcome included", None, 0.05,
        "Kapoor, Narayanan: Leakage and the reproducibility crisis in machine-learning-based science (2023)",
        remedy="Remove the repetitions, or keep them on one side: `split: {by: hash, group: ...}`",
    ),
    "entity_repeats": Check(
        "the same entity is in training and test, with the same outcome", None, 0.05,
        "Kapoor, Narayanan: Leakage and the reproducibility crisis in machine-learning-based science (2023)",
        remedy="Remove the repetitions, or keep them on one side: `split: {by: hash, group: ...}`",
    ),
    # (1 - skill of this version) / (1 - skill of the champion), if permuting one new feature undoes the gain.
    "jump": Check(
        "a feature that the champion does not have removes most of the champion's errors", None, 0.2,
        "a jump that one new column makes alone",
    ),
}  # fmt: skip

# The checks by lineage: they have no figure, but a way of columns.
LINEAGE_CHECKS = {
    "shared_with_target": "it comes from a column that the target comes from and that is known only with the outcome",
    "known_later": "it comes from a column that the project declares to be known after the prediction",
    "pii": "it comes from a column that the project declares to be personal data",
}


@dataclass(frozen=True)
class Suspicion:
    """The result of a check: a row of `ml_leaks`. `reason` is the column's reason in `allow_leakage`."""

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
        """Describe the suspicion."""
        return f"'{self.feature}' looks like a leak ({self.evidence})"


def percent(share: float) -> str:
    """Write a share for a sentence."""
    return f"{100 * share:.3g} %"


def allowed(found: Iterable[Suspicion], reasons: Mapping[str, str]) -> list[Suspicion]:
    """Add to each suspicion of a leak the reason in the spec's `allow_leakage` for its column, None without one."""
    return [each if each.check == "pii" else replace(each, reason=reasons.get(each.feature)) for each in found]


def rows(found: Iterable[Suspicion]) -> list[Document]:
    """Return the document of the logbook."""
    return [asdict(each) for each in found]


def verdict(found: Sequence[Suspicion], promoted: bool, decision: str) -> tuple[str, str]:
    """Return a version's `outcome` and reason from the suspicions and the promotion's decision."""
    held = [each for each in found if each.withholds]
    if not held:
        notes = [f"'{each.feature}' is allowed to look like a leak: {each.reason}" for each in found if _used(each)]
        return ("promoted" if promoted else "rejected"), "; ".join([decision, *notes])
    otherwise = "promoted" if promoted else "rejected"
    return "withheld", (
        f"withheld: {'; '.join(each.sentence for each in held)}. {'. '.join(remedies(held))}. Without that it would be "
        f"{otherwise}: {decision}"
    )


def remedies(held: Sequence[Suspicion]) -> list[str]:
    """Return sentences on what can be done about suspicions, without repetition."""
    columns = dict.fromkeys(f"'{each.feature}'" for each in held if not _remedy(each))
    others = dict.fromkeys(_remedy(each) for each in held if _remedy(each))
    excluded = f"Exclude {', '.join(columns)} (`features: {{exclude: [...]}}`)"
    found = [f"{excluded}, or say in `allow_leakage` why it is known at the prediction"] if columns else []
    return [*found, *(f"{remedy}, or say in `allow_leakage` why it is no leak" for remedy in others)]


def _remedy(each: Suspicion) -> str:
    return CHECKS[each.check].remedy if each.check in CHECKS else ""


def _used(each: Suspicion) -> bool:
    return each.level == WITHHOLD and each.reason is not None
