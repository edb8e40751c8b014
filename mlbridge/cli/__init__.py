"""The command line: parses options, calls a command, prints its result. Exit codes: 0 success, 1 failure, 2 misuse."""

from __future__ import annotations

import click

from mlbridge.cli import builds, models, projects
from mlbridge.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlbridge")
def main() -> None:
    """Inspect and maintain the ML branch of a dbt project. Builds train and score."""


for module in (projects, models, builds):
    for command in vars(module).values():
        if isinstance(command, click.Command):
            main.add_command(command)
