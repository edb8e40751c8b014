"""The versions of a model: metrics of all candidates, changes between versions, leaks, decisions and model cards."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import fmt, page
from mlbridge.app.charts import versions as charts
from mlbridge.model_card.card import markdown_card

FIRST, LATEST = 20, 8  # versions and features; decisions: how many are shown unless all are requested
MOST_PINS = 3  # versions that are suggested for a pin
HASH = 12  # characters of a hash that are shown
EVERY = "all decisions"
OUTCOMES: dict[str, tuple[str, page.Colour, str]] = {
    "promoted": ("Promoted", "green", ":material/check_circle:"),
    "rejected": ("Rejected", "orange", ":material/block:"),
    "withheld": ("Withheld", "red", ":material/front_hand:"),
    "skipped": ("Skipped", "gray", ":material/skip_next:"),
    "not_trained": ("Not trained yet", "blue", ":material/hourglass_empty:"),
}
HEADING = re.compile(r"^(#+ )", re.MULTILINE)  # those of the card stand below those of the page
WHAT = {
    "spec": "Spec",
    "features": "Features",
    "params": "Parameters",
    "data": "Data",
    "libraries": "Libraries",
}
FIGURES = {
    "value": st.column_config.NumberColumn("value", format="%.4g"),
    "low": st.column_config.NumberColumn("from", format="%.4g", help="Lower end of the 95 % interval"),
    "high": st.column_config.NumberColumn("to", format="%.4g", help="Upper end of the 95 % interval"),
    "baseline": st.column_config.NumberColumn("baseline", format="%.4g", help="The naive baseline on the same rows"),
    "n": st.column_config.NumberColumn("test rows", format="localized"),
    "as_of": st.column_config.DateColumn("as of", format="D MMM YYYY"),
    "rows_train": st.column_config.NumberColumn("trained on", format="localized"),
    "fit_seconds": st.column_config.NumberColumn("fit, s", format="%.1f"),
    "peak_memory_mb": st.column_config.NumberColumn("peak memory, MB", format="localized"),
}


def leaderboard(row: pd.Series, board: pd.DataFrame, metric: str) -> None:
    """Draw and list how every candidate of every version did on the test rows."""
    shown = newest(board[(board["split"] == "test") & (board["metric"] == metric)])
    better = "" if metric != row.metric else f", {'higher' if row.greater_is_better else 'lower'} is better"
    page.figure(
        f"{metric} on the test rows",
        "Every candidate of every version. A large mark is the chosen candidate, a small one a runner-up; bars are "
        "95 % intervals, the grey tick is the naive baseline. Versions have different test rows: compare with it.",
        charts.leaderboard(shown, metric),
        shown,
        unit=f"Unit: {metric}{better}",
        n=shown.drop_duplicates("version")["n"].sum(),
        key="leaderboard",
    )
    table(shown)


def newest(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep the newest versions, unless all are requested."""
    versions = sorted(frame["version"].unique(), reverse=True)
    if len(versions) <= FIRST or page.toggle(f"All {len(versions)} versions", "all_versions"):
        return frame
    return frame[frame["version"].isin(versions[:FIRST])]


def table(frame: pd.DataFrame) -> None:
    """List what the chart draws, the champion marked."""
    listed = frame.assign(
        outcome=frame["outcome"].str.replace("_", "-").mask(frame["in_use"], "★ in use")
        + frame["is_retired"].map({True: ", retired", False: ""}),
        version=frame["version"].astype("str"),
        peak_memory_mb=frame["peak_memory_mb"].round(),
    )
    page.show_table(
        listed,
        column_order=["version", "candidate", "outcome", *FIGURES],
        column_config=FIGURES,
        key="leaderboard_list",
        alt="The leaderboard: every candidate of every version with its figures",
    )


