"""`mlbridge publish`: publishes the tables for people and the monitor, as every build does at its end."""

from __future__ import annotations

from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from mlbridge.commands.versions import query_tables
from mlbridge.engines.adapters import PYTHON_ENGINE
from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import SetupError
from mlbridge.project.project import Project
from mlbridge.publication.folder import CURRENT, file_of, read_facts
from mlbridge.serving.publishing import publish_all

LAST = "select max_by(as_of, coalesce(started_at, as_of)) as as_of from ml_runs"


@dataclass(frozen=True)
class Published:
    """The published state; `published_at` and `as_of` are UTC, `build` is the id under which it was published."""

    folder: Path
    build: str
    published_at: str
    as_of: str
    version: str
    tables: tuple[str, ...]

    def file(self, table: str) -> Path:
        """Name the file that holds a table."""
        return file_of(self.folder / CURRENT, table)


def publish(project: Project) -> Published:
    """Copy the package's tables, as they are now, to where builds publish them.

    Raises SetupError if the warehouse is no file, does not exist, is held by another process, or has no tables of the
    package.
    """
    version = _checked(project)
    with chdir(project.start_folder), PYTHON_ENGINE.opened(project.credentials) as session:
        (last,) = query_tables(project, Warehouse(session), LAST)
        tables, target = project.published_tables, project.profile.target_name
        facts = {"target": target, "build": str(uuid4()), "as_of": str(last["as_of"]), "version": version}
        folder = publish_all(session, tables, project.served_branches, project.served_online, **facts)
    if folder is None:
        raise SetupError(f"'{project.tables_file}' has no ml_* tables yet. Run `dbt build` first.")
    found = read_facts(folder / CURRENT)
    return Published(folder, found["build"], found["published_at"], found["as_of"], found["version"], found["tables"])


def _checked(project: Project) -> str:
    """Return the version of the dbt package; raises SetupError where there is nothing to publish from."""
    if project.published_folder is None:
        raise SetupError(
            "nothing needs to be published: the warehouse is no file on this machine. The monitor reads a server's "
            "tables themselves; what is in memory ends with its process."
        )
    version = project.package_version
    if version is None:
        raise SetupError("the dbt package mlbridge is not installed. Name it in packages.yml and run `dbt deps`.")
    project.connect()
    return version
