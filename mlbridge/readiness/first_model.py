"""A quick and honest first model on the sample, and the checks for leaks that run before a promotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mlbridge.catalogue.metrics import greater_is_better
from mlbridge.engines.adapters import PYTHON_ENGINE
from mlbridge.engines.warehouse import Warehouse, column
from mlbridge.errors import MlbridgeError
from mlbridge.evaluation.baselines import baselines
from mlbridge.features.columns import features_of, split_summary_query, unlearnable
from mlbridge.leaks.catalogue import NONE, Suspicion
from mlbridge.lifecycle.assessment import EvaluatedCandidate, Training, evaluate_candidate, figure
from mlbridge.lifecycle.challenge import search
from mlbridge.nodes.training_rows import gather
from mlbridge.readiness.assessment import Requirement, scored
from mlbridge.readiness.sample import Sample, everything
from mlbridge.spec.specification import Spec
from mlbridge.split.by_time import split_by_time, without_helpers
from mlbridge.split.shortage import Shortage

# The stock candidate of each task that is fitted most quickly.
QUICKEST = {"classification": "logistic_regression", "regression": "ridge"}
SPLIT = "assessed_split"


@dataclass(frozen=True)
class FirstModel:
    """The requirement that it beats the baselines, and what the training rows show.

    `suspicions` are what the checks for leaks found; `constant` are features without variation, each with the reason.
    """

    requirement: Requirement
    suspicions: Sequence[Suspicion] = ()
    constant: Mapping[str, str] = field(default_factory=dict)


def first_model(sample: Sample, spec: Spec, as_of: datetime) -> FirstModel:
    """Fit a candidate on the sample, look for leaks, and where there are any, fit it again without those columns."""
    columns = {name: column(name) for name in sample.types}
    split = without_helpers(columns, split_by_time(columns, sample.table, spec, as_of))
    session = PYTHON_ENGINE.workspace({SPLIT: sample.warehouse.batches(split, sample.count or 1).read_all()})
    relation, warehouse = PYTHON_ENGINE.lazy(session, everything(SPLIT)), Warehouse(session)
    try:
        features = features_of(spec.target, warehouse.columns(relation), spec)
        table = warehouse.table(relation, SPLIT)
        summary = {row["ml_split"]: row for row in warehouse.rows(split_summary_query(features, spec, table))}
        constant = unlearnable(features, summary) if "train" in summary else {}
        spec = replace(spec, exclude=(*spec.exclude, *constant))

        def fitted(chosen: Spec) -> tuple[Training, EvaluatedCandidate]:
            training = gather(spec.target, warehouse, relation, chosen, {}, ())
            if isinstance(training, Shortage):
                raise SkippedError(training.reason)
            return training, evaluate_candidate(training, chosen.candidates[0], baselines(training.outcomes))

        training, model = fitted(spec)
        found = [each for each in search(training, None, model) if each.level != NONE]
        leaking = tuple(each.feature for each in found if each.feature in training.frame.features.columns)
        if leaking:
            training, model = fitted(replace(spec, exclude=(*spec.exclude, *leaking)))
    except MlbridgeError as error:
        return FirstModel(scored("first_model", None, f"no model was fitted: {error}"))
    return FirstModel(_requirement(model, training, sample), found, constant)


class SkippedError(MlbridgeError):
    """The sample has too few rows for a model."""


def _requirement(model: EvaluatedCandidate, training: Training, sample: Sample) -> Requirement:
    metric = training.spec.metric
    record = model.value("test", metric)
    value, low, high, baseline = record["value"], record["low"], record["high"], record["baseline"]
    of = "all rows" if sample.limited is None else f"a sample of {sample.limited:,} rows"
    evidence = (
        f"{model.fitted.name} on {len(training.columns):,} columns of {of}: {metric} {figure(value)} (95 % interval "
        f"{figure(low)} to {figure(high)}) on the newest {record['n']:,}, the naive baseline "
        f"({record['baseline_name']}) {figure(baseline)}"
    )
    if value is None or baseline is None:
        return scored("first_model", None, evidence)
    more = greater_is_better(metric)
    worst = low if more else high
    beats, surely = (each is not None and (each > baseline) == more and each != baseline for each in (value, worst))
    return scored("first_model", 1.0 if surely else 0.5 if beats else 0.0, evidence)
