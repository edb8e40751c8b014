"""Progress: a bar or a spinner on a terminal, plain lines elsewhere, always on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

PATIENCE = 2.0  # seconds that pass before somebody wonders what a command does


@contextmanager
def announced(doing: str) -> Iterator[None]:
    """Say what is being done if it takes longer than `PATIENCE` seconds; on a terminal only for as long as it takes."""
    stderr = sys.stderr  # bound now, because the work may redirect standard error
    console = Console(file=stderr)
    spinner = console.status(Text(f"{doing} ..."))

    def announce() -> None:
        if console.is_terminal:
            spinner.start()
        else:
            stderr.write(f"{doing} ...\n")
            stderr.flush()

    waiting = Timer(PATIENCE, announce)
    waiting.daemon = True
    waiting.start()
    try:
        yield
    finally:
        waiting.cancel()
        waiting.join()  # so that nothing is drawn after the end
        spinner.stop()


@contextmanager
def progress_report() -> Iterator[Callable[[int, int, str], None]]:
    """Yield a callback that takes the number of completed steps, the number of all steps, and the current activity."""
    stderr = sys.stderr  # bound now, because the work may redirect standard error
    console = Console(file=stderr, markup=False)
    if not console.is_terminal:

        def line(done: int, total: int, doing: str) -> None:
            stderr.write(f"[{done}/{total}] {doing}\n")
            stderr.flush()

        yield line
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, doing: bar.update(task, completed=done, total=total, description=doing)
