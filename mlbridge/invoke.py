"""Invoke: dbt, run in this process as a user runs it, with nothing of what it prints on standard output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from mlbridge.project import Project


def invoke(project: Project, args: Sequence[str], logs: Path, manifest: Any = None) -> tuple[Any, list[str]]:
    """Run a dbt command; gives its result and the errors that it spoke of.

    What it prints, and its log, go to the folder `logs`. With a `manifest` it does not parse.
    """
    from dbt.cli.main import dbtRunner

    logs.mkdir(parents=True, exist_ok=True)
    heard: list[str] = []

    def hear(event: Any) -> None:
        if event.info.level == "error":
            heard.append(event.info.msg)

    options = ["--project-dir", str(project.path), "--log-path", str(logs)]
    options += ["--log-level", "none", "--log-level-file", "debug", "--no-send-anonymous-usage-stats"]
    with _quiet(logs / "output.log"), chdir(project.start_folder):
        done = dbtRunner(manifest, [hear]).invoke([*args, *options])
    if isinstance(done.exception, KeyboardInterrupt):
        raise done.exception
    return done, heard


@contextmanager
def _quiet(file: Path) -> Iterator[None]:
    """Keep standard output for the result: what dbt and the models print goes to a file."""
    with file.open("a") as log, redirect_stdout(log), redirect_stderr(log):
        yield
