"""The lineage from the sources to the predictions, with the result of each node's last run."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import column_graph, fmt, graph, page

ALL = "all models"
MOST = 120  # nodes of a graph that can be read
MEANINGS = {
    graph.DONE: "built, no test of it failed",
    graph.WARNED: "built, but a test of it failed",
    graph.FAILED: "could not be built",
    graph.SKIPPED: "not built, because an upstream node failed",
    graph.NEVER: "no build has run it yet",
    graph.READ: "read, not built",
}


def legend(states: pd.Series) -> None:
    """Explain the states of the graph's boxes, and show how many nodes have each."""
    counted = states.value_counts()
    st.caption(
        " · ".join(
            f"{graph.SYMBOLS[state]} **{state}** ({counted[state]}): {MEANINGS[state]}"
            for state in MEANINGS
            if state in counted
        )
    )


def pipeline_graph(nodes: pd.DataFrame, edges: pd.DataFrame) -> None:
    """Draw the graph at its full size, in a container that scrolls."""
    ink = graph.DARK if st.context.theme.type == "dark" else graph.LIGHT
    with st.container(border=True, key="figure_graph"):
        st.markdown("## From sources to predictions")
        st.caption(
            "Data flows from top to bottom. Each box is a dbt node with the result of its last run. An edge is left "
            "out if a longer path connects the same nodes; mlbridge's own tables are grouped in one box.  \n"
            f"Unit: seconds and rows of that run · n = {len(nodes)} nodes"
        )
        legend(nodes["state"])
        st.caption("Where there is a shadow at an edge, the graph goes on: scroll. The table below lists every node.")
        with page.scrolling("graph"):  # a graph that is shrunk to fit is unreadable
            st.graphviz_chart(
                graph.drawn(nodes, edges, ink), alt=f"The graph of {len(nodes)} nodes; the table below says the same"
            )


def problems(nodes: pd.DataFrame) -> None:
    """List failed and skipped nodes above the graph."""
    bad = nodes[nodes["state"].isin([graph.FAILED, graph.WARNED])]
    skipped = int((nodes["state"] == graph.SKIPPED).sum())
    if skipped:
        st.markdown(f":orange[:material/warning:] {skipped} of {len(nodes)} nodes were skipped by the last build.")
    if (nodes["state"].isin([graph.NEVER, graph.READ])).all():
        st.markdown("No build has run any of these nodes yet.")
        return
    if bad.empty and not skipped:
        st.markdown(":green[:material/check_circle:] Every node that was run is built, and no test of it failed.")
        return
    for each in page.rows(bad):
        st.markdown(f":orange[:material/warning:] **{fmt.plain(each.name)}**: {MEANINGS[each.state]}")
    if bad.empty:
        return
    st.page_link("pages/runs.py", label="Error messages", icon=":material/timer:")


def table(nodes: pd.DataFrame) -> None:
    """List the nodes with the result of their last run."""
    st.header("Nodes")
    order = nodes.assign(stage_order=nodes["stage"].map(graph.STAGES.index)).sort_values(["stage_order", "name"])
    page.show_table(
        order.assign(state=order["state"].map(lambda state: f"{graph.SYMBOLS[state]} {state}")),
        column_order=[
            "name", "state", "stage", "model", "kind", "materialized", "seconds", "rows", "tests_failed", "ran_at",
            "package", "description",
        ],
        column_config={
            "name": "node",
            "seconds": st.column_config.NumberColumn("seconds", format="%.2f"),
            "rows": st.column_config.NumberColumn("rows", format="localized", width=100),
            "tests_failed": "tests failed",
            "ran_at": st.column_config.DatetimeColumn("last run (UTC)", format="D MMM YYYY, HH:mm"),
            "description": st.column_config.TextColumn("description", width="large"),
        },
        key="nodes",
        alt="Every node with its state",
    )  # fmt: skip


def columns(model: str) -> None:
    """Show the way of a feature from the sources, or what depends on a source column."""
    st.header("Columns")
    ends = page.ask(monitor.traced_columns, model=model)
    if ends.empty:
        page.show_notice(
            "No lineage", "The newest version was trained by an mlbridge that did not trace it.", "Train it again."
        )
        return
    kinds = dict(zip(ends["column"], ends["kind"], strict=True))
    chosen = page.pick(
        "Column",
        list(kinds),
        "column",
        help="A feature, to see its way from the sources; or a column of a source, to see what depends on it.",
    )
    edges = page.ask(monitor.column_lineage, model=model, column=chosen)
    what = "comes from" if kinds[chosen] == "feature" else "goes into"
    with st.container(border=True, key="figure_columns"):
        st.markdown(f"## What {fmt.plain(chosen)} {what}")
        st.caption(
            "Values flow from left to right, copied, transformed or aggregated; joins and filters are left out: "
            f"ml_lineage has them.  \nUnit: columns, grouped by dbt nodes · n = {len(edges)} edges"
        )
        if edges["is_pii"].any():
            st.markdown(":orange[:material/warning:] Personal data is on the way.")
        ink = graph.DARK if st.context.theme.type == "dark" else graph.LIGHT
        with page.scrolling("columns_graph"):
            st.graphviz_chart(
                column_graph.drawn(edges, chosen, ink), alt=f"What {chosen} {what}; the table says the same"
            )
    page.show_table(edges, "column_edges", f"What {chosen} {what}")


def draw() -> None:
    """Draw the page."""
    with st.container(horizontal=True):
        model = page.pick("Model", [ALL, *page.ask(monitor.models)["model"]], "model")
    nodes, edges = page.ask(monitor.pipeline, model=None if model == ALL else model)
    if nodes.empty:
        page.show_notice(
            "No graph",
            "The published build knows no node.",
            "Name your models in dbt_project.yml below `vars: mlbridge_models`, and run dbt build.",
        )
        return
    nodes = nodes.assign(state=[graph.state_of(each) for each in page.rows(nodes)])
    problems(nodes)
    if len(nodes) > MOST and model == ALL:
        page.show_notice(
            "No graph of all models",
            f"It would have {len(nodes)} nodes.",
            "Choose a model above to see its graph; the table below lists every node.",
        )
    else:
        pipeline_graph(nodes, edges)
    table(nodes)
    if model != ALL:
        columns(model)


page.show("Pipeline", draw)
