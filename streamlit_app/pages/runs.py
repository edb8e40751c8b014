"""The dbt builds: duration, failures and rows of each build and of each node."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import fmt, page
from mlbridge.app.charts import runs as charts

ALL_STAGES, ALL_MODELS = "all stages", "all models"
STAGES = ("host", "features", "split", "train", "register", "score", "monitor")
BUILDS = 60  # newest builds that are drawn
NODES = 12  # nodes that are drawn unless all are requested
MESSAGES = 10
MOST_LINES, LINE, LONG = 10, 100, 240  # of a message: lines shown in full, characters per line, pixels of a longer one
FAILED = ("error", "fail")
MEASURES = {
    "seconds": ("seconds", "how long it took"),
    "rows": ("rows", "how many rows it wrote"),
    "rows per second": ("rows_per_second", "how many rows it wrote in a second"),
}


def builds(frame: pd.DataFrame) -> None:
    """Draw the duration of each build."""
    page.figure(
        "Builds",
        "How long each build took, from the start of its first node of the branch to the end of its last; a cross "
        "marks one in which a node or a test failed, or nodes were skipped.",
        charts.builds(frame.assign(took=frame["seconds"].map(fmt.duration), known=frame["as_of"].map(fmt.day))),
        frame.drop(columns="invocation_id"),
        unit=f"Unit: seconds · one bar per build, the newest {BUILDS} at most",
        n=len(frame),
        key="builds",
    )


def failures(runs: pd.DataFrame) -> None:
    """List what failed, the newest build first, and within a build failed nodes before failed tests."""
    st.header("What failed")
    skipped = runs[runs["status"] == "skipped"]
    if len(skipped):
        last = fmt.moment(skipped["started_at"].iloc[0])
        st.markdown(
            f":orange[:material/warning:] {fmt.count(len(skipped))} times a node was skipped in the builds shown, "
            f"last in that of {last} UTC: an upstream node had failed, or the build was stopped."
        )
    failed = runs[runs["status"].isin(FAILED) | (runs["tests_failed"].fillna(0) > 0)]
    builds = {build: index for index, build in enumerate(runs["invocation_id"].unique())}
    order = failed["invocation_id"].map(builds)
    failed = failed.assign(order=order, tested=~failed["status"].isin(FAILED)).sort_values(["order", "tested", "node"])
    if failed.empty and skipped.empty:
        st.markdown(":green[:material/check_circle:] No node and no test of these failed in the builds shown.")
        return
    for each in page.rows(failed.head(MESSAGES)):
        with st.container(border=True, gap="xsmall"):
            line = st.container(horizontal=True, vertical_alignment="center", gap="small")
            label = tests(each.tests_failed) if each.tested else "Failed"
            line.badge(label, color="orange" if each.tested else "red", icon=":material/error:")
            line.markdown(f"**{fmt.plain(each.node)}**", width="content")
            line.caption(f"{fmt.moment(each.started_at)} UTC", width="content")
            if isinstance(each.message, str) and each.message:
                lines = each.message.count("\n") + len(each.message) / LINE
                st.code(each.message, language=None, wrap_lines=True, height=LONG if lines > MOST_LINES else "content")
    if len(failed) > MESSAGES:
        st.caption(f"and {fmt.count(len(failed) - MESSAGES)} more, in the table of all runs below")


def tests(failed: int) -> str:
    """Say how many tests failed."""
    return "1 test failed" if failed == 1 else f"{fmt.count(failed)} tests failed"


def by_build(runs: pd.DataFrame, newest: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with the start of their build in place of their own."""
    return runs.drop(columns="started_at").merge(newest[["invocation_id", "started_at"]], on="invocation_id")


def stages(runs: pd.DataFrame) -> None:
    """Draw what each stage took, build by build."""
    summed = runs.groupby(["started_at", "stage"], as_index=False).agg(
        seconds=("seconds", "sum"), nodes=("node", "size")
    )
    summed = summed.assign(stage_order=summed["stage"].map(STAGES.index)).sort_values(["stage_order", "started_at"])
    page.figure(
        "Time by stage",
        "The summed seconds of each stage's nodes, by build, in pipeline order; each stage has its own scale. Nodes "
        "run in parallel, so a build takes less time than their sum.",
        charts.multiples(summed, "stage", "seconds", "seconds"),
        summed.drop(columns="stage_order"),
        unit="Unit: seconds, summed over the nodes of the stage",
        n=summed["nodes"].sum(),
        key="stages",
    )


