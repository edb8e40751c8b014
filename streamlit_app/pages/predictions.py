"""The predictions of a model: their distribution over time, those of one entity, and predicted against actual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import fmt, page
from mlbridge.app.charts import performance
from mlbridge.app.charts import predictions as charts
from mlbridge.app.charts import requests as request_charts
from mlbridge.app.charts.marks import OFFSETS
from mlbridge.errors import MlbridgeError

ALL, EVERY = "all versions", "all windows"
MOST = 100_000  # rows of a download
CLASSES = 30  # most frequent classes that are drawn by name; all others are one row
OTHERS = "others"
MAX_SUGGESTIONS = 12
ROW_COUNTS = ("row_count", "rows_kept", "rows_repeated", "rows_left_out")
LATENCIES = ("latency_p50", "latency_p95", "latency_p99", "latency_max")


def over_time(row: pd.Series, version: int | None, volumes: pd.DataFrame) -> None:
    """Draw how the predictions are distributed in each window, and how many there are."""
    if volumes["window"].nunique() == 1:
        page.show_notice("One window only", "A trend needs at least two windows.", "The next window adds a point.")
    left, right = st.columns(2)
    with left:
        bins = page.ask(monitor.prediction_bins, model=row.model, version=version)
        if bins.empty:
            page.show_notice("No distribution", "None of these predictions has a numeric value or a class to count.")
        else:
            distribution(row, labelled(bins))
    with right:
        counted = volumes.assign(weighed=volumes["mean"] * volumes["n"])
        counted = counted.groupby("window", as_index=False)[["n", "labelled", "weighed"]].sum()
        counted = counted.assign(mean=counted["weighed"] / counted["n"]).drop(columns="weighed")
        page.figure(
            f"Predictions per {row.window_size}",
            "The number of predictions, and the share of them whose outcome is known. A row counts once for each "
            "version that scored it.",
            charts.volumes(counted, row.window_size),
            counted,
            unit="Unit: predictions",
            n=counted["n"].sum(),
            key="volumes",
        )


def distribution(row: pd.Series, bins: pd.DataFrame) -> None:
    """Draw what is predicted, window by window."""
    page.figure(
        f"Distribution of predictions per {row.window_size}",
        "The share of each window's rows by predicted value. A column that differs from its neighbours is a window "
        "with other predictions, or with few rows.",
        charts.predicted_over_time(bins, row.window_size, predicted(row)),
        bins.drop(columns="label"),
        unit=f"Unit: share of the window's predictions · {predicted(row)}",
        n=bins["n"].sum(),
        key="distribution",
    )


def predicted(row: pd.Series) -> str:
    """Name what is predicted, as an axis does."""
    if row.positive:
        return f"probability of {row.positive}"
    return "predicted class" if row.task == "classification" else "predicted value"


def labelled(bins: pd.DataFrame) -> pd.DataFrame:
    """Label the bins; with many classes, the rarest share one label."""
    if bins["category"].isna().all():
        names = [f"{fmt.number(each.lower)} to {fmt.number(each.upper)}" for each in page.rows(bins)]
        return bins.assign(label=names)
    frequent = bins.groupby("category")["n"].sum().nlargest(CLASSES).index
    named = bins.assign(label=bins["category"].where(bins["category"].isin(frequent), OTHERS))
    return named.groupby(["window", "label"], as_index=False).agg(
        n=("n", "sum"), lower=("lower", "first"), upper=("upper", "first")
    )


def comparison(row: pd.Series, version: int, day: str, period: page.Period) -> None:
    """Draw predictions against outcomes."""
    frame = page.ask(monitor.against, model=row.model, version=version, **period)
    if frame.empty:
        page.show_notice(
            "No outcome is known yet",
            f"No outcome is known yet for the predictions of version {version} in this period.",
            "Outcomes are read from the target column. They appear here after the build that finds the first ones.",
        )
        return
    title, meaning, chart, unit = COMPARED[kind(row)]
    page.figure(
        f"{title}, version {version}" + ("" if day == EVERY else f", {fmt.window(period['since'], row.window_size)}"),
        meaning,
        chart(frame),
        frame,
        unit=unit,
        n=frame["n"].sum(),
        key="against",
    )


def kind(row: pd.Series) -> str:
    """Return what a model predicts: a number, one of two classes (`binary`), or one of many (`classes`)."""
    return "number" if row.task == "regression" else "binary" if row.positive else "classes"


COMPARED: dict[str, tuple[str, str, Callable[[pd.DataFrame], page.Chart], str]] = {
    "number": (
        "Predicted against actual",
        "The number of rows by predicted and actual value. On the dashed diagonal both are equal; above it the actual "
        "value is larger. The outer cells include all more extreme rows.",
        charts.against,
        "Unit: rows, in cells of the target's unit; the shade is logarithmic",
    ),
    "binary": (
        "Predicted probability by outcome",
        "The distribution of the predicted probability for each actual class. The less the two lines overlap, the "
        "better the model separates the classes.",
        charts.by_outcome,
        "Unit: share of the outcome's rows, by steps of 2 % probability",
    ),
    "classes": (
        "Predicted against actual",
        "Rows by actual and predicted class; correct predictions are on the diagonal.",
        performance.confusion,
        "Unit: rows",
    ),
}


def download(row: pd.Series, version: int | None, day: str, period: page.Period) -> None:
    """Offer the rows as a CSV download; they are read only when the button is clicked."""
    st.header("Download")
    where = {"model": row.model, "version": version, "limit": MOST, **period}
    what = "all versions" if version is None else f"version {version}"
    st.markdown(
        f"The predictions of **{what}** in **{day}** with their outcomes, oldest first: the first {MOST:,} rows at "
        f"most. {monitor.ESCAPED}"
    )
    st.download_button(
        "Download as CSV",
        lambda: csv(where),
        file_name=f"{row.model}_{what.replace(' ', '_')}_{day.replace(' ', '_')}.csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
        key="download",
    )


def csv(where: dict[str, Any]) -> str:
    """Return the rows of the newest build as CSV; it is read again if another build is published meanwhile.

    If the rows cannot be read, the file contains the error message, because the page cannot show it any more.
    """
    try:
        return monitor.csv(monitor.rows(page.source().state(), **where))
    except monitor.Republished:
        return csv(where)
    except MlbridgeError as error:
        return f"{page.sentence(error)}\n"


def look_up(row: pd.Series) -> None:
    """Show the predictions of one entity, or help to find it."""
    st.header("Look up an entity")
    entity = page.enter("Entity", "entity", placeholder="An entity, or how it begins")
    found = page.ask(monitor.lookup, model=row.model, entity=entity) if entity else pd.DataFrame()
    if found.empty:
        suggest(row, entity)
        return
    st.caption(
        f"n = {fmt.count(len(found))} predictions of {fmt.plain(entity)}, newest first"
        + (" (the newest 200 are shown)" if len(found) == 200 else "")
    )
    page.show_table(
        found,
        column_order=columns(row),
        column_config={
            "time": st.column_config.DatetimeColumn("time (UTC)", format="D MMM YYYY, HH:mm"),
            "scored_at": st.column_config.DatetimeColumn("scored (UTC)", format="D MMM YYYY, HH:mm"),
            "prediction": "predicted",
            "prediction_value": st.column_config.NumberColumn("predicted", format="%.4g"),
            "probability": st.column_config.NumberColumn("probability", format="%.4f"),
            "actual_value": st.column_config.NumberColumn("actual", format="%.4g"),
        },
        key="looked_up",
        alt=f"The predictions of {entity}",
    )


def served(row: pd.Series) -> None:
    """Show what servers were asked, and what became of it; nothing where the predictions take in no requests."""
    frame = page.ask(monitor.requests, model=row.model)
    if frame.empty:
        return
    st.header("Requests")
    answered = frame[frame["role"] != "shadow"]
    rows, kept, again, out = (int(frame[name].sum()) for name in ROW_COUNTS)
    st.markdown(
        f"**{fmt.count(rows)}** rows were recorded: **{fmt.count(kept)}** are predictions, **{fmt.count(again)}** had "
        f"one of the same version already, and **{fmt.count(out)}** are left out"
        + (f" ({fmt.plain(', '.join(reasons(frame)))})." if out else ".")
    )
    left, right = st.columns(2)
    with left:
        page.figure(
            "Requests a second",
            "The mean of each hour (UTC). In shadow the challenger scores what the version in use has answered.",
            request_charts.rate(frame),
            frame.drop(columns="left_out_because"),
            unit="Unit: requests a second",
            n=frame["requests"].sum(),
            key="requests",
        )
    with right:
        page.figure(
            "Time to an answer",
            "Within which time half, 95 % and 99 % of the requests of each hour were answered, from their head to the "
            "answer; without what was scored in shadow.",
            request_charts.latency(answered),
            answered[["started_at", "version", "role", "requests", *LATENCIES]],
            unit="Unit: milliseconds",
            n=answered["requests"].sum(),
            key="latency",
        )


def reasons(frame: pd.DataFrame) -> list[str]:
    """Return why rows are left out, each reason once."""
    return sorted({each for text in frame["left_out_because"].dropna() for each in text.split(", ")})


def columns(row: pd.Series) -> list[str]:
    """Return the columns that are shown for an entity, by the model's task."""
    if row.task == "regression":
        return ["time", "version", "prediction_value", "actual_value", "scored_at"]
    return ["time", "version", "prediction", "probability", "actual", "scored_at"]


