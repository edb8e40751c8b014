"""What may be behind a figure: of one version and window, what moved, what was lost, and what did not, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from mlbridge.catalogue.metrics import METRICS
from mlbridge.errors import few
from mlbridge.monitor.markdown import count, interval, number
from mlbridge.monitor.models import check_choice, checked_version, version_facts
from mlbridge.monitor.performance import ALL, metrics
from mlbridge.monitor.records import records
from mlbridge.monitor.source import State
from mlbridge.typing import Row

if TYPE_CHECKING:
    import pandas as pd

Answer = Literal["yes", "no", "unknown"]
MOST: Final = 3  # things that a sentence names
PERFORMANCE = """
select version, slice, kind, value, low, high, n, threshold, reference, baseline, alert
from ml_performance
where model = :model and metric = :metric and "window" = :window and value is not null
"""
DRIFT = """
select feature, metric, value, threshold, alert
from ml_drift
where
    model = :model and version = :version and "window" = :window and baseline = 'training'
    and value is not null and threshold is not null
"""
IMPORTANCES = "select feature, mean from ml_importances where model = :model and version = :version"
# The target in the training and in each window of scored rows: positives of two classes, the sum of numbers.
TARGET = """
select
    counted.period,
    counted.window_start as "window",
    sum(counted.n) as n,
    sum(case when bins.category = :positive then counted.n else 0 end) as positives,
    sum(counted.value_sum) as total
from ml_distributions as counted
inner join (
    select distinct window_size from ml_windows where model = :model and version = :version
) as sizes
    on counted.window_size = sizes.window_size
left join ml_profiles as bins
    on counted.model = bins.model and counted.version = bins.version and counted.feature = bins.feature
    and counted.bin = bins.bin
where
    counted.model = :model and counted.version = :version and counted.feature = 'ml_target'
    and counted.slice = 'all' and counted.bin <> -1
group by counted.period, counted.window_start
"""
INCIDENT = """
select distinct i.models, i.since, i.sources
from ml_incidents as i
inner join ml_alerts as a on i.incident = a.incident
where a.model = :model and a.version = :version and a."window" = :window
order by i.since
"""
# How far a row is from its outcome: the absolute error, or the probability of the class that was predicted wrongly. Of
# two classes the stored probability is that of the positive one.
DISTANCES = {
    "regression": "abs(actual_value - prediction_value)",
    "classification": """
        case
            when actual = prediction then null
            when :positive is null or prediction = :positive then probability
            else 1 - probability
        end""",
}
WORST_ROWS = {
    task: f"""
select entity, time, prediction, prediction_value, probability, actual, actual_value
from ml_predictions
where
    model = :model and version = :version and time >= :since and time < :until
    and prediction is not null and actual is not null and {distance} is not null
