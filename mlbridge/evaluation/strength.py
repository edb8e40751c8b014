"""A candidate's skill, (value - baseline) / (perfect - baseline), in words, and warnings about its predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mlbridge.catalogue.metrics import METRICS
from mlbridge.evaluation.evaluate import MetricRecord
from mlbridge.evaluation.metrics import json_number
from mlbridge.evaluation.recalibration import Estimate, recalibration
from mlbridge.evaluation.sample import Sample
from mlbridge.typing import Document

# Predictions are reported as miscalibrated beyond these, if chance does not explain it: slopes; intercepts in log odds,
# or for a regression in standard deviations of the target.
SLOPES: Final = (0.8, 1.25)
INTERCEPT: Final = 0.2
# Slope and intercept are both tested, so each at 97.5 % instead of 95 % (Bonferroni): the ratio of the normal
# quantiles.
_BOTH: Final = 2.241403 / 1.959964


@dataclass(frozen=True)
class Strength:
    """A candidate's skill as a `document` ready for JSON, and as a clause of the version's reason."""

    document: Document
    sentence: str


def strength(metric: str, records: Sequence[MetricRecord], test: Sample) -> Strength:
    """Describe a candidate's skill in a metric; `records` are those of `metric_rows` on validation and test rows.

    The document holds `skill` on the test rows with its 95 % interval (from that of the value), its label as `word`
    (none, weak, moderate, strong), `auc`, whether the skill `fell` from validation to test and whether it ranks
    `below_chance` (both only if chance does not explain it), slope and intercept of the recalibration, and whether
    these are `miscalibrated`. Undefined figures are None.
    """
    tested, seen = (_record(records, split, metric) for split in ("test", "validation"))
    skill, before = _skill(metric, tested), _skill(metric, seen)
    label = _strength_label(metric, skill)
    found = recalibration(test, (tested.get("design_effect") if tested else None) or 1.0)
    auc = _estimate(_record(records, "test", "roc_auc")) if test.task == "classification" else None
    below = auc[2] < 0.5 if auc else found.slope is not None and test.task == "regression" and found.slope[2] < 0
    fell = skill is not None and before is not None and _fell(before, skill)
    miscalibrated = _miscalibrations(test, found.slope, found.intercept)
    document = {
        **_named("skill", skill),
        "word": label,
        "metric": metric,
        "baseline_name": tested["baseline_name"] if tested else None,
        **_named("auc", auc),
        "fell": fell,
        **_named("skill_validation", before),
        "below_chance": below,
        **_named("calibration_slope", found.slope),
        **_named("calibration_intercept", found.intercept),
        "off": bool(miscalibrated),
    }
    clauses = [_opening(label, skill, auc)]
    if fell and skill is not None and before is not None:
        clauses.append(
            f"it fell from {_percent(before[0])} of that way on validation to {_percent(skill[0])} on test, which "
            "chance does not explain"
        )
    if below:
        clauses.append(below_chance(auc, found.slope))
    return Strength(document, "; ".join(clauses + miscalibrated))


def ranking(records: Sequence[MetricRecord]) -> str | None:
    """Return a sentence if a candidate's ROC AUC on the test rows is significantly below 0.5, else None."""
    auc = _estimate(_record(records, "test", "roc_auc"))
    return below_chance(auc, None) if auc is not None and auc[2] < 0.5 else None


def below_chance(auc: Estimate | None, slope: Estimate | None) -> str:
    """Return a sentence that the predictions are inversely related to the outcomes."""
    estimate = f"ROC AUC {_figures(auc)}" if auc else f"slope of truth on prediction {_figures(slope)}" if slope else ""
    return f"it is below chance, as if its sign were inverted: {estimate}. Look for a feature whose meaning has changed"


def _record(records: Sequence[MetricRecord], split: str, metric: str) -> MetricRecord | None:
    wanted = (split, "all", metric)
    return next((each for each in records if (each["split"], each["slice"], each["metric"]) == wanted), None)


def _estimate(record: MetricRecord | None) -> Estimate | None:
    """Return a value with its interval, infinite if it could not be computed; None if the value is not defined."""
    if record is None or record["value"] is None:
        return None
    low, high = record["low"], record["high"]
    return float(record["value"]), -math.inf if low is None else float(low), math.inf if high is None else float(high)


def _skill(metric: str, record: MetricRecord | None) -> Estimate | None:
    """Return (value - baseline) / (perfect - baseline) with its interval; None if the baseline is perfect."""
    found, baseline = _estimate(record), record["baseline"] if record else None
    perfect = METRICS[metric].perfect
    if found is None or baseline is None or baseline == perfect:
        return None
    value, *edges = ((each - baseline) / (perfect - baseline) for each in found)
    return value, min(edges), max(edges)


def _strength_label(metric: str, skill: Estimate | None) -> str | None:
    if skill is None:
        return None
    moderate, strong, _ = METRICS[metric].skill
    value = skill[0]
    return "none" if value <= 0 else "weak" if value < moderate else "moderate" if value < strong else "strong"


def _fell(before: Estimate, after: Estimate) -> bool:
    """Return whether the interval of the difference of two figures of different rows lies above zero.

    Its lower end is computed from the ends of both intervals (Zou and Donner, Construction of Confidence Limits about
    Effect Measures, Statistics in Medicine 27, 2008).
    """
    return before[0] - after[0] > math.hypot(before[0] - before[1], after[2] - after[0])


def _miscalibrations(test: Sample, slope: Estimate | None, intercept: Estimate | None) -> list[str]:
    """Describe a miscalibration that is significant and large enough to matter."""
    numbers = test.task == "regression"
    unit = float(test.truth.std()) if numbers else 1.0
    what, problems = ("predictions" if numbers else "probabilities"), []
    if slope and _differs(slope, 1) and not SLOPES[0] <= slope[0] <= SLOPES[1]:
        problems.append(
            f"too {'extreme' if slope[0] < 1 else 'cautious'} (calibration slope {_figures(slope)}, 1 is right)"
        )
    if intercept and _differs(intercept, 0) and abs(intercept[0]) > INTERCEPT * unit:
        way = "low" if intercept[0] > 0 else "high"
        problems.append(f"too {way} on average (calibration intercept {_figures(intercept)}, 0 is right)")
    return [f"its {what} are {' and '.join(problems)}"] if problems else []


def _differs(found: Estimate, right: float) -> bool:
    return abs(found[0] - right) > _BOTH * (found[2] - found[0])


def _opening(label: str | None, skill: Estimate | None, auc: Estimate | None) -> str:
    ranked = f", ROC AUC {_figures(auc)}" if auc else ""
    if skill is None:
        return f"strength unknown{ranked}"
    return f"{label}: {_percent(skill[0])} of the way from baseline to perfect{ranked}"


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
