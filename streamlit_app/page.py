"""What all pages share: the published build, choices that the URL keeps, and charts with title and table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import altair as alt
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mlbridge import monitor
from mlbridge.app.charts.marks import drawable
from mlbridge.app.fmt import NO_VALUE, count, moment, plain
from mlbridge.engines.reader import ReadError
from mlbridge.errors import listed, nearest
from mlbridge.monitor import Build, MonitorError, Nothing, Republished, Source, State

NO_MODEL = (
    "No model is declared",
    "The published build knows no ML model.",
    "Name yours in dbt_project.yml below `vars: mlbridge_models`, and run dbt build.",
)
ABREAST = 4  # charts of several in one row
Colour: TypeAlias = Literal["red", "orange", "green", "blue", "gray"]
# From when, inclusive, to when, exclusive; None is open.
Period: TypeAlias = dict[str, pd.Timestamp | None]
Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.VConcatChart
Answer = TypeVar("Answer")
# The covers move with the content and hide the shadow of an edge that has been reached.
SCROLLING = """overflow-x: auto; --shade: rgba(110, 120, 130, 0.55);
    background: linear-gradient(to right, var(--ground) 50%, transparent) left / 56px 100% no-repeat local,
        linear-gradient(to left, var(--ground) 50%, transparent) right / 56px 100% no-repeat local,
        linear-gradient(to right, var(--shade), transparent) left / 18px 100% no-repeat scroll,
        linear-gradient(to left, var(--shade), transparent) right / 18px 100% no-repeat scroll"""
LOOK_AGAIN = "20s"  # how soon an open page notices a new build


class NothingToShow(Exception):  # noqa: N818 - not a failure: the page shows the message and what to do
    """There is nothing to draw. Arguments: a title, the reason, and optionally what to do."""


@st.cache_resource(show_spinner=False)
def source() -> Source:
    """Open the source that `mlbridge monitor` passed on in the environment: a folder, or a project on a server."""
    folder = os.environ.get("MLBRIDGE_PUBLISHED")
    if folder is not None:
        return monitor.open_folder(Path(folder))
    from mlbridge.project.project import Project

    profiles = os.environ.get("DBT_PROFILES_DIR")
    project = Path(os.environ.get("MLBRIDGE_PROJECT_DIR", "."))
    return monitor.open_source(
        Project.at(project, Path(profiles) if profiles else None, os.environ.get("MLBRIDGE_TARGET"))
    )


@st.cache_data(show_spinner=False, max_entries=100)
def _answer(
    build: str, name: str, details: tuple[tuple[str, object], ...], _question: Callable[..., Any], _state: State
) -> Any:
    return _question(_state, **dict(details))


def ask(question: Callable[..., Answer], **details: object) -> Answer:
    """Call a function of the state for the build on the page; results are cached by build, name and arguments."""
    state: State = st.session_state["state"]
    kept = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in details.items())
    answer: Answer = _answer(state.build.id, f"{question.__module__}.{question.__name__}", kept, question, state)
    return answer


def build() -> Build:
    """Return the build that the page shows."""
    state: State = st.session_state["state"]
    return state.build


def show(title: str, draw: Callable[[], None]) -> None:
    """Draw a page of the newest build; if that is not possible, show the reason and what to do."""
    st.title(title)
    _read_url(title)
    st.session_state["state"] = None
    try:
        st.session_state["state"] = source().state()
        with st.sidebar:
            _published(build().id)
        draw()
        _write_url(title)
    except Republished:
        st.rerun()
    except NothingToShow as notice:
        show_notice(*notice.args)
        _write_url(title)
    except Nothing as error:
        show_notice("Nothing to show yet", sentence(error))
    except ReadError as error:
        show_notice(
            "The warehouse does not answer", sentence(error), "Reload the page; if this stays, check the server."
        )
    except MonitorError as error:
        show_notice("The link names something that does not exist", sentence(error))
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
        st.rerun()  # the page then shows the problem
    if newest.id != drawn:
        st.rerun()
    st.caption(
        f"As of **{moment(newest.as_of)}** UTC  \nPublished {moment(newest.published_at)} UTC  \n"
        f"mlbridge {plain(newest.version)}"
    )


def sentence(error: Exception) -> str:
    """Return the message of an error with a capital first letter."""
    text = str(error)
    return text[:1].upper() + text[1:]


def show_notice(title: str, what: str, do: str = "") -> None:
    """Show a notice in place of a chart: a title, the reason, and optionally what to do."""
    st.info(f"**{plain(title)}**  \n{plain(what)}" + (f"  \n{plain(do)}" if do else ""), icon=":material/info:")


def pick_model(champions_only: bool = False) -> pd.Series:
    """Show a selection box for a model; returns its row of `monitor.models`. Raises NothingToShow without models.

    With `champions_only`, it is raised if the model has no champion, too.
    """
    models = ask(monitor.models)
    if models.empty:
        raise NothingToShow(*NO_MODEL)
    name = pick("Model", list(models["model"]), "model")
    row: pd.Series = models[models["model"] == name].iloc[0]
    if champions_only and pd.isna(row["version"]):
        trained = pd.notna(row["metric"])
        raise NothingToShow(
            f"{name} has no champion",
            decided(name) or "It has never been trained.",
            "Nothing is scored until a version is promoted: the page Versions shows the figures of each candidate."
            if trained
            else f"Run dbt build --select +{name}_predictions+",
        )
    return row


def decided(name: str) -> str | None:
    """Return the reason of the last decision about a training of a model; None when no build has decided."""
    found = ask(monitor.overview).set_index("model").loc[name]["decision"]
    return str(found) if pd.notna(found) else None


def of_version(row: pd.Series, version: int) -> pd.Series:
    """Return a row of `monitor.models` with the metadata of one version, whose task or classes may have differed."""
    own = row.copy()
    for name, value in ask(monitor.version_facts, model=row.model, version=version).items():
        own[name] = value
    return own


def pick(label: str, options: Sequence[str], key: str, default: str | None = None, help: str | None = None) -> str:  # noqa: A002
    """Show a selection box whose choice is the URL parameter `key`; by default it is `default`, else the first option.

    Raises NothingToShow if the URL names something else, so that no link shows another thing than it names. A choice
    that another one has made impossible gives way to the default.
    """
    names = list(options)
    usual = default if default in names else names[0]
    kept = st.query_params.get(key, usual) if _is_opened(key) else st.session_state[key]
    if kept not in names:
        kept = None if _is_opened(key) or kept is None else usual
    _put(key, kept)
    chosen = st.selectbox(label, names, key=key, index=None if kept is None else 0, help=help)
    if chosen is None:
        named = st.query_params.get(key, "")
        raise NothingToShow(
            f"There is no {label.lower()} '{named}'",
            f"The link names it.{nearest(named, names)} There are: {listed(names)}.",
            "Choose one above.",
        )
    return _keep(key, chosen, chosen)


def toggle(label: str, key: str) -> bool:
    """Show a switch, off by default, whose state is the URL parameter `key`: `true` or nothing."""
    _put(key, st.query_params.get(key, "").lower() == "true" if _is_opened(key) else st.session_state[key])
    on = st.toggle(label, key=key)
    return _keep(key, on, "true" if on else None)


def slide(label: str, key: str, ends: tuple[float, float], default: float, step: float) -> float:
    """Show a slider whose value is the URL parameter `key`; the default where that is no number within its ends."""
    kept = _number(st.query_params.get(key)) if _is_opened(key) else st.session_state[key]
    _put(key, kept if kept is not None and ends[0] <= kept <= ends[1] else default)
    value = float(st.slider(label, *ends, step=step, key=key))
    return _keep(key, value, f"{value:.10g}")


def tabs(views: Mapping[str, Callable[[], None]], key: str) -> None:
    """Show tabs of which the open one alone is drawn, and is the URL parameter `key`; the first where it names none."""
    kept = st.query_params.get(key) if _is_opened(key) else st.session_state[key]
    _put(key, kept if kept in views else next(iter(views)))
    for name, tab in zip(views, st.tabs(list(views), key=key, on_change="rerun"), strict=True):
        if tab.open:
            _keep(key, name, name)
            with tab:
                views[name]()


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def enter(label: str, key: str, placeholder: str) -> str:
    """Show a field for a text, which is the URL parameter `key`."""
    _put(key, st.query_params.get(key, "") if _is_opened(key) else st.session_state[key])
    entered = st.text_input(label, key=key, placeholder=placeholder, icon=":material/search:", width=480).strip()
    return _keep(key, entered, entered or None)


# Streamlit's own `bind="query-params"` leaves a value that equals the default out of the URL. Here most defaults depend
# on the data, so a link without them would show something else after the next build.


def _read_url(title: str) -> None:
    """Find out whether a link, a page or a step of the history was opened: then the URL decides, else the widgets.

    What was seen is kept with the page's title, because two pages may have the same parameters.
    """
    seen = [title, st.query_params.to_dict()]
    st.session_state["opened"] = seen != st.session_state.get("seen")
    st.session_state["seen"] = seen
    st.session_state["choices"] = {}


def _is_opened(key: str) -> bool:
    """Return whether the URL decides on a choice, or there is no widget yet that could."""
    return bool(st.session_state["opened"]) or key not in st.session_state


def _put(key: str, value: object) -> None:
    """Have the widget show a value; one that shows it is left alone."""
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def _keep(key: str, value: Answer, text: str | None) -> Answer:
    """Note what the URL is to say of a choice once the page is drawn; None: nothing."""
    st.session_state["choices"][key] = text
    return value


def _write_url(title: str) -> None:
    """Put the choices on the page into the URL, in one step of the browser's history."""
    choices = {**st.query_params.to_dict(), **st.session_state["choices"]}
    choices = {key: text for key, text in choices.items() if text is not None}
    if choices != st.query_params.to_dict():
        st.query_params.from_dict(choices)
    st.session_state["seen"] = [title, choices]


