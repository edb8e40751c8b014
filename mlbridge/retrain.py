"""Retrain: whether this build trains, decided from facts upstream of the training node and from its own logbook."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlglot import exp

from mlbridge import registry
from mlbridge.checks import span
from mlbridge.evaluate import greater_is_better
from mlbridge.incumbent import QUANTILE, Stated, decay, known_after
from mlbridge.metrics import json_number
from mlbridge.run import Run
from mlbridge.spec import Spec
from mlbridge.versions import read_version
from mlbridge.warehouse import Warehouse

# So many of the features that drifted most are kept with a decision; so many of them its sentence names.
MOST_KEPT, MOST_NAMED = 10, 3
MOST_PLACES = 12
# A limit is a reason once it is exceeded; this has to be reached as well, and is a reason only by itself.
CONDITION = "min_new_labels"


@dataclass(frozen=True)
class Case:
    """What is decided upon. `rows` is the logbook `logbook` as it is known at the build's `as_of`, oldest first.

    `split` is the relation that dbt hands over.
    """

    run: Run
    spec: Spec
    rows: Sequence[Mapping[str, Any]]
    warehouse: Warehouse
    split: Any
    logbook: exp.Expression

    def limit(self, key: str) -> Any:
        """Give what the spec's `retrain` says of a key; None when it does not ask for it."""
        return getattr(self.spec.retrain, key)


@dataclass(frozen=True)
class Decision:
    """Whether to train, and why (not) in words; `figures` are those that were looked at, ready for JSON, or None."""

    trains: bool
    reason: str
    figures: dict[str, Any] | None = None


@dataclass(frozen=True)
class Finding:
    """What one key of `retrain` came to: figures, the same in words, and whether it speaks for training."""

    figures: dict[str, Any]
    words: str
    speaks: bool = False


def decide(case: Case, changed: str | None) -> Decision:
    """Say whether this build trains.

    `changed` says what is another than in the last training, None when nothing is. The first version is trained in
    any case, and nothing after it where `mlbridge_retrain` says never. A change trains at once, and so does the
    caller's wish; all else is up to the spec's `retrain`.
    """
    last = registry.last_trained(case.rows)
    if last is None:
        return Decision(True, "no version yet")
    same = f"nothing to do: version {last['version']} was trained on this spec and these features"
    if case.run.retrain == "never":
        why = same if changed is None else f"nothing is trained, although {changed}"
        return Decision(False, f"{why}; mlbridge_retrain says never")
    if changed is not None:
        return Decision(True, changed)
    if case.run.retrain == "always":
        return Decision(True, "asked for by mlbridge_retrain")
    return _by_policy(case, last, same)


def _by_policy(case: Case, last: Mapping[str, Any], same: str) -> Decision:
    found = {key: find(case, last) for key, find in FINDERS.items() if case.limit(key) is not None}
    if not found:
        return Decision(False, same)
    figures = {name: figure for finding in found.values() for name, figure in finding.figures.items()}
    words = [finding.words for finding in found.values()]
    until = _cooling_down_until(case, last)
    if until is not None:
        figures["cooling_down_until"] = until
        words.append(f"cooling down until {until}")
    reasons = [key for key, finding in found.items() if finding.speaks and (key != CONDITION or len(found) == 1)]
    waits = CONDITION in found and not found[CONDITION].speaks
    if not reasons or waits or until is not None:
        return Decision(False, "; ".join([same, *words]), figures)
    verb = "is" if len(reasons) == 1 else "are"
    passed = "reached" if reasons == [CONDITION] else "exceeded"
    keys = " and ".join([", ".join(reasons[:-1]), reasons[-1]] if len(reasons) > 1 else reasons)
    return Decision(True, f"{keys} {verb} {passed}: {'; '.join(words)}", figures)


def _cooling_down_until(case: Case, last: Mapping[str, Any]) -> str | None:
    """Give the moment (UTC) up to which no policy trains, as text; None when it is over.

    The knowledge that a version was trained on trains no other, however short the time to cool down.
    """
    trained, now = last["as_of"], case.run.as_of
    wait = span(case.spec.retrain.cool_down)
    if now != trained and now - trained >= wait:
        return None
    until: datetime = trained + min(wait, datetime.max - trained)
    return until.isoformat(sep=" ", timespec="seconds").removesuffix(" 00:00:00")


def _age(case: Case, last: Mapping[str, Any]) -> Finding:
    limit = span(case.limit("max_age"))
    age: timedelta = case.run.as_of - last["as_of"]
    days, most = (each / timedelta(days=1) for each in (age, limit))
    old, allowed = _rounded(days, most)
    return Finding({"age_days": days, "max_age_days": most}, f"{old} days old of at most {allowed}", age > limit)


