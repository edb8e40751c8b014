"""What `ml_drift` must say of rows, from the bins of the profile: numpy and scipy instead of SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from expected.chance import Level, moments, student_quantile
from expected.drift import FOLDED
from expected.drift_metrics import DRIFT_METRICS, Binned, Compared, Sampled, measured, unseen_by_chance

Floats = npt.NDArray[np.float64]
Key = tuple[str, str, str, str]
Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Counted(Binned):
    """Also the companions of the rows: how many, their sum and their squares, by bin, the NULLs first; and the rows by
    category, of those that training had."""

    companions: Floats = field(default_factory=lambda: np.empty(0))
    sums: Floats = field(default_factory=lambda: np.empty(0))
    squares: Floats = field(default_factory=lambda: np.empty(0))
    categories: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Feature:
    """What the profile says of a feature, its NULLs first; `records` by bin, those of categories folded."""

    name: str
    records: Records

    @property
    def kind(self) -> str:
        return str(self.records[0]["kind"])

    @property
    def known(self) -> Records:
        return [record for record in self.records if record["bin"] >= 0]

    @property
    def edges(self) -> Floats | None:
        if self.kind == "category":
            return None
        return np.array([self.known[0]["lower"], *(record["upper"] for record in self.known)])

    @property
    def singles(self) -> int:
        """How many categories training had once."""
        return sum(record["category"] is not None and record["rows"] == 1 for record in self.known)

    def bins_of(self, values: pd.Series[Any]) -> npt.NDArray[np.int64]:
        """Give the bin of each value: -1 of a missing one; what training had not in the outer bins."""
        if self.edges is not None:
            inner = np.searchsorted(self.edges[1:-1], values.to_numpy(dtype=float), side="left")
            return np.where(values.isna(), -1, inner)
        last = min(self.known[-1]["bin"], FOLDED)
        listed = {record["category"]: min(record["bin"], FOLDED) for record in self.known[:-1]}
        return np.array([-1 if pd.isna(value) else listed.get(value, last) for value in values], dtype=np.int64)

    def training(self) -> Counted:
        """Give the rows of the training."""
        n = np.zeros(min(self.known[-1]["bin"], FOLDED) + 1)
        np.add.at(n, [min(record["bin"], FOLDED) for record in self.known], [record["rows"] for record in self.known])
        nulls = sum(record["rows"] for record in self.records if record["bin"] < 0)
        if self.kind == "category":
            return Counted(n, nulls=nulls)
        return Counted(
            n, nulls=nulls, inside=np.array([record["rows"] * (record["mean"] or 0.0) for record in self.known])
        )

    def counted(self, values: pd.Series[Any], companions: Floats) -> Counted:
        """Count the rows of a window."""
        bins, known = self.bins_of(values), np.isfinite(companions)
        size = min(self.known[-1]["bin"], FOLDED) + 2
        sides: dict[str, Any] = {"below": 0.0, "above": 0.0, "unseen": 0.0}
        if self.edges is not None:
            numbers = values.dropna().to_numpy(dtype=float)
            sides["unseen"] = float(((numbers < self.edges[0]) | (numbers > self.edges[-1])).sum())
            inside = np.clip(values.fillna(0.0).to_numpy(dtype=float), self.edges[0], self.edges[-1])
            sides["inside"] = np.bincount(bins + 1, inside, size)[1:]
            sides["below"] = np.maximum(self.edges[0] - numbers, 0).sum()
            sides["above"] = np.maximum(numbers - self.edges[-1], 0).sum()
        else:
            listed = values.dropna().isin([record["category"] for record in self.known[:-1]])
            sides["unseen"] = float((~listed).sum())
            sides["categories"] = values.dropna()[listed].value_counts().to_dict()
        by_bin = np.bincount(bins + 1, minlength=size).astype(float)
        return Counted(
            by_bin[1:],
            nulls=by_bin[0],
            **sides,
            companions=np.bincount(bins[known] + 1, minlength=size).astype(float),
            sums=np.bincount(bins[known] + 1, companions[known], size),
            squares=np.bincount(bins[known] + 1, companions[known] ** 2, size),
        )

    def ranks(self, values: pd.Series[Any]) -> Floats:
        """Give the mid-rank of each value's bin; 0 below and 1 above all of training."""
        assert self.edges is not None
        numbers = values.to_numpy(dtype=float)
        rows = self.training().n
        middles = np.append((np.cumsum(rows) - rows / 2) / rows.sum(), np.nan)
        found = middles[self.bins_of(values)]
        found[numbers < self.edges[0]] = 0.0
        found[numbers > self.edges[-1]] = 1.0
        return found


def features_of(profile: Records) -> dict[str, Feature]:
    """Sort a profile's records by their feature."""
    names = dict.fromkeys(record["feature"] for record in profile)
    return {name: Feature(name, [each for each in profile if each["feature"] == name]) for name in names}


def companions(feature: Feature, features: Mapping[str, Feature], rows: pd.DataFrame) -> Floats:
    """Give the weighted sum of the ranks of a feature's partners in each row; NaN where it has none."""
    partners = feature.records[0]["partners"]
    if not partners:
        return np.full(len(rows), np.nan)
    return np.sum([weight * features[name].ranks(rows[name]) for name, weight in partners], axis=0)


