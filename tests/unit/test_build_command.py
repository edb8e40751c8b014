"""How `mlbridge build` divides what `dbt build` would select."""

from __future__ import annotations

import pytest

from mlbridge.commands.build import Selection
from mlbridge.errors import SetupError


@pytest.mark.parametrize(
    ("arguments", "items", "others"),
    [
        ([], [], []),
        (["--vars", "a: 1", "--full-refresh"], [], ["--vars", "a: 1", "--full-refresh"]),
        (["--select", "a+", "tag:b", "--threads", "2"], ["a+", "tag:b"], ["--threads", "2"]),
        (["-x", "--select=a b", "c", "-s", "d"], ["a", "b", "c", "d"], ["-x"]),
        (["--exclude", "a", "b", "-m", "c,d"], ["c,d"], ["--exclude", "a", "b"]),
        (["--vars={a: b=c}", "--models", "a"], ["a"], ["--vars={a: b=c}"]),
    ],
)
def test_a_selection_ends_where_the_next_option_begins(
    arguments: list[str], items: list[str], others: list[str]
) -> None:
    found = Selection.of(arguments)
    assert (list(found.items), list(found.others)) == (items, others)


def test_what_is_selected_is_cut_with_what_follows_a_training() -> None:
    assert Selection.of([]).within(["t+"]) == ["t+"]
    assert Selection.of(["-s", "a", "+b"]).within(["t+", "u+"]) == ["a,t+", "+b,t+", "a,u+", "+b,u+"]


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        (["--threads", "2"], []),
        (["--vars", "a: b=c", "--threads", "2"], ["--vars", "a: b=c"]),
        (["--threads", "2", "--vars={a: 1}", "-x"], ["--vars={a: 1}"]),
        (["--vars", "a: 1", "-x", "--vars=a: 2"], ["--vars", "a: 1", "--vars=a: 2"]),
        (["--no-partial-parse", "--threads", "2", "--warn-error"], ["--no-partial-parse", "--warn-error"]),
        (["--warn-error-options", "{error: all}", "--no-version-check", "-x"],
         ["--warn-error-options", "{error: all}", "--no-version-check"]),
    ],
)  # fmt: skip
def test_a_parse_gets_what_decides_what_it_finds(arguments: list[str], parsed: list[str]) -> None:
    assert Selection.of(arguments).of_a_parse == parsed


@pytest.mark.parametrize(
    ("arguments", "refreshes"),
    [(["--full-refresh"], True), (["-xf"], True), (["-x", "--fail-fast"], False), (["-s", "f", "-x"], False)],
)
def test_a_full_refresh_is_parsed_as_one(arguments: list[str], refreshes: bool) -> None:
    assert Selection.of(arguments).refreshes == refreshes


@pytest.mark.parametrize("arguments", [["--selector", "x"], ["--selector=x"]])
def test_a_named_selector_cannot_be_divided(arguments: list[str]) -> None:
    with pytest.raises(SetupError, match="name it with --select"):
        Selection.of(arguments)