def figure(  # noqa: PLR0913 - every chart has a title, a meaning, data, a unit and n
    title: str,
    meaning: str,
    chart: Chart | Mapping[str, Chart],
    data: pd.DataFrame,
    *,
    unit: str,
    n: float | None,
    key: str,
    on_select: Callable[[], None] | None = None,
    border: bool = True,
) -> None:
    """Draw a chart, or several by name, with title, unit, n and meaning, and the figures behind it as a table.

    Without a border it is part of the container around it, whose heading stands above its own.
    """
    with st.container(border=border, key=f"figure_{key}"):
        st.markdown(f"{'##' if border else '###'} {plain(title)}")
        of = "" if n is None else f" · n = {count(n)}"
        st.caption(f"{plain(meaning)}  \n{plain(unit)}{of}")
        if isinstance(chart, Mapping):
            for names in rows_of(list(chart)):
                for column, name in zip(st.columns(ABREAST), names, strict=False):
                    column.caption(f"**{plain(name)}**")
                    column.altair_chart(drawable(chart[name]), key=f"{key}_{name}", alt=f"{title} {name}. {meaning}")
        else:
            own = isinstance(getattr(chart, "width", None), int)  # a chart with a fixed width scrolls horizontally
            st.altair_chart(
                drawable(chart),
                width="content" if own else "stretch",
                key=key,
                on_select=on_select or "ignore",
                alt=f"{title}. {meaning}",
            )
        table = st.expander("Show the data as a table", key=f"{key}_figures", on_change="rerun")
        if table.open:  # closed tables are not sent, so the page loads faster
            with table:
                show_table(data, f"{key}_table", title)


