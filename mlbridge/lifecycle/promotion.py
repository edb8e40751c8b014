"""Whether the chosen candidate becomes the champion: it has to beat chance, the naive baselines and the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from mlbridge.evaluation.baselines import Baseline, competing, strongest
from mlbridge.evaluation.comparison import paired_gain
from mlbridge.evaluation.gain import Gain, required_confidence
from mlbridge.evaluation.sample import Sample
from mlbridge.lifecycle.assessment import EvaluatedCandidate, Training
from mlbridge.registry.documents import Promotion
from mlbridge.scoring.champion import Incumbent
from mlbridge.training.candidates import SEED

# The reason mentions earlier uses of the test rows from this number of uses on.
REPORTED_FROM = 1.5


@dataclass(frozen=True)
class PromotionDecision:
    """Whether a candidate is promoted, the reason, and the tests behind it, ready for JSON."""

    promoted: bool
    reason: str
    document: Promotion


def decide_promotion(
    training: Training, incumbent: Incumbent | None, best: EvaluatedCandidate, naive: Mapping[str, Baseline]
) -> PromotionDecision:
    """Compare the chosen candidate with the naive baselines, and then with the champion, on the test rows."""
    promoted, reason, gains = _tested(training, incumbent, best, naive)
    confidence = training.spec.promote.confidence
    document: Promotion = {"uses": training.uses, "confidence": confidence, "tests": [asdict(each) for each in gains]}
    return PromotionDecision(promoted, reason + _reuse_note(training), document)


def _tested(
    training: Training, incumbent: Incumbent | None, best: EvaluatedCandidate, naive: Mapping[str, Baseline]
) -> tuple[bool, str, list[Gain]]:
    """Return whether the chosen candidate becomes the champion, the reason, and the comparisons that were made."""
    spec, blocks = training.spec, training.blocks["test"]
    metric, confidence = spec.metric, required_confidence(spec.promote.confidence, training.uses)
    gains: list[Gain] = []
    for name in _baselines_to_beat(spec.metric, naive):
        gains.append(
            paired_gain(best.test, naive[name].test, metric, confidence, min_gain=0.0, seed=SEED, blocks=blocks)
        )
        baseline = f"the naive baseline ({name})"
        if not gains[-1].better:
            # `versions_in_use` tells such a version by these words, and lets it answer nobody.
            return False, f"not better than {baseline}: {gains[-1].sentence(baseline)}", gains
    if incumbent is None:
        return True, gains[-1].sentence(baseline), gains
    against = f"the champion (version {incumbent.number})"
    if incumbent.problem is not None:
        reason = f"{gains[-1].sentence(baseline)}; not compared with {against}: {incumbent.problem}"
        return not incumbent.usable, reason, gains
    theirs = Sample(training.truth("test")[incumbent.positions], incumbent.scores)
    mine, together = best.test.take(incumbent.positions), blocks.take(incumbent.positions)
    least = spec.promote.min_gain
    gains.append(paired_gain(mine, theirs, metric, confidence, min_gain=least, seed=SEED, blocks=together))
    if not gains[-1].better:
        return False, f"not better than {against}: {gains[-1].sentence(against)}", gains
    return True, gains[-1].sentence(against), gains


def _baselines_to_beat(metric: str, naive: Mapping[str, Baseline]) -> list[str]:
    """Return the strongest constant baseline and, if another one is stronger on the test rows, that one after it.

    A constant has no skill. Against another baseline without skill alone, a candidate could seem to have some.
    """
    rows = {name: naive[name].test for name in competing(metric, naive)}
    constants = {name: sample for name, sample in rows.items() if (sample.scores == sample.scores[:1]).all()}
    return list(dict.fromkeys([strongest(metric, constants), strongest(metric, rows)]))


def _reuse_note(training: Training) -> str:
    """Return a note on earlier uses of the test rows and the confidence required now; empty for new rows."""
    if training.uses < REPORTED_FROM:
        return ""
    confidence = required_confidence(training.spec.promote.confidence, training.uses)
    before = f"{training.uses - 1:.1f} earlier trainings"
    return f"; its test rows were used by {before}, so {100 * confidence:.4g} % confidence is required"
