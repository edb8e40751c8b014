"""The pipeline in the language of Graphviz: what stands in it, and what of the data can do nothing there."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mlbridge.app import graph


def node(name: str, **more: Any) -> dict[str, Any]:
    facts = {
        "node": f"model.host.{name}", "name": name, "kind": "model", "stage": "host", "package": "host",
        "status": "success", "seconds": 1.5, "rows": 1200, "tests_failed": 0,
    }  # fmt: skip
    return facts | more


def edges(*pairs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["parent", "child"])


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, "done"),
        ({"tests_failed": 2}, "tests failed"),
        ({"tests_failed": pd.NA}, "done"),
        ({"status": "error", "tests_failed": 2}, "failed"),
        ({"status": "fail"}, "failed"),
        ({"status": "skipped"}, "skipped"),
        ({"status": "never"}, "never run"),
        ({"kind": "source", "status": "never"}, "source"),
    ],
    ids=str,
)
def test_state(more: dict[str, Any], state: str) -> None:
    (row,) = pd.DataFrame([node("a", **more)]).itertuples()
    assert graph.state_of(row) == state


@pytest.mark.parametrize("ink", [graph.LIGHT, graph.DARK], ids=["light", "dark"])
def test_a_node_says_its_state_in_words(ink: graph.Ink) -> None:
    nodes = pd.DataFrame([node("a"), node("b", status="never", seconds=None, rows=None, stage="train")])
    text = graph.drawn(nodes, edges(("model.host.a", "model.host.b")), ink)
    assert 'label="✓ a\\ndone · 1.5 s · 1,200 rows"' in text
    assert 'label="○ b\\nnever run"' in text
    assert '"model.host.a" -> "model.host.b";' in text
    assert text.index('label="host"') < text.index('label="train"')


def test_every_state_has_a_mark_and_colours_on_both_grounds() -> None:
    states = set(graph.SYMBOLS)
    assert len(set(graph.SYMBOLS.values())) == len(states)
    assert set(graph.STYLES) == states
    assert all(set(ink.outlines) == set(ink.fills) == states for ink in (graph.LIGHT, graph.DARK))


def test_a_model_between_two_of_the_package_s_tables_keeps_its_arrows() -> None:
    """Its longer way leads through what is drawn as one."""
    own = {"package": "mlbridge", "stage": "monitor"}
    nodes = pd.DataFrame([node("p"), node("h"), node("b", **own), node("c", **own)])
    ways = [("p", "b"), ("b", "h"), ("h", "c"), ("p", "h")]
    text = graph.drawn(nodes, edges(*((f"model.host.{one}", f"model.host.{two}") for one, two in ways)), graph.LIGHT)
    for arrow in ('"model.host.p" -> "mlbridge"', '"mlbridge" -> "model.host.h"', '"model.host.h" -> "mlbridge"'):
        assert arrow in text


def test_the_package_s_tables_stand_together() -> None:
    """Each says its state, whatever its name holds; an arrow leads to all of them, and none from one to another."""
    own = {"package": "mlbridge", "stage": "monitor"}
    nodes = pd.DataFrame([node("a"), node("b", **own), node("c<i>&", **own, status="skipped", seconds=None, rows=None)])
    among = edges(
        ("model.host.a", "model.host.b"), ("model.host.a", "model.host.c<i>&"), ("model.host.b", "model.host.c<i>&")
    )
    text = graph.drawn(nodes, among, graph.LIGHT)
    assert text.count("->") == 1
    assert '"model.host.a" -> "mlbridge";' in text
    assert "✓ b  1.5 s · 1,200 rows</TD>" in text
    assert "» c&lt;i&gt;&amp;  skipped</TD>" in text


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ('say "x"', '"say \\"x\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("ends\\", '"ends\\\\"'),
        ("a\nb", '"a b"'),
        ("\\N &lt;", '"\\\\N &amp;lt;"'),
        ('"]; evil [label="', '"\\"]; evil [label=\\""'),
    ],
)
def test_what_a_name_contains_is_only_text(name: str, quoted: str) -> None:
    assert graph.quoted(name) == quoted


def test_an_edge_is_left_out_where_a_longer_way_says_the_same() -> None:
    found = graph.direct(edges(("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d"), ("e", "d"), ("a", "e")))
    assert sorted(found) == [("a", "b"), ("a", "e"), ("b", "c"), ("c", "d"), ("e", "d")]


def test_no_edge_is_left_out_of_a_diamond() -> None:
    pairs = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
    assert sorted(graph.direct(edges(*pairs))) == pairs
