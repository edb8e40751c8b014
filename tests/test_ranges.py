"""Ranges: means and medians of many stretches at once are those of each stretch by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbridge.ranges import Ranges

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
        assert median == pytest.approx(np.median(series[first:last]), rel=1e-12, abs=0)


def test_only_empty_stretches_and_no_values() -> None:
    nowhere = Ranges(np.array([0, 0]), np.array([0, 0]))
    assert np.isnan(nowhere.means(np.empty(0))).all()
    assert np.isnan(nowhere.medians(np.empty(0))).all()