def association(now: Counted, means: Floats, trained: float) -> dict[str, float | None]:
    """Give which share of its correlation with its partners a feature has lost, and how far they have moved.

    `means` are those of the partners by bin, NaN where they are not known. The correlation is Pearson's over rows.
    """
    known = np.isfinite(means) & (now.companions > 0)
    rows, own, their = now.companions[known], means[known], now.sums[known]
    n = rows.sum()
    if not n:
        return {"association_change": None, "association_shift": None}
    covariance = own @ their / n - (own @ rows / n) * (their.sum() / n)
    variances = own**2 @ rows / n - (own @ rows / n) ** 2, now.squares[known].sum() / n - (their.sum() / n) ** 2
    correlation = covariance / np.sqrt(variances[0] * variances[1]) if min(variances) > 1e-9 else None
    return {
        "association_change": None if correlation is None else 1 - float(correlation) / trained,
        "association_shift": abs(float(their.sum() - own @ rows)) / n,
    }


@dataclass(frozen=True)
class Windows:
    """The windows of one period of one feature, by their start, oldest first."""

    feature: Feature
    counted: dict[Any, Counted]
    leave_out: bool
    """Whether a window is compared with the others of the period instead of with the training."""

    def distances(self) -> dict[tuple[Any, str], tuple[dict[str, float | None], Counted, Counted]]:
        """Give the metrics of each window against each baseline, and both."""
        found, earlier = {}, None
        whole = self.feature.training()
        for window, now in self.counted.items():
            others = [each for start, each in self.counted.items() if start != window]
            before = _together(others) if self.leave_out else whole
            if before is not None:
                values = self._metrics("training", self._beside(now, others), before)
                values.update(self._association(now, others))
                found[window, "training"] = values, now, before
            if earlier is not None:
                found[window, "previous"] = self._metrics("previous", now, earlier), now, earlier
            earlier = now
        return found

    def _beside(self, now: Counted, others: list[Counted]) -> Counted:
        """Count what no other window of the training had as unseen, too."""
        if not self.leave_out:
            return now
        new = [rows for name, rows in now.categories.items() if not any(each.categories.get(name) for each in others)]
        return replace(now, unseen=now.unseen + sum(new))

    def _metrics(self, baseline: str, now: Counted, before: Counted) -> dict[str, float | None]:
        feature = self.feature
        compared = Compared(now, before, feature.edges, feature.records[0]["std"])
        return measured(feature.name, feature.kind, baseline, compared)

    def _association(self, now: Counted, others: list[Counted]) -> dict[str, float | None]:
        trained = self.feature.records[0]["partner_correlation"]
        if trained is None:
            return {}
        if self.leave_out:
            together = _together(others)
            assert together is not None
            with np.errstate(invalid="ignore"):
                means = together.sums / together.companions
        else:
            means = np.full(len(now.companions), np.nan)
            for record in self.feature.records:
                if record["partner_mean"] is not None:
                    means[min(record["bin"], FOLDED) + 1] = record["partner_mean"]
        return association(now, means, trained)


def _together(windows: list[Counted]) -> Counted | None:
    if not windows:
        return None
    summed = {
        name: np.sum([getattr(each, name) for each in windows], axis=0)
        for name in ("n", "nulls", "companions", "sums", "squares")
    }
    known = [each.inside for each in windows if each.inside is not None]
    inside = np.sum(known, axis=0) if len(known) == len(windows) else None
    # How far values lie out of range counts against the window before only.
    return replace(windows[0], **summed, below=0.0, above=0.0, unseen=0.0, inside=inside)


@dataclass(frozen=True)
class DriftRow:
    """A row of `ml_drift`."""

    value: float | None
    threshold: float
    threshold_from: str
    alert: bool
    rows_used: int
    rows_unused: int
    rows_baseline: int
    is_comparable: bool


@dataclass(frozen=True)
class Usual:
    """A metric over the windows of the training period: average rows; mean, deviation and greatest of the distance."""

    rows: float
    windows: int
    mean: float
    deviation: float
    greatest: float = 0.0

    def farthest(self, rows: float, alpha: float) -> float:
        """Give what a sum that is as large as its largest value is beyond with a probability of `alpha`."""
        return self.greatest / ((self.windows + 1) * alpha) * max(self.rows / rows, 1.0)

    def moderated(self, relative: float) -> float:
        """Give the deviation, with what all features say of it as four windows more (Smyth 2004)."""
        pooled = 4 * relative * self.mean**2 + (self.windows - 1) * self.deviation**2
        return max(self.deviation, float(np.sqrt(pooled / (self.windows + 3))))


@dataclass(frozen=True)
class Rules:
    """What holds for all features: the seed's rows by metric, the level, the relative deviations, and what is over."""

    floors: Any
    level: Level
    relative: Mapping[tuple[str, str], float]
    over: Any


