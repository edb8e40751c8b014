"""How numbers and names are written on the pages."""

from __future__ import annotations

import html

import pandas as pd
import pytest
from dbt_host import ROOT

from mlbridge.app import fmt
from mlbridge.app.words import WORDS, of_metrics
from mlbridge.monitor.markdown import text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.12345, "0.1235"), (0, "0"), (12_345.6, "12,346"), (1e-7, "1.0e-07"), (-3.14159, "-3.142"),
        (float("nan"), fmt.NO_VALUE), (pd.NA, fmt.NO_VALUE),
    ],
)  # fmt: skip
def test_numbers(value: float, written: str) -> None:
    assert fmt.number(value) == written


@pytest.mark.parametrize(
    ("value", "written"), [(0.0578, "+0.058"), (-5.2, "-5.2"), (1234.5, "+1,234"), (-0.00012, "-0.00012"), (0.0, "+0")]
)
def test_changes(value: float, written: str) -> None:
    assert fmt.change(value) == written


def test_names_are_shortened_but_never_alike() -> None:
    long, other = "cancelled by the carrier for reasons of weather", "cancelled by the carrier for reasons of xeather"
    assert fmt.shortened(["a", "", "a"]) == {"a": "a", "": "''"}
    assert fmt.shortened([long])[long] == "cancelled by the c…f weather"
    assert len(set(fmt.shortened([long, other, long + "s"]).values())) == 3
    alike = ["x" * 200 + "1" + "x" * 200, "x" * 200 + "2" + "x" * 200]
    assert fmt.shortened(alike) == {name: name for name in alike}


@pytest.mark.parametrize("term", WORDS)
def test_words_mean_what_the_glossary_says(term: str) -> None:
    assert f"| {WORDS[term]} |" in (ROOT / "docs" / "glossary.md").read_text()


def test_metrics_are_explained_a_line_each() -> None:
    assert (
        of_metrics(["worst", "roc_auc", "psi"]).split("\n\n")[0].startswith("**roc_auc**: the chance that a positive")
    )
    assert len(of_metrics(["worst", "roc_auc", "psi"]).split("\n\n")) == 2


@pytest.mark.parametrize(
    ("value", "most", "written"),
    [("a short one", 11, "a short one"), ("one that is long", 11, "one that…"), ("onewordonly", 5, "onewo…")],
)
def test_a_long_text_is_cut_at_a_word(value: str, most: int, written: str) -> None:
    assert fmt.opening(value, most) == written


@pytest.mark.parametrize(
    ("value", "drawn"),
    [
        ("https://a.example/b", "://"), ("see WWW.a.example", "WWW."), ("me@a.example", "e@a"),
        (":material/delete:", ":material/"), (":streamlit:", ":streamlit:"), ("a -> b", "->"), ("<- c", "<-"),
        ("c -- d", "--"), ("a <= b", "<="), ("b ~= c", "~="), ("a >= b", ">="), ("a != b", "!="),
    ],
)  # fmt: skip
def test_nothing_of_the_data_is_left_for_streamlit_to_draw(value: str, drawn: str) -> None:
    """What it makes links, icons and arrows of is kept apart, and nothing else is changed; in a document as well."""
    for written in (fmt.plain(value), fmt.inert(text(value))):
        read = html.unescape(written.replace("\\", ""))
        assert drawn not in read
        assert read.replace(fmt.JOINER, "") == value


@pytest.mark.parametrize(
    "value", ["dbt build --select +a_predictions+", "2013-01-01", "a--b", "x->y", "| --- | ---: |"]
)
def test_what_streamlit_leaves_alone_stays_as_it_is(value: str) -> None:
    """A command can be copied."""
    assert fmt.JOINER not in fmt.plain(value) + fmt.inert(value)


@pytest.mark.parametrize(
    ("days", "written"), [(0.2, "today"), (1.5, "1 day ago"), (1234, "1,234 days ago"), (None, fmt.NO_VALUE)]
)
def test_ages(days: float | None, written: str) -> None:
    assert fmt.age(days) == written
