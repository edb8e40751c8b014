"""What every page stands on: the published build, the pickers that the link keeps, figures with their words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app.words import NOTHING, count, moment, plain
from mlbridge.monitor import Build, MonitorError, Nothing, Republished, Source, State
from mlbridge.reader import ReadError

NO_MODEL = (
    "No model is declared",
    "The published build knows no ML model.",
    "Name yours in dbt_project.yml below `vars: mlbridge_models`, and run dbt build.",
)
ABREAST = 4  # charts of several in one row
LOOK_AGAIN = "20s"  # how soon an open page notices a new build


class Wanting(Exception):  # noqa: N818 - not a failure: the page says it, and what to do
    """There is nothing to draw, for a reason: its title, what is the matter, and what to do."""


@st.cache_resource(show_spinner=False)
def source() -> Source:
    """Find what is published as `mlbridge monitor` said: a folder, or a project whose server is asked itself."""
    folder = os.environ.get("MLBRIDGE_PUBLISHED")
    if folder is not None:
        return monitor.open_folder(Path(folder))
    from mlbridge.project import Project

    profiles = os.environ.get("DBT_PROFILES_DIR")
    project = Path(os.environ.get("MLBRIDGE_PROJECT_DIR", "."))
    return monitor.open_source(
        Project.at(project, Path(profiles) if profiles else None, os.environ.get("MLBRIDGE_TARGET"))
    )


@st.cache_data(show_spinner=False, max_entries=100)
def _answer(build: str, question: str, details: tuple[tuple[str, Any], ...], _state: State) -> Any:
    return getattr(monitor, question)(_state, **dict(details))


def ask(question: Callable[..., Any], **details: Any) -> Any:
    """Ask a function of `mlbridge.monitor` about the build on the page; a build is asked the same only once."""
    state: State = st.session_state["state"]
    kept = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in details.items())
    return _answer(state.build.id, question.__name__, kept, state)


def build() -> Build:
    """Give the build that the page shows."""
    state: State = st.session_state["state"]
    return state.build


def show(title: str, draw: Callable[[], None]) -> None:
    """Draw a page of the newest build, or what keeps it from being drawn and what to do about it."""
    st.title(title)
    st.session_state["state"] = None
    try:
        st.session_state["state"] = source().state()
        with st.sidebar:
            _published(build().id)
        draw()
    except Republished:
        st.rerun()
    except Wanting as wanting:
        nothing(*wanting.args)
    except Nothing as error:
        nothing("Nothing to show yet", sentence(error))
    except ReadError as error:
        nothing("The warehouse does not answer", sentence(error), "Reload the page; if it stays, look at the server.")
    except MonitorError as error:
        nothing("The link asks for something that is not there", sentence(error))
    if st.session_state["state"] is None:
        _wait()


@st.fragment(run_every=LOOK_AGAIN)
def _wait() -> None:
    try:
        source().state()
    except (Nothing, ReadError):
        return
    st.rerun()


@st.fragment(run_every=LOOK_AGAIN)
def _published(drawn: str) -> None:
    try:
        newest = source().state().build
    except (Nothing, ReadError):
        st.rerun()  # the page says what is the matter
    if newest.id != drawn:
        st.rerun()
    st.caption(
        f"Knowledge of **{moment(newest.as_of)}** UTC  \nPublished {moment(newest.published_at)} UTC  \n"
        f"mlbridge {plain(newest.version)}"
    )


def sentence(error: Exception) -> str:
    """Write what an error says as a sentence of the page."""
    said = str(error)
    return said[:1].upper() + said[1:]


def nothing(title: str, what: str, do: str = "") -> None:
    """Say what is the matter and what to do, where there is nothing to draw."""
    st.info(f"**{plain(title)}**  \n{plain(what)}" + (f"  \n{plain(do)}" if do else ""), icon=":material/info:")


def pick_model(champions_only: bool = False) -> Any:
    """Let one of the models be chosen; gives its row of `monitor.models`. Raises Wanting when there is none.

    With `champions_only` also when the model has no champion.
    """
    models = ask(monitor.models)
    if models.empty:
        raise Wanting(*NO_MODEL)
    _told_if_forgotten("Model", list(models["model"]), "model")
    name = st.selectbox("Model", list(models["model"]), key="model", bind="query-params")
    row = models[models["model"] == name].iloc[0]
    if champions_only and pd.isna(row["version"]):
        trained = pd.notna(row["metric"])
        raise Wanting(
            f"{name} has no champion",
            decided(name) or "It has never been trained.",
            "Nothing is scored until a version is promoted: the page Versions says how each candidate did."
            if trained
            else f"Run dbt build --select +{name}_predictions+",
        )
    return row


def decided(name: str) -> str | None:
    """Give the reason of the last decision about a training of a model; None when no build has decided."""
    found = ask(monitor.overview).set_index("model").loc[name]["decision"]
    return str(found) if pd.notna(found) else None


def of_version(row: Any, version: int) -> Any:
    """Give a row of `monitor.models` as it stood for one version, which may have predicted something else."""
    own = row.copy()
    for name, value in ask(monitor.version_facts, model=row.model, version=version).items():
        own[name] = value
    return own


def _told_if_forgotten(label: str, options: Sequence[str], key: str) -> None:
    asked = st.query_params.get(key)
    if key not in st.session_state and asked not in (None, *options):
        st.toast(
            f"{label} {plain(asked)}, which the link asks for, is not there to choose.",
            icon=":material/link_off:",
            duration="long",
        )


def pick(label: str, options: Sequence[str], key: str, **more: Any) -> str:
    """Let one of some words be chosen; the link keeps it, and a word that is not among them is forgotten."""
    _told_if_forgotten(label, options, key)
    if st.session_state.get(key) not in (None, *options):
        del st.session_state[key]
    return str(st.selectbox(label, list(options), key=key, bind="query-params", **more))


def figure(  # noqa: PLR0913 - what the owner is told of every chart
    title: str,
    says: str,
    chart: alt.TopLevelMixin | Mapping[str, alt.TopLevelMixin],
    data: pd.DataFrame,
    *,
    unit: str,
    n: float | None,
    key: str,
    on_select: Callable[[], None] | None = None,
    border: bool = True,
) -> None:
    """Draw a chart, or several by name, with title, unit, n and meaning, and the figures behind it as a table.

    Without a border it is part of what stands around it.
    """
    with st.container(border=border):
        st.markdown(f"#### {plain(title)}")
        rows = "" if n is None else f" · n = {count(n)}"
        st.caption(f"{plain(says)}  \n{plain(unit)}{rows}")
        if isinstance(chart, Mapping):
            for names in rows_of(list(chart)):
                for place, name in zip(st.columns(ABREAST), names, strict=False):
                    place.caption(f"**{plain(name)}**")
                    place.altair_chart(chart[name], key=f"{key}_{name}", alt=f"{title} {name}. {says}")
        else:
            own = isinstance(getattr(chart, "width", None), int)  # one that keeps its width is scrolled sideways
            st.altair_chart(
                chart,
                width="content" if own else "stretch",
                key=key,
                on_select=on_select or "ignore",
                alt=f"{title}. {says}",
            )
        table = st.expander("The figures as a table", key=f"{key}_figures", on_change="rerun")
        if table.open:  # a page of closed ones is there sooner
            table.dataframe(data, hide_index=True, key=f"{key}_table", placeholder=NOTHING)


def rows_of(names: list[str]) -> Iterator[list[str]]:
    """Take as many names at a time as stand abreast; the last row may be shorter."""
    for start in range(0, len(names), ABREAST):
        yield names[start : start + ABREAST]


def measured(frame: pd.DataFrame) -> float:
    """Count the rows behind a history: those whose outcome is known, else those that were estimated."""
    realized = frame["kind"] == "realized"
    return float(frame.loc[realized if realized.any() else ~realized, "n"].sum())


def scrolling(key: str, **more: Any) -> Any:
    """Give a container whose content keeps its width; more than fits is reached by scrolling it sideways."""
    st.html(f"<style>.st-key-{key} {{overflow-x: auto}} .st-key-{key} svg {{max-width: none}}</style>")
    return st.container(key=key, **more)