def _drift(case: Case, last: Mapping[str, Any]) -> Finding:
    limit, drift = case.limit("max_drift"), case.run.drift
    if drift is None:
        return Finding({"drift": None, "max_drift": limit}, "drift unknown: there is nothing to compare yet")
    order = sorted(drift["features"].items(), key=lambda each: (-each[1], each[0]))
    figures = {
        "drift": drift["value"],
        "max_drift": limit,
        "drift_rows": drift["rows"],
        "drifted": dict(order[:MOST_KEPT]),
    }
    value, allowed = _rounded(drift["value"], limit)
    mostly = ", ".join(f"{name} {_rounded(moved, moved)[0]}" for name, moved in order[:MOST_NAMED] if moved > 0)
    return Finding(
        figures,
        f"drift {value} of at most {allowed}" + (f" (mostly {mostly})" if mostly else ""),
        drift["value"] > limit,
    )


def _decay(case: Case, last: Mapping[str, Any]) -> Finding:
    """Hold the version in use, which a pin may name, against what was stated of it when it was trained."""
    limit, metric = case.limit("max_decay"), case.spec.metric
    row = registry.champion(case.run.node, case.rows, case.spec.pin, case.spec.retire)
    if row is None:
        return Finding({"decay": None, "max_decay": limit}, "decay unknown: no version is in use")
    version = read_version(case.run.node, case.warehouse, case.logbook, row, case.spec.trusted)
    stated = _stated(case, version.number)
    found = decay(case.warehouse, _split(case), case.warehouse.columns(case.split), version, stated, case.spec)
    figures = {"decay": found.lost, "max_decay": limit, "decay_rows": found.rows}
    if found.lost is None or found.low is None or found.high is None:
        return Finding(figures, f"decay of version {version.number} unknown: {found.problem}")
    figures.update({"decay_low": json_number(found.low), "decay_high": json_number(found.high)})
    lost, allowed = _rounded(abs(found.lost), limit)
    of = "" if row["version"] == last["version"] else f" of version {version.number}"
    worse, better = ("fell", "rose") if greater_is_better(metric) else ("rose", "fell")
    moved = f"{worse} by {lost} of at most {allowed}"
    if found.lost < 0:
        moved = f"{better} by {lost} (limit: {allowed} worse)"
    then, now = _rounded(stated.value or 0.0, found.now or 0.0)
    chance = ", which chance may explain" if found.lost > limit and found.low <= 0 else ""
    low, high = _rounded(found.low, found.high) if math.isfinite(found.low) else ("unknown", "unknown")
    interval = f"95 % interval of the loss {low} to {high}{chance}"
    words = f"{metric}{of} {moved} on {found.rows:,} newer rows, from {then} to {now} ({interval})"
    return Finding(figures, words, found.is_beyond(limit))


def _stated(case: Case, version: int) -> Stated:
    """Give the spec's metric on the test rows of a version's training; without a value where it was not defined."""
    metrics = json.loads(case.warehouse.row(registry.heavy_query(case.logbook, version, "metrics"))["metrics"])
    wanted = ("test", "all", case.spec.metric)
    found = [each for each in metrics if (each["split"], each["slice"], each["metric"]) == wanted]
    if not found:
        return Stated(None)
    (said,) = found
    known = said["low"] is not None and said["high"] is not None
    error = (said["high"] - said["low"]) / 2 / QUANTILE if known else None
    return Stated(said["value"], error, said["n"], said.get("block"), said.get("design_effect"))


def _new_labels(case: Case, last: Mapping[str, Any]) -> Finding:
    """Count the rows whose outcome became known after what the newest training knew."""
    least = case.limit(CONDITION)
    query = exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows")).from_(_split(case))
    label_time = case.spec.label_time or case.spec.time
    rows = case.warehouse.row(query.where(*known_after(case.spec.target, label_time, last["as_of"])))["rows"]
    return Finding({"new_labels": rows, CONDITION: least}, f"{rows:,} new labels of {least:,}", rows >= least)


def _split(case: Case) -> exp.Expression:
    return case.warehouse.table(case.split, "split")


def _rounded(value: float, limit: float) -> tuple[str, str]:
    """Write two numbers for a sentence: three digits of the greater, or as many more as part them."""
    greatest = max(abs(value), abs(limit))
    places = max(0, 2 - math.floor(math.log10(greatest))) if greatest else 0
    while places < MOST_PLACES and value != limit and round(value, places) == round(limit, places):
        places += 1
    first, second = (f"{round(each, places) + 0.0:,.{places}f}" for each in (value, limit))
    return _short(first), _short(second)


def _short(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


# In the order in which a sentence gives them; every key that is a reason or a condition stands here.
FINDERS: dict[str, Callable[[Case, Mapping[str, Any]], Finding]] = {
    "max_age": _age,
    "max_drift": _drift,
    "max_decay": _decay,
    CONDITION: _new_labels,
}
