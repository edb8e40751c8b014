"""How the bins of a profile are called, and how data become text within Markdown."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mlbridge.monitor.bin_labels import labels
from mlbridge.monitor.markdown import table, text
from mlbridge.reference.profile import profile_rows


def bins_of_column(values: Sequence[Any], kind: str = "numeric") -> list[dict[str, Any]]:
    rows = profile_rows(pd.DataFrame({"x": pd.Series(values)}), {"x": kind})
    return [row for row in rows if row["bin"] >= 0]


def named(values: Sequence[Any], type_: str | None = None, distinct: int | None = None) -> list[str]:
    bins = bins_of_column(values)
    found = labels(bins, type_, distinct)
    assert (found[-1], found[-2]) == ("missing", "below training")
    assert found[bins[-1]["bin"] + 1] == "above training"
    return [found[each["bin"]] for each in bins]


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def edges(*values: float) -> list[dict[str, Any]]:
    ends = itertools.pairwise(values)
    return [
        {"kind": "numeric", "bin": index, "lower": low, "upper": high, "category": None}
        for index, (low, high) in enumerate(ends)
    ]


def test_numbers_have_three_digits_and_more_where_neighbours_need_them() -> None:
    found = labels(edges(0.1234567891, 0.5, 0.50004, 12.3456789, 1234.5678, 123456.789), "DOUBLE", None)
    assert [found[index] for index in range(5)] == [
        "0.123 to 0.5", "0.5 to 0.50004", "0.50004 to 12.3", "12.3 to 1235", "1235 to 123,457",
    ]  # fmt: skip


def test_small_great_and_negative_numbers() -> None:
    found = labels(edges(-1e22, -0.00012345, 0.0, 1.5e-7, 2e18), "DOUBLE", None)
    assert [found[index] for index in range(4)] == [
        "-1e22 to -0.000123",
        "-0.000123 to 0",
        "0 to 1.5e-7",
        "1.5e-7 to 2e18",
    ]


def test_whole_numbers_are_named_by_their_first_and_last() -> None:
    found = labels(edges(2000, 2003, 2004, 2013, 40000), "INTEGER", 900)
    assert [found[index] for index in range(4)] == ["2000 to 2003", "2004", "2005 to 2013", "2014 to 40,000"]


def test_a_value_that_has_a_bin_for_itself_is_named_alone() -> None:
    assert named([0.1, 0.2, 0.2, 0.7], "DOUBLE", 3) == ["0.1", "0.2", "0.7"]
    assert named([7, 7, 7], "BIGINT", 1) == ["7"]
    assert named([5.5, 5.5, 9.25]) == ["5.5", "5.5 to 9.25"]


def test_truth_values() -> None:
    assert named([0, 1, 1], "BOOLEAN", 2) == ["false", "true"]
    assert named([1, 1], "BOOLEAN", 1) == ["true"]


def test_days_and_moments() -> None:
    days = [seconds(f"2024-01-{day:02}") for day in (1, 2, 5)]
    found = labels(edges(days[0], days[1], days[2]), "DATE", 90)
    assert [found[0], found[1]] == ["2024-01-01 to 2024-01-02", "2024-01-03 to 2024-01-05"]
    moments = [seconds(f"2024-01-01 {hour}") for hour in ("08:15", "09:00", "23:30")]
    found = labels(edges(*moments), "TIMESTAMP", 90)
    assert found[0] == "2024-01-01 08:15 to 2024-01-01 09:00"
    found = labels(edges(seconds("2023-12-31"), seconds("2024-02-01"), seconds("2024-03-01")), "TIMESTAMP_NS", 90)
    assert found[1] == "2024-02-01 to 2024-03-01"
    assert labels(edges(0.0, 1e15), "TIMESTAMP", 90)[0] == "0 to 1e15"


def test_infinite_ends() -> None:
    bins = edges(0.0, 1.0, 2.0)
    bins[0]["lower"], bins[1]["upper"] = None, None
    found = labels(bins, "DOUBLE", None)
    assert [found[0], found[1]] == ["up to 1", "above 1"]


def test_categories_that_read_like_our_words_are_quoted() -> None:
    values = ["a", "missing", "others", "not in training", "", " a", "'missing'", "<script>", "O'Hare"]
    bins = bins_of_column(values, "category")
    found = labels(bins, "VARCHAR", len(values))
    by_category = {each["category"]: found[each["bin"]] for each in bins}
    assert by_category == {
        "a": "a", "missing": "'missing'", "others": "'others'", "not in training": "'not in training'", "": "''",
        " a": "' a'", "'missing'": "'''missing'''", "<script>": "<script>", "O'Hare": "O'Hare", None: "others",
    }  # fmt: skip
    assert (found[-1], found[-2]) == ("missing", "not in training")
    assert len(set(found.values())) == len(found)


@given(st.lists(st.floats(-1e300, 1e300, allow_subnormal=False), min_size=1, max_size=90))
def test_no_two_bins_of_numbers_share_a_name(values: list[float]) -> None:
    found = labels(bins_of_column(values), "DOUBLE", len(set(values)))
    assert len(set(found.values())) == len(found)


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=90))
def test_no_two_bins_of_whole_numbers_share_a_name(values: list[int]) -> None:
    found = labels(bins_of_column(values), "BIGINT", len(set(values)))
    assert len(set(found.values())) == len(found)


# --- Markdown --------------------------------------------------------------------------------------------------

RENDER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = (
    "<script>alert(1)</script>", "a|b", "``x`", "*b* _i_ __b__ foo_bar _foo_bar_", "[x](http://e)", "![x](y)", "# h",
    "1. x", "12) x", "- x", "+ x", "-5", "&amp;", "&#60;", "a\\b", "a\\|b", "~~x~~", "$x$", ":red[x]", "x\ny", "= x",
    "--- ", "\\", "a_", "__a__", "日_本", "<!-- x", "<http://a.b>", "| --- |", "", "  ", "1.5", "<b", "</td></table>",
)  # fmt: skip


def shown(value: str) -> str:
    return re.sub(r"\s+", " ", value).strip() or "''"


def places(value: str) -> list[str]:
    """Render a value in a table, in a list and alone; what a reader then sees at each place."""
    found = RENDER.render(f"{table(['a', 'b'], [[text(value), '1']])}\n\n- {text(value)}\n\n{text(value)}\n")
    inside = [re.findall(f"<{tag}>(.*?)</{tag}>", found, re.DOTALL) for tag in ("td", "li", "p")]
    return [shown(html.unescape(found[-1])) for found in (inside[0][:1], *inside[1:])]


@pytest.mark.parametrize("value", HOSTILE)
def test_data_are_only_text(value: str) -> None:
    assert places(value) == [shown(value)] * 3


@given(st.text(alphabet=r"<>&*_`[]()!#|\~$:-+=.)1a é" + '"' + "'\n", max_size=12))
def test_any_data_are_only_text(value: str) -> None:
    assert places(value) == [shown(value)] * 3


def test_no_address_becomes_a_link() -> None:
    for value in ("www.evil.com", "http://evil.com", "a@b.c"):
        assert value not in text(value)
