"""Decides whether this build trains, from data upstream of the training node and from the model's logbook."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlglot import exp

from mlbridge.catalogue.metrics import greater_is_better
from mlbridge.engines.adapters import Relation
from mlbridge.engines.warehouse import Warehouse
from mlbridge.evaluation.metrics import json_number
from mlbridge.registry import champions
from mlbridge.registry.logbook import CandidateRow, LogbookRow, with_deferred
from mlbridge.registry.versions import read_version
from mlbridge.scoring.champion import QUANTILE, RecordedMetric, decay, known_after
from mlbridge.spec.checks import to_timedelta
from mlbridge.spec.run import Run
from mlbridge.spec.specification import Spec
from mlbridge.typing import Document, Json

# How many of the most drifted features are stored with a decision, and how many are named in its reason.
MOST_KEPT, MOST_NAMED = 10, 3
MOST_DECIMALS = 12
# The other keys are limits, and exceeding one is a reason; this key is a condition, and a reason only if it is alone.
CONDITION = "min_new_labels"


@dataclass(frozen=True)
class RetrainingContext:
    """The inputs of a retraining decision.

    `rows` are the rows of `logbook` up to the build's `as_of`, oldest first. `split` is the relation from `dbt.ref()`.
    """

    run: Run
    spec: Spec
    rows: Sequence[LogbookRow]
    warehouse: Warehouse
    split: Relation
    logbook: exp.Expression

    def limit(self, key: str) -> Json:
        """Return the value of a key of the spec's `retrain`; None if it is not set."""
        return getattr(self.spec.retrain, key)


@dataclass(frozen=True)
class RetrainingDecision:
    """Whether to train, and the reason; `figures` are those behind it, ready for JSON, or None."""

    trains: bool
    reason: str
    figures: Document | None = None


@dataclass(frozen=True)
class PolicyResult:
    """The result of one key of `retrain`: its figures, a text with them, and whether it is a reason to train."""

    figures: Document
    text: str
    is_reason: bool = False


def decide_retraining(context: RetrainingContext, changed: str | None) -> RetrainingDecision:
    """Decide whether this build trains.

    `changed` describes what changed since the last training; None if nothing did. Without a version, it trains. Else it
    does not train if `mlbridge_retrain` is `never`, and trains after a change or with `mlbridge_retrain: true`;
    otherwise the spec's `retrain` decides.
    """
    last = champions.last_trained(context.rows)
    if last is None:
        return RetrainingDecision(True, "no version yet")
    same = f"nothing to do: version {last.version} was trained on this spec and these features"
    if context.run.retrain == "never":
        why = same if changed is None else f"nothing is trained, although {changed}"
        return RetrainingDecision(False, f"{why}; mlbridge_retrain says never")
    if changed is not None:
        return RetrainingDecision(True, changed)
    if context.run.retrain == "always":
        return RetrainingDecision(True, "requested by mlbridge_retrain")
    return _by_policy(context, last, same)


def _by_policy(context: RetrainingContext, last: CandidateRow, same: str) -> RetrainingDecision:
    found = {key: check(context, last) for key, check in POLICY_CHECKS.items() if context.limit(key) is not None}
    if not found:
        return RetrainingDecision(False, same)
    figures = {name: figure for result in found.values() for name, figure in result.figures.items()}
    texts = [result.text for result in found.values()]
    until = _cooling_down_until(context, last)
    if until is not None:
        figures["cooling_down_until"] = until
        texts.append(f"cooling down until {until}")
    reasons = [key for key, result in found.items() if result.is_reason and (key != CONDITION or len(found) == 1)]
    waits = CONDITION in found and not found[CONDITION].is_reason
    if not reasons or waits or until is not None:
        return RetrainingDecision(False, "; ".join([same, *texts]), figures)
    verb = "is" if len(reasons) == 1 else "are"
    passed = "reached" if reasons == [CONDITION] else "exceeded"
    keys = " and ".join([", ".join(reasons[:-1]), reasons[-1]] if len(reasons) > 1 else reasons)
    return RetrainingDecision(True, f"{keys} {verb} {passed}: {'; '.join(texts)}", figures)


def _cooling_down_until(context: RetrainingContext, last: CandidateRow) -> str | None:
    """Return the end of the cool-down (UTC) as text; None if it is over.

    A build with the same `as_of` as the newest training is always within it.
    """
    trained, now = last.as_of, context.run.as_of
    wait = to_timedelta(context.spec.retrain.cool_down)
    if now != trained and now - trained >= wait:
        return None
    until: datetime = trained + min(wait, datetime.max - trained)
    return until.isoformat(sep=" ", timespec="seconds").removesuffix(" 00:00:00")


def _age(context: RetrainingContext, last: CandidateRow) -> PolicyResult:
    limit = to_timedelta(context.limit("max_age"))
    age: timedelta = context.run.as_of - last.as_of
    days, most = (each / timedelta(days=1) for each in (age, limit))
    old, allowed = _rounded(days, most)
    return PolicyResult({"age_days": days, "max_age_days": most}, f"{old} days old of at most {allowed}", age > limit)


