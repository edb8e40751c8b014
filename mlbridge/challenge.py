"""Champion and challenger: fit the candidates, choose one on the validation rows, promote it or say why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version as installed
from platform import python_version
from typing import Any

import numpy as np
import pandas as pd

import mlbridge
from mlbridge import artifacts, leaks
from mlbridge.baselines import Outcomes, baselines
from mlbridge.estimation import calibration_steps, loss_tree
from mlbridge.evaluate import (
    Sample,
    calibration_rows,
    predictions,
)
from mlbridge.importances import importance_rows
from mlbridge.incumbent import Incumbent
from mlbridge.partners import with_partners
from mlbridge.profile import PREDICTION, feature_stats, profile_rows
from mlbridge.promotion import decide
from mlbridge.reference import reference_rows
from mlbridge.scene import Scene
from mlbridge.strength import ranking, strength
from mlbridge.suspects import suspicions, tell
from mlbridge.train import SEED
from mlbridge.trial import Judged, Training, best_of, figure, judge

LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops", "sqlglot")
# Says what keeps a version, given by its logbook row, from scoring as it was judged; None where nothing does.
Proof = Callable[[Mapping[str, Any], np.ndarray[Any, Any]], str | None]
# A version has seen these: fitted on the first, chosen by the second.
SEEN = ("train", "validation")


def challenge(training: Training, incumbent: Incumbent | None, why: str, prove: Proof) -> list[dict[str, Any]]:
    """Fit every candidate, choose one, compare it with the baselines and the champion; one logbook row per candidate.

    `why` says what this training was for; it opens the reason of the row of the chosen candidate. `prove` is asked
    about the row of one that is to be promoted, and its scores on the test rows: what it finds is why it is not.
    """
    by_time = training.spec.split.by == "time"
    naive = baselines(Outcomes.of(training.frame, training.every_truth, len(training.labels or ()), by_time))
    judged = [judge(training, name, naive) for name in training.candidates]
    best = best_of(training, judged)
    decision = decide(training, incumbent, best, naive)
    suspected = _suspicions(training, incumbent, best)
    found = strength(training.spec.metric, best.metrics, best.test)
    chosen = _row(training, best) | _winner(training, best)
    problem = prove(chosen, best.test.scores) if decision.promoted else None
    promoted = decision.promoted and problem is None
    outcome, verdict = leaks.verdict(suspected, promoted, problem or decision.reason)
    chosen |= {"promotion": {**decision.document, "strength": found.document}, "leaks": leaks.rows(suspected)}
    chosen |= {"outcome": outcome, "reason": f"{why}; {verdict}; {found.sentence}"}
    tell(training.node, best.fitted.name, outcome, verdict, suspected)
    return [chosen if each is best else _runner_up(training, each, best) for each in judged]


def _runner_up(training: Training, other: Judged, best: Judged) -> dict[str, Any]:
    return {**_row(training, other), "outcome": "runner_up", "reason": _behind(training, other, best)}


def _suspicions(training: Training, incumbent: Incumbent | None, best: Judged) -> list[leaks.Suspicion]:
    """Look for leaks among the rows and columns that the chosen candidate rests on."""
    model = Sample(
        np.concatenate([best.validation.truth, best.test.truth]),
        np.concatenate([best.validation.scores, best.test.scores]),
    )
    classes = len(training.labels or ())
    given = (training.every_truth, classes, model, best.fitted.estimator, incumbent, training.traces)
    return suspicions(Scene(training.spec, training.frame, *given))


def _behind(training: Training, other: Judged, best: Judged) -> str:
    metric = training.spec.metric
    mine, its = (each.value("validation", metric)["value"] for each in (other, best))
    said = f"{metric} {figure(mine)} on validation, {best.fitted.name} has {figure(its)}"
    return "; ".join(filter(None, (said, ranking(other.metrics))))


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
