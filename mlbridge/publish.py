"""Publish: what a build leaves for the monitor at its end, done by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from mlbridge.errors import SetupError
from mlbridge.invoke import invoke
from mlbridge.project import Project
from mlbridge.warehouse import connect

POINTER = "current.json"
FOLDER = "mlbridge_publish"
PATIENCE = 10.0


@dataclass(frozen=True)
class Published:
    """What a reader of the folder finds from now on; times are UTC, `build` is the invocation that copied them."""

    folder: Path
    build: str
    slot: str
    published_at: str
    as_of: str
    version: str
    tables: tuple[str, ...]

    def file(self, table: str) -> Path:
        """Name the file that holds a table."""
        return self.folder / f"{self.slot}.{table}.parquet"


def publish(project: Project, report: Callable[[int, int, str], None]) -> Published:
    """Copy the package's tables, as they are now, to where the monitor reads them; the macro that builds use does it.

    `report` hears of it when it takes long. Raises SetupError when the warehouse is no file, not there, held by
    another process, or has no tables of the package.
    """
    folder = _checked(project)
    asked = ["run-operation", "mlbridge.publish_by_hand", "--profiles-dir", str(project.profiles)]
    # What the last build left there stays: `dbt retry` goes by it.
    asked += ["--no-write-json", "--target-path", str(project.target_folder)]
    asked += [] if project.target is None else ["--target", project.target]
    waiting = Timer(PATIENCE, report, (0, 1, f"publishing to {folder}"))
    waiting.start()
    try:
        done, heard = invoke(project, asked, project.target_folder / FOLDER)
    finally:
        waiting.cancel()
    if not done.success:
        raise SetupError(f"dbt could not publish: {done.exception or ' '.join(heard)}")
    pointer = folder / POINTER
    found = json.loads(pointer.read_text()) if pointer.is_file() else {}
    if found.get("build") != done.result.metadata.invocation_id:
        raise SetupError(f"'{project.tables_file}' has no ml_* tables yet. Run `dbt build` first.")
    return Published(folder, **{**found, "tables": tuple(found["tables"])})


def _checked(project: Project) -> Path:
    """Find the folder to publish to; raises SetupError where there is nothing to publish from."""
    folder = project.published_folder
    if folder is None:
        raise SetupError(
            "nothing needs to be published: the warehouse is no file on this machine. The monitor reads a server's "
            "tables themselves; what is in memory ends with its process."
        )
    if project.package_version is None:
        raise SetupError("the dbt package mlbridge is not installed. Name it in packages.yml and run `dbt deps`.")
    connect(project.tables_file)
    return folder