def _drift(context: RetrainingContext, last: CandidateRow) -> PolicyResult:
    limit, drift = context.limit("max_drift"), context.run.drift
    if drift is None:
        return PolicyResult({"drift": None, "max_drift": limit}, "drift unknown: there is nothing to compare yet")
    order = sorted(drift["features"].items(), key=lambda each: (-each[1], each[0]))
    figures = {
        "drift": drift["value"],
        "max_drift": limit,
        "drift_rows": drift["rows"],
        "drifted": dict(order[:MOST_KEPT]),
    }
    value, allowed = _rounded(drift["value"], limit)
    mostly = ", ".join(f"{name} {_rounded(moved, moved)[0]}" for name, moved in order[:MOST_NAMED] if moved > 0)
    return PolicyResult(
        figures,
        f"drift {value} of at most {allowed}" + (f" (mostly {mostly})" if mostly else ""),
        drift["value"] > limit,
    )


def _decay(context: RetrainingContext, last: CandidateRow) -> PolicyResult:
    """Compare the version in use (a pin may name it) with its metric on the test rows of its training."""
    limit, metric = context.limit("max_decay"), context.spec.metric
    row = champions.chosen(context.rows, context.run.in_use.get("champion"))
    if row is None:
        return PolicyResult({"decay": None, "max_decay": limit}, "decay unknown: no version is in use")
    version = read_version(context.run.node, context.warehouse, context.logbook, row, context.spec.trusted)
    recorded = _recorded_metric(context, row)
    found = decay(
        context.warehouse, _split(context), context.warehouse.columns(context.split), version, recorded, context.spec
    )
    figures = {"decay": found.lost, "max_decay": limit, "decay_rows": found.rows}
    if found.lost is None or found.low is None or found.high is None:
        return PolicyResult(figures, f"decay of version {version.number} unknown: {found.problem}")
    figures.update({"decay_low": json_number(found.low), "decay_high": json_number(found.high)})
    lost, allowed = _rounded(abs(found.lost), limit)
    of = "" if row.version == last.version else f" of version {version.number}"
    worse, better = ("fell", "rose") if greater_is_better(metric) else ("rose", "fell")
    moved = f"{worse} by {lost} of at most {allowed}"
    if found.lost < 0:
        moved = f"{better} by {lost} (limit: {allowed} worse)"
    then, now = _rounded(recorded.value or 0.0, found.now or 0.0)
    chance = ", which chance may explain" if found.lost > limit and found.low <= 0 else ""
    low, high = _rounded(found.low, found.high) if math.isfinite(found.low) else ("unknown", "unknown")
    interval = f"95 % interval of the loss {low} to {high}{chance}"
    text = f"{metric}{of} {moved} on {found.rows:,} newer rows, from {then} to {now} ({interval})"
    return PolicyResult(figures, text, found.is_beyond(limit))


def _recorded_metric(context: RetrainingContext, row: CandidateRow) -> RecordedMetric:
    """Return the spec's metric on the test rows of a version's training; without a value where it was not defined."""
    metrics = with_deferred(context.warehouse, context.logbook, row, "metrics").metrics or ()
    wanted = ("test", "all", context.spec.metric)
    found = [each for each in metrics if (each["split"], each["slice"], each["metric"]) == wanted]
    if not found:
        return RecordedMetric(None)
    (record,) = found
    low, high = record["low"], record["high"]
    error = None if low is None or high is None else (high - low) / 2 / QUANTILE
    return RecordedMetric(record["value"], error, record["n"], record.get("block"), record.get("design_effect"))


def _new_labels(context: RetrainingContext, last: CandidateRow) -> PolicyResult:
    """Count the rows whose outcome became known after the `as_of` of the newest training."""
    least = context.limit(CONDITION)
    query = exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows")).from_(_split(context))
    label_time = context.spec.label_time or context.spec.time
    rows = context.warehouse.row(query.where(*known_after(context.spec.target, label_time, last.as_of)))["rows"]
    return PolicyResult({"new_labels": rows, CONDITION: least}, f"{rows:,} new labels of {least:,}", rows >= least)


def _split(context: RetrainingContext) -> exp.Expression:
    return context.warehouse.table(context.split, "split")


def _rounded(value: float, limit: float) -> tuple[str, str]:
    """Write two numbers for a sentence: three digits of the greater, or more where they would look equal."""
    greatest = max(abs(value), abs(limit))
    decimals = max(0, 2 - math.floor(math.log10(greatest))) if greatest else 0
    while decimals < MOST_DECIMALS and value != limit and round(value, decimals) == round(limit, decimals):
        decimals += 1
    first, second = (f"{round(each, decimals) + 0.0:,.{decimals}f}" for each in (value, limit))
    return _short(first), _short(second)


def _short(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


# In the order of the reason's text; every key of `retrain` but `cool_down`.
POLICY_CHECKS: dict[str, Callable[[RetrainingContext, CandidateRow], PolicyResult]] = {
    "max_age": _age,
    "max_drift": _drift,
    "max_decay": _decay,
    CONDITION: _new_labels,
}
