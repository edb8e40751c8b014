"""The options and arguments that several commands have, and the error of a wrong command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryFile

import click


class Misuse(click.ClickException):
    """The command line names something that does not exist."""

    exit_code = 2


class OutputFile(click.Path):
    """A file to write, which need not exist; one that cannot be written is refused before anything is done."""

    def __init__(self) -> None:
        """Take files only."""
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; fails where it is a folder, or cannot be written, which is tried without a trace."""
        file = Path(value)
        super().convert(file, param, ctx)
        try:
            with file.open("ab") if file.exists() else TemporaryFile(dir=file.parent):
                return file
        except OSError as error:
            self.fail(f"'{file}' cannot be written: {error.strerror}. Name another file.", param, ctx)


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def project_options(command: Callable[..., None], formats: Sequence[str] = ("table", "json")) -> Callable[..., None]:
    """Add `--project-dir`, `--profiles-dir`, `--target` and `--format`, by default the first one, to a command."""
    return _with_project(command, "--target", formats)


def _with_project(command: Callable[..., None], target: str, formats: Sequence[str]) -> Callable[..., None]:
    """Add the options of the project; `target` is what the one of the profile's target is called."""
    options = (
        click.option("--project-dir", type=FOLDER, default=".", show_default=True, help="The dbt project."),
        click.option("--profiles-dir", type=FOLDER, envvar="DBT_PROFILES_DIR", help="The folder of profiles.yml."),
        click.option(target, envvar="DBT_TARGET", help="The profile's target; dbt's default otherwise."),
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
    return click.argument("model", required=required, shell_complete=declared_models)


def declared_models(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Return the declared models whose name begins so, for a shell to complete."""
    from mlbridge.project.written import written_models

    models = written_models(Path(context.params.get("project_dir") or "."))
    return [name for name in models if name.startswith(begun)]


def usable_versions(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Return the versions of the model that can be chosen, as the last build published them."""
    from mlbridge.project.written import published_versions

    given = context.params
    folder, profiles = Path(given.get("project_dir") or "."), given.get("profiles_dir")
    # After an option that lacks its value as yet, click leaves the arguments before it unnamed.
    model = given.get("model") or next(iter(context.args), "")
    found = published_versions(folder, profiles, given.get("target"), str(model))
    return [str(version) for version in found if str(version).startswith(begun)]


def version_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the option `--version`, whose numbers a shell completes."""
    return click.option("--version", "number", type=int, shell_complete=usable_versions, help=text)
