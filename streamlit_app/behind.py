"""What is behind a figure, in words: the part of the performance page that an alert leads to."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mlbridge import monitor
from mlbridge.app import fmt, page

SYMBOLS = {
    "yes": ":orange[:material/arrow_forward:]",
    "no": ":gray[:material/check:]",
    "unknown": ":gray[:material/help:]",
}


def behind(row: pd.Series, version: int, metric: str, window: pd.Timestamp, end: pd.Timestamp) -> None:
    """Ask of one window what moved and what was lost, with links to the places that show it, and the worst rows."""
    found = page.ask(monitor.clues, model=row.model, version=version, metric=metric, window=window)
    with st.container(border=True):
        st.markdown(f"## What is behind it: {fmt.window(window, row.window_size)}, version {version}")
        st.caption(
            "What the monitor knows of this window, question by question. An arrow marks what moved or was lost by "
            "more than usual: a place to look, not a proof."
        )
        for each in page.rows(found):
            st.markdown(f"{SYMBOLS[each.answer]} **{fmt.plain(each.question)}** {fmt.plain(each.sentence)}")
        day = f"{window:%Y-%m-%d}"
        line = st.container(horizontal=True, gap="medium")
        for name, choices in {
            "drift": {"version": str(version)},
            "predictions": {"window": day},
            "versions": {},
        }.items():
            line.page_link(f"pages/{name}.py", label=name.title(), query_params={"model": row.model, **choices})
        rows = st.expander("The rows that were farthest from their outcome", key="worst_rows", on_change="rerun")
        if rows.open:
            farthest(row, version, window, end, rows)


def farthest(row: pd.Series, version: int, window: pd.Timestamp, end: pd.Timestamp, place: DeltaGenerator) -> None:
    """List the rows of the window whose prediction was farthest from the outcome."""
    frame = page.ask(monitor.worst_rows, model=row.model, version=version, since=window, until=end)
    if frame.empty:
        place.markdown("No outcome of these rows is known, or none was predicted wrongly.")
        return
    shown = (
        ["prediction_value", "actual_value"] if row.task == "regression" else ["prediction", "probability", "actual"]
    )
    place.dataframe(
        frame,
        hide_index=True,
        column_order=["entity", "time", *shown],
        placeholder=fmt.NO_VALUE,
        key="worst_rows_table",
        alt="The rows whose prediction was farthest from the outcome",
    )
