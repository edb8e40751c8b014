"""How numbers and names are written on the pages."""

from __future__ import annotations

import pandas as pd
import pytest

from mlbridge.app import words


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.12345, "0.1235"), (0, "0"), (12_345.6, "12,346"), (1e-7, "1.0e-07"), (-3.14159, "-3.142"),
        (float("nan"), words.NOTHING), (pd.NA, words.NOTHING),
    ],
)  # fmt: skip
def test_numbers(value: float, written: str) -> None:
    assert words.number(value) == written


@pytest.mark.parametrize(
    ("value", "written"), [(0.0578, "+0.058"), (-5.2, "-5.2"), (1234.5, "+1,234"), (-0.00012, "-0.00012"), (0.0, "+0")]
)
def test_changes(value: float, written: str) -> None:
    assert words.change(value) == written


def test_names_are_shortened_but_never_alike() -> None:
    long, other = "cancelled by the carrier for reasons of weather", "cancelled by the carrier for reasons of xeather"
    assert words.shortened(["a", "", "a"]) == {"a": "a", "": "''"}
    assert words.shortened([long])[long] == "cancelled by the c…f weather"
    assert len(set(words.shortened([long, other, long + "s"]).values())) == 3
    alike = ["x" * 200 + "1" + "x" * 200, "x" * 200 + "2" + "x" * 200]
    assert words.shortened(alike) == {name: name for name in alike}


@pytest.mark.parametrize(
    "value",
    [
        "https://a.example/b",
        "see WWW.a.example",
        "me@a.example",
        ":material/delete:",
        ":streamlit:",
        "a -> b <- c -- d",
        "a <= b ~= c",
    ],
)
def test_nothing_of_the_data_is_left_for_streamlit_to_draw(value: str) -> None:
    """What it makes links, icons and arrows of is kept apart, and nothing else is changed."""
    written = words.plain(value)
    assert words.JOINER in written
    assert written.replace(words.JOINER, "").replace("\\", "").replace("&gt;", ">").replace("&lt;", "<") == value
    for drawn in ("://", "www.", "WWW.", "e@a", ":material/", ":streamlit:", "->", "<-", "--", "<=", "~="):
        assert drawn not in written.replace("\\", "").replace("&gt;", ">").replace("&lt;", "<")


@pytest.mark.parametrize(
    ("days", "written"), [(0.2, "today"), (1.5, "1 day ago"), (1234, "1,234 days ago"), (None, words.NOTHING)]
)
def test_ages(days: float | None, written: str) -> None:
    assert words.age(days) == written
