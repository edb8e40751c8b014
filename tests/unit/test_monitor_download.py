"""A CSV file in which nothing is a formula, and from which everything can be had back."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from mlbridge.monitor import csv
from mlbridge.monitor.download import escaped


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff20x", "'=1",
        "=HYPERLINK(\"https://example.com\")", "-", "+", "--1", "-1e", "-1,5",
    ],
)  # fmt: skip
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert escaped(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "a", "a=1", " =1", "-1.5", "+2e10", "-.5", "2024-01-02", -1.5, None, True])
def test_what_is_no_formula_stays(value: object) -> None:
    assert escaped(value) == value


def test_everything_can_be_had_back() -> None:
    frame = pd.DataFrame({"=key": ["=1", "'x", "x", None], "number": [-1.0, 2.5, float("nan"), 4.0]})
    written = csv(frame)
    assert "\n=" not in written
    assert ",=" not in written
    found = pd.read_csv(io.StringIO(written))
    assert list(found.columns) == ["'=key", "number"]
    assert found["'=key"].str.removeprefix("'").tolist()[:3] == frame["=key"].tolist()[:3]
    assert found["number"].equals(frame["number"])
