"""The monitor's frames of real builds, and that a server gives the same ones as the published files."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import watched
from dbt_host import Host
from postgres import Postgres
from served import load, project_on
from warm import Warm

from mlbridge import monitor
from mlbridge.engines.reader import ReadError
from mlbridge.model_card.card import markdown_card
from mlbridge.monitor import Nothing, Source, State, open_folder, open_source
from mlbridge.project.project import Project

SINCE, UNTIL = datetime(2024, 5, 10, 1, 2, 3), datetime(2024, 6, 14)
OF_ALL = {"incidents", "invocations", "models", "overview", "pipeline", "runs"}
OF_A_PERIOD = ("against", "calibration", "confusion_classes", "residuals", "score_steps", "scores")
Question = tuple[str, dict[str, Any]]


def folder_of(host: Host) -> Path:
    """Give the folder that a host publishes to."""
    return host.published


def questions(state: State) -> Iterator[Question]:
    """Ask everything that the pages ask, of every model and version."""
    yield from ((name, {}) for name in sorted(OF_ALL))
    for model in monitor.models(state)["model"]:
        yield from of_a_model(state, model)
        known = state.ask("select distinct version from ml_versions where model = :model order by version", model=model)
        for version in known["version"]:
            yield from of_a_version(state, model, int(version))


def of_a_model(state: State, model: str) -> Iterator[Question]:
    """Ask what is asked of a model as a whole."""
    arguments = {"model": model}
    for name in (
        "decisions",
        "leaderboard",
        "leaks",
        "metrics",
        "pipeline",
        "promotions",
        "requests",
        "runs",
        "slices",
        "volumes",
    ):
        yield name, arguments
    yield "traced_columns", arguments
    for column in monitor.traced_columns(state, model)["column"][::4]:
        yield "column_lineage", {**arguments, "column": column}
    yield "importances", {**arguments, "versions": sorted({*monitor.leaderboard(state, model)["version"]})}
    for metric in monitor.metrics(state, model):
        for part in monitor.slices(state, model):
            yield "history", {**arguments, "metric": metric, "slice": part}
    yield "prediction_bins", arguments
    found = monitor.entities(state, model, "")
    for starting in ("", *(entity[:3] for entity in found["entity"][:2])):
        yield "entities", {**arguments, "starting": starting}
    for entity in (*found["entity"][:3], "it's not there"):
        yield "lookup", {**arguments, "entity": entity}
    for since, until in ((None, None), (SINCE, UNTIL)):
        yield "rows", {**arguments, "since": since, "until": until}


def of_a_version(state: State, model: str, version: int) -> Iterator[Question]:
    """Ask what is asked of one version."""
    arguments: dict[str, Any] = {"model": model, "version": version}
    for name in (
        "design_effects", "drift_metrics", "holdout_steps", "prediction_bins", "rows", "stored_calibration",
        "version_facts", "windows",
    ):  # fmt: skip
        yield name, arguments
    for part in monitor.slices(state, model):
        yield "score_steps", {**arguments, "slice": part}
    for name in OF_A_PERIOD:
        for since, until in ((None, None), (SINCE, None), (SINCE, UNTIL)):
            yield name, {**arguments, "since": since, "until": until}
    yield "confusion_classes", {**arguments, "at_least": 0.6}
    for since, until in ((None, None), (SINCE, UNTIL)):
        yield "within", {**arguments, "tolerance": 2.5, "since": since, "until": until}
    yield "worst_rows", {**arguments, "since": SINCE, "until": UNTIL}
    for window in monitor.windows(state, model, version)["window"][::3]:
        yield "associations", {**arguments, "window": window}
        yield "clues", {**arguments, "metric": monitor.metrics(state, model)[0], "window": window}
        for metric in monitor.metrics(state, model):
            yield "by_slice", {**arguments, "metric": metric, "window": window}
    if version > 1:
        yield "changes", {"model": model, "before": 1, "after": version}
    yield from of_its_drift(state, arguments)


def of_its_drift(state: State, arguments: dict[str, Any]) -> Iterator[Question]:
    """Ask what is asked of a version's map, and of each feature in it."""
    profiled = state.ask("select distinct feature from ml_profiles where model = :model", model=arguments["model"])[
        "feature"
    ]
    for baseline in ("training", "previous"):
        found = monitor.drift(state, **arguments, baseline=baseline)
        for metric in ("worst", *monitor.drift_metrics(state, **arguments)):
            yield "drift", {**arguments, "baseline": baseline, "metric": metric, "last": 2}
        yield "drift", {**arguments, "baseline": baseline}
        for cell in found.drop_duplicates("feature").to_dict("records"):
            of_cell = {**arguments, "feature": cell["feature"], "baseline": baseline}
            yield "drift_history", of_cell
            if cell["feature"] in set(profiled):
                yield "distribution", {**of_cell, "window": cell["window"]}
                if baseline == "training":
                    yield "distributions", {**arguments, "feature": cell["feature"], "last": 2}
                    yield "outcomes_by_bin", {**arguments, "feature": cell["feature"]}
                    yield "outcomes_by_bin", {**arguments, "feature": cell["feature"], "window": cell["window"]}


