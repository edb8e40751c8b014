"""The drift metrics: the one table that the spec, the monitor, the seed of thresholds and the docs read.

Their SQL is the table of the macro `drift_metrics`, in `macros/monitor/drift/drift_metrics.sql`; a test compares names,
order and greatest values. The docs and the monitor list them in this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import Final


@dataclass(frozen=True)
class DriftMetric:
    """One metric of the distance between a window and its baseline.

    `of` names the columns that have it, and `formula` describes it; both are texts for the docs. `floor` is the
    smallest threshold, in the metric's unit or, if `relative`, per compared row. `while_open`: it may alert before its
    window has ended, because part of a window can be compared with whole windows. `greatest` is its largest possible
    value, None without a bound; a threshold is at most the share `usual_share` of that.
    """

    name: str
    of: str
    formula: str
    floor: float
    relative: bool = False
    while_open: bool = False
    greatest: float | None = None
    usual_share: float = 0.9


_DRIFT_METRICS: Final = (
    DriftMetric(
        name="psi",
        of="all",
        formula="population stability index, sum of (p - q) ln(p / q); a bin that is empty in one of the two counts as "
        "half a row there (Yurdakul, *Statistical properties of the population stability index*, 2018)",
        floor=0.2,
    ),
    DriftMetric(
        name="js_distance",
        of="all",
        formula="Jensen-Shannon distance, the root of half the sum of p ln(p / m) + q ln(q / m) with m = (p + q) / 2, "
        "natural logarithm (Endres and Schindelin 2003; `scipy.spatial.distance.jensenshannon`)",
        floor=0.15,
        greatest=sqrt(log(2)),
    ),
    DriftMetric(
        name="ks",
        of="numbers",
        formula="greatest distance of the two distribution functions at the edges of the bins (Smirnov 1948); lower "
        "than the statistic of the raw values by at most the share of one bin",
        floor=0.1,
        greatest=1,
    ),
    DriftMetric(
        name="wasserstein",
        of="numbers",
        formula="area between the two distribution functions, divided by the standard deviation of the training rows "
        "(`scipy.stats.wasserstein_distance`); exact except in bins within which the two functions cross",
        floor=0.2,
    ),
    DriftMetric(
        name="chi_square",
        of="categories",
        formula="statistic of the two-sample contingency table of the bins (Pearson 1900; "
        "`scipy.stats.chi2_contingency` without correction)",
        floor=0.2,
        relative=True,
    ),
    DriftMetric(
        name="null_share_change",
        of="features",
        formula="share of NULLs in the window minus that in the baseline",
        floor=0.05,
        while_open=True,
        greatest=1,
    ),
    DriftMetric(
        name="unseen_share",
        of="features, target, prediction",
        formula="share of rows with a category that training did not have, or with a number outside its range; in a "
        "reference window also rows with a category that occurs in no other reference window",
        floor=0.02,
        while_open=True,
        greatest=1,
        usual_share=0.5,
    ),
    DriftMetric(
        name="association_change",
        of="features with partners",
        formula="share of its correlation with its partners that the feature has lost since training: 1 - current "
        "correlation / correlation in training; 0 is no loss, 1 is no correlation left",
        floor=0.5,
        greatest=1,
    ),
    DriftMetric(
        name="association_shift",
        of="features with partners",
        formula="difference between the partners' mean rank and their mean rank in training for the same values of the "
        "feature; ranks are from 0 to 1",
        floor=0.15,
        greatest=0.5,
    ),
)
DRIFT_METRICS: Final[dict[str, DriftMetric]] = {metric.name: metric for metric in _DRIFT_METRICS}
