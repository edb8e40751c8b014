"""The metrics: the one table that the spec, the evaluation, the monitor, the seed of thresholds and the docs read.

Their values are in `mlbridge.evaluation` and, as SQL, in the tables of the macros `class_metrics` and
`number_figures` in `macros/monitor/performance`; tests compare names and order. The first metric of a task is its
default.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, Literal, NamedTuple


class SkillLevels(NamedTuple):
    """The skill from which a model is called moderate, and strong: (value - baseline) / (perfect - baseline)."""

    moderate: float
    strong: float
    source: str


# Explaining 13 or 26 % of the variance reduces the root mean squared error by 7 or 14 %: 1 - sqrt(1 - share).
_OF_AREA: Final = SkillLevels(
    0.4, 0.6, "areas of 0.7 and 0.8: Hosmer and Lemeshow, *Applied Logistic Regression*, 2000, chapter 5"
)
_OF_VARIANCE: Final = SkillLevels(
    0.13, 0.26, "Cohen, *Statistical Power Analysis*, 1988, chapter 9: shares of variance"
)
_OF_ERRORS: Final = SkillLevels(0.07, 0.14, "the reduction of the root mean squared error by these shares of variance")


@dataclass(frozen=True)
class Metric:
    """One metric.

    `bounds` are its lowest and highest value, one of which is perfect. `baselines` names the naive baselines that a
    candidate has to beat. `meaning`, `formula`, `source` (function of scikit-learn) and `naive` (the value without
    skill on the rows of a window) are texts for the docs. `floor` is the smallest distance of an alert threshold from
    the usual value, in the metric's unit or, if `relative`, as a share of the usual value. `rank_based`: only the order
    of the scores counts.

    `permutation_test` is how a candidate is compared with a constant baseline: `instead` of the t test by permuting the
    outcomes, because scores without skill have on average at least the constant's value; `in addition` to the t test;
    None: by t test and randomization test only.
    """

    name: str
    task: Literal["classification", "regression"]
    greater_is_better: bool
    bounds: tuple[float, float]
    meaning: str
    formula: str
    source: str
    naive: str
    baselines: tuple[str, ...]
    floor: float
    relative: bool = False
    skill: SkillLevels = _OF_VARIANCE
    rank_based: bool = False
    permutation_test: Literal["instead", "in addition"] | None = None

    @property
    def perfect(self) -> float:
        """The value of a model that makes no errors."""
        return self.bounds[1] if self.greater_is_better else self.bounds[0]

    @property
    def is_share(self) -> bool:
        """Whether its bounds are 0 and 1, as for a share of rows or a mean of such shares."""
        return self.bounds == (0, 1)


_METRICS: Final = (
    Metric(
        name="average_precision",
        task="classification",
        greater_is_better=True,
        bounds=(0, 1),
        meaning="precision averaged over all recalls; without skill it is the share of positives",
        formula="sum over thresholds of precision times increase in recall; many classes: mean of the one-vs-rest "
        "values",
        source="average_precision_score",
        naive="the share of positives",
        baselines=("class rates", "recent rate"),
        floor=0.03,
        rank_based=True,
        permutation_test="instead",
    ),
    Metric(
        name="roc_auc",
        task="classification",
        greater_is_better=True,
        bounds=(0, 1),
        meaning="the chance that a positive gets a higher score than a negative; 0.5 is no skill",
        formula="area under the ROC curve, ties count half; many classes: mean of the one-vs-rest values",
        source="roc_auc_score",
        naive="0.5",
        baselines=("class rates", "recent rate"),
        floor=0.02,
        skill=_OF_AREA,
        rank_based=True,
        permutation_test="instead",
    ),
    Metric(
        name="log_loss",
        task="classification",
        greater_is_better=False,
        bounds=(0, inf),
        meaning="the mean negative logarithm of the probability predicted for the true class",
        formula="mean of -ln of the true class' probability, which is clipped at the float64 epsilon",
        source="log_loss",
        naive="entropy of the class shares",
        baselines=("class rates", "recent rate"),
        floor=0.03,
    ),
    Metric(
        name="brier",
        task="classification",
        greater_is_better=False,
        bounds=(0, 2),
        meaning="the mean squared difference between probability and outcome",
        formula="mean squared difference between the positive class' probability and the outcome (0 or 1); many "
        "classes: summed over the classes",
        source="brier_score_loss",
        naive="p (1 - p); many classes: 1 - sum of p^2",
        baselines=("class rates", "recent rate"),
        floor=0.015,
    ),
    Metric(
        name="accuracy",
        task="classification",
        greater_is_better=True,
        bounds=(0, 1),
        meaning="the share of rows whose class is predicted correctly",
        formula="share of rows whose most probable class is the true one",
        source="accuracy_score",
        naive="the share of the most frequent class",
        baselines=("majority class", "recent rate"),
        floor=0.02,
        permutation_test="in addition",
    ),
    Metric(
        name="precision",
        task="classification",
        greater_is_better=True,
        bounds=(0, 1),
        meaning="the share of the predicted positives that are positive",
        formula="rows correctly predicted positive / rows predicted positive, by the most probable class; many "
        "classes: mean over the classes",
        source="precision_score",
        naive="the share of positives",
        baselines=("always positive", "best class"),
        floor=0.05,
        permutation_test="instead",
    ),
    Metric(
        name="recall",
        task="classification",
        greater_is_better=True,
        bounds=(0, 1),
        meaning="the share of the positives that are predicted as such",
        formula="rows correctly predicted positive / positive rows, by the most probable class; many classes: mean "
        "over the classes",
        source="recall_score",
        naive="the share of rows predicted positive, which is the recall of as many rows chosen at random",
        baselines=("class rates", "best class"),
        floor=0.05,
        permutation_test="instead",
    ),
    Metric(
        name="f1",
        task="classification",
        greater_is_better=True,
        bounds=(0, 1),
        meaning="the harmonic mean of precision and recall",
        formula="2 x rows correctly predicted positive / (rows predicted positive + positive rows), by the most "
        "probable class; many classes: mean over the classes",
        source="f1_score",
        naive="2p / (1 + p), from predicting positive for every row; many classes: the value of the best constant",
        baselines=("always positive", "best class"),
        floor=0.05,
        permutation_test="in addition",
    ),
    Metric(
        name="rmse",
        task="regression",
        greater_is_better=False,
        bounds=(0, inf),
        meaning="the root of the mean squared error, in the unit of the target",
        formula="root of the mean squared error",
        source="root_mean_squared_error",
        naive="standard deviation",
        baselines=("mean", "recent mean"),
        floor=0.05,
        relative=True,
        skill=_OF_ERRORS,
    ),
    Metric(
        name="mae",
        task="regression",
        greater_is_better=False,
        bounds=(0, inf),
        meaning="the mean absolute error, in the unit of the target",
        formula="mean absolute error",
        source="mean_absolute_error",
        naive="mean distance from the median",
        baselines=("median", "recent median"),
        floor=0.05,
        relative=True,
        skill=_OF_ERRORS,
    ),
    Metric(
        name="r2",
        task="regression",
        greater_is_better=True,
        bounds=(-inf, 1),
        meaning="the share of the target's variance that is explained; 0 is no better than the mean",
        formula="1 - sum of squared errors / sum of squared distances of the outcomes from their mean",
        source="r2_score",
        naive="0",
        baselines=("mean", "recent mean"),
        floor=0.03,
    ),
    Metric(
        name="median_absolute_error",
        task="regression",
        greater_is_better=False,
        bounds=(0, inf),
        meaning="the error that half of the rows stay within, in the unit of the target",
        formula="median of the absolute errors; for an even number of rows, the mean of the middle two",
        source="median_absolute_error",
        naive="half the width of the shortest interval that holds half of the outcomes",
        baselines=("shortest half", "recent median"),
        floor=0.05,
        relative=True,
        skill=_OF_ERRORS,
    ),
)
METRICS: Final[dict[str, Metric]] = {metric.name: metric for metric in _METRICS}


def metrics_for(task: str) -> tuple[str, ...]:
    """Return the names of a task's metrics, in the order of the table."""
    return tuple(name for name, metric in METRICS.items() if metric.task == task)


def default_metric(task: str) -> str:
    """Return the name of the metric that is used if the spec names none."""
    return metrics_for(task)[0]


def greater_is_better(name: str) -> bool:
    """Whether a greater value of the metric is the better one."""
    return METRICS[name].greater_is_better
