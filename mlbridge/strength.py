"""How much skill a candidate has, in words: its share of the way from the baseline to perfect, and what is odd.

Pure: it reads the records of `metric_rows` and the test rows of one candidate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlbridge.metrics import greater_is_better, json_number
from mlbridge.recalibration import Estimate, recalibration
from mlbridge.sample import Sample

# From which skill on it is moderate, and from which strong. For ROC AUC those are areas of 0.7 and 0.8 (Hosmer and
# Lemeshow, Applied Logistic Regression, 2000, chapter 5); for a share of explained variance 13 and 26 % (Cohen,
# Statistical Power Analysis, 1988, chapter 9), which is a root of it, and so an error, smaller by 7 and 14 %.
_OF_ERRORS: Final = (0.07, 0.14)
LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "roc_auc": (0.4, 0.6),
    "rmse": _OF_ERRORS,
    "mae": _OF_ERRORS,
    "median_absolute_error": _OF_ERRORS,
}
OTHERS: Final = (0.13, 0.26)
# Off beyond these, and not by chance: slopes, and intercepts in the logarithm of the odds or as a share of the
# deviation of the outcomes.
SLOPES: Final = (0.8, 1.25)
INTERCEPT: Final = 0.2
# Both are looked at, so each interval is taken at 97.5 %, wider than that of 95 % by so much (Bonferroni).
_BOTH: Final = 2.241403 / 1.959964


@dataclass(frozen=True)
class Strength:
    """What is known of a candidate's skill: a `document` ready for JSON, and the same as one clause of a reason."""

    document: dict[str, Any]
    sentence: str


def strength(metric: str, records: Sequence[Mapping[str, Any]], test: Sample) -> Strength:
    """Say how strong a candidate is by a metric; `records` are those of `metric_rows` on validation and test rows.

    The document holds `skill`, the share of the way from the baseline's value to the perfect one that the test value
    goes, with the interval that follows from that of the value; `word` (none, weak, moderate, strong); `auc`; whether
    it `fell` from validation to test and whether it ranks `below_chance`, each only where chance does not explain it;
    and slope and intercept of the recalibration. What is not defined is None.
    """
    tested, seen = (_record(records, split, metric) for split in ("test", "validation"))
    skill, before = _skill(metric, tested), _skill(metric, seen)
    word = _word(metric, skill)
    found = recalibration(test, tested.get("design_effect") or 1.0)
    auc = _estimate(_record(records, "test", "roc_auc")) if test.task == "classification" else None
    below = auc[2] < 0.5 if auc else found.slope is not None and test.task == "regression" and found.slope[2] < 0
    fell = skill is not None and before is not None and _fell(before, skill)
    off = _off(test, found.slope, found.intercept)
    document = {
        **_named("skill", skill),
        "word": word,
        "metric": metric,
        "baseline_name": tested.get("baseline_name"),
        **_named("auc", auc),
        "fell": fell,
        **_named("skill_validation", before),
        "below_chance": below,
        **_named("calibration_slope", found.slope),
        **_named("calibration_intercept", found.intercept),
        "off": bool(off),
    }
    clauses = [_opening(word, skill, auc)]
    if fell and skill is not None and before is not None:
        clauses.append(
            f"it fell from {_percent(before[0])} of that way on validation to {_percent(skill[0])} on test, which "
            "chance does not explain"
        )
    if below:
        clauses.append(below_chance(auc, found.slope))
    return Strength(document, "; ".join(clauses + off))


def ranking(records: Sequence[Mapping[str, Any]]) -> str | None:
    """Say of any candidate that its ranking on the test rows is below chance, where chance does not explain it."""
    auc = _estimate(_record(records, "test", "roc_auc"))
    return below_chance(auc, None) if auc is not None and auc[2] < 0.5 else None


