"""Where the monitor reads: what the last build published, or the tables of a server. One build at a time.

A build copies the tables into one of two slots of files and replaces the pointer, `current.json`, that names it last.
The slot that is named is never written. So an answer is of one build when the pointer is the same before and after.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlbridge.errors import MlbridgeError, SetupError
from mlbridge.warehouse import Reader, ReadError, read_files, read_server

if TYPE_CHECKING:
    import pandas as pd

    from mlbridge.project import Project

POINTER = "current.json"
NEEDED = frozenset({"ml_nodes", "ml_decisions", "ml_runs", "ml_versions", "ml_champions", "ml_predictions"})
BUILD_FIRST = "Run `dbt build` (or `mlbridge publish` where one has run already)."


class Nothing(MlbridgeError):
    """There is no published build that the monitor could show."""


class Republished(MlbridgeError):
    """Another build was published while this one was read."""


@dataclass(frozen=True)
class Build:
    """A dbt invocation whose tables are readable. Both moments are naive UTC; `version` is that of mlbridge."""

    id: str
    published_at: datetime
    as_of: datetime
    version: str


class Source(Protocol):
    """Where the published state is; cheap to keep open."""

    def state(self) -> State:
        """Give the newest published build; raises Nothing."""
        ...


@dataclass(frozen=True)
class State:
    """One published build, to be asked."""

    build: Build
    tables: Mapping[str, tuple[str, str]]
    _reader: Reader
    _is_newest: Callable[[], bool]

    def ask(self, sql: str, **parameters: Any) -> pd.DataFrame:
        """Ask in sqlglot's own dialect, values as `:name`; tables by their bare names.

        Raises Republished when the answer may be of two builds, and Nothing when the tables are of an mlbridge that
        did not have yet what is asked for.
        """
        try:
            answer = self._reader.frame(sql, parameters, self.tables)
        except ReadError as error:
            if not self._is_newest():
                raise Republished("another build was published meanwhile") from error
            raise Nothing(f"the published tables do not answer: {error}. {BUILD_FIRST}") from error
        if not self._is_newest():
            raise Republished("another build was published meanwhile")
        return answer


class Folder:
    """The folder that a build of an embedded warehouse publishes to."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, there or not."""
        self._folder = folder
        self._last: State | None = None

    def state(self) -> State:
        """Give the newest published build; raises Nothing when none is."""
        pointer = self._pointer()
        if self._last is None or self._last.build.id != pointer["build"]:
            self._last = self._opened(pointer)
        return self._last

    def _opened(self, pointer: Mapping[str, Any]) -> State:
        names = [str(name) for name in pointer["tables"]]
        lacking = NEEDED - set(names)
        if lacking:
            raise Nothing(f"the published build lacks {', '.join(sorted(lacking))}. {BUILD_FIRST}")
        files = {name: self._folder / f"{pointer['slot']}.{name}.parquet" for name in names}
        build = Build(
            str(pointer["build"]),
            datetime.fromisoformat(pointer["published_at"]),
            datetime.fromisoformat(pointer["as_of"]),
            str(pointer["version"]),
        )
        try:
            reader = read_files(files)
        except ReadError as error:
            if self._pointer() != pointer:
                return self.state()
            raise Nothing(f"what is published in '{self._folder}' is damaged: {error}. {BUILD_FIRST}") from error
        return State(build, {name: ("", name) for name in names}, reader, lambda: self._pointer() == pointer)

    def _pointer(self) -> dict[str, Any]:
        file = self._folder / POINTER
        try:
            found: dict[str, Any] = json.loads(file.read_text())
        except FileNotFoundError as error:
            raise Nothing(f"no build has been published to '{self._folder}' yet. {BUILD_FIRST}") from error
        except (OSError, ValueError) as error:
            raise Nothing(f"'{file}' cannot be read: {error}. {BUILD_FIRST}") from error
        return found


class Server:
    """The tables of a warehouse that many can read at once."""

    def __init__(self, project: Project) -> None:
        """Take the project whose manifest says where the tables are; nothing is asked yet."""
        self._project = project
        self._reader = read_server(project.credentials)

    def state(self) -> State:
        """Give the build that wrote `ml_runs` last; raises Nothing when there is none, or no answer."""
        tables = self._tables()
        build = self._build(tables)
        return State(build, tables, self._reader, lambda: self._build(tables) == build)

    def _tables(self) -> dict[str, tuple[str, str]]:
        try:
            nodes = self._project.manifest["nodes"].values()
        except SetupError as error:
            raise Nothing(str(error)) from error
        return {
            node["name"]: (str(node["schema"]), str(node["alias"]))
            for node in nodes
            if node["package_name"] == "mlbridge" and node["config"]["materialized"] in ("table", "view", "incremental")
        }

    def _build(self, tables: Mapping[str, tuple[str, str]]) -> Build:
        newest = (
            "select invocation_id, max(as_of) as as_of, max(started_at) as started_at from ml_runs "
            "group by invocation_id order by max(started_at) desc limit 1"
        )
        try:
            found = self._reader.frame(newest, {}, tables)
        except ReadError as error:
            raise Nothing(f"the warehouse does not answer: {error}. {BUILD_FIRST}") from error
        if found.empty:
            raise Nothing(f"no build has been run yet. {BUILD_FIRST}")
        row = found.iloc[0]
        version = str(self._project.package_version)
        return Build(str(row["invocation_id"]), row["started_at"], row["as_of"], version)


def open_source(project: Project) -> Source:
    """Find where a project's builds can be read: the folder beside an embedded warehouse, or the server itself."""
    folder = project.published_folder
    return Server(project) if folder is None else Folder(folder)


def open_folder(folder: Path) -> Source:
    """Read a folder that builds publish to, there or not."""
    return Folder(folder)
