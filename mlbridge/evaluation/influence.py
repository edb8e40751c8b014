"""How much each row moves a metric: its influence values, from which every standard error is made.

The influence value of row k is the derivative of the metric by the weight of the row, times the number of rows
(Hampel, The influence curve and its role in robust estimation, 1974; with weights that begin at one it is the
infinitesimal jackknife of Jaeckel, 1972). They sum to zero, and the metric differs from the one that it estimates by
about their mean. Summed within blocks of dependent rows, they give a standard error that is valid when rows are not
independent.
"""

from __future__ import annotations

from mlbridge.evaluation import classification, regression
from mlbridge.evaluation.sample import Sample, Weighted
from mlbridge.typing import Floats

_INFLUENCES = {**classification.INFLUENCES, **regression.INFLUENCES}


def influence(sample: Sample, metric: str) -> Floats:
    """Return the influence value of each row on a metric, shape (n,); zeros where the metric is not defined."""
    return _INFLUENCES[metric](Weighted(sample))
