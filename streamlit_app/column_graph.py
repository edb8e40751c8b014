"""The way of a column as a graph in the language of Graphviz: columns grouped by their nodes."""

from __future__ import annotations

import pandas as pd

from mlbridge.app.graph import Ink, quoted

STYLES = {"copied": "solid", "transformed": "dashed", "aggregated": "bold"}


def drawn(edges: pd.DataFrame, chosen: str, ink: Ink) -> str:
    """Write the edges of `monitor.column_lineage`, from left to right, with the chosen column marked."""
    columns = dict.fromkeys(
        pair
        for each in edges.itertuples()
        for pair in ((str(each.from_node), str(each.from_column)), (str(each.node), str(each.column_name)))
    )
    lines = [
        "digraph columns {",
        'rankdir=LR; bgcolor="transparent"; nodesep=0.1; ranksep=0.4; pad=0.1;',
        f'graph [fontname="Helvetica", fontsize=11, fontcolor="{ink.text}", color="{ink.line}", style="rounded"];',
        f'node [shape=box, style="rounded", fontname="Helvetica", fontsize=11, height=0.3, fontcolor="{ink.text}", '
        f'color="{ink.line}"];',
        f'edge [color="{ink.line}", fontname="Helvetica", fontsize=9, fontcolor="{ink.text}", arrowsize=0.6];',
    ]
    for index, node in enumerate(dict.fromkeys(node for node, _ in columns)):
        lines += [f"subgraph cluster_{index} {{", f"label={quoted(node)}; labeljust=l;"]
        for column in (column for of, column in columns if of == node):
            mark = ', penwidth=2.5, style="rounded,bold"' if f"{node}.{column}" == chosen else ""
            lines.append(f"{quoted(f'{node}.{column}')} [label={quoted(column)}{mark}];")
        lines.append("}")
    for each in edges.itertuples():
        start, end = f"{each.from_node}.{each.from_column}", f"{each.node}.{each.column_name}"
        lines.append(
            f"{quoted(start)} -> {quoted(end)} [label={quoted(str(each.how))}, style={STYLES[str(each.how)]}];"
        )
    return "\n".join([*lines, "}"])
