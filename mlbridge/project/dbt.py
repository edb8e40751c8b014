"""Runs dbt in this process. What it prints goes to a file, so that standard output holds the result only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from mlbridge.project.project import Project

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg


def invoke(
    project: Project,
    args: Sequence[str],
    logs: Path,
    manifest: Manifest | None = None,
    hear: Callable[[str], None] = lambda message: None,
) -> tuple[dbtRunnerResult, list[str]]:
    """Run a dbt command; returns dbt's result and its error messages.

    Its output and its log go to the folder `logs`. With a `manifest`, dbt does not parse the project. `hear` gets
    every message, also those for debugging. Raises KeyboardInterrupt if dbt was interrupted.
    """
    from dbt.cli.main import dbtRunner

    logs.mkdir(parents=True, exist_ok=True)
    errors: list[str] = []

    def collect(event: EventMsg) -> None:
        hear(event.info.msg)  # type: ignore[attr-defined] # dbt's protocol leaves the message out
        if event.info.level == "error":
            errors.append(event.info.msg)  # type: ignore[attr-defined]

    options = ["--project-dir", str(project.path), "--log-path", str(logs)]
    options += ["--log-level", "none", "--log-level-file", "debug", "--no-send-anonymous-usage-stats"]
    with _quiet(logs / "output.log"), chdir(project.start_folder):
        done = dbtRunner(manifest, [collect]).invoke([*args, *options])
        _close_logs()
    if isinstance(done.exception, KeyboardInterrupt):
        raise done.exception
    return done, errors


@contextmanager
def log_lines(say: Callable[[str], None]) -> Iterator[None]:
    """Pass on what nodes log outside of a dbt command, line by line; debug messages are left out."""
    from dbt_common.events.event_manager_client import get_event_manager

    def heard(event: EventMsg) -> None:
        if event.info.level in ("info", "warn"):
            say(event.info.msg)  # type: ignore[attr-defined] # dbt's protocol leaves the message out

    callbacks = get_event_manager().callbacks
    callbacks.append(heard)
    try:
        yield
    finally:
        callbacks.remove(heard)


def _close_logs() -> None:
    """Close the log that dbt leaves open, so that its folder can be removed."""
    from dbt_common.events.event_manager_client import cleanup_event_logger, get_event_manager

    loggers = [logger for each in get_event_manager().loggers if (logger := each._python_logger) is not None]
    for handler in [handler for logger in loggers for handler in logger.handlers]:
        handler.close()
    cleanup_event_logger()


@contextmanager
def _quiet(file: Path) -> Iterator[None]:
    """Keep standard output for the result: what dbt and the models print goes to a file."""
    with file.open("a") as log, redirect_stdout(log), redirect_stderr(log):
        yield
