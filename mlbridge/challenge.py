"""Champion and challenger: fit the candidates, choose one on the validation rows, promote it or say why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from importlib.metadata import version as installed
from platform import python_version
from typing import Any

import numpy as np
import pandas as pd

import mlbridge
from mlbridge import artifacts, leaks
from mlbridge.baselines import Baseline, Outcomes, baselines, competing, strongest
from mlbridge.blocks import Blocks
from mlbridge.errors import TrainingError
from mlbridge.estimation import calibration_steps, loss_tree
from mlbridge.evaluate import (
    Gain,
    Sample,
    calibration_rows,
    design_effects,
    greater_is_better,
    metric_rows,
    paired_gain,
    predictions,
)
from mlbridge.features import Column
from mlbridge.frame import FIT_WORDS, Frame
from mlbridge.gain import asked_of_use
from mlbridge.importances import importance_rows
from mlbridge.incumbent import Incumbent
from mlbridge.log import say
from mlbridge.partners import with_partners
from mlbridge.profile import PREDICTION, feature_stats, profile_rows
from mlbridge.reference import reference_rows
from mlbridge.scene import Scene
from mlbridge.spec import Spec
from mlbridge.strength import ranking, strength
from mlbridge.suspects import suspicions, tell
from mlbridge.traces import Traces
from mlbridge.train import SEED, Fitted, checked_scores, fit

LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops", "sqlglot")
# A version has seen these: fitted on the first, chosen by the second.
SEEN = ("train", "validation")
# From so many uses of the test rows on a reason speaks of it.
SAID_FROM = 1.5


@dataclass(frozen=True)
class Training:
    """All that a training of one model works on.

    `times` gives the first and last prediction moment by word of `ml_split`, `blocks` the validation and test rows that
    belong together, `uses` how often the test rows judge, this time included; `traces` are those of leaks.
    """

    node: str
    spec: Spec
    columns: tuple[Column, ...]
    frame: Frame
    labels: tuple[Any, ...] | None
    candidates: Mapping[str, Any]
    times: Mapping[str, tuple[datetime, datetime]]
    blocks: Mapping[str, Blocks]
    uses: float
    traces: Traces = field(default_factory=Traces)

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """Give the classes as text, as the warehouse writes them."""
        if self.labels is None:
            return None
        return tuple(str(label).lower() if isinstance(label, bool) else str(label) for label in self.labels)

    @cached_property
    def numbers(self) -> tuple[float, ...] | None:
        """Give the classes as numbers, a boolean as 0 or 1; None where they are texts."""
        if self.labels is None or isinstance(self.labels[0], str):
            return None
        return tuple(float(label) for label in self.labels)

    def truth(self, word: str) -> np.ndarray[Any, Any]:
        """Give the target as a metric wants it: codes of the classes in their order, or numbers."""
        known = self.frame.truth(word)
        if self.labels is None:
            return known
        labels = np.array(self.labels)
        return np.searchsorted(labels, known.astype(labels.dtype))

    def sample(self, word: str, name: str, estimator: Any) -> Sample:
        """Score the rows of a word; raises TrainingError that names the candidate when its scores are none."""
        classes = None if self.labels is None else len(self.labels)
        return Sample(self.truth(word), checked_scores(self.node, name, estimator, self.frame.part(word), classes))


@dataclass(frozen=True)
class Judged:
    """A fitted candidate and its scores on the rows that its fit never saw."""

    fitted: Fitted
    validation: Sample
    test: Sample
    metrics: list[dict[str, Any]]

    def value(self, split: str, metric: str) -> dict[str, Any]:
        """Give the record of a metric over all rows of a split."""
        (record,) = (
            row for row in self.metrics if (row["split"], row["slice"], row["metric"]) == (split, "all", metric)
        )
        return record


def challenge(training: Training, incumbent: Incumbent | None, why: str) -> list[dict[str, Any]]:
    """Fit every candidate, choose one, compare it with the baselines and the champion; one logbook row per candidate.

    `why` says what this training was for; it opens the reason of the row of the chosen candidate.
    """
    target = training.frame.truth("train")
    if training.labels is not None:
        labels = np.array(training.labels)
        target = labels[training.truth("train")]
    truth = np.concatenate([training.truth(word) for word in FIT_WORDS])
    by_time = training.spec.split.by == "time"
    naive = baselines(Outcomes.of(training.frame, truth, len(training.labels or ()), by_time))
    judged = [_judge(training, name, target, naive) for name in training.candidates]
    best = _best(training, judged)
    promoted, verdict, gains = _decide(training, incumbent, best, naive)
    verdict += _reused(training)
    suspected = _suspicions(training, incumbent, best)
    outcome, verdict = leaks.verdict(suspected, promoted, verdict)
    rows = []
    for each in judged:
        row = _row(training, each)
        if each is best:
            row |= _winner(training, best)
            found = strength(training.spec.metric, best.metrics, best.test)
            row |= {"promotion": {**_promotion(training, gains), "strength": found.document}}
            row |= {"outcome": outcome, "reason": f"{why}; {verdict}; {found.sentence}", "leaks": leaks.rows(suspected)}
        else:
            row |= {"outcome": "runner_up", "reason": _behind(training, each, best)}
        rows.append(row)
    tell(training.node, best.fitted.name, outcome, verdict, suspected)
    return rows


def _suspicions(training: Training, incumbent: Incumbent | None, best: Judged) -> list[leaks.Suspicion]:
    """Look for leaks among the rows and columns that the chosen candidate rests on."""
    model = Sample(
        np.concatenate([best.validation.truth, best.test.truth]),
        np.concatenate([best.validation.scores, best.test.scores]),
    )
    truth = np.concatenate([training.truth(word) for word in FIT_WORDS])
    classes = 0 if training.labels is None else len(training.labels)
    given = (training.spec, training.frame, truth, classes, model, best.fitted.estimator, incumbent, training.traces)
    return suspicions(Scene(*given))


def _judge(training: Training, name: str, target: np.ndarray[Any, Any], naive: Mapping[str, Baseline]) -> Judged:
    fitted = fit(training.node, name, training.candidates[name], training.frame.part("train"), target)
    samples = {word: training.sample(word, name, fitted.estimator) for word in ("validation", "test")}
    effects: dict[str, float] = {}
    metrics: list[dict[str, Any]] = []
    # The test rows first: where there are too few validation blocks, their design effect is that of the test.
    for word in ("test", "validation"):
        beside = {each: getattr(rows, word) for each, rows in naive.items()}
        labels, blocks = training.frame.labels(word), training.blocks[word]
        found = metric_rows(word, samples[word], beside, labels, blocks, effects)
        effects = effects or design_effects(found)
        metrics = found + metrics
    judged = Judged(fitted, samples["validation"], samples["test"], metrics)
    metric = training.spec.metric
    record = judged.value("validation", metric)
    say(
        training.node,
        f"{name}: {metric} {_figure(record['value'])} ({_figure(record['low'])} to {_figure(record['high'])}) on "
        f"validation, baseline {_figure(record['baseline'])}; {fitted.fit_seconds:.1f} s",
    )
    return judged


def _best(training: Training, judged: list[Judged]) -> Judged:
    metric = training.spec.metric
    sign = 1 if greater_is_better(metric) else -1
    defined = [each for each in judged if each.value("validation", metric)["value"] is not None]
    if not defined:
        raise TrainingError(f"{training.node}: {metric} is not defined on the validation rows. Choose another metric.")
    return max(defined, key=lambda each: sign * each.value("validation", metric)["value"])


def _behind(training: Training, other: Judged, best: Judged) -> str:
    metric = training.spec.metric
    mine, its = (each.value("validation", metric)["value"] for each in (other, best))
    said = f"{metric} {_figure(mine)} on validation, {best.fitted.name} has {_figure(its)}"
    return "; ".join(filter(None, (said, ranking(other.metrics))))


def _decide(
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


def _promotion(training: Training, gains: list[Gain]) -> dict[str, Any]:
    """Give what the decision rests on, ready for JSON."""
    return {"uses": training.uses, "asked": training.spec.promote.confidence, "tests": [asdict(each) for each in gains]}


def _reused(training: Training) -> str:
    """Say that the test rows have judged before, and what that costs."""
    if training.uses < SAID_FROM:
        return ""
    asked = asked_of_use(training.spec.promote.confidence, training.uses)
    return f"; its test rows have judged {training.uses - 1:.1f} trainings before, so {100 * asked:.4g} % is asked"


def _row(training: Training, each: Judged) -> dict[str, Any]:
    frame, times = training.frame, training.times
    counted = {f"rows_{word}": len(frame.part(word)) for word in ("train", "validation", "test")}
    return {
        "candidate": each.fitted.name,
        "data_hash": frame.data_hash,
        **counted,
        "train_from": times["train"][0],
        "train_to": times["train"][1],
        "holdout_from": times["test"][0] if times["test"][0] > max(times[word][1] for word in SEEN) else None,
        "features": _features(training),
        "params": {
            "estimator": each.fitted.params,
            "seed": SEED,
            "classes": training.classes,
            "numbers": training.numbers,
        },
        "metrics": each.metrics,
        "calibration": calibration_rows(each.test),
        "fit_seconds": each.fitted.fit_seconds,
        "peak_memory_mb": each.fitted.peak_memory_mb,
        "library_versions": {
            "mlbridge": mlbridge.__version__,
            "python": python_version(),
            **{name: installed(name) for name in LIBRARIES},
        },
    }


def _winner(training: Training, best: Judged) -> dict[str, Any]:
    """Give what only the chosen candidate has: artifact, importances, and what monitoring starts from."""
    estimator = best.fitted.estimator
    profile = _profile(training, best)
    artifact = artifacts.dump(training.node, best.fitted.name, estimator, training.spec.trusted)
    return {
        "artifact": artifact,
        "artifact_format": artifacts.FORMAT,
        "artifact_sha256": artifacts.checksum(artifact),
        "profile": profile,
        "reference": _reference(training, best, profile),
        "estimation": _estimation(training, best, profile),
        "importances": importance_rows(
            estimator,
            training.frame.part("validation"),
            training.truth("validation"),
            training.spec.metric,
            seed=SEED,
        ),
    }


def _features(training: Training) -> list[dict[str, Any]]:
    kinds = {each.feature.name: each.feature.kind for each in training.columns}
    stats = feature_stats(training.frame.part("train"), kinds)
    return [{**asdict(each.feature), **stats[each.feature.name]} for each in training.columns]


def _profile(training: Training, best: Judged) -> list[dict[str, Any]]:
    """Profile the features and the target on the training rows, the prediction on the validation rows.

    A model's scores on the rows it was fitted on look better than any it gives later, so they are no reference.
    """
    kinds = {each.feature.name: each.feature.kind for each in training.columns}
    scores = pd.DataFrame({PREDICTION: predictions(best.validation)})
    codes = training.truth("train")
    known: Any = codes
    if training.classes is not None:
        known = np.array(training.classes, dtype=object)[codes]
    target = "numeric" if training.classes is None else "category"
    rows = training.frame.part("train")
    records = [
        *profile_rows(rows, kinds),
        *profile_rows(scores, {PREDICTION: "numeric"}, role="prediction"),
        *profile_rows(pd.DataFrame({"ml_target": known}), {"ml_target": target}, role="target"),
    ]
    return with_partners(rows, records, SEED)


def _reference(training: Training, best: Judged, profile: list[dict[str, Any]]) -> list[dict[str, Any]]:
    frame, size = training.frame, training.spec.monitor.window
    bins = [record for record in profile if record["feature"] == PREDICTION]
    return [
        record
        for word, sample in (("validation", best.validation), ("test", best.test))
        for record in reference_rows(word, sample, size, frame.window(word), frame.labels(word), bins)
    ]


def _estimation(training: Training, best: Judged, profile: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if training.classes is not None:
        return calibration_steps(best.validation, training.classes)
    return loss_tree(best.validation, training.frame.part("validation"), profile, SEED)


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
