"""The commands that run or show something: trainings, builds, replays, SQL, published tables, the monitor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from mlbridge.cli.options import (
    FOLDER,
    Misuse,
    declared_models,
    model_argument,
    project_options,
    version_option,
)
from mlbridge.display import (
    show,
    show_backtest,
)
from mlbridge.errors import MlbridgeError
from mlbridge.progress import announced, progress_report


@click.command()
@click.argument("models", nargs=-1, shell_complete=declared_models)
@project_options
def train(models: tuple[str, ...], project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Train what builds have asked for: MODELS, or every model whose training node is SQL.

    Such a node does not train by itself. A build writes down what a decision needs, this command decides, trains if
    there is a reason to, and the next build takes in what came of it. `mlbridge build` runs all three. Run twice, or
    interrupted and run again, it trains once. The exit code is 1 if a training was refused.

    Example: mlbridge train late_arrival --project-dir dbt_project
    """
    from mlbridge.commands.train import train
    from mlbridge.project.dbt import log_lines
    from mlbridge.project.project import Project

    try:
        project = Project.at(project_dir, profiles_dir, target)
        project.chosen(None)
        with log_lines(lambda line: click.echo(line, err=True)):
            answers = train(project, models)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    show([asdict(each) for each in answers], form)
    if any(each.outcome == "refused" for each in answers):
        raise click.exceptions.Exit(1)


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--project-dir", type=FOLDER, default=".", show_default=True, help="The dbt project.")
@click.option("--profiles-dir", type=FOLDER, envvar="DBT_PROFILES_DIR", help="The folder of profiles.yml.")
@click.option("--target", "-t", envvar="DBT_TARGET", help="The profile's target; dbt's default otherwise.")
@click.argument("dbt_arguments", nargs=-1, type=click.UNPROCESSED)
def build(project_dir: Path, profiles_dir: Path | None, target: str | None, dbt_arguments: tuple[str, ...]) -> None:
    """Build a project whose training nodes are SQL: `dbt build`, `mlbridge train`, and `dbt build` of what comes after.

    DBT_ARGUMENTS are options of `dbt build`, such as --select, --exclude, --vars, --threads. Where the first command
    fails, nothing is trained. The exit code is that of dbt, and 1 if a training was refused.

    Example: mlbridge build --project-dir dbt_project --vars 'mlbridge_retrain: true'
    """
    from mlbridge.commands.build import build
    from mlbridge.commands.train import Answer
    from mlbridge.project.project import Project

    def tell(answers: Sequence[Answer]) -> None:
        for each in answers:
            click.echo(f"{each.model}: {each.outcome or 'not answered'}: {each.reason}", err=each.outcome == "refused")

    try:
        code = build(Project.at(project_dir, profiles_dir, target), dbt_arguments, tell)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if code:
        raise click.exceptions.Exit(code)


@click.command()
@model_argument(required=False)
@click.option("--from", "first", required=True, help="The first moment, in UTC, such as 2013-07-01.")
@click.option("--to", "last", required=True, help="The last moment, in UTC; metrics use rows up to it.")
@click.option("--step", type=click.Choice(["day", "week", "month"]), default="month", show_default=True)
@project_options
def backtest(  # noqa: PLR0913 - what the command line offers
    model: str | None, first: str, last: str, step: str,
    project_dir: Path, profiles_dir: Path | None, target: str | None, form: str,
) -> None:  # fmt: skip
    """Replay history for MODEL, or all models, under three retraining policies.

    Policy `spec` retrains as the spec's `retrain` says, `never` keeps the first version, `always` trains at every step.
    For each step the table shows how many rows and labels were known, the decision, and the metric of the version in
    use on the rows up to the next step. All builds run on copies of the warehouse. If it is interrupted, the same
    command continues after the last completed step.

    Example: mlbridge backtest late_arrival --from 2013-07-01 --to 2014-01-01 --step month
    """
    from mlbridge.backtesting.sandbox import ReplayError
    from mlbridge.commands.backtest import backtest, moment, moments
    from mlbridge.project.project import Project

    try:
        steps = moments(moment("--from", first), moment("--to", last), step)
        with progress_report() as report:
            done = backtest(Project.at(project_dir, profiles_dir, target), model, steps, report)
    except ReplayError as error:
        raise click.ClickException(str(error)) from error
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    except KeyboardInterrupt as error:
        raise click.ClickException("interrupted; the same command continues after the last completed step") from error
    if form == "json":
        click.echo(json.dumps({**done.tables, "file": str(done.file)}, default=str, indent=2))
        return
    for name in dict.fromkeys(row["model"] for row in done.tables["ml_backtest"]):
        show_backtest(name, *([row for row in rows if row["model"] == name] for rows in done.tables.values()))
    click.echo(f"The tables {' and '.join(done.tables)} are in {done.file}")


