"""What `ml_drift` must say of rows, from the bins of the profile: numpy and scipy instead of SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from expected.drift import FOLDED, Binned, distances, noise, scale
from scipy.stats import norm
from scipy.stats import t as student

Floats = npt.NDArray[np.float64]
Key = tuple[str, str, str, str]
Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Counted(Binned):
    """Also the companions of the rows: how many, their sum and their squares, by bin; the NULLs stand first."""

    companions: Floats = field(default_factory=lambda: np.empty(0))
    sums: Floats = field(default_factory=lambda: np.empty(0))
    squares: Floats = field(default_factory=lambda: np.empty(0))


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

    def places(self, values: pd.Series[Any]) -> npt.NDArray[np.int64]:
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
        return Counted(n, nulls=sum(record["rows"] for record in self.records if record["bin"] < 0))

    def counted(self, values: pd.Series[Any], companions: Floats) -> Counted:
        """Count the rows of a window."""
        places, known = self.places(values), np.isfinite(companions)
        size = min(self.known[-1]["bin"], FOLDED) + 2
        sides = {"below": 0.0, "above": 0.0, "unseen": 0.0}
        if self.edges is not None:
            numbers = values.dropna().to_numpy(dtype=float)
            sides["below"] = np.maximum(self.edges[0] - numbers, 0).sum()
            sides["above"] = np.maximum(numbers - self.edges[-1], 0).sum()
        else:
            sides["unseen"] = float((~values.dropna().isin([record["category"] for record in self.known[:-1]])).sum())
        by_bin = np.bincount(places + 1, minlength=size).astype(float)
        return Counted(
            by_bin[1:],
            nulls=by_bin[0],
            **sides,
            companions=np.bincount(places[known] + 1, minlength=size).astype(float),
            sums=np.bincount(places[known] + 1, companions[known], size),
            squares=np.bincount(places[known] + 1, companions[known] ** 2, size),
        )

    def ranks(self, values: pd.Series[Any]) -> Floats:
        """Give the mid-rank of each value's bin; 0 below and 1 above all of training."""
        assert self.edges is not None
        numbers = values.to_numpy(dtype=float)
        rows = self.training().n
        middles = np.append((np.cumsum(rows) - rows / 2) / rows.sum(), np.nan)
        found = middles[self.places(values)]
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
                said = self._said(now, before)
                said.update(self._association(now, others))
                found[window, "training"] = said, now, before
            if earlier is not None:
                said = self._said(now, earlier)
                said.pop("unseen_share", None)
                found[window, "previous"] = said, now, earlier
            earlier = now
        return found

    def _said(self, now: Counted, before: Counted) -> dict[str, float | None]:
        feature = self.feature
        said = distances(feature.kind, now, before, feature.edges, feature.records[0]["std"])
        if feature.name in ("ml_prediction", "ml_target"):
            said.pop("null_share_change")
        return said

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
    # How far values lie out of range counts against the window before only.
    return replace(windows[0], **summed, below=0.0, above=0.0, unseen=0.0)


@dataclass(frozen=True)
class Said:
    """A row of `ml_drift`."""

    value: float | None
    threshold: float
    threshold_from: str
    alert: bool
    rows_used: int
    rows_unused: int
    rows_baseline: int
    is_comparable: bool


def drift(
    scored: Windows, training: Windows, fixed: Mapping[str, float], rows: Mapping[Any, int], floors: Any, over: Any
) -> dict[Key, Said]:
    """Give what `ml_drift` must say of one feature.

    `rows` is how many were scored by window, `over` the first moment of the windows that are not over, and `floors`
    the rows of `ml_thresholds` by metric.
    """
    usual = _usual(training)
    said: dict[Key, Said] = {}
    for (window, baseline), (values, now, before) in scored.distances().items():
        for metric, value in values.items():
            rule = floors[metric]
            used, compared = _rows(metric, now), _rows(metric, before)
            known = used > 0 and compared > 0
            size = scale(metric, now, before) if known else 1.0
            typical, unit = usual.get((baseline, metric), (0.0, 0.0))
            bounds = {
                "fixed": fixed.get(metric),
                "reference": unit * size,
                "floor": float(rule["floor"]) * (size if rule["relative"] == "true" else 1.0),
                "noise": _noise(metric, now, before, scored.feature) if known else 0.0,
            }
            source = (
                "fixed"
                if bounds["fixed"] is not None
                else max(("reference", "floor", "noise"), key=lambda each: bounds[each] or 0.0)
            )
            limit = bounds[source]
            assert limit is not None
            comparable = used >= 30 and window < over and used >= typical / 10
            may_alarm = comparable or (used >= 30 and rule["while_open"] == "true")
            amount = None if value is None else abs(value) if metric == "null_share_change" else value
            said[scored.feature.name, str(window), baseline, metric] = Said(
                value,
                limit,
                source,
                amount is not None and amount > limit and may_alarm,
                int(used),
                int(rows[window] - used),
                int(compared),
                comparable,
            )
    return said


def _noise(metric: str, now: Binned, before: Binned, feature: Feature) -> float:
    chance = noise(metric, now, before)
    return chance / feature.records[0]["partner_correlation"] if metric == "association_change" else chance


def _rows(metric: str, each: Binned) -> float:
    return each.rows if metric == "null_share_change" else each.used


def _usual(training: Windows) -> dict[tuple[str, str], tuple[float, float]]:
    """Give by baseline and metric the rows of an average window, and what the metric usually stays below, per unit.

    The unit is 0 where fewer than three windows say something.
    """
    values: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for (_, baseline), (said, now, before) in training.distances().items():
        for metric, value in said.items():
            if value is not None:
                size = abs(value) if metric == "null_share_change" else value
                values.setdefault((baseline, metric), []).append(
                    (_rows(metric, now), size / scale(metric, now, before))
                )
    found = {}
    for key, pairs in values.items():
        typical = float(np.mean([rows for rows, _ in pairs]))
        kept = [value for rows, value in pairs if rows >= typical / 2]
        unit = float(np.mean(kept) + widened(len(kept)) * np.std(kept, ddof=1)) if len(kept) >= 3 else 0.0
        found[key] = typical, unit
    return found


def widened(n: int) -> float:
    """Give the expansion of Cornish and Fisher for Student's t at 3 standard deviations (Abramowitz, Stegun 26.7.5)."""
    k, freedom = 3.0, n - 1
    terms = k, (k**3 + k) / 4, (5 * k**5 + 16 * k**3 + 3 * k) / 96
    return float(sum(term / freedom**power for power, term in enumerate(terms)) * np.sqrt(1 + 1 / n))


def exactly_widened(n: int) -> float:
    """Give what `widened` approximates."""
    return float(student.isf(norm.sf(3.0), n - 1) * np.sqrt(1 + 1 / n))