def relative_deviations(trainings: list[Windows]) -> dict[tuple[str, str], float]:
    """Give by baseline and metric the mean of (deviation / mean)^2 over the features."""
    found: dict[tuple[str, str], list[float]] = {}
    for training in trainings:
        for key, each in usual(training).items():
            if each.windows >= 2 and each.mean:
                found.setdefault(key, []).append((each.deviation / each.mean) ** 2)
    return {key: float(np.mean(values)) for key, values in found.items()}


def design_effect(training: Windows) -> float:
    """Give how much more the windows of the training differ than independent rows would (Rao and Scott 1981)."""
    found = [
        moments(now.n, before.n)
        for (_, baseline), (_, now, before) in training.distances().items()
        if baseline == "training" and now.used and before.used
    ]
    degrees = sum(each.chi_square[0] for each in found)
    return max(sum(each.pearson for each in found) / degrees, 1.0) if degrees else 1.0


def drift(
    scored: Windows, training: Windows, fixed: Mapping[str, float], rows: Mapping[Any, int], rules: Rules
) -> dict[Key, DriftRow]:
    """Give what `ml_drift` must say of one feature; `rows` is how many were scored by window."""
    typical, design, feature = usual(training), design_effect(training), scored.feature
    category = feature.kind == "category"
    rows_by_key: dict[Key, DriftRow] = {}
    for (window, baseline), (values, now, before) in scored.distances().items():
        few, ks_usual = False, 0.0
        trained = feature.records[0]["partner_correlation"]
        sampled = Sampled(now, before, rules.level, category, feature.singles, design, trained)
        for metric in sorted(values, key=lambda name: name != "ks"):  # which others ask
            value, rule, measure = values[metric], rules.floors[metric], DRIFT_METRICS[metric]
            used, compared = measure.rows(now), measure.rows(before)
            known = used > 0 and compared > 0
            size = measure.scale(now, before) if known else 1.0
            past = typical.get((baseline, metric), Usual(0.0, 0, 0.0, 0.0))
            swing = _swing(past, metric, used, compared, rules, baseline) * size if known else 0.0
            chance = measure.noise(sampled) if known else 0.0
            limited = min(swing, measure.bound(before)) if known else swing
            floor = float(rule["floor"]) * (size if rule["relative"] == "true" else 1.0)
            limit, source = _limit(fixed.get(metric), floor, chance, swing, limited)
            if metric == "ks" and value is not None:
                ks_usual, unseen = max(chance, limited), values.get("unseen_share")
                few = value <= ks_usual and (unseen is None or unseen <= unseen_by_chance(sampled))
            enough = min(used, compared) >= 30
            whole = min(used, compared) >= past.rows / 10 if past.windows >= 2 else True
            comparable = enough and window < rules.over and whole
            judged = comparable or (enough and rule["while_open"] == "true")
            far = (
                past.windows >= 2
                and value is not None
                and value > past.farthest(min(used, compared), rules.level.alpha)
            )
            may = value is not None and measure.may_alarm(
                limit, before, fixed=metric in fixed, judged=judged, bins=len(now.n), few=few and not far
            )
            amount = None if value is None else measure.size(value)
            rows_by_key[feature.name, str(window), baseline, metric] = DriftRow(
                value,
                limit,
                source,
                amount is not None and amount > limit and may,
                int(used),
                int(rows[window] - used),
                int(compared),
                comparable,
            )
    return rows_by_key


def _limit(fixed: float | None, floor: float, chance: float, swing: float, limited: float) -> tuple[float, str]:
    if fixed is not None:
        return fixed, "fixed"
    if limited >= max(floor, chance):
        return limited, "bound" if limited < swing else "reference"
    return max((floor, "floor"), (chance, "noise"))


def _swing(past: Usual, metric: str, used: float, compared: float, rules: Rules, baseline: str) -> float:
    """Give what is usual, per unit of the metric's scale."""
    if past.windows < 2:
        return 0.0
    deviation = past.moderated(rules.relative.get((baseline, metric), 0.0))
    distance = past.mean + student_quantile(rules.level.k, past.windows + 3) * np.sqrt(1 + 1 / past.windows) * deviation
    distance *= np.sqrt(max(past.rows / min(used, compared), 1.0))
    return float(distance**2 if DRIFT_METRICS[metric].is_squared else distance)


def usual(training: Windows) -> dict[tuple[str, str], Usual]:
    """Give by baseline and metric what windows with at least half the average rows say."""
    values: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for (_, baseline), (metrics_of_window, now, before) in training.distances().items():
        for metric, value in metrics_of_window.items():
            if value is not None:
                measure = DRIFT_METRICS[metric]
                size = measure.size(value) / measure.scale(now, before)
                distance = np.sqrt(max(size, 0.0)) if measure.is_squared else size
                values.setdefault((baseline, metric), []).append((measure.rows(now), float(distance)))
    found = {}
    for key, pairs in values.items():
        rows = float(np.mean([each for each, _ in pairs]))
        kept = [value for each, value in pairs if each >= rows / 2]
        deviation = float(np.std(kept, ddof=1)) if len(kept) >= 2 else 0.0
        found[key] = Usual(rows, len(kept), float(np.mean(kept)), deviation, max(kept))
    return found