def below_chance(auc: Estimate | None, slope: Estimate | None) -> str:
    """Say that predictions go against the outcomes."""
    said = f"ROC AUC {_figures(auc)}" if auc else f"slope of truth on prediction {_figures(slope)}" if slope else ""
    return f"it is below chance, as if its sign were turned: {said}. Look for a feature whose meaning has changed"


def _record(records: Sequence[Mapping[str, Any]], split: str, metric: str) -> Mapping[str, Any]:
    wanted = (split, "all", metric)
    return next((each for each in records if (each["split"], each["slice"], each["metric"]) == wanted), {})


def _estimate(record: Mapping[str, Any]) -> Estimate | None:
    """Give a figure with its interval, which has no ends where none could be stated; None where it is not defined."""
    value, low, high = (record.get(key) for key in ("value", "low", "high"))
    if value is None:
        return None
    return float(value), -math.inf if low is None else float(low), math.inf if high is None else float(high)


def _skill(metric: str, record: Mapping[str, Any]) -> Estimate | None:
    """Give the share of the way from baseline to perfect with its interval; None where the baseline is perfect."""
    found, baseline = _estimate(record), record.get("baseline")
    perfect = 1.0 if greater_is_better(metric) else 0.0
    if found is None or baseline is None or baseline == perfect:
        return None
    value, *edges = ((each - baseline) / (perfect - baseline) for each in found)
    return value, min(edges), max(edges)


def _word(metric: str, skill: Estimate | None) -> str | None:
    if skill is None:
        return None
    moderate, strong = LIMITS.get(metric, OTHERS)
    value = skill[0]
    return "none" if value <= 0 else "weak" if value < moderate else "moderate" if value < strong else "strong"


def _fell(before: Estimate, after: Estimate) -> bool:
    """Whether the difference of two figures of different rows lies above zero with its whole interval.

    Its lower end from the ends of both (Zou and Donner, Construction of Confidence Limits about Effect Measures,
    Statistics in Medicine 27, 2008).
    """
    return before[0] - after[0] > math.hypot(before[0] - before[1], after[2] - after[0])


def _off(test: Sample, slope: Estimate | None, intercept: Estimate | None) -> list[str]:
    """Say what is wrong with the predictions as numbers: by more than chance, and by enough to matter."""
    numbers = test.task == "regression"
    unit = float(test.truth.std()) if numbers else 1.0
    what, said = ("predictions" if numbers else "probabilities"), []
    if slope and _apart(slope, 1) and not SLOPES[0] <= slope[0] <= SLOPES[1]:
        said.append(
            f"too {'extreme' if slope[0] < 1 else 'cautious'} (calibration slope {_figures(slope)}, 1 is right)"
        )
    if intercept and _apart(intercept, 0) and abs(intercept[0]) > INTERCEPT * unit:
        way = "low" if intercept[0] > 0 else "high"
        said.append(f"too {way} on average (calibration intercept {_figures(intercept)}, 0 is right)")
    return [f"its {what} are {' and '.join(said)}"] if said else []


def _apart(found: Estimate, right: float) -> bool:
    return abs(found[0] - right) > _BOTH * (found[2] - found[0])


def _opening(word: str | None, skill: Estimate | None, auc: Estimate | None) -> str:
    ranked = f", ROC AUC {_figures(auc)}" if auc else ""
    if skill is None:
        return f"strength unknown{ranked}"
    return f"{word}: {_percent(skill[0])} of the way from baseline to perfect{ranked}"


def _named(name: str, found: Estimate | None) -> dict[str, float | None]:
    values = [json_number(each) for each in found] if found else [None, None, None]
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if 0 < abs(share) < 0.01 else f"{100 * share:.0f} %"


def _figures(found: Estimate | None) -> str:
    if found is None:
        return "undefined"
    plain = 0.1 <= max(map(abs, found)) < 100 or not all(map(math.isfinite, found))
    value, *edges = (f"{each:.2f}" if plain else f"{each:.3g}" for each in found)
    return f"{value} ({' to '.join(edges)})" if all(map(math.isfinite, found)) else value
