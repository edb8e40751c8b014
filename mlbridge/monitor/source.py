"""Where the monitor reads: what the last build published, or the tables of a server. One build at a time.

A build copies the tables into one of two slots of files and replaces the pointer, `current.json`, that names it last.
The slot that is named is never written. So an answer is of one build when the pointer is the same before and after.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlbridge import __version__
from mlbridge.errors import MlbridgeError, SetupError
from mlbridge.reader import LackingError, Reader, ReadError
from mlbridge.warehouse import read_files, read_server

if TYPE_CHECKING:
    import pandas as pd

    from mlbridge.project import Project

POINTER, FORMAT_FILE, FORMAT = "current.json", "format0.json", 1
NEEDED = frozenset({"ml_nodes", "ml_decisions", "ml_runs", "ml_versions", "ml_champions"})
# A command that started no node, because all were skipped, has no moment of its own.
NEWEST = """
select invocation_id, max(as_of) as as_of, coalesce(max(started_at), max(as_of)) as started_at
from ml_runs
group by invocation_id
order by coalesce(max(started_at), max(as_of)) desc
limit 1
"""
BUILD_FIRST = "Run `dbt build` (or `mlbridge publish` where one has run already)."
BUILD_AGAIN = "Run `dbt build`, or wait for the end of the one that runs."


class Nothing(MlbridgeError):  # noqa: N818 - not a failure: the page says it, and what to do
    """There is no published build that the monitor could show."""


class Republished(MlbridgeError):  # noqa: N818 - not a failure: ask again
    """Another build was published while this one was read."""


@dataclass(frozen=True)
class Build:
    """A dbt invocation whose tables are readable. Both moments are naive UTC; `version` is that of mlbridge."""

    id: str
    published_at: datetime
    as_of: datetime
    version: str


class Source(Protocol):
    """Where the published state is; cheap to keep open, and to be shared by threads."""

    def state(self) -> State:
        """Give the newest published build; raises Nothing, and ReadError where a server does not answer."""
        ...


@dataclass(frozen=True)
class State:
    """One published build, to be asked."""

    build: Build
    locations: Mapping[str, tuple[str, str]]
    _reader: Reader
    _is_newest: Callable[[], bool]

    @property
    def tables(self) -> frozenset[str]:
        """Name the tables that it has."""
        return frozenset(self.locations)

    def ask(self, sql: str, **parameters: Any) -> pd.DataFrame:
        """Ask in sqlglot's own dialect, values as `:name`; tables by their bare names.

        Raises Republished when the answer may be of two builds, and Nothing when the tables are damaged, or of an
        mlbridge that did not have yet what is asked for.
        """
        try:
            answer = self._reader.frame(sql, parameters, self.locations)
        except ReadError as error:
            # A file that is replaced while it is read may fail in any way.
            self._check_newest()
            if isinstance(error, LackingError):
                raise Nothing(f"the published tables do not answer: {error}. {self._older()}{BUILD_AGAIN}") from error
            raise
        self._check_newest()
        return answer

    def _older(self) -> str:
        made = self.build.version
        return "" if made == __version__ else f"The project's mlbridge is {made}, and this one {__version__}. "

    def _check_newest(self) -> None:
        if not self._is_newest():
            raise Republished("another build was published while this one was read")


class Folder:
    """The folder that a build of an embedded warehouse publishes to."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, there or not."""
        self._folder = folder.absolute()
        self._last: tuple[dict[str, Any], State] | None = None

    def state(self) -> State:
        """Give the newest published build; raises Nothing when none is."""
        while True:
            pointer = self._pointer()
            if self._last is not None and self._last[0] == pointer:
                return self._last[1]
            try:
                found = self._opened(pointer)
            except ReadError as error:
                if self._pointer() == pointer:
                    raise Nothing(f"what '{self._folder}' holds is damaged: {error}. {BUILD_FIRST}") from error
                continue
            self._last = (pointer, found)
            return found

    def _opened(self, pointer: dict[str, Any]) -> State:
        self._check_format()
        try:
            names, slot = [str(name) for name in pointer["tables"]], str(pointer["slot"])
            published_at, as_of = _utc(pointer["published_at"]), _utc(pointer["as_of"])
            build = Build(str(pointer["build"]), published_at, as_of, str(pointer["version"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Nothing(f"'{self._folder / POINTER}' lacks or misspells {error}. {BUILD_FIRST}") from error
        lacking = sorted(NEEDED.difference(names))
        if lacking:
            raise Nothing(f"the published build lacks {', '.join(lacking)}. {BUILD_FIRST}")
        reader = read_files({name: self._folder / f"{slot}.{name}.parquet" for name in names})
        return State(build, {name: ("", name) for name in names}, reader, lambda: self._pointer() == pointer)

    def _check_format(self) -> None:
        found = self._document(FORMAT_FILE).get("format")
        if found != FORMAT:
            raise Nothing(
                f"'{self._folder}' was published in format {found!r}, and this mlbridge reads format {FORMAT}. Install "
                "the mlbridge that the build used, then build again."
            )

    def _pointer(self) -> dict[str, Any]:
        return self._document(POINTER)

    def _document(self, name: str) -> dict[str, Any]:
        file = self._folder / name
        try:
            return dict(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise Nothing(f"no build has been published to '{self._folder}' yet. {BUILD_FIRST}") from error
        except (OSError, TypeError, ValueError) as error:
            raise Nothing(f"'{file}' cannot be read: {error}. {BUILD_FIRST}") from error


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


class Server:
    """The tables of a warehouse that many can read at once, as they are; during a build some are newer than others."""

    def __init__(self, project: Project) -> None:
        """Take the project whose manifest says where the tables are; nothing is asked yet."""
        self._project = project
        self._reader = read_server(project.credentials)

    def state(self) -> State:
        """Give the build that wrote `ml_runs` last; raises Nothing when there is none, and ReadError without answer."""
        locations = self._locations()
        try:
            build = self._build(locations)
        except LackingError as error:
            raise Nothing(f"no build is to be found: {error}. {BUILD_AGAIN}") from error
        return State(build, locations, self._reader, lambda: self._build(locations) == build)

    def _locations(self) -> dict[str, tuple[str, str]]:
        try:
            nodes = self._project.manifest["nodes"].values()
        except SetupError as error:
            raise Nothing(str(error)) from error
        return {
            node["name"]: (str(node["schema"]), str(node["alias"]))
            for node in nodes
            if node["package_name"] == "mlbridge" and node["config"]["materialized"] in ("table", "view", "incremental")
        }

    def _build(self, locations: Mapping[str, tuple[str, str]]) -> Build:
        found = self._reader.frame(NEWEST, {}, locations)
        if found.empty:
            raise Nothing(f"no build has been run yet. {BUILD_AGAIN}")
        row = found.iloc[0]
        version = self._project.package_version or "unknown"
        return Build(
            str(row["invocation_id"]), row["started_at"].to_pydatetime(), row["as_of"].to_pydatetime(), version
        )


def open_source(project: Project) -> Source:
    """Find where a project's builds can be read: the folder beside an embedded warehouse, or the server itself."""
    folder = project.published_folder
    return Server(project) if folder is None else Folder(folder)


def open_folder(folder: Path) -> Source:
    """Read a folder that builds publish to, there or not."""
    return Folder(folder)