def assert_same(ours: Any, theirs: Any) -> None:
    """Compare answers; numbers may differ in their last digits, because the engines add in another order."""
    if isinstance(ours, pd.DataFrame):
        pd.testing.assert_frame_equal(theirs, ours, rtol=1e-9, atol=1e-12)
    elif isinstance(ours, tuple):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(ours, float):
        assert theirs == pytest.approx(ours, nan_ok=True)
    else:
        assert theirs == ours


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, server: Postgres, warm: Warm) -> Project:
    """A project whose warehouse is the server, its tables not made yet."""
    return project_on(server, warm, tmp_path_factory.mktemp("served"), "served")


@pytest.fixture(scope="module", params=[pytest.param("built", marks=pytest.mark.slow), "made"])
def both(
    request: pytest.FixtureRequest, server: Postgres, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> tuple[State, State]:
    """The same build as files and on the server: of the shop, and of models of every kind, made by hand."""
    if request.param == "built":
        folder = folder_of(request.getfixturevalue("aged_shop"))
    else:
        folder = tmp_path_factory.mktemp("watched")
        watched.published(folder)
    with server.connection.cursor() as cursor:
        cursor.execute("drop schema if exists served cascade")
    load(server, folder, "served")
    return open_folder(folder).state(), open_source(project).state()


def test_the_server_says_the_same(both: tuple[State, State]) -> None:
    ours, theirs = both
    for name, frame in questions(ours):
        function = getattr(monitor, name)
        try:
            assert_same(function(ours, **frame), function(theirs, **frame))
        except Exception as error:
            error.add_note(f"{name}({frame})")
            raise


def test_a_card_from_the_server_says_the_same(both: tuple[State, State]) -> None:
    # A server does not publish, and a card says when that was.
    ours, theirs = both[0], replace(both[1], build=both[0].build)
    for model, version in ours.ask("select distinct model, version from ml_versions").itertuples(index=False):
        assert markdown_card(theirs, model, version) == markdown_card(ours, model, version)


def test_everything_is_asked(aged_shop: Host) -> None:
    names = {name for name, _ in questions(open_folder(folder_of(aged_shop)).state())}
    functions = {name: getattr(monitor, name) for name in monitor.__all__}
    assert names == {
        name
        for name, function in functions.items()
        if inspect.isfunction(function) and "state" in inspect.signature(function).parameters
    }


def test_the_server_knows_the_build(both: tuple[State, State]) -> None:
    ours, theirs = both
    newest = "select invocation_id, max(started_at) as at, max(as_of) as as_of from ml_runs group by 1 order by 2 desc"
    row = ours.ask(newest).iloc[0]
    assert (theirs.build.id, theirs.build.published_at) == (row["invocation_id"], row["at"])
    assert theirs.build.as_of == row["as_of"]
    assert theirs.tables >= ours.tables


@pytest.mark.parametrize("sql", ["create table t (a int)", "delete from ml_runs", "drop table ml_runs"])
def test_nothing_is_written_to_the_server(both: tuple[State, State], sql: str) -> None:
    with pytest.raises(ReadError, match="expected a SELECT"):
        both[1].ask(sql)


def test_a_reader_gives_way_to_a_build(server: Postgres, both: tuple[State, State]) -> None:
    """It neither waits for what a build holds nor makes it wait; when it is let go, the same state answers again."""
    schema, table = both[1].locations["ml_runs"]
    holding = f'begin; lock table "{schema}"."{table}" in access exclusive mode'
    with server.connection.cursor() as cursor:
        cursor.execute(holding)
        started = time.monotonic()
        with pytest.raises(ReadError, match="lock timeout"):
            monitor.runs(both[1])
        assert time.monotonic() - started < 10
        cursor.execute("rollback")
        with ThreadPoolExecutor(1) as pool:
            cursor.execute(holding)
            future = pool.submit(monitor.runs, both[1])
            time.sleep(0.5)
            cursor.execute("rollback")
            assert_same(monitor.runs(both[0]), future.result(30))


def test_a_question_writes_nothing_either(server: Postgres, both: tuple[State, State]) -> None:
    with server.connection.cursor() as cursor:
        cursor.execute("create sequence if not exists numbers")
    with pytest.raises(ReadError, match="read-only transaction"):
        both[1].ask("select nextval('numbers') as n")


def test_values_are_bound_on_the_server(both: tuple[State, State]) -> None:
    _, theirs = both
    for word in ("' or 1 = 1 --", "%s %(model)s %", "\\'; drop table ml_runs"):
        assert theirs.ask("select :word as word", word=word)["word"].tolist() == [word]
    assert theirs.ask("select '100 %' as share")["share"].tolist() == ["100 %"]


def test_another_invocation_on_the_server_is_another_build(
    server: Postgres, project: Project, both: tuple[State, State]
) -> None:
    source: Source = open_source(project)
    old = source.state()
    row = "select 'later', node, model, stage, status, timestamp '2100-01-01'"
    with server.connection.cursor() as cursor:
        cursor.execute(
            "insert into served.ml_runs (invocation_id, node, model, stage, status, started_at, seconds, as_of) "
            f"{row}, seconds, as_of from served.ml_runs limit 1"
        )
        with pytest.raises(monitor.Republished):
            monitor.models(old)
        assert source.state().build.id == "later"
        cursor.execute("delete from served.ml_runs where invocation_id = 'later'")
    assert source.state().build == old.build


def test_a_connection_that_is_lost_is_opened_again(
    server: Postgres, project: Project, both: tuple[State, State]
) -> None:
    state = open_source(project).state()
    with server.connection.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
    with pytest.raises((ReadError, Nothing)):
        monitor.models(state)
    assert not monitor.models(state).empty


def test_a_server_without_the_tables(server: Postgres, warm: Warm, tmp_path: Path) -> None:
    project = project_on(server, warm, tmp_path / "empty", "empty")
    with pytest.raises(Nothing, match=r"no build is to be found: .*ml_runs.*Run `dbt build`"):
        open_source(project).state()
    server.load("empty", "ml_runs", {"invocation_id": "VARCHAR", "started_at": "TIMESTAMP", "as_of": "TIMESTAMP"}, [])
    with pytest.raises(Nothing, match=r"no build has been run yet"):
        open_source(project).state()


def test_a_project_that_was_never_parsed(server: Postgres, warm: Warm, tmp_path: Path) -> None:
    project = project_on(server, warm, tmp_path / "bare", "bare")
    (tmp_path / "bare" / "target" / "manifest.json").unlink()
    with pytest.raises(Nothing, match="Run `dbt build` first"):
        open_source(project).state()


# --- real builds -------------------------------------------------------------------------------------------------


def test_a_built_project_is_read_from_its_folder(aged_shop: Host) -> None:
    state = open_source(Project.at(aged_shop.path, aged_shop.path, None)).state()
    found = monitor.models(state).set_index("model")
    assert found.loc["basket", ["task", "metric", "version"]].tolist() == ["classification", "log_loss", 2]
    assert found.loc["amount", ["task", "metric", "version"]].tolist() == ["regression", "rmse", 2]
    assert len(found.loc["basket", "classes"]) > 2
    ((invocation,),) = aged_shop.rows(
        "select invocation_id from main_insight.ml_runs group by 1 order by max(started_at) desc limit 1"
    )
    assert state.build.id == invocation


def test_figures_are_those_of_the_tables(aged_shop: Host) -> None:
    state = open_folder(folder_of(aged_shop)).state()
    for model in ("basket", "amount"):
        row = monitor.overview(state).set_index("model").loc[model]
        assert row["pinned"]
        for kind in ("realized", "estimated"):
            newest = aged_shop.rows(f"""
                select p.value, p."window" from main_insight.ml_performance as p
                join main_insight.ml_champions as c using (model, version)
                where model = '{model}' and metric = '{row["metric"]}' and kind = '{kind}' and slice = 'all'
                    and value is not null
                order by p.window_end <= (select max(as_of) from main_insight.ml_runs) desc, p."window" desc limit 1
            """)
            if (model, kind) == ("basket", "estimated"):  # the log loss of many classes is not estimated
                assert newest == []
                assert pd.isna(row[kind])
            else:
                assert newest == [(row[kind], row[f"{kind}_window"])]
        counted = aged_shop.rows(
            f"select count(*), count(actual) from main_insight.ml_predictions where model = '{model}'"
        )
        found = monitor.volumes(state, model)
        assert [(found["n"].sum(), found["labelled"].sum())] == counted


def test_outcomes_are_counted_by_bin(aged_shop: Host) -> None:
    """Of each window as of all of them, and of the training period: as many as are known, with the same sum."""
    state = open_folder(folder_of(aged_shop)).state()
    scored = """
        select date_trunc('month', p.time), count(p.actual_value), sum(p.actual_value)
        from main_insight.ml_predictions as p join main_insight.ml_versions as v using (model, version)
        where p.model = 'amount' and p.version = 1 and v.outcome <> 'runner_up' and p.time >= v.holdout_from
        group by all having count(p.actual_value) > 0 order by all
    """
    windows = aged_shop.rows(scored)
    assert len(windows) > 1
    for feature in ("visits", "ml_prediction", "ml_target"):
        for window, n, total in windows:
            found = monitor.outcomes_by_bin(state, "amount", 1, feature, window)
            assert found["n"].sum() == n
            assert (found["n"] * found["mean"]).sum() == pytest.approx(total)
        found = monitor.outcomes_by_bin(state, "amount", 1, feature)
        assert found["n"].sum() == sum(n for _, n, _ in windows)
    means = monitor.outcomes_by_bin(state, "amount", 1, "ml_target").dropna(subset="mean_training")["mean_training"]
    assert means.is_monotonic_increasing
    assert monitor.outcomes_by_bin(state, "basket", 1, "visits")[["n", "n_training"]].sum().sum() == 0


def test_residuals_count_every_labelled_row(aged_shop: Host) -> None:
    state = open_folder(folder_of(aged_shop)).state()
    for version in (1, 2):
        ((n,),) = aged_shop.rows(
            f"select count(actual) from main_insight.ml_predictions where model = 'amount' and version = {version}"
        )
        assert monitor.residuals(state, "amount", version)["n"].sum() == n
        assert monitor.against(state, "amount", version)["n"].sum() == n