def nodes(runs: pd.DataFrame) -> None:
    """Draw a figure of every node, build by build."""
    unit = page.pick("Show", list(MEASURES), "measure")
    measure, meaning = MEASURES[unit]
    counted = runs.dropna(subset=[measure])
    if counted.empty:
        page.show_notice(f"No {unit}", "No node of these has written rows: views have none to count.")
        return
    most = counted.groupby("node")["seconds"].max().sort_values(ascending=False)
    if len(most) > NODES and not page.toggle(f"All {len(most)} nodes", "all_nodes"):
        most = most.head(NODES)
    drawn = counted[counted["node"].isin(most.index)]
    drawn = drawn.assign(node_order=drawn["node"].map({name: index for index, name in enumerate(most.index)}))
    drawn = drawn.sort_values(["node_order", "started_at"])
    page.figure(
        f"{unit.capitalize()} of each node",
        f"For each node, {meaning}, build by build; the slowest on top, each on a scale of its own.",
        charts.multiples(drawn, "node", measure, unit),
        drawn[["started_at", "node", "stage", "seconds", "rows", "rows_per_second", "status"]],
        unit=f"Unit: {unit}",
        n=len(drawn),
        key="nodes",
    )


def slowest(runs: pd.DataFrame, newest: pd.DataFrame) -> None:
    """Draw the nodes of one build by the time they took, beside what is usual for them."""
    started = newest.dropna(subset=["started_at"]).set_index("invocation_id")["started_at"]
    if started.empty:
        page.show_notice("Nothing ran", "No build has run one of these nodes.", "Choose another stage or model.")
        return
    names = {f"{moment:%Y-%m-%d %H:%M:%S}": str(build) for build, moment in started.items()}
    build = names[page.pick("Build", list(names), "build")]
    here = runs[(runs["invocation_id"] == build) & runs["seconds"].notna()]
    if here.empty:
        page.show_notice("Nothing ran", "No node of these was run by this build.", "Choose another build.")
        return
    earlier = started.index[started < started[build]]
    done = runs[runs["invocation_id"].isin(earlier) & (runs["status"] == "success")]
    usual = done.groupby("node")["seconds"].median()
    shown = here.assign(
        usual=here["node"].map(usual),
        took=here["seconds"].map(fmt.duration),
    ).nlargest(NODES, "seconds")
    page.figure(
        f"Slowest nodes of the build of {fmt.moment(started[build])}",
        f"What took longest, at most {NODES} nodes; the grey tick is the median of the builds before: a bar beyond it "
        "is slower than usual.",
        charts.slowest(shown),
        shown.drop(columns=["invocation_id", "took", "message"]),
        unit="Unit: seconds",
        n=len(shown),
        key="slowest",
    )


def table(runs: pd.DataFrame) -> None:
    """List every run."""
    st.header("All runs")
    st.caption(f"n = {fmt.count(len(runs))} runs of nodes, the newest build first")
    page.show_table(
        runs.assign(rows_per_second=runs["rows_per_second"].round(1)),
        column_order=[
            "started_at", "node", "model", "stage", "status", "seconds", "rows", "rows_per_second", "tests_passed",
            "tests_warned", "tests_failed", "message",
        ],
        column_config={
            "started_at": st.column_config.DatetimeColumn("started (UTC)", format="D MMM YYYY, HH:mm:ss"),
            "seconds": st.column_config.NumberColumn("seconds", format="%.2f"),
            "rows": st.column_config.NumberColumn("rows", format="localized", width=100),
            "rows_per_second": st.column_config.NumberColumn("rows per second", format="localized"),
            "tests_passed": "tests passed",
            "tests_warned": "tests warned",
            "tests_failed": "tests failed",
        },
        key="runs",
        alt="Every run of every node",
    )  # fmt: skip


def draw() -> None:
    """Draw the page."""
    newest = page.ask(monitor.invocations).head(BUILDS)
    if newest.empty:
        page.show_notice(
            "No runs recorded",
            "The published build holds no run of any node of the branch.",
            "Run dbt build: at its end it records and publishes what each node did.",
        )
        return
    with st.container(horizontal=True):
        ran = set(page.ask(monitor.runs)["stage"])
        stage = page.pick("Stage", [ALL_STAGES, *(each for each in STAGES if each in ran)], "stage")
        model = page.pick("Model", [ALL_MODELS, *page.ask(monitor.models)["model"]], "model")
    builds(newest)
    runs = page.ask(
        monitor.runs, stage=None if stage == ALL_STAGES else stage, model=None if model == ALL_MODELS else model
    )
    runs = runs[runs["invocation_id"].isin(newest["invocation_id"])]
    if runs.empty:
        page.show_notice(
            "No such runs",
            f"In the builds shown no node of {stage} and {model} was run.",
            "Choose another stage or model.",
        )
        return
    failures(runs)
    if stage == ALL_STAGES:
        stages(by_build(runs, newest))
    slowest(runs, newest)
    nodes(by_build(runs, newest))
    table(runs)


page.show("Runs", draw)