@click.command(name="compile")
@model_argument()
@version_option("The version to write; by default the champion.")
@click.option("--dialect", help="The SQL dialect; by default that of the warehouse.")
@click.option("--relation", help="The table to score; by default <model>_split.")
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
    """Write MODEL as a SELECT that returns the same predictions as Python, for an engine without Python.

    The SELECT returns for each row of the relation its entity columns, its time, the prediction, and for a
    classification the probability of each class.

    Example: mlbridge compile late_arrival --dialect postgres > late_arrival.sql
    """
    from mlbridge.commands.compile import export
    from mlbridge.project.project import Project

    try:
        with announced("writing the model as SQL"):
            sql = export(Project.at(project_dir, profiles_dir, target), model, number, dialect, relation)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    click.echo(sql)


@click.command()
@project_options
def publish(project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Publish the current tables for the monitor and dashboards, and what `mlbridge serve` reads.

    Every `dbt build` does this at its end; on PostgreSQL `mlbridge build` does, for `mlbridge serve` only. Do not run
    it while a build runs: both need a warehouse that is a file.

    Example: mlbridge publish --project-dir dbt_project
    """
    from mlbridge.commands.publish import publish
    from mlbridge.project.project import Project

    try:
        with announced("publishing"):
            done = publish(Project.at(project_dir, profiles_dir, target))
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        click.echo(json.dumps(asdict(done), default=str, indent=2))
        return
    if done.tables:
        show([{"table": name, "MB": done.file(name).stat().st_size / 1e6} for name in done.tables], form)
    click.echo(f"As of {done.as_of}, published as build {done.build} to {done.folder}")


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="The port to listen on.")
@click.option("--address", default="localhost", show_default=True, help="The address to listen on.")
@click.option("--allow-remote", is_flag=True, help="Listen on an address that other machines reach, without a login.")
@click.option("--headless", is_flag=True, help="Do not open a browser.")
@click.option("--project-dir", type=FOLDER, default=".", show_default=True, help="The dbt project.")
@click.option("--profiles-dir", type=FOLDER, envvar="DBT_PROFILES_DIR", help="The folder of profiles.yml.")
@click.option("--target", help="The profile's target; dbt's default otherwise.")
def monitor(
    port: int,
    address: str,
    allow_remote: bool,
    headless: bool,
    project_dir: Path,
    profiles_dir: Path | None,
    target: str | None,
) -> None:
    """Open the monitor: a web page with all models, their performance, drift, versions and runs.

    It shows the tables that the last build published. It works while a build runs and never locks the warehouse.
    Ctrl-C stops it.

    Example: mlbridge monitor --project-dir dbt_project --port 8600
    """
    import os

    from mlbridge.commands.monitor import command
    from mlbridge.project.project import Project

    try:
        with announced("starting the monitor"):
            project = Project.at(project_dir, profiles_dir, target)
            line, environment = command(project, address, port, headless, allow_remote)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    host = f"[{address}]" if ":" in address else address
    click.echo(f"The monitor: http://{host}:{port}", err=True)
    os.execve(line[0], line, environment)  # noqa: S606 - the app takes this process's place, signals included


@click.command()
@click.option("--models", multiple=True, help="A model to serve; repeat it for more. All by default.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="The port to listen on.")
@click.option("--allow-remote", is_flag=True, help="Listen on an address that other machines reach, without a token.")
@click.option("--requests", type=click.Path(path_type=Path), help="A folder to record requests and answers in.")
@click.option("--redact", multiple=True, help="A column whose values are not recorded; repeat it for more.")
@click.option("--project-dir", type=FOLDER, default=".", show_default=True, help="The dbt project.")
@click.option("--profiles-dir", type=FOLDER, envvar="DBT_PROFILES_DIR", help="The folder of profiles.yml.")
@click.option("--target", envvar="DBT_TARGET", help="The profile's target; dbt's default otherwise.")
def serve(  # noqa: PLR0913 - what the command line offers
    models: tuple[str, ...],
    host: str,
    port: int,
    allow_remote: bool,
    requests: Path | None,
    redact: tuple[str, ...],
    project_dir: Path,
    profiles_dir: Path | None,
    target: str | None,
) -> None:
    """Answer requests for predictions by the versions in use, over HTTP.

    It reads what the last build published, never the warehouse, and takes over what a later build publishes without an
    interruption. POST rows of features to /predict/MODEL, or tensors to /v2/models/MODEL/infer. Ctrl-C or SIGTERM stops
    it, once what was asked is answered. The environment variable MLBRIDGE_SERVE_TOKENS names tokens to ask for.

    Example: mlbridge serve --project-dir dbt_project --models late_arrival
    """
    import os

    from mlbridge.commands.serve import command
    from mlbridge.project.project import Project

    try:
        with announced("looking for what is published"):
            project = Project.at(project_dir, profiles_dir, target)
            line, environment = command(project, models, host, port, allow_remote, requests, redact)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    click.echo(f"Serving at http://{f'[{host}]' if ':' in host else host}:{port}", err=True)
    os.execve(line[0], line, environment)  # noqa: S606 - the server takes this process's place, signals included
