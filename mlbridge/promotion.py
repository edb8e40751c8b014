"""Whether the chosen candidate becomes the champion: it has to beat chance, the naive baselines and the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlbridge.baselines import Baseline, competing, strongest
from mlbridge.evaluate import Gain, Sample, paired_gain
from mlbridge.gain import asked_of_use
from mlbridge.incumbent import Incumbent
from mlbridge.train import SEED
from mlbridge.trial import Judged, Training

# From so many uses of the test rows on a reason speaks of it.
SAID_FROM = 1.5


@dataclass(frozen=True)
class Decision:
    """Whether a candidate is promoted, why in words, and what that rests on, ready for JSON."""

    promoted: bool
    reason: str
    document: dict[str, Any]


def decide(training: Training, incumbent: Incumbent | None, best: Judged, naive: Mapping[str, Baseline]) -> Decision:
    """Hold the chosen candidate against the naive baselines, and then against the champion, on the test rows."""
    promoted, reason, gains = _tested(training, incumbent, best, naive)
    confidence = training.spec.promote.confidence
    document = {"uses": training.uses, "confidence": confidence, "tests": [asdict(each) for each in gains]}
    return Decision(promoted, reason + _reused(training), document)


def _tested(
    training: Training, incumbent: Incumbent | None, best: Judged, naive: Mapping[str, Baseline]
) -> tuple[bool, str, list[Gain]]:
    """Say whether the chosen candidate becomes the champion, by how much it is better or not, and what was tested."""
    spec, blocks = training.spec, training.blocks["test"]
    asked = (spec.metric, asked_of_use(spec.promote.confidence, training.uses))
    gains: list[Gain] = []
    for name in _to_beat(spec.metric, naive):
        gains.append(paired_gain(best.test, naive[name].test, *asked, min_gain=0.0, seed=SEED, blocks=blocks))
        baseline = f"the naive baseline ({name})"
        if not gains[-1].better:
            return False, f"not better than {baseline}: {gains[-1].sentence(baseline)}", gains
    if incumbent is None:
        return True, gains[-1].sentence(baseline), gains
    against = f"the champion (version {incumbent.number})"
    if incumbent.problem is not None:
        said = f"{gains[-1].sentence(baseline)}; not compared with {against}: {incumbent.problem}"
        return not incumbent.usable, said, gains
    theirs = Sample(training.truth("test")[incumbent.places], incumbent.scores)
    mine, together = best.test.take(incumbent.places), blocks.take(incumbent.places)
    gains.append(paired_gain(mine, theirs, *asked, min_gain=spec.promote.min_gain, seed=SEED, blocks=together))
    if not gains[-1].better:
        return False, f"not better than {against}: {gains[-1].sentence(against)}", gains
    return True, gains[-1].sentence(against), gains


def _to_beat(metric: str, naive: Mapping[str, Baseline]) -> list[str]:
    """Name the strongest baseline on the test rows and, where it is no constant, the strongest constant before it.

    A constant has no skill; beside another baseline without skill, a candidate could look as if it had some.
    """
    rows = {name: naive[name].test for name in competing(metric, naive)}
    constants = {name: sample for name, sample in rows.items() if (sample.scores == sample.scores[:1]).all()}
    return list(dict.fromkeys([strongest(metric, constants), strongest(metric, rows)]))


def _reused(training: Training) -> str:
    """Say that the test rows have judged before, and what that costs."""
    if training.uses < SAID_FROM:
        return ""
    asked = asked_of_use(training.spec.promote.confidence, training.uses)
    return f"; its test rows have judged {training.uses - 1:.1f} trainings before, so {100 * asked:.4g} % is asked"
