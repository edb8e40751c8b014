"""Ranges: means and medians of many stretches at once are those of each stretch by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbridge.evaluation.range_statistics import Ranges

NUMBERS = st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float)


@given(st.lists(NUMBERS, min_size=1, max_size=40), st.data())
def test_every_stretch_has_its_own_mean_and_median(values: list[float], data: st.DataObject) -> None:
    series = np.array(values)
    edges = st.tuples(*[st.integers(0, len(series))] * 2).map(sorted)
    pairs = data.draw(st.lists(edges, min_size=1, max_size=10))
    ranges = Ranges(*np.array(pairs).T)
    found = zip(pairs, ranges.means(series), ranges.medians(series), strict=True)
    for (first, last), mean, median in found:
        if first == last:
            assert np.isnan(mean)
            assert np.isnan(median)
            continue
        assert mean == pytest.approx(series[first:last].mean(), rel=1e-9, abs=1e-6)
        assert median == np.median(series[first:last])


@pytest.mark.parametrize(
    ("values", "median"),
    [
        ([0.0, 1.0, 5e-324], 5e-324),
        ([5e-324, 1e-323], 1e-323),
        ([2.0**1023, 1.5 * 2.0**1023], 1.25 * 2.0**1023),
        ([-1.7e308], -1.7e308),
    ],
)
def test_the_smallest_and_the_largest_doubles_have_a_median(values: list[float], median: float) -> None:
    assert Ranges(np.array([0]), np.array([len(values)])).medians(np.array(values)).tolist() == [median]


def test_only_empty_stretches_and_no_values() -> None:
    nowhere = Ranges(np.array([0, 0]), np.array([0, 0]))
    assert np.isnan(nowhere.means(np.empty(0))).all()
    assert np.isnan(nowhere.medians(np.empty(0))).all()
