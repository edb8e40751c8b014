"""The pipeline as a graph in the language of Graphviz: each node with the result of its last run."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlbridge.app import fmt

STAGES = ("source", "host", "features", "split", "train", "register", "score", "monitor")
PACKAGE, TABLES = "mlbridge", "tables of mlbridge"
ABREAST = 2  # of the package's tables
DONE, WARNED, FAILED, SKIPPED, NEVER, READ = "done", "tests failed", "failed", "skipped", "never run", "source"
SYMBOLS = {DONE: "✓", WARNED: "!", FAILED: "✗", SKIPPED: "»", NEVER: "○", READ: "▸"}
STYLES = {DONE: "solid", WARNED: "dashed", FAILED: "bold", SKIPPED: "dashed", NEVER: "dotted", READ: "solid"}


@dataclass(frozen=True)
class Ink:
    """The colours of a theme: of text, of lines, and of the outlines and fills of the states."""

    text: str
    line: str
    outlines: dict[str, str]
    fills: dict[str, str]


LIGHT = Ink(
    "#31333F",
    "#A3A8B4",
    {DONE: "#009E73", WARNED: "#B97A00", FAILED: "#C44A00", SKIPPED: "#7A7F8C", NEVER: "#7A7F8C", READ: "#0072B2"},
    {DONE: "#EAF6F1", WARNED: "#FDF3DC", FAILED: "#FBE3D6", SKIPPED: "#F3F4F6", NEVER: "transparent", READ: "#E8F1F8"},
)
DARK = Ink(
    "#FAFAFA",
    "#6B7280",
    {DONE: "#2BC79A", WARNED: "#F2BC3B", FAILED: "#F08A3C", SKIPPED: "#9AA0AC", NEVER: "#9AA0AC", READ: "#56B4E9"},
    {DONE: "#12332A", WARNED: "#3B300F", FAILED: "#46240D", SKIPPED: "#22252D", NEVER: "transparent", READ: "#142F42"},
)


def state_of(node: Any) -> str:
    """Return the result of a node's last run in a word."""
    if node.kind == "source":
        return READ
    if node.status == "success":
        return WARNED if pd.notna(node.tests_failed) and node.tests_failed > 0 else DONE
    return {"skipped": SKIPPED, "never": NEVER}.get(node.status, FAILED)


def drawn(nodes: pd.DataFrame, edges: pd.DataFrame, ink: Ink) -> str:
    """Write the graph, top to bottom, a box of its own for each stage, and one list for the package's tables."""
    lines = [
        "digraph pipeline {",
        'rankdir=TB; bgcolor="transparent"; nodesep=0.16; ranksep=0.34; pad=0.1;',
        f'graph [fontname="Helvetica", fontsize=12, fontcolor="{ink.text}", color="{ink.line}", style="rounded"];',
        'node [shape=box, fontname="Helvetica", fontsize=11, margin="0.12,0.06", height=0.42];',
        f'edge [color="{ink.line}", arrowsize=0.6];',
    ]
    own = nodes["package"] == PACKAGE
    for index, (stage, rows) in enumerate(_by_stage(nodes[~own])):
        lines += [f"subgraph cluster_{index} {{", f"label={quoted(stage)}; labeljust=l;"]
        lines += [_node(node, ink) for node in rows.itertuples()]
        lines.append("}")
    if own.any():
        lines.append(_tables(nodes[own], ink))
    box = dict.fromkeys(nodes.loc[own, "node"], PACKAGE)
    drawn = dict.fromkeys((box.get(parent, parent), box.get(child, child)) for parent, child in direct(edges))
    lines += [f"{quoted(parent)} -> {quoted(child)};" for parent, child in drawn if parent != child]
    return "\n".join([*lines, "}"])


def direct(edges: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the edges without those that a longer path implies (transitive reduction)."""
    children: dict[str, list[str]] = {}
    for parent, child in zip(edges["parent"], edges["child"], strict=True):
        children.setdefault(parent, []).append(child)
    reached: dict[str, set[str]] = {}

    def beyond(node: str) -> set[str]:
        if node not in reached:
            reached[node] = set()  # a graph of dbt has no cycle
            reached[node] = {each for child in children.get(node, []) for each in (child, *beyond(child))}
        return reached[node]

    return [
        (parent, child)
        for parent, following in children.items()
        for child in following
        if not any(child in beyond(other) for other in following if other != child)
    ]


def _by_stage(nodes: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    stages = nodes["stage"].where(nodes["kind"] != "source", "source")
    return [(stage, nodes[stages == stage]) for stage in STAGES if (stages == stage).any()]


def _node(node: Any, ink: Ink) -> str:
    state = state_of(node)
    figures = _figures(node) if state not in (READ, NEVER, SKIPPED) else []
    style = f"rounded,filled,{STYLES[state]}" if node.kind == "model" else f"filled,{STYLES[state]}"
    return (
        f"{quoted(node.node)} [label={quoted(f'{SYMBOLS[state]} {node.name}', ' · '.join([state, *figures]))}, "
        f'style="{style}", shape={"box" if node.kind == "model" else "cylinder"}, fontcolor="{ink.text}", '
        f'color="{ink.outlines[state]}", fillcolor="{ink.fills[state]}", tooltip={quoted(node.node)}];'
    )


def _figures(node: Any) -> list[str]:
    seconds = [] if pd.isna(node.seconds) else [fmt.duration(node.seconds)]
    return seconds + ([] if pd.isna(node.rows) else [f"{fmt.count(node.rows)} rows"])


def _tables(nodes: pd.DataFrame, ink: Ink) -> str:
    """Write the package's tables, which are the same in every project, as one node with a table of their states."""
    cells = [_cell(node, ink) for node in nodes.sort_values("name").itertuples()]
    rows = math.ceil(len(cells) / ABREAST)
    lines = "".join(f"<TR>{''.join(cells[start::rows])}</TR>" for start in range(rows))
    title = f'<TR><TD ALIGN="LEFT" COLSPAN="{ABREAST}">{TABLES}</TD></TR>'
    return (
        f'{quoted(PACKAGE)} [shape=box, style="rounded", color="{ink.line}", fontcolor="{ink.text}", '
        f'tooltip={quoted(TABLES)}, label=<<TABLE BORDER="0" CELLSPACING="5" CELLPADDING="4">{title}{lines}</TABLE>>];'
    )


def _cell(node: Any, ink: Ink) -> str:
    state = state_of(node)
    label = " · ".join(_figures(node) if state == DONE else [state])
    return (
        f'<TD ALIGN="LEFT" BORDER="1" STYLE="ROUNDED" COLOR="{ink.outlines[state]}" BGCOLOR="{ink.fills[state]}">'
        f"{SYMBOLS[state]} {html.escape(node.name)}  {html.escape(label)}</TD>"
    )


def quoted(*lines: str) -> str:
    """Quote lines of text so that Graphviz reads nothing in them as an escape or an entity."""
    safe = (line.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(" ".join(line.split()) for line in safe) + '"'
