"""Champion and challenger: fit the candidates, choose one on the validation rows, promote it or say why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from importlib.metadata import version as installed
from platform import python_version
from typing import Any

import numpy as np
import pandas as pd

import mlbridge
from mlbridge import artifacts
from mlbridge.errors import TrainingError
from mlbridge.estimation import calibration_steps, loss_tree
from mlbridge.evaluate import Sample, calibration_rows, greater_is_better, metric_rows, paired_gain, predictions
from mlbridge.features import Column
from mlbridge.frame import Frame
from mlbridge.importances import importance_rows
from mlbridge.incumbent import Incumbent
from mlbridge.log import say
from mlbridge.partners import with_partners
from mlbridge.profile import PREDICTION, feature_stats, profile_rows
from mlbridge.reference import reference_rows
from mlbridge.spec import Spec
from mlbridge.train import SEED, Fitted, baseline_of, checked_scores, fit

LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops", "sqlglot")
# Says what keeps a version, given by its logbook row, from scoring as it was judged; None where nothing does.
Proof = Callable[[Mapping[str, Any], np.ndarray[Any, Any]], str | None]
# A version has seen these: fitted on the first, chosen by the second.
SEEN = ("train", "validation")


@dataclass(frozen=True)
class Training:
    """All that a training of one model works on.

    `times` gives the first and last prediction moment by word of `ml_split`.
    """

    node: str
    spec: Spec
    columns: tuple[Column, ...]
    frame: Frame
    labels: tuple[Any, ...] | None
    candidates: Mapping[str, Any]
    times: Mapping[str, tuple[datetime, datetime]]

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


def challenge(training: Training, incumbent: Incumbent | None, why: str, prove: Proof) -> list[dict[str, Any]]:
    """Fit every candidate and the baseline, choose, compare with the champion; give one logbook row per candidate.

    `why` says what this training was for; it opens the reason of the row of the chosen candidate. `prove` is asked
    about the row of one that is to be promoted, and its scores on the test rows: what it finds is why it is not.
    """
    target = training.frame.truth("train")
    if training.labels is not None:
        labels = np.array(training.labels)
        target = labels[training.truth("train")]
    naive = fit(
        training.node,
        "baseline",
        baseline_of(training.spec.metric, training.spec.task),
        training.frame.part("train"),
        target,
    )
    baseline = Judged(
        naive,
        training.sample("validation", naive.name, naive.estimator),
        training.sample("test", naive.name, naive.estimator),
        [],
    )
    judged = [_judge(training, name, target, baseline) for name in training.candidates]
    best = _best(training, judged)
    promoted, verdict = _decide(training, incumbent, best, baseline)
    rows = []
    for each in judged:
        row = _row(training, each)
        if each is best:
            row |= _winner(training, best)
            problem = prove(row, best.test.scores) if promoted else None
            promoted, verdict = (promoted, verdict) if problem is None else (False, problem)
            row |= {"outcome": "promoted" if promoted else "rejected", "reason": f"{why}; {verdict}"}
        else:
            row |= {"outcome": "runner_up", "reason": _behind(training, each, best)}
        rows.append(row)
    say(training.node, f"{best.fitted.name} is {'promoted' if promoted else 'rejected'}: {verdict}")
    return rows


def _judge(training: Training, name: str, target: np.ndarray[Any, Any], baseline: Judged) -> Judged:
    fitted = fit(training.node, name, training.candidates[name], training.frame.part("train"), target)
    samples = {word: training.sample(word, name, fitted.estimator) for word in ("validation", "test")}
    naive = {"validation": baseline.validation, "test": baseline.test}
    metrics = [
        record
        for word, sample in samples.items()
        for record in metric_rows(word, sample, naive[word], training.frame.labels(word), seed=SEED)
    ]
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
    return f"{metric} {_figure(mine)} on validation, {best.fitted.name} has {_figure(its)}"


def _decide(training: Training, incumbent: Incumbent | None, best: Judged, baseline: Judged) -> tuple[bool, str]:
    """Say whether the chosen candidate becomes the champion, and by how much it is better or not."""
    spec = training.spec
    asked = (spec.metric, spec.promote.confidence)
    gain = paired_gain(best.test, baseline.test, *asked, min_gain=0.0, seed=SEED)
    if not gain.better:
        return False, f"not better than the naive baseline: {gain.sentence('the naive baseline')}"
    if incumbent is None:
        return True, gain.sentence("the naive baseline")
    against = f"the champion (version {incumbent.number})"
    if incumbent.problem is not None:
        said = f"{gain.sentence('the naive baseline')}; not compared with {against}: {incumbent.problem}"
        return not incumbent.usable, said
    theirs = Sample(training.truth("test")[incumbent.places], incumbent.scores)
    gain = paired_gain(best.test.take(incumbent.places), theirs, *asked, min_gain=spec.promote.min_gain, seed=SEED)
    if not gain.better:
        return False, f"not better than {against}: {gain.sentence(against)}"
    return True, gain.sentence(against)


def _row(training: Training, each: Judged) -> dict[str, Any]:
    frame, times = training.frame, training.times
    counted = {f"rows_{word}": len(frame.truth(word)) for word in ("train", "validation", "test")}
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
        "categories": training.frame.texts,
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
