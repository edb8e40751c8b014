"""What a model has predicted: how it is distributed over time, for whom, and how it compares with what happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import page, words
from mlbridge.app.charts import performance
from mlbridge.app.charts import predictions as charts
from mlbridge.errors import MlbridgeError

ALL, EVERY = "all versions", "all windows"
MOST = 100_000  # rows of a download
CLASSES = 30  # classes that are drawn by name; the rarest share a row
OTHERS = "others"
OFFERS = 12


def over_time(row: Any, version: int | None, volumes: pd.DataFrame) -> None:
    """Draw how the predictions are distributed in each window, and how many there are."""
    if volumes["window"].nunique() == 1:
        page.nothing(
            "One window only", "A course over time needs at least two windows.", "The next window adds to the picture."
        )
    left, right = st.columns(2)
    with left:
        bins = page.ask(monitor.prediction_bins, model=row.model, version=version)
        if bins.empty:
            page.nothing("No distribution", "No prediction of these has a value that could be counted.")
        else:
            distribution(row, labelled(bins))
    with right:
        counted = volumes.assign(weighed=volumes["mean"] * volumes["n"])
        counted = counted.groupby("window", as_index=False)[["n", "labelled", "weighed"]].sum()
        counted = counted.assign(mean=counted["weighed"] / counted["n"]).drop(columns="weighed")
        page.figure(
            f"How much is predicted per {row.window_size}",
            "The predictions made, and the share of them whose outcome is known; a row counts once for each version "
            "that has predicted it.",
            charts.volumes(counted, row.window_size),
            counted,
            unit="Unit: predictions",
            n=counted["n"].sum(),
            key="volumes",
        )


def distribution(row: Any, bins: pd.DataFrame) -> None:
    """Draw what is predicted, window by window."""
    page.figure(
        f"What is predicted per {row.window_size}",
        "The share of each window's rows by what is predicted for them: a column that differs from its neighbours "
        "is a window that differs, or one of few rows.",
        charts.predicted_over_time(bins, row.window_size, predicted(row)),
        bins.drop(columns="label"),
        unit=f"Unit: share of the window's predictions · {predicted(row)}",
        n=bins["n"].sum(),
        key="distribution",
    )


def predicted(row: Any) -> str:
    """Name what is predicted, as an axis does."""
    if row.positive:
        return f"probability of {row.positive}"
    return "predicted class" if row.task == "classification" else "predicted value"


def labelled(bins: pd.DataFrame) -> pd.DataFrame:
    """Name the bins; of many classes the rarest together."""
    if bins["category"].isna().all():
        names = [f"{words.number(each.lower)} to {words.number(each.upper)}" for each in bins.itertuples()]
        return bins.assign(label=names)
    often = bins.groupby("category")["n"].sum().nlargest(CLASSES).index
    named = bins.assign(label=bins["category"].where(bins["category"].isin(often), OTHERS))
    return named.groupby(["window", "label"], as_index=False).agg(
        n=("n", "sum"), lower=("lower", "first"), upper=("upper", "first")
    )


def comparison(row: Any, version: int, day: str, period: dict[str, Any]) -> None:
    """Draw predictions against outcomes."""
    frame = page.ask(monitor.against, model=row.model, version=version, **period)
    if frame.empty:
        page.nothing(
            "No outcome is known yet",
            f"Of what version {version} predicted in this period no outcome is known.",
            "Outcomes are read from the target column: the build that finds the first ones shows them here.",
        )
        return
    title, says, chart, unit = COMPARED[kind(row)]
    page.figure(
        f"{title}, version {version}" + ("" if day == EVERY else f", {words.window(period['since'], row.window_size)}"),
        says,
        chart(frame),
        frame,
        unit=unit,
        n=frame["n"].sum(),
        key="against",
    )


def kind(row: Any) -> str:
    """Say what a model predicts: a number, one of two classes, or one of many."""
    return "number" if row.task == "regression" else "binary" if row.positive else "classes"


COMPARED: dict[str, tuple[str, str, Callable[[pd.DataFrame], Any], str]] = {
    "number": (
        "Predicted against actual",
        "How often which prediction met which outcome: on the dashed diagonal the prediction was right, above it the "
        "outcome was larger. The outer cells hold all beyond them.",
        charts.against,
        "Unit: rows, in cells of the target's unit; the shade is logarithmic",
    ),
    "binary": (
        "Predicted probability by outcome",
        "What was predicted for the rows that turned out one way and the other: the farther the two lines are apart, "
        "the better the model tells them apart.",
        charts.by_outcome,
        "Unit: share of the outcome's rows, by steps of 2 % probability",
    ),
    "classes": (
        "Predicted against actual",
        "Which classes are taken for which; the diagonal is right.",
        performance.confusion,
        "Unit: rows",
    ),
}


def download(row: Any, version: int | None, day: str, period: dict[str, Any]) -> None:
    """Give the rows away; they are read only when asked for."""
    st.header("Download")
    where = {"model": row.model, "version": version, "limit": MOST, **period}
    what = "all versions" if version is None else f"version {version}"
    st.markdown(
        f"The predictions of **{what}** in **{day}** with their outcomes, oldest first: the first {MOST:,} rows at "
        "most."
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
    """Read the rows of the newest build; asked again when another build is published meanwhile.

    Where they cannot be read, the file says why: there is no page any more to say it on.
    """
    try:
        return str(monitor.rows(page.source().state(), **where).to_csv(index=False))
    except monitor.Republished:
        return csv(where)
    except MlbridgeError as error:
        return f"{page.sentence(error)}\n"


def look_up(row: Any) -> None:
    """Show the predictions of one entity, or help to find it."""
    st.header("Look up an entity")
    entity = st.text_input(
        "Entity",
        key="entity",
        bind="query-params",
        placeholder="The key of a row, or how it begins",
        icon=":material/search:",
        width=480,
    ).strip()
    found = page.ask(monitor.lookup, model=row.model, entity=entity) if entity else pd.DataFrame()
    if found.empty:
        suggest(row, entity)
        return
    st.caption(
        f"n = {words.count(len(found))} predictions of {words.plain(entity)}, newest first"
        + (" (the newest 200 are shown)" if len(found) == 200 else "")
    )
    st.dataframe(
        found,
        hide_index=True,
        column_order=columns(row),
        column_config={
            "time": st.column_config.DatetimeColumn("time (UTC)", format="D MMM YYYY, HH:mm"),
            "scored_at": st.column_config.DatetimeColumn("scored (UTC)", format="D MMM YYYY, HH:mm"),
            "prediction": "predicted",
            "prediction_value": st.column_config.NumberColumn("predicted", format="%.4g"),
            "probability": st.column_config.NumberColumn("probability", format="%.4f"),
            "actual_value": st.column_config.NumberColumn("actual", format="%.4g"),
        },
        placeholder=words.NOTHING,
        key="looked_up",
        alt=f"The predictions of {entity}",
    )


def columns(row: Any) -> list[str]:
    """Name the columns of a prediction that say something, by the kind of the model."""
    if row.task == "regression":
        return ["time", "version", "prediction_value", "actual_value", "scored_at"]
    return ["time", "version", "prediction", "probability", "actual", "scored_at"]


def suggest(row: Any, entity: str) -> None:
    """Offer entities whose key begins like what was written."""
    offers = page.ask(monitor.entities, model=row.model, starting=entity)
    if offers.empty:
        page.nothing(
            "No such entity",
            f"Nothing is predicted for a key that is, or begins with, '{entity}'.",
            "The key is the entity column of the spec, as text; upper and lower case matter.",
        )
        return
    begin = f"Keys that begin with {words.plain(entity)}" if entity else "Keys, for example"
    st.pills(begin, list(offers["entity"].head(OFFERS)), key="offered", format_func=words.plain, on_change=take_offer)


def take_offer() -> None:
    """Look up the entity that was clicked on."""
    if st.session_state["offered"]:
        st.session_state["entity"] = st.session_state["offered"]


def limits(day: str, size: str) -> dict[str, Any]:
    """Turn a window into the moments between which it lies."""
    if day == EVERY:
        return {"since": None, "until": None}
    start = pd.Timestamp(day)
    return {"since": start, "until": start + charts.OFFSETS[size]}


def with_outcomes(row: Any, volumes: pd.DataFrame, since: pd.Timestamp | None) -> int:
    """Choose the version to compare when all are looked at: the newest with outcomes then, else the champion."""
    here = volumes if since is None else volumes[volumes["window"] == since]
    known = here.loc[here["labelled"] > 0, "version"]
    return int(known.max()) if len(known) else int(row.version)


def draw() -> None:
    """Draw the page."""
    with st.container(horizontal=True):
        model = page.pick_model(champions_only=True)
        volumes = page.ask(monitor.volumes, model=model.model)
        if volumes.empty:
            raise page.Wanting(
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
    look_up(model)
    download(model, version, window, period)


page.show("Predictions", draw)
