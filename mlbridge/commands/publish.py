"""`mlbridge publish`: publishes tables, and what is served of them, as builds do at their end."""

from __future__ import annotations

from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from mlbridge.commands.versions import NotBuiltError, query_tables
from mlbridge.engines.adapters import ENGINES, engine_of
from mlbridge.engines.reader import ReadError
from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import SetupError, listed
from mlbridge.project.project import Project
from mlbridge.project.served import served_branches, served_online
from mlbridge.publication.folder import CURRENT, file_of, read_facts
from mlbridge.serving.publishing import publish_all, publish_served

LAST = "select as_of from ml_runs order by coalesce(started_at, as_of) desc limit 1"


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
    """Publish the package's tables, as they are now, to where builds publish them, and what `mlbridge serve` reads.

    Of a server it is the latter only. Raises SetupError if the warehouse is in memory, does not open, is held by
    another process, or has no tables of the package.
    """
    folder, version = _checked(project)
    credentials = project.credentials
    with chdir(project.start_folder), engine_of(credentials.type).opened(credentials) as session:
        warehouse = Warehouse(session, credentials.type)
        found = query_tables(project, warehouse, LAST)
        if not found:
            raise NotBuiltError("no build has been recorded yet. Run `dbt build` first.")
        tables, branches, online = project.published_tables, served_branches(project), served_online(project)
        facts = {"build": str(uuid4()), "as_of": str(found[0]["as_of"]), "version": version}
        try:
            if project.published_folder is None:
                publish_served(warehouse, folder, tables, branches, online, **facts)
            else:
                facts["target"] = project.profile.target_name
                publish_all(session, tables, branches, online, **facts)
            there = read_facts(folder / CURRENT)
        except OSError as error:
            raise SetupError(f"nothing is published, because '{folder}' cannot be written: {error}.") from error
        except ReadError as error:
            raise SetupError(f"nothing is published, because the warehouse was not read: {error}") from error
    return Published(folder, there["build"], there["published_at"], there["as_of"], there["version"], there["tables"])


def _checked(project: Project) -> tuple[Path, str]:
    """Return the folder, and the version of the dbt package; raises SetupError where nothing can be published."""
    folder = served_folder(project)
    version = project.package_version
    if version is None:
        raise SetupError("the dbt package mlbridge is not installed. Name it in packages.yml and run `dbt deps`.")
    project.connect()
    return folder, version


def served_folder(project: Project) -> Path:
    """Return the folder that `mlbridge serve` reads; raises SetupError for a warehouse that nothing is served from."""
    folder = project.served_folder
    if folder is None:
        adapter, known = project.credentials.type, listed(name for name, each in ENGINES.items() if each.serves)
        raise SetupError(
            f"nothing is published for serving from this target: {known} are served from, and what is in memory ends "
            f"with its process; this is '{adapter}'. Elsewhere score with the SELECT of `mlbridge compile`."
        )
    return folder
