"""The command line: parse, call, show. Exit code 0 is fine, 1 a check that failed, 2 misuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

import mlbridge
from mlbridge.errors import MlbridgeError


class Misuse(click.ClickException):
    """The command was asked for something that is not there."""

    exit_code = 2


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def project_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options by which dbt finds a project, and the output's form."""
    options = (
        click.option("--project-dir", type=FOLDER, default=".", show_default=True, help="The dbt project."),
        click.option("--profiles-dir", type=FOLDER, envvar="DBT_PROFILES_DIR", help="The folder of profiles.yml."),
        click.option("--target", help="The profile's target; dbt's default otherwise."),
        click.option(
            "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True,
            help="For people, or for programs.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mlbridge.__version__, prog_name="mlbridge")
def main() -> None:
    """Look after the ML branch of a dbt project. Training and scoring themselves are `dbt build`."""


@main.command()
@click.argument("model", required=False)
@project_options
def versions(model: str | None, project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Show every candidate of every training of MODEL, or of all models, newest first.

    Example: mlbridge versions late_arrival --project-dir dbt_project
    """
    from mlbridge.leaderboard import leaderboard
    from mlbridge.project import Project

    try:
        rows = leaderboard(Project.at(project_dir, profiles_dir, target), model)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        _show(rows, form)
        return
    _show([_short(row) for row in rows], form)
    for row in rows:
        if row["outcome"] != "runner_up":
            version = "" if row["version"] is None else f" version {row['version']}"
            click.echo(f"{row['model']}{version} {row['outcome'].replace('_', ' ')}: {row['reason']}")


@main.command()
@project_options
def doctor(project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Check what a build needs: versions, profile, packages, lock and disk space.

    Example: mlbridge doctor --project-dir dbt_project
    """
    from mlbridge.doctor import examine, summary
    from mlbridge.project import Project

    findings = examine(lambda: Project.at(project_dir, profiles_dir, target))
    _show([{**asdict(each), "fine": "ok" if each.fine else "FAILED"} for each in findings], form)
    if form == "table":
        click.echo(summary(findings))
    if not all(each.fine for each in findings):
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("model", required=False)
@click.option("--from", "first", required=True, help="The first moment, in UTC, such as 2013-07-01.")
@click.option("--to", "last", required=True, help="The last moment; what was decided before is measured up to it.")
@click.option("--step", type=click.Choice(["day", "week", "month"]), default="month", show_default=True)
@project_options
def backtest(  # noqa: PLR0913 - what the command line offers
    model: str | None, first: str, last: str, step: str,
    project_dir: Path, profiles_dir: Path | None, target: str | None, form: str,
) -> None:  # fmt: skip
    """Replay history for MODEL, or all models, under three policies of training again.

    Under `spec` the spec's `retrain` decides, under `never` the first version stays, under `always` every step trains.
    A step shows what was known then, what was decided, and how good the version in use was on the rows up to the
    next step. It all happens in copies of the warehouse. Interrupted and started again, it goes on where it was.

    Example: mlbridge backtest late_arrival --from 2013-07-01 --to 2014-01-01 --step month
    """
    from mlbridge.backtest import backtest, moment, moments
    from mlbridge.progress import shown
    from mlbridge.project import Project
    from mlbridge.sandbox import ReplayError

    try:
        steps = moments(moment("--from", first), moment("--to", last), step)
        with shown() as report:
            done = backtest(Project.at(project_dir, profiles_dir, target), model, steps, report)
    except ReplayError as error:
        raise click.ClickException(str(error)) from error
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    except KeyboardInterrupt as error:
        raise click.ClickException("interrupted; the same command goes on from the last step done") from error
    if form == "json":
        click.echo(json.dumps({**done.tables, "file": str(done.file)}, default=str, indent=2))
        return
    for name in dict.fromkeys(row["model"] for row in done.tables["ml_backtest"]):
        _show_backtest(name, *([row for row in rows if row["model"] == name] for rows in done.tables.values()))
    click.echo(f"The tables {' and '.join(done.tables)} are in {done.file}")


@main.command(name="compile")
@click.argument("model")
@click.option("--version", "number", type=int, help="The version; the champion otherwise.")
@click.option("--dialect", help="The engine that is to run it; the warehouse's own otherwise.")
@click.option("--relation", help="The table to score; the model's split otherwise.")
@click.option("--project-dir", type=FOLDER, default=".", show_default=True, help="The dbt project.")
@click.option("--profiles-dir", type=FOLDER, envvar="DBT_PROFILES_DIR", help="The folder of profiles.yml.")
@click.option("--target", help="The profile's target; dbt's default otherwise.")
def compile_(
    model: str,
    number: int | None,
    dialect: str | None,
    relation: str | None,
    project_dir: Path,
    profiles_dir: Path | None,
    target: str | None,
) -> None:
    """Write MODEL as a SELECT that predicts what Python would, for any engine, with no Python there.

    It gives the key and the time of each row of the relation, the prediction, and the probability of each class.

    Example: mlbridge compile late_arrival --dialect postgres > late_arrival.sql
    """
    from mlbridge.export import export
    from mlbridge.project import Project

    try:
        click.echo(export(Project.at(project_dir, profiles_dir, target), model, number, dialect, relation))
    except MlbridgeError as error:
        raise Misuse(str(error)) from error


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="Where to listen.")
@click.option("--address", default="localhost", show_default=True, help="Who may look: localhost is this machine only.")
@click.option("--headless", is_flag=True, help="Do not open a browser.")
@click.option("--project-dir", type=FOLDER, default=".", show_default=True, help="The dbt project.")
@click.option("--profiles-dir", type=FOLDER, envvar="DBT_PROFILES_DIR", help="The folder of profiles.yml.")
@click.option("--target", help="The profile's target; dbt's default otherwise.")
def monitor(
    port: int, address: str, headless: bool, project_dir: Path, profiles_dir: Path | None, target: str | None
) -> None:
    """Open the monitor: a web page with all models, their performance, drift, versions and runs.

    It shows what the last build published, also while a build runs, and never holds the warehouse. Ctrl-C ends it.

    Example: mlbridge monitor --project-dir dbt_project --port 8600
    """
    import os

    from mlbridge.monitor import launch
    from mlbridge.project import Project

    try:
        line, environment = launch.command(Project.at(project_dir, profiles_dir, target), address, port, headless)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    host = f"[{address}]" if ":" in address else address
    click.echo(f"The monitor: http://{host}:{port}", err=True)
    os.execve(line[0], line, environment)  # noqa: S606 - the app takes this process's place, signals included


@main.command()
@project_options
def publish(project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Publish the tables for the monitor as they are now, which every `dbt build` does at its end.

    Not while a build runs: both need the warehouse.

    Example: mlbridge publish --project-dir dbt_project
    """
    from mlbridge.progress import shown
    from mlbridge.project import Project
    from mlbridge.publish import publish

    try:
        with shown() as report:
            done = publish(Project.at(project_dir, profiles_dir, target), report)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        click.echo(json.dumps(asdict(done), default=str, indent=2))
        return
    _show([{"table": name, "MB": done.file(name).stat().st_size / 1e6} for name in done.tables], form)
    click.echo(f"As of {done.as_of}, published as build {done.build} to {done.folder}")


def _show_backtest(model: str, steps: Sequence[Mapping[str, Any]], policies: Sequence[Mapping[str, Any]]) -> None:
    from mlbridge.replay import day

    metric = steps[0]["metric"]
    click.echo(f"{model}\n")
    shown = {"step": "step", "policy": "policy", "known rows": "known_rows", "labels": "labels"}
    shown |= {"decision": "decision", "version": "version", f"{metric} (95 % interval)": "interval", "n": "n"}
    rows = [{**row, "step": day(row["step"]), "interval": _interval(row)} for row in steps]
    _show([{title: row[key] for title, key in shown.items()} for row in rows], "table")
    click.echo()
    for row in rows:
        if row["policy"] == "spec" and row["decision"] != "skipped":
            click.echo(f"{row['step']} spec {row['decision']}: {row['reason']}")
    click.echo()
    shown = {key: key for key in ("policy", "retrain", "trainings", "promotions")}
    shown |= {"seconds of training": "training_seconds", f"{metric} (95 % interval)": "interval", "n": "n"}
    policies = [{**row, "interval": _interval(row)} for row in policies]
    _show([{title: row[key] for title, key in shown.items()} for row in policies], "table")
    click.echo()


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": row["model"],
        "version": row["version"],
        "candidate": row["candidate"],
        "outcome": ("champion" if row["champion"] else row["outcome"]) + (", retired" if row["retired"] else ""),
        "test metric": row["metric"],
        "value (95 % interval)": _interval(row),
        "baseline": " ".join(
            filter(None, (_cell(row["baseline"]), row["baseline_name"] and f"({row['baseline_name']})"))
        ),
        "strength": (row["strength"] or {}).get("word"),
        "n": row["n"],
    }


def _interval(row: Mapping[str, Any]) -> str:
    return "" if row["value"] is None else f"{_cell(row['value'])} ({_cell(row['low'])} to {_cell(row['high'])})"


def _show(rows: Sequence[Mapping[str, Any]], form: str) -> None:
    if form == "json":
        click.echo(json.dumps(rows, default=str, indent=2))
        return
    names = list(rows[0]) if rows else []
    table = Table(box=None, pad_edge=False)
    for name in names:
        numeric = isinstance(rows[0][name], (int, float))
        table.add_column(name, justify="right" if numeric else "left", no_wrap=name != names[-1], overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    terminal = Console(markup=False)  # '[churn]' is a list, no style
    # Only a window has an edge to break lines at; a pipe or a file gets them whole.
    (terminal if terminal.is_terminal else Console(markup=False, width=10_000)).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