def show_table(data: pd.DataFrame, key: str, alt: str, **more: Any) -> None:
    """Show a table, and offer it as a CSV download; `alt` says what it is to those who do not see it."""
    st.dataframe(data, hide_index=True, key=key, placeholder=NO_VALUE, alt=alt, **more)
    shown = data[more["column_order"]] if "column_order" in more else data
    st.download_button(
        "Download as CSV",
        lambda: monitor.csv(shown),
        file_name=f"{key}.csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
        type="tertiary",
        key=f"{key}_download",
        help=monitor.ESCAPED,
    )


def rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Iterate over the rows; their columns are attributes, of the types that `mlbridge.monitor` documents."""
    yield from frame.itertuples()


def rows_of(names: list[str]) -> Iterator[list[str]]:
    """Yield the names in rows of `ABREAST`; the last row may be shorter."""
    for start in range(0, len(names), ABREAST):
        yield names[start : start + ABREAST]


def measured(frame: pd.DataFrame) -> float:
    """Count the rows behind a history: those whose outcome is known, else those that were estimated."""
    realized = frame["kind"] == "realized"
    return float(frame.loc[realized if realized.any() else ~realized, "n"].sum())


def scrolling(key: str, **more: Any) -> DeltaGenerator:
    """Return a container that scrolls horizontally if its content is wider: at an edge with more there is a shadow.

    Blocks of code break their lines instead: one that scrolls by itself cannot be reached with the keyboard.
    """
    ground = st.get_option(f"theme.{'dark' if st.context.theme.type == 'dark' else 'light'}.backgroundColor")
    style = f".st-key-{key} {{--ground: {ground}; {SCROLLING}}} .st-key-{key} svg {{max-width: none}}"
    style += f" .st-key-{key} :is(pre, pre *) {{white-space: pre-wrap !important; overflow-wrap: anywhere}}"
    st.html(f"<style>{style}</style>")
    return st.container(key=key, **more)