order by {distance} desc, time, entity
limit :limit
"""  # noqa: S608 - put together of constants only
    for task, distance in DISTANCES.items()
}


class Clue(NamedTuple):
    """One question that is asked of a window, the answer, and the figures behind it in a sentence."""

    question: str
    answer: Answer
    sentence: str


@dataclass(frozen=True)
class _Facts:
    """What the tables say of one version and window."""

    metric: str
    version: int
    window: datetime
    performance: list[Row]  # of every version
    drift: list[Row]
    importances: dict[str, float]
    target: list[Row]
    positive: str | None
    is_regression: bool
    incidents: list[Row]

    def overall(self, kind: str, version: int | None = None) -> Row | None:
        """Return the figure over all rows, if there is one."""
        wanted = (self.version if version is None else version, ALL, kind)
        return next((row for row in self.performance if (row["version"], row["slice"], row["kind"]) == wanted), None)

    @property
    def kind(self) -> str:
        """Return which figures there are: realized ones if outcomes are known."""
        return "realized" if self.overall("realized") is not None else "estimated"

    def of_target(self, period: str) -> float | None:
        """Return the share of positives, or the mean of the target: in the training, or in the window."""
        rows = [row for row in self.target if row["period"] == period and (period == "training" or self._is_here(row))]
        n = sum(row["n"] for row in rows)
        if not n or (self.positive is None and (not self.is_regression or any(row["total"] is None for row in rows))):
            return None
        return float(sum(row["total" if self.positive is None else "positives"] for row in rows) / n)

    def _is_here(self, row: Row) -> bool:
        return bool(row["window"] == self.window)


def clues(state: State, model: str, version: int, metric: str, window: datetime) -> pd.DataFrame:
    """One row per question that a person would ask of a window, in the order of asking: `question, answer, sentence`.

    `answer` is `yes`, `no`, or `unknown` where the tables do not say; `yes` points to a cause. What counts as moved or
    lost is what the monitor alerts on; the sentences have the figures also where nothing alerts. Raises MonitorError
    for an unknown model, version or metric.
    """
    import pandas as pd

    checked_version(state, model, version)
    check_choice(metric, metrics(state, model), "metric")
    found = _facts(state, model, int(version), metric, pd.Timestamp(window).to_pydatetime())
    return pd.DataFrame([ask(found) for ask in QUESTIONS], columns=list(Clue._fields)).astype("str")


def worst_rows(
    state: State, model: str, version: int, since: datetime, until: datetime, limit: int = 20
) -> pd.DataFrame:
    """Return the scored rows of a period with a known outcome that were farthest from it, the farthest first.

    `entity, time, prediction, prediction_value, probability, actual, actual_value`: of a regression by the absolute
    error; of a classification those of another class than predicted, by the probability of what was predicted.
    """
    facts = version_facts(state, model, version)
    which = {"model": model, "version": version, "since": since, "until": until}
    return state.ask(WORST_ROWS[facts["task"]], **which, positive=facts["positive"], limit=limit)


def _facts(state: State, model: str, version: int, metric: str, window: datetime) -> _Facts:
    which = {"model": model, "version": version}
    known = version_facts(state, model, version)
    performance = records(state.ask(PERFORMANCE, model=model, metric=metric, window=window))
    drift = records(state.ask(DRIFT, **which, window=window))
    return _Facts(
        metric=metric,
        version=version,
        window=window,
        performance=performance,
        drift=drift,
        importances={row["feature"]: row["mean"] or 0.0 for row in records(state.ask(IMPORTANCES, **which))},
        target=records(state.ask(TARGET, **which, positive=known["positive"])),
        positive=known["positive"],
        is_regression=known["task"] == "regression",
        incidents=records(state.ask(INCIDENT, **which, window=window)),
    )


def _lost(found: _Facts) -> Clue:
    question = f"Is {found.metric} worse than usual?"
    here, estimated = found.overall("realized"), found.overall("estimated")
    if here is None:
        if estimated is None:
            return Clue(question, "unknown", "It has no figure in this window.")
        sentence = f"No outcome is known yet; {_figure(estimated)} is estimated from the predictions."
        return Clue(question, "yes" if estimated["alert"] else "unknown", sentence)
    sentence = f"{_figure(here)} on {count(here['n'])} rows; usually {number(here['reference'])}"
    sentence += f", threshold {number(here['threshold'])}." if here["threshold"] is not None else "."
    if here["alert"] and estimated is not None and not estimated["alert"]:
        sentence += (
            f" The estimate, which sees no outcomes, is {number(estimated['value'])}: what the outcome depends on has "
            "changed in a way that the features do not show."
        )
    return Clue(question, "yes" if here["alert"] else "no", sentence)


def _base_rate(found: _Facts) -> Clue:
    named = "mean of the target" if found.is_regression else f"share of '{found.positive}'"
    what = "share of the classes" if found.positive is None and not found.is_regression else named
    question = f"Did the {what} move?"
    drifted = [row for row in found.drift if row["feature"] == "ml_target"]
    if not drifted:
        return Clue(question, "unknown", "Too few outcomes are known in this window.")
    moved = any(row["alert"] for row in drifted)
    usual = "more than usual" if moved else "within what is usual"
    here, before, row = found.of_target("scored"), found.of_target("training"), found.overall(found.kind)
    if here is None or before is None:
        worst = max(drifted, key=_ratio)
        sentence = f"The target's {worst['metric']} against the training is {number(worst['value'])}, {usual}."
    else:
        write = number if found.is_regression else _percent
        sentence = f"It is {write(here)} here and {write(before)} in the training, {usual}."
    if row is not None and row["baseline"] is not None:
        sentence += f" Without skill, {found.metric} would be {number(row['baseline'])} on these rows."
    return Clue(question, "yes" if moved else "no", sentence)


def _slices(found: _Facts) -> Clue:
    question = "Did some slices lose more than others?"
    wanted = (found.version, found.kind)
    rows = [row for row in found.performance if (row["version"], row["kind"]) == wanted and row["slice"] != ALL]
    if not rows:
        return Clue(question, "unknown", "No slice is measured; name columns in `monitor: {slices: [...]}`.")
    sign = 1 if METRICS[found.metric].greater_is_better else -1
    lost = [row for row in rows if row["alert"]]
    judged = lost or [row for row in rows if row["reference"] is not None]
    # What the slice adds to the loss: how far it is below what is usual there, times its rows.
    judged.sort(key=lambda row: (sign * (row["value"] - (row["reference"] or row["value"])) * row["n"], row["slice"]))
    names = [
        f"{row['slice']} {number(row['value'])} (usually {number(row['reference'])}, {count(row['n'])} rows)"
        for row in judged
    ]
    if lost:
        return Clue(question, "yes", f"{len(lost)} of {len(rows)} are worse than their threshold: {few(names, MOST)}.")
    worst = f"; the worst beside what is usual there: {names[0]}" if names else ""
    return Clue(question, "no", f"No slice of {len(rows)} is worse than its threshold{worst}.")


def _features(found: _Facts) -> Clue:
    question = "Did features that it relies on move?"
    total = sum(max(each, 0.0) for each in found.importances.values())
    worst: dict[str, Row] = {}
    for row in found.drift:
        name = row["feature"]
        if name in found.importances and (name not in worst or _ratio(row) > _ratio(worst[name])):
            worst[name] = row
    if not worst:
        return Clue(question, "unknown", "Nothing was compared with the training in this window.")
    alerted = {row["feature"] for row in found.drift if row["alert"]}

    def weight(name: str) -> tuple[bool, float, float]:
        important = max(found.importances[name], 0.0)
        return name in alerted, important * _ratio(worst[name]), _ratio(worst[name])

    ranked = sorted(worst, key=lambda name: (*(-each for each in weight(name)), name))
    names = [
        f"{name} ({worst[name]['metric']} {number(worst[name]['value'])}, usual up to "
        f"{number(worst[name]['threshold'])}; {_percent(max(found.importances[name], 0.0) / total)} of the importance)"
        if total
        else f"{name} ({worst[name]['metric']} {number(worst[name]['value'])})"
        for name in ranked
    ]
    moved = len(alerted & set(worst))
    if moved:
        sentence = f"{moved} of {len(worst)} are farther from training than usual: {few(names[:moved], MOST)}."
        return Clue(question, "yes", sentence)
    return Clue(
        question, "no", f"No feature of {len(worst)} is farther from training than usual; the farthest: {names[0]}."
    )


def _missing(found: _Facts) -> Clue:
    question = "Are more values missing?"
    rows = [row for row in found.drift if row["metric"] == "null_share_change"]
    if not rows:
        return Clue(question, "unknown", "The share of missing values was not compared.")
    more = sorted((row for row in rows if row["alert"] and row["value"] > 0), key=lambda row: -row["value"])
    names = [f"{row['feature']} (+{_percent(row['value'])} of the rows)" for row in more]
    if more:
        return Clue(question, "yes", f"In {len(more)} of {len(rows)} features: {few(names, MOST)}.")
    return Clue(question, "no", f"In none of {len(rows)} features more than usual.")


def _source(found: _Facts) -> Clue:
    question = "Are other models concerned?"
    if not found.incidents:
        return Clue(question, "unknown", "No current alert is about this window.")
    several = [row for row in found.incidents if row["sources"] is not None]
    if not several:
        return Clue(question, "no", "No model that shares a source with it has alerts that began then.")
    names, since = several[0]["models"], several[0]["since"]
    sentence = f"{names} have alerts since {since:%Y-%m-%d}, and all of them read {several[0]['sources']}."
    return Clue(question, "yes", sentence)


def _others(found: _Facts) -> Clue:
    question = "Would another version do better?"
    here = found.overall("realized")
    others = sorted({row["version"] for row in found.performance} - {found.version})
    rows = [row for number_ in others if (row := found.overall("realized", number_)) is not None]
    if here is None or not rows:
        sentence = "No other version has scored these rows; with shadow: true in the spec the challenger does."
        return Clue(question, "unknown", sentence)
    sign = 1 if METRICS[found.metric].greater_is_better else -1
    best = max(rows, key=lambda row: (sign * row["value"], row["version"]))
    least = best["low"] if sign > 0 else best["high"]
    better = least is not None and sign * (least - here["value"]) > 0
    sentence = (
        f"Version {best['version']} has {_figure(best)} on {count(best['n'])} rows, this one {_figure(here)} on "
        f"{count(here['n'])}."
    )
    return Clue(question, "yes" if better else "no", sentence)


QUESTIONS: Sequence[Callable[[_Facts], Clue]] = (_lost, _base_rate, _slices, _features, _missing, _source, _others)


def _figure(row: Row) -> str:
    return f"{number(row['value'])} ({interval(row['low'], row['high'])})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _ratio(row: Row) -> float:
    value = abs(row["value"])
    return float(value / row["threshold"]) if row["threshold"] else float("inf") if value else 0.0
