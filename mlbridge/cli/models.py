"""The commands about the models of a branch: their versions, how they do, and why they predict what they do."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from mlbridge.cli.options import (
    Misuse,
    OutputFile,
    model_argument,
    project_options,
    usable_versions,
    version_option,
)
from mlbridge.display import (
    alert_line,
    health_line,
    incidents_line,
    show,
    show_explanation,
    version_line,
)
from mlbridge.errors import MlbridgeError
from mlbridge.progress import announced


@click.command()
@model_argument(required=False)
@project_options
def versions(model: str | None, project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Show every candidate of every training of MODEL, or of all models, newest first.

    Example: mlbridge versions late_arrival --project-dir dbt_project
    """
    from mlbridge.commands.versions import leaderboard
    from mlbridge.project.project import Project

    try:
        with announced("reading the versions"):
            rows = leaderboard(Project.at(project_dir, profiles_dir, target), model)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        show(rows, form)
        return
    show([version_line(row) for row in rows], form)
    for row in rows:
        if row["outcome"] != "runner_up":
            version = "" if row["version"] is None else f" version {row['version']}"
            click.echo(f"{row['model']}{version} {row['outcome'].replace('_', ' ')}: {row['reason']}")


@click.command()
@model_argument(required=False)
@project_options
def status(model: str | None, project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Say whether MODEL, or every model, can be relied on, why, and what to do.

    The verdict is act, look, cannot tell or fine, as in the table ml_health. Below it stands how many incidents there
    are and what the first is, as in ml_incidents. The exit code is 1 if a model's verdict is act or its next build is
    overdue, so that it can be used in CI and cron.

    Example: mlbridge status --project-dir dbt_project
    """
    from mlbridge.commands.status import health, incidents, overdue
    from mlbridge.project.project import Project

    try:
        with announced("reading the verdicts"):
            project = Project.at(project_dir, profiles_dir, target)
            rows, wrong = health(project, model), incidents(project, model)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        show([{**row, "incidents": [each for each in wrong if row["model"] in each["models"]]} for row in rows], form)
    else:
        show([health_line(row) for row in rows], form)
    late = overdue(rows)
    if form == "table":
        click.echo(incidents_line(wrong))
        for row in late:
            click.echo(f"{row['model']}: a build was expected by {row['next_build_expected_by']:%Y-%m-%d %H:%M} UTC")
    if late or any(row["verdict"] == "act" for row in rows):
        raise click.exceptions.Exit(1)


@click.command()
@model_argument(required=False)
@project_options
def alerts(model: str | None, project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Show the current alerts of MODEL, or of every model, with what to do about each.

    The exit code is 1 if there is one of severity act or look.

    Example: mlbridge alerts late_arrival --project-dir dbt_project
    """
    from mlbridge.commands.alerts import alerts
    from mlbridge.project.project import Project

    try:
        with announced("reading the alerts"):
            rows = alerts(Project.at(project_dir, profiles_dir, target), model)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    show(rows if form == "json" else [alert_line(row) for row in rows], form)
    if form == "table" and not rows:
        click.echo("no alert")
    if any(row["severity"] != "note" for row in rows):
        raise click.exceptions.Exit(1)


@click.command()
@model_argument()
@click.argument("key", nargs=-1, required=True)
@click.option("--time", help="The time of the row, in UTC; by default that of the newest row of the key.")
@version_option("The version to explain; by default the champion.")
@project_options
def explain(  # noqa: PLR0913 - what the command line offers
    model: str, key: tuple[str, ...], time: str | None, number: int | None,
    project_dir: Path, profiles_dir: Path | None, target: str | None, form: str,
) -> None:  # fmt: skip
    """Show what each feature contributes to MODEL's prediction for the row of KEY, the greatest contribution first.

    KEY is a value for each entity column, in the order of the spec. The contributions add up to the difference between
    the prediction and the mean prediction of training rows. They are Shapley values (Strumbelj and Kononenko 2014) by
    sampling, each with a 95 % interval, and say what the version does with the values, not what causes the outcome.

    Example: mlbridge explain late_arrival 2013-12-31-EV-4596-EWR --project-dir dbt_project
    """
    from mlbridge.commands.backtest import moment
    from mlbridge.commands.explain import explain
    from mlbridge.project.project import Project

    try:
        when = None if time is None else moment("--time", time)
        with announced("explaining"):
            found = explain(Project.at(project_dir, profiles_dir, target), model, key, when, number)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        click.echo(json.dumps(asdict(found), default=str, indent=2))
        return
    show_explanation(asdict(found))


@click.command()
@model_argument()
@version_option("The version to describe; by default the champion.")
@partial(project_options, formats=("markdown", "html", "json"))
@click.option("--output", type=OutputFile(), help="Write to this file, not to stdout.")
def card(
    model: str, number: int | None, form: str, output: Path | None,
    project_dir: Path, profiles_dir: Path | None, target: str | None,
) -> None:  # fmt: skip
    """Write the model card of MODEL: what it predicts, on which data, how well, what was decided, and its limits.

    It has the sections of Mitchell et al., Model Cards for Model Reporting (2019). All of it is from the tables that
    the last build published; what they do not hold is said to be not measured.

    Example: mlbridge card late_arrival --format html --output late_arrival.html --project-dir dbt_project
    """
    from mlbridge.commands.card import card, write
    from mlbridge.project.project import Project

    try:
        with announced("writing the card"):
            text = card(Project.at(project_dir, profiles_dir, target), model, number, form)
        if output is not None:
            write(text, output)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if output is None:
        click.echo(text, nl=False)


@click.command()
@model_argument()
@click.argument("version", type=int, shell_complete=usable_versions)
@click.option("--write", is_flag=True, help="Change the file; otherwise the change is only shown.")
@project_options
def retire(
    model: str, version: int, write: bool,
    project_dir: Path, profiles_dir: Path | None, target: str | None, form: str,
) -> None:  # fmt: skip
    """Take VERSION of MODEL out of scoring and of every comparison for good, by a change of the spec.

    Shows the change of the YAML file as a diff, and which version the next build makes the champion. The change takes
    effect with that build, so it can be reviewed and committed like any other.

    Example: mlbridge retire late_arrival 2 --write --project-dir dbt_project
    """
    from mlbridge.commands.retire import retire
    from mlbridge.project.project import Project

    try:
        with announced("reading the versions"):
            done = retire(Project.at(project_dir, profiles_dir, target), model, version, write)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        click.echo(json.dumps({**asdict(done), "effect": done.effect}, indent=2))
        return
    click.echo(f"{done.file}, line {done.line}:\n\n{done.diff}")
    click.echo(f"{done.effect} {'The file is changed.' if write else 'Nothing is changed yet: add --write.'}")
