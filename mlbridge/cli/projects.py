"""The commands about a dbt project: can a branch grow there, write it, take it away, and what comes from where."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from mlbridge.cli.options import (
    FOLDER,
    Misuse,
    OutputFile,
    model_argument,
    project_options,
    question_options,
)
from mlbridge.display import (
    show,
    show_assessment,
    show_audit,
    show_graft,
    show_impact,
    show_lineage,
    show_ungraft,
)
from mlbridge.errors import MlbridgeError
from mlbridge.progress import announced, progress_report


@click.command()
@project_options
@click.option(
    "--conformance",
    is_flag=True,
    help="Instead, run the statements in which engines differ in a schema of its own, and compare their values.",
)
def doctor(project_dir: Path, profiles_dir: Path | None, target: str | None, form: str, conformance: bool) -> None:
    """Check what a build needs: versions, profile, packages, lock and disk space.

    Example: mlbridge doctor --project-dir dbt_project
    """
    from mlbridge.commands.doctor import run_checks, summary
    from mlbridge.project.project import Project
    from mlbridge.readiness.conformance import conform

    if conformance:
        try:
            with announced("trying the statements"):
                checks = conform(Project.at(project_dir, profiles_dir, target))
        except MlbridgeError as error:
            raise Misuse(str(error)) from error
        show([{**asdict(each), "fine": "ok" if each.fine else "FAILED"} for each in checks], form)
        if not all(each.fine for each in checks):
            raise click.exceptions.Exit(1)
        return
    with announced("checking"):
        findings = run_checks(lambda: Project.at(project_dir, profiles_dir, target))
    show([{**asdict(each), "fine": "ok" if each.fine else "FAILED"} for each in findings], form)
    if form == "table":
        click.echo(summary(findings))
    if not all(each.fine for each in findings):
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("relation", required=False)
@question_options
@click.option(
    "--cadence",
    type=click.Choice(["day", "week", "month"]),
    default="day",
    show_default=True,
    help="How often builds will run, for the room that they take in 12 months.",
)
@click.option("--schema", help="A schema of the branch's own, as dbt's +schema names it, to try the role's rights on.")
@click.option("--html", type=OutputFile(), help="Also write the answer as a page.")
def assess(  # noqa: PLR0913 - what the command line offers
    relation: str | None, target: str | None, entity: tuple[str, ...], time: str | None, label_time: str | None,
    task: str | None, project_dir: Path, profiles_dir: Path | None, dbt_target: str | None, form: str,
    cadence: str, schema: str | None, html: Path | None,
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
            project = Project.at(project_dir, profiles_dir, dbt_target)
            found = answer(project, question, cadence=cadence, schema=schema, report=report)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        click.echo(json.dumps(document(found), default=str, indent=2))
    else:
        show_assessment(found)
    if html is not None:
        try:
            page(found, html)
        except MlbridgeError as error:
            raise Misuse(str(error)) from error
    raise click.exceptions.Exit(found.exit_code)


@click.command()
@model_argument()
@project_options
def audit(model: str, project_dir: Path, profiles_dir: Path | None, target: str | None, form: str) -> None:
    """Say which features of MODEL used what was not known at their moment.

    The features' SQL is run again over sources that are cut at a few moments by what the YAML says of when they are
    known: `known_at` of columns and models, `time` of feature views. The last rows before each cut are compared with
    the table. Nothing is written. The exit code is 1 if a feature used the future, and 2 if no row of one could be
    compared.

    Example: mlbridge audit late_arrival --project-dir dbt_project
    """
    from mlbridge.commands.audit import audited, document
    from mlbridge.project.project import Project

    try:
        with progress_report() as report:
            found = audited(Project.at(project_dir, profiles_dir, target), model, report)
    except MlbridgeError as error:
        raise Misuse(str(error)) from error
    if form == "json":
        click.echo(json.dumps(document(found), indent=2))
    else:
        show_audit(found)
    raise click.exceptions.Exit(found.exit_code)


@click.command()
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


@click.command()
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


@click.command()
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


@click.command()
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