def suggest(row: pd.Series, entity: str) -> None:
    """Suggest entities whose key begins with the text that was entered."""
    suggestions = page.ask(monitor.entities, model=row.model, starting=entity)
    if suggestions.empty:
        page.show_notice(
            "No such entity",
            f"There is no prediction for an entity that is, or begins with, '{entity}'.",
            "The entity is the value of the spec's entity column as text; the search is case-sensitive.",
        )
        return
    begin = f"Entities that begin with {fmt.plain(entity)}" if entity else "Some entities"
    st.pills(
        begin,
        list(suggestions["entity"].head(MAX_SUGGESTIONS)),
        key="offered",
        format_func=fmt.plain,
        on_change=select_suggestion,
    )


def select_suggestion() -> None:
    """Look up the entity that was clicked on."""
    if st.session_state["offered"]:
        st.session_state["entity"] = st.session_state["offered"]


def limits(day: str, size: str) -> page.Period:
    """Return the start and the end of a window."""
    if day == EVERY:
        return {"since": None, "until": None}
    start = pd.Timestamp(day)
    return {"since": start, "until": start + OFFSETS[size]}


def with_outcomes(row: pd.Series, volumes: pd.DataFrame, since: pd.Timestamp | None) -> int:
    """Return the version to compare if all are shown: the newest with outcomes in the window, else the champion."""
    here = volumes if since is None else volumes[volumes["window"] == since]
    known = here.loc[here["labelled"] > 0, "version"]
    return int(known.max()) if len(known) else int(row.version)


def draw() -> None:
    """Draw the page."""
    with st.container(horizontal=True):
        model = page.pick_model(champions_only=True)
        volumes = page.ask(monitor.volumes, model=model.model)
        if volumes.empty:
            raise page.NothingToShow(
                "No predictions yet",
                f"{model.model} has a champion, but no row has been scored.",
                f"Run dbt build --select {model.model}_predictions+",
            )
        numbers = [str(number) for number in sorted(volumes["version"].unique(), reverse=True)]
        chosen = page.pick("Version", [ALL, *numbers], "version")
        days = [f"{day:%Y-%m-%d}" for day in sorted(volumes["window"].unique(), reverse=True)]
        window = page.pick("Window", [EVERY, *days], "window")
    version = None if chosen == ALL else int(chosen)
    period = limits(window, model.window_size)
    shown = model if version is None else page.of_version(model, version)
    over_time(shown, version, volumes if version is None else volumes[volumes["version"] == version])
    compared = version or with_outcomes(model, volumes, period["since"])
    comparison(page.of_version(model, compared), compared, window, period)
    served(model)
    look_up(model)
    download(model, version, window, period)


page.show("Predictions", draw)
