"""The command line: parses options, calls a command, prints its result. Exit codes: 0 success, 1 failure, 2 misuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from mlbridge.display import (
    alert_line,
    health_line,
    incidents_line,
    show,
    show_assessment,
    show_backtest,
    show_explanation,
    show_graft,
    show_impact,
    show_lineage,
    show_ungraft,
    version_line,
)
from mlbridge.errors import MlbridgeError
from mlbridge.progress import announced, progress_report
from mlbridge.version import __version__


class Misuse(click.ClickException):
    """The command line names something that does not exist."""

    exit_code = 2


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def project_options(command: Callable[..., None], formats: Sequence[str] = ("table", "json")) -> Callable[..., None]:
    """Add `--project-dir`, `--profiles-dir`, `--target` and `--format`, by default the first one, to a command."""
    return _with_project(command, "--target", formats)


def _with_project(command: Callable[..., None], target: str, formats: Sequence[str]) -> Callable[..., None]:
    """Add the options of the project; `target` is what the one of the profile's target is called."""
    options = (
        click.option("--project-dir", type=FOLDER, default=".", show_default=True, help="The dbt project."),
        click.option("--profiles-dir", type=FOLDER, envvar="DBT_PROFILES_DIR", help="The folder of profiles.yml."),
        click.option(target, help="The profile's target; dbt's default otherwise."),
        click.option(
            "--format", "form", type=click.Choice(list(formats)), default=formats[0], show_default=True,
            help="Output format; JSON for programs.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def question_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what is to be predicted, and those of the project.

    `--target` is the column to predict, so the profile's target is `--dbt-target`.
    """
    options = (
        click.option("--target", help="The column to predict."),
        click.option("--entity", multiple=True, help="The key of what is predicted about; repeat it for more columns."),
        click.option("--time", help="The column with the moment at which the prediction is made."),
        click.option("--label-time", help="The column with the moment at which the outcome is known."),
        click.option("--task", type=click.Choice(["classification", "regression"]), help="A class, or a number."),
    )
    command = _with_project(command, "--dbt-target", ("table", "json"))
    for option in reversed(options):
        command = option(command)
    return command


def model_argument(required: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the argument MODEL, whose declared names a shell completes."""
    return click.argument("model", required=required, shell_complete=_declared_models)


def _declared_models(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    from mlbridge.project.written import written_models

    models = written_models(Path(context.params.get("project_dir") or "."))
    return [name for name in models if name.startswith(begun)]


def _usable_versions(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    from mlbridge.project.written import published_versions

    given = context.params
    folder, profiles = Path(given.get("project_dir") or "."), given.get("profiles_dir")
    # After an option that lacks its value as yet, click leaves the arguments before it unnamed.
    model = given.get("model") or next(iter(context.args), "")
    found = published_versions(folder, profiles, given.get("target"), str(model))
    return [str(version) for version in found if str(version).startswith(begun)]


def version_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the option `--version`, whose numbers a shell completes."""
    return click.option("--version", "number", type=int, shell_complete=_usable_versions, help=text)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlbridge")
def main() -> None:
    """Inspect and maintain the ML branch of a dbt project. Training and scoring run inside `dbt build`."""


@main.command()
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


@main.command()
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


@main.command()
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


@main.command()
@project_options
def doctor(project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Check what a build needs: versions, profile, packages, lock and disk space.

    Example: mlbridge doctor --project-dir dbt_project
    """
    from mlbridge.commands.doctor import run_checks, summary
    from mlbridge.project.project import Project

    with announced("checking"):
        findings = run_checks(lambda: Project.at(project_dir, profiles_dir, target))
    show([{**asdict(each), "fine": "ok" if each.fine else "FAILED"} for each in findings], form)
    if form == "table":
        click.echo(summary(findings))
    if not all(each.fine for each in findings):
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("relation", required=False)
@question_options
@click.option(
    "--cadence",
    type=click.Choice(["day", "week", "month"]),
    default="day",
    show_default=True,
    help="How often builds will run, for the room that they take in 12 months.",
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write the answer as a page.")
def assess(  # noqa: PLR0913 - what the command line offers
    relation: str | None, target: str | None, entity: tuple[str, ...], time: str | None, label_time: str | None,
    task: str | None, project_dir: Path, profiles_dir: Path | None, dbt_target: str | None, form: str,
    cadence: str, html: Path | None,
) -> None:  # fmt: skip
    """Say whether an ML branch can grow on RELATION, a model, seed, snapshot or source of the dbt project.

    Does the data fit, what would leak, may the profile's role read and write, how much room does it take: each
    requirement is scored from 0 to 1, with a threshold, the evidence and what to do. What is not named is proposed,
    with the reason. Nothing is written into the project or the warehouse. The exit code is 1 if a branch cannot work.

    Example: mlbridge assess fct_orders --target is_late --entity order_id --time ordered_at
    """
    from mlbridge.commands.assess import document, page
    from mlbridge.project.project import Project
    from mlbridge.readiness.assess import assess as answer
    from mlbridge.readiness.assessment import Question

    try:
        with progress_report() as report:
            question = Question(relation, target, entity, time, label_time, task)
            found = answer(Project.at(project_dir, profiles_dir, dbt_target), question, cadence=cadence, report=report)
        if html is not None:
            page(found, html)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        click.echo(json.dumps(document(found), default=str, indent=2))
    else:
        show_assessment(found)
    raise click.exceptions.Exit(found.exit_code)


@main.command()
@click.argument("name")
@click.option("--from", "relation", help="The model, seed, snapshot or source whose rows are predicted about.")
@question_options
@click.option("--sql", is_flag=True, help="Score with an SQL node instead of a Python one.")
@click.option("--schema", help="A schema of the branch's own, as dbt's +schema names it.")
@click.option("--package", help="Where the dbt package is: a folder, or a git address with @ and a revision.")
@click.option("--apply", "write", is_flag=True, help="Write the files; otherwise they are only shown.")
def graft(  # noqa: PLR0913 - what the command line offers
    name: str, relation: str | None, target: str | None, entity: tuple[str, ...], time: str | None,
    label_time: str | None, task: str | None, sql: bool, schema: str | None, package: str | None, write: bool,
    project_dir: Path, profiles_dir: Path | None, dbt_target: str | None, form: str,
) -> None:  # fmt: skip
    """Write the ML model NAME into the dbt project: features, split, training, predictions, YAML, and its declaration.

    What is not named is proposed, as by `mlbridge assess`. Columns that look like a leak are left out. New files are
    shown whole, changes of others as diffs; with --apply all of them are written, or none. Then `dbt deps` and
    `dbt build` train and score.

    Example: mlbridge graft late --from fct_orders --target is_late --entity order_id --time ordered_at
    """
    from mlbridge.commands.graft import document, graft
    from mlbridge.grafting.own_files import Wish
    from mlbridge.project.project import Project
    from mlbridge.readiness.assessment import Question

    try:
        with progress_report() as report:
            wish = Wish(name, Question(relation, target, entity, time, label_time, task), sql, schema, package)
            done = graft(Project.at(project_dir, profiles_dir, dbt_target), wish, write, report)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        click.echo(json.dumps(document(done), indent=2))
    else:
        show_graft(done)


@main.command()
@model_argument()
@click.option("--force", is_flag=True, help="Take files away that were edited since they were grafted, too.")
@click.option("--drop", is_flag=True, help="Drop the model's tables, and with the last model those of the package.")
@click.option("--apply", "write", is_flag=True, help="Do it; otherwise it is only shown.")
@project_options
def ungraft(  # noqa: PLR0913 - what the command line offers
    model: str, force: bool, drop: bool, write: bool,
    project_dir: Path, profiles_dir: Path | None, target: str | None, form: str,
) -> None:  # fmt: skip
    """Take away what `mlbridge graft` wrote for MODEL: its files, and its part of the project's own.

    Files that were edited since stay and are named. With the last model, the package and the flags go too. Tables and
    files that remain are listed.

    Example: mlbridge ungraft late --drop --apply
    """
    from mlbridge.commands.ungraft import document, ungraft
    from mlbridge.project.project import Project

    try:
        with announced("looking at what is there"):
            done = ungraft(Project.at(project_dir, profiles_dir, target), model, force, drop, write)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        click.echo(json.dumps(document(done), indent=2))
    else:
        show_ungraft(done)


@main.command()
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


@main.command(name="compile")
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


@main.command()
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


@main.command()
@click.option("--state", type=FOLDER, required=True, help="The target folder of a `dbt compile` of the earlier state.")
@partial(project_options, formats=("table", "markdown", "json"))
def impact(state: Path, project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Show which models' features are touched by what differs from an earlier state of the project.

    A column differs where its expression does, on the way from the parents of its node. The exit code is 1 if a feature
    of a model is touched, so that a pull request can be held for review; Markdown is for its comment.

    Example: mlbridge impact --state ../main/target --format markdown
    """
    from mlbridge.commands.impact import impact, markdown, rows_of
    from mlbridge.project.project import Project

    try:
        with announced("reading the project's SQL"):
            found = impact(Project.at(project_dir, profiles_dir, target), state)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        click.echo(json.dumps(asdict(found), indent=2))
    elif form == "markdown":
        click.echo(markdown(found))
    else:
        show_impact(asdict(found), rows_of(found))
    if found.models:
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("column")
@click.option("--rows", is_flag=True, help="Also follow joins and filters, which decide about rows, not about values.")
@project_options
def lineage(
    column: str, rows: bool, project_dir: Path, profiles_dir: Path | None, target: str | None, form: str
) -> None:
    """Show which source columns COLUMN comes from, and which columns, features and models depend on it.

    COLUMN is `<model>.<feature>`, `<node>.<column>`, or the name of a feature or column alone where only one node has
    it. It is read off the compiled SQL of the whole project; where that is missing, `dbt compile` is run first.

    Example: mlbridge lineage late_arrival.carrier_late_1d --project-dir dbt_project
    """
    from mlbridge.commands.lineage import lineage
    from mlbridge.project.project import Project

    try:
        with announced("reading the project's SQL"):
            found = asdict(lineage(Project.at(project_dir, profiles_dir, target), column, rows))
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        click.echo(json.dumps(found, indent=2))
    else:
        show_lineage(found)


@main.command()
@model_argument()
@version_option("The version to describe; by default the champion.")
@partial(project_options, formats=("markdown", "html", "json"))
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file, not to stdout.")
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


@main.command()
@model_argument()
@click.argument("version", type=int, shell_complete=_usable_versions)
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


@main.command()
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


@main.command()
@project_options
def publish(project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Publish the current tables for the monitor and for dashboards. Every `dbt build` does this at its end.

    Do not run it while a build runs: both need the warehouse.

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
    show([{"table": name, "MB": done.file(name).stat().st_size / 1e6} for name in done.tables], form)
    click.echo(f"As of {done.as_of}, published as build {done.build} to {done.folder}")
