"""Champion and challenger: fit the candidates, choose one on the validation rows, and promote or reject it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version as installed
from platform import python_version

import numpy as np
import pandas as pd

from mlbridge.evaluation.baselines import baselines
from mlbridge.evaluation.evaluate import calibration_rows, predictions
from mlbridge.evaluation.sample import Sample
from mlbridge.evaluation.strength import ranking, strength
from mlbridge.leaks import catalogue
from mlbridge.leaks.evidence import LeakContext
from mlbridge.leaks.search import log_outcome, suspicions
from mlbridge.lifecycle.assessment import EvaluatedCandidate, Training, best_of, evaluate_candidate, figure
from mlbridge.lifecycle.promotion import decide_promotion
from mlbridge.reference.associations import PartneredBin, with_partners
from mlbridge.reference.performance_estimation import EstimationRecord, calibration_steps, loss_tree
from mlbridge.reference.profile import PREDICTION, feature_stats, profile_rows
from mlbridge.reference.windows import ReferenceRecord, reference_rows
from mlbridge.registry import artifacts
from mlbridge.registry.documents import Params, StoredFeature
from mlbridge.registry.logbook import CandidateRow, LogbookRow
from mlbridge.scoring.champion import Incumbent
from mlbridge.training.candidates import SEED
from mlbridge.training.importances import importance_rows
from mlbridge.typing import Array, Floats
from mlbridge.version import __version__

LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops", "sqlglot")
# Takes a logbook row and its scores on the test rows; returns the problem if a stored version would score differently.
Verify = Callable[[CandidateRow, Floats], str | None]
# The splits that influence a version: it is fitted on the first and chosen on the second.
SEEN = ("train", "validation")


def challenge(
    training: Training, incumbent: Incumbent | None, entry: LogbookRow, version: int, verify: Verify
) -> list[CandidateRow]:
    """Fit every candidate, choose one, compare it with the baselines and the champion; one logbook row per candidate.

    `entry` is the row of a build that only decided to train: every candidate's row has its fields, and the chosen
    candidate's reason begins with its reason. `verify` gets the row of a candidate that would be promoted, and its
    scores on the test rows; if it returns a problem, the candidate is not promoted.
    """
    naive = baselines(training.outcomes)
    evaluated = [evaluate_candidate(training, name, naive) for name in training.candidates]
    best = best_of(training, evaluated)
    decision = decide_promotion(training, incumbent, best, naive)
    suspected = search(training, incumbent, best)
    found = strength(training.spec.metric, best.metrics, best.test)
    chosen = _chosen_fields(training, best, _row(training, best, entry, version))
    problem = verify(chosen, best.test.scores) if decision.promoted else None
    promoted = decision.promoted and problem is None
    outcome, verdict = catalogue.verdict(suspected, promoted, problem or decision.reason)
    log_outcome(training.node, best.fitted.name, outcome, verdict, suspected)
    chosen = replace(
        chosen,
        outcome=outcome,
        reason=f"{entry.reason}; {verdict}; {found.sentence}",
        promotion={**decision.document, "strength": found.document},
        leaks=catalogue.rows(suspected),
    )
    return [
        chosen if each is best else _runner_up(training, each, best, _row(training, each, entry, version))
        for each in evaluated
    ]


def _runner_up(
    training: Training, other: EvaluatedCandidate, best: EvaluatedCandidate, row: CandidateRow
) -> CandidateRow:
    return replace(row, outcome="runner_up", reason=_runner_up_reason(training, other, best))


def search(training: Training, incumbent: Incumbent | None, best: EvaluatedCandidate) -> list[catalogue.Suspicion]:
    """Search for leaks in the rows and features of the chosen candidate, and add what the lineage says."""
    model = Sample(
        np.concatenate([best.validation.truth, best.test.truth]),
        np.concatenate([best.validation.scores, best.test.scores]),
    )
    classes = len(training.class_labels or ())
    given = (training.every_truth, classes, model, best.fitted.estimator, incumbent, training.leak_queries)
    of_rows = suspicions(LeakContext(training.spec, training.frame, *given))
    return [*of_rows, *catalogue.allowed(training.suspected, training.spec.allow_leakage)]


def _runner_up_reason(training: Training, other: EvaluatedCandidate, best: EvaluatedCandidate) -> str:
    metric = training.spec.metric
    mine, its = (each.value("validation", metric)["value"] for each in (other, best))
    behind = f"{metric} {figure(mine)} on validation, {best.fitted.name} has {figure(its)}"
    return "; ".join(filter(None, (behind, ranking(other.metrics))))


def _row(training: Training, each: EvaluatedCandidate, entry: LogbookRow, version: int) -> CandidateRow:
    frame, times = training.frame, training.times
    row = entry.of_candidate(
        version,
        each.fitted.name,
        features=_features(training),
        params=_params(training, each),
        library_versions={
            "mlbridge": __version__,
            "python": python_version(),
            **{name: installed(name) for name in LIBRARIES},
        },
    )
    return replace(
        row,
        data_hash=_data_hash(training, each),
        rows_train=each.fitted.rows,
        rows_validation=len(frame.truth("validation")),
        rows_test=len(frame.truth("test")),
        train_from=times["train"][0],
        train_to=times["train"][1],
        holdout_from=times["test"][0] if times["test"][0] > max(times[split][1] for split in SEEN) else None,
        metrics=each.metrics,
        calibration=calibration_rows(each.test),
        fit_seconds=each.fitted.fit_seconds,
        peak_memory_mb=each.fitted.peak_memory_mb,
    )


def _data_hash(training: Training, each: EvaluatedCandidate) -> str:
    """Hash what the version comes from: the frame, and the rows that its candidate read beside a sample."""
    frame, read = training.frame.data_hash, each.fitted.data_hash
    if training.held.sampled is None or read is None:
        return frame
    return hashlib.sha256(f"{frame} {read}".encode()).hexdigest()


def _params(training: Training, each: EvaluatedCandidate) -> Params:
    params: Params = {
        "estimator": each.fitted.params,
        "seed": SEED,
        "classes": training.classes,
        "numbers": training.numbers,
    }
    if training.held.sampled is not None:
        params["sample"] = training.held.sampled
    return params


def _chosen_fields(training: Training, best: EvaluatedCandidate, row: CandidateRow) -> CandidateRow:
    """Add the fields that only the chosen candidate has: artifact, importances, and the references of monitoring."""
    estimator = best.fitted.estimator
    profile = _profile(training, best)
    artifact = artifacts.dump(training.node, best.fitted.name, estimator, training.spec.trusted)
    return replace(
        row,
        artifact=artifact,
        artifact_format=artifacts.FORMAT,
        artifact_sha256=artifacts.checksum(artifact),
        profile=profile,
        reference=_reference(training, best, profile),
        estimation=_estimation(training, best, profile),
        categories=training.frame.texts,
        importances=importance_rows(
            estimator,
            training.frame.part("validation"),
            training.truth("validation"),
            training.spec.metric,
            seed=SEED,
        ),
    )


def _features(training: Training) -> list[StoredFeature]:
    kinds = {each.feature.name: each.feature.kind for each in training.columns}
    stats = feature_stats(training.frame.part("train"), kinds)
    features = [each.feature for each in training.columns]
    return [{"name": each.name, "type": each.type, "kind": each.kind, **stats[each.name]} for each in features]


def _profile(training: Training, best: EvaluatedCandidate) -> list[PartneredBin]:
    """Profile the features and the target on the training rows, the prediction on the validation rows.

    Scores on the rows that a model was fitted on are more extreme than later ones, so they are no reference.
    """
    kinds = {each.feature.name: each.feature.kind for each in training.columns}
    scores = pd.DataFrame({PREDICTION: predictions(best.validation)})
    codes = training.truth("train")
    known: Array = codes
    if training.classes is not None:
        known = np.array(training.classes, dtype=object)[codes]
    target = "numeric" if training.classes is None else "category"
    rows = training.frame.part("train")
    records = [
        *profile_rows(rows, kinds, counts=training.text_counts),
        *profile_rows(scores, {PREDICTION: "numeric"}, role="prediction"),
        *profile_rows(pd.DataFrame({"ml_target": known}), {"ml_target": target}, role="target"),
    ]
    return with_partners(rows, records, SEED)


def _reference(training: Training, best: EvaluatedCandidate, profile: list[PartneredBin]) -> list[ReferenceRecord]:
    frame, size = training.frame, training.spec.monitor.window
    bins = [record for record in profile if record["feature"] == PREDICTION]
    return [
        record
        for split, sample in (("validation", best.validation), ("test", best.test))
        for record in reference_rows(split, sample, size, frame.window(split), frame.slice_values(split), bins)
    ]


def _estimation(training: Training, best: EvaluatedCandidate, profile: list[PartneredBin]) -> list[EstimationRecord]:
    if training.classes is not None:
        return calibration_steps(best.validation, training.classes)
    return loss_tree(best.validation, training.frame.part("validation"), profile, SEED)