def champion(row: pd.Series, board: pd.DataFrame) -> None:
    """Say which version is in use and why, or that none is."""
    if pd.isna(row.version):
        newest = board[board["outcome"] != "runner_up"].iloc[0]
        can = board[board["outcome"].isin(["promoted", "rejected"]) & ~board["is_retired"]]["version"].unique()
        pins = " or ".join(f"`pin: {number}`" for number in can[:MOST_PINS])
        page.show_notice(
            f"{row.model} has no champion",
            f"Version {newest['version']} was {newest['outcome']}: {newest['reason']}",
            "Nothing is scored until a version is promoted" + (f", or pinned in the spec: {pins}." if pins else "."),
        )
        return
    used, versions = board[board["in_use"]].iloc[0], board["version"].unique()
    line = st.container(horizontal=True, vertical_alignment="center")
    line.badge(f"Version {row.version} is in use", color="green", icon=":material/star:")
    line.caption(
        f"{fmt.plain(used['candidate'])}, trained on {fmt.count(used['rows_train'])} rows of what was known on "
        f"{fmt.day(used['as_of'])}; {fmt.count(len(versions))} version{'s' if len(versions) > 1 else ''} in all",
        width="content",
    )
    st.markdown(fmt.plain(used["reason"]))


def compared(row: pd.Series, numbers: list[str]) -> tuple[int, ...]:
    """Show selection boxes for two versions and their differences; returns both, or the only one."""
    st.header("What changed")
    if len(numbers) == 1:
        page.show_notice(
            "One version only",
            f"Version {numbers[0]} is the first of {row.model}: there is nothing to compare it with.",
            "The next training adds a version.",
        )
        return (int(numbers[0]),)
    at = numbers.index(str(row.version)) if str(row.version) in numbers else 0
    with st.container(horizontal=True):
        before = page.pick("Before", numbers, "before", default=numbers[min(at + 1, len(numbers) - 1)])
        after = page.pick("After", numbers, "after", default=numbers[at if at + 1 < len(numbers) else at - 1])
    if before == after:
        page.show_notice("The same version twice", f"Version {after} is compared with itself.", "Choose another one.")
        return (int(after),)
    differences(row, int(before), int(after))
    return int(before), int(after)


def differences(row: pd.Series, before: int, after: int) -> None:
    """List what differs between two versions."""
    frame = page.ask(monitor.changes, model=row.model, before=before, after=after)
    if frame.empty:
        page.show_notice(
            "Nothing changed", "Spec, features, parameters, rows and libraries of both versions are the same."
        )
        return
    counted = frame["what"].value_counts()
    st.caption(
        "What differs between the two trainings: "
        + ", ".join(f"{WHAT[what].lower()} {counted[what]}" for what in WHAT if what in counted)
        + ". What is not listed is the same."
    )
    hashes = frame["key"] == "data_hash"
    frame = frame.assign(
        what=frame["what"].map(WHAT),
        **{side: frame[side].mask(hashes, frame[side].str[:HASH]) for side in ("before", "after")},
    )
    page.show_table(
        frame,
        column_config={
            "what": st.column_config.TextColumn("part", width="small"),
            "key": st.column_config.TextColumn("key", width="medium"),
            "before": st.column_config.TextColumn(f"version {before}", width="medium"),
            "after": st.column_config.TextColumn(f"version {after}", width="medium"),
        },
        key="changes",
        alt=f"What changed from version {before} to version {after}",
    )


def importances(row: pd.Series, versions: tuple[int, ...]) -> None:
    """Draw the feature importances of the versions."""
    frame = page.ask(monitor.importances, model=row.model, versions=versions)
    if frame.empty:
        page.show_notice("No importances", "They were not measured when these versions were trained.")
        return
    features = list(dict.fromkeys(frame["feature"]))
    shown = frame
    if len(features) > FIRST and not page.toggle(f"Importance of all {len(features)} features", "all_features"):
        shown = frame[frame["feature"].isin(features[:FIRST])]
    most = f"The {FIRST} most important features" if len(shown) < len(frame) else "All features"
    page.figure(
        f"Importance in version {' and '.join(map(str, versions))}",
        f"{most}: how much worse {row.metric} gets on the validation rows when the feature's values are permuted. Bars "
        "are one standard deviation; near the dotted line (0) the model does not need the feature.",
        charts.importances(shown),
        shown,
        unit=f"Unit: {row.metric}",
        n=shown.drop_duplicates("version")["n"].sum(),
        key="importances",
    )


def leaks(row: pd.Series) -> None:
    """List what looks like a leak, and summarize the checks."""
    st.header("Leaks")
    frame = page.ask(monitor.leaks, model=row.model)
    if frame.empty:
        page.show_notice("Not checked", "These versions were trained by an mlbridge that did not search for leaks yet.")
        return
    newest = frame[frame["version"] == frame["version"].max()]
    suspected = frame[frame["level"] != "none"]
    found, columns = int((newest["level"] != "none").sum()), newest["feature"].nunique()
    st.caption(
        f"Version {frame['version'].max()}: {fmt.count(len(newest))} checks of {columns} columns; "
        f"{found or 'none'} of them suspect a leak. A withheld version is not used for scoring. Exclude the column, or "
        "allow it in the spec with a reason, and train again."
    )
    every = page.toggle("All checks, also those that found nothing", "all_checks")
    shown = frame if every else suspected
    if shown.empty:
        return
    page.show_table(
        shown,
        column_config={
            "evidence": st.column_config.TextColumn("evidence", width="large"),
            "reason": st.column_config.TextColumn("reason to allow it", width="medium"),
        },
        key="leaks",
        alt="What looks like a leak, by version, column and check",
    )


def decisions(row: pd.Series) -> None:
    """List the decision of every build, newest first."""
    st.header("Decisions")
    frame = page.ask(monitor.decisions, model=row.model)
    if frame.empty:
        page.show_notice("No decisions", f"No build has decided yet whether to train {row.model}.")
        return
    st.caption("What each build decided, and why: whether to train, and whether the new version is promoted.")
    kinds = [each for each in OUTCOMES if each in set(frame["outcome"])]
    kind = page.pick("Show", [EVERY, *kinds], "decided") if len(kinds) > 1 else EVERY
    frame = frame if kind == EVERY else frame[frame["outcome"] == kind]
    every = f"All {len(frame)} decisions"
    if len(frame) > LATEST and not page.toggle(every, "all_decisions"):
        frame = frame.head(LATEST)
    for _, each in frame.iterrows():
        decision(each)


def decision(each: pd.Series) -> None:
    """Show one decision: outcome, time, reason, and the figures behind it."""
    label, colour, icon = OUTCOMES[each["outcome"]]
    with st.container(border=True, gap="xsmall"):
        line = st.container(horizontal=True, vertical_alignment="center", gap="small")
        line.badge(label, color=colour, icon=icon)
        if pd.notna(each["version"]):
            line.markdown(f"**Version {each['version']}**", width="content")
        line.caption(f"as of {fmt.day(each['as_of'])} · decided {fmt.moment(each['decided_at'])} UTC", width="content")
        st.markdown(fmt.plain(each["reason"]))
        if each["figures"]:
            st.caption(
                " · ".join(f"{fmt.plain(name)} {format_figure(value)}" for name, value in each["figures"].items())
            )


def format_figure(value: Any) -> str:
    """Write a figure of a decision, whatever its kind."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return fmt.count(value) if float(value).is_integer() else fmt.number(value)
    return fmt.NO_VALUE if value is None else fmt.plain(value)


def card(row: pd.Series, numbers: list[str]) -> None:
    """Show a version's model card, and offer it as a download."""
    st.header("Model card")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        version = page.pick("Version", numbers, "version", default=str(row.version))
        text = page.ask(markdown_card, model=row.model, version=int(version))
        st.download_button(
            "Download as Markdown",
            text,
            file_name=f"{row.model}_{version}.md",
            mime="text/markdown",
            on_click="ignore",
            icon=":material/download:",
            key="card",
        )
    with page.scrolling("card_text", border=True):
        st.markdown(fmt.inert(HEADING.sub(r"##\1", text)))


def own_first(names: list[str], own: str) -> list[str]:
    """Put the metric that the model is chosen by before the others."""
    return [*(name for name in names if name == own), *(name for name in names if name != own)]


def draw() -> None:
    """Draw the page."""
    with st.container(horizontal=True):
        model = page.pick_model()
        board = page.ask(monitor.leaderboard, model=model.model)
        if board.empty:
            raise page.NothingToShow(
                f"{model.model} has never been trained",
                page.decided(model.model) or "There is no version of it yet.",
                f"Run dbt build --select +{model.model}_predictions+",
            )
        metric = page.pick("Metric", own_first(list(board["metric"].unique()), model.metric), "metric")
    champion(model, board)
    leaderboard(model, board, metric)
    numbers = [str(number) for number in sorted(board["version"].unique(), reverse=True)]
    importances(model, compared(model, numbers))
    leaks(model)
    decisions(model)
    card(model, numbers)


page.show("Versions", draw)
