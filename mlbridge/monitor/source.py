"""Where the monitor reads: what the last build published, or the tables of a server. One build at a time.

Each build has a folder of its own, which is never written again, and a link leads to the newest
(`publication/folder.py`). An answer is of one build, and thrown away if the link leads to another one afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlbridge.engines.opening import read_files, read_server
from mlbridge.engines.reader import MissingRelationError, Reader, ReadError
from mlbridge.errors import MlbridgeError, SetupError
from mlbridge.publication.folder import FACTS, FORMAT, current_build, file_of, read_facts
from mlbridge.version import __version__

if TYPE_CHECKING:
    import pandas as pd

    from mlbridge.project.project import Project

NEEDED = frozenset({"ml_nodes", "ml_decisions", "ml_runs", "ml_versions", "ml_champions", "ml_health", "ml_incidents"})
# If all nodes of a command were skipped, it has no start time, and its `as_of` is taken.
NEWEST = """
select invocation_id, max(as_of) as as_of, coalesce(max(started_at), max(as_of)) as started_at
from ml_runs
group by invocation_id
order by coalesce(max(started_at), max(as_of)) desc
limit 1
"""
BUILD_FIRST = "Run `dbt build` (or `mlbridge publish` where one has run already)."
BUILD_AGAIN = "Run `dbt build`, or wait until the current one ends."


class Nothing(MlbridgeError):  # noqa: N818 - not a failure: the page shows the message and what to do
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
        """Return the newest published build; raises Nothing, and ReadError where a server does not answer."""
        ...


@dataclass(frozen=True)
class State:
    """One published build, which can be queried."""

    build: Build
    locations: Mapping[str, tuple[str, str]]
    _reader: Reader
    _is_newest: Callable[[], bool]

    @property
    def tables(self) -> frozenset[str]:
        """Name the tables that it has."""
        return frozenset(self.locations)

    def ask(self, sql: str, **parameters: object) -> pd.DataFrame:
        """Run a SELECT in sqlglot's own dialect; values are `:name` placeholders, tables are named without a schema.

        Raises Republished if another build was published meanwhile, so that the result may mix two builds; Nothing if
        tables are damaged or lack columns of this mlbridge; ReadError for any other failure.
        """
        try:
            answer = self._reader.frame(sql, parameters, self.locations)
        except ReadError as error:
            # A file that is replaced while it is read may fail in any way.
            self._check_newest()
            if isinstance(error, MissingRelationError):
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
        """Store the folder, which need not exist."""
        self._folder = folder.absolute()
        self._last: tuple[Path, State] | None = None

    def state(self) -> State:
        """Return the newest published build; raises Nothing when none is."""
        while True:
            place = current_build(self._folder)
            if place is None:
                raise Nothing(f"no build has been published to '{self._folder}' yet. {BUILD_FIRST}")
            if self._last is not None and self._last[0] == place:
                return self._last[1]
            try:
                found = self._opened(place)
            except (Nothing, ReadError) as error:
                if current_build(self._folder) != place:
                    continue
                if isinstance(error, Nothing):
                    raise
                raise Nothing(f"what '{place}' holds is damaged: {error}. {BUILD_FIRST}") from error
            self._last = (place, found)
            return found

    def _opened(self, place: Path) -> State:
        try:
            facts = read_facts(place)
        except (OSError, TypeError, ValueError) as error:
            raise Nothing(f"'{place / FACTS}' cannot be read: {error}. {BUILD_FIRST}") from error
        if facts.get("format") != FORMAT:
            raise Nothing(
                f"'{self._folder}' was published in format {facts.get('format')!r}, and this mlbridge reads format "
                f"{FORMAT}. Install the mlbridge that the build used, then build again."
            )
        try:
            names = [str(name) for name in facts["tables"]]
            published_at, as_of = _utc(facts["published_at"]), _utc(facts["as_of"])
            build = Build(str(facts["build"]), published_at, as_of, str(facts["version"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Nothing(f"'{place / FACTS}' lacks or misspells {error}. {BUILD_FIRST}") from error
        lacking = sorted(NEEDED.difference(names))
        if lacking:
            raise Nothing(f"the published build lacks {', '.join(lacking)}. {BUILD_FIRST}")
        reader = read_files({name: file_of(place, name) for name in names})
        locations = {name: ("", name) for name in names}
        return State(build, locations, reader, lambda: current_build(self._folder) == place)


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


class Server:
    """The tables of a warehouse that many can read at once, as they are; during a build some are newer than others."""

    def __init__(self, project: Project) -> None:
        """Store the project, whose manifest locates the tables; nothing is queried yet."""
        self._project = project
        self._reader = read_server(project.credentials)

    def state(self) -> State:
        """Return the build that wrote `ml_runs` last; raises Nothing without one, ReadError if the server fails."""
        locations = self._locations()
        try:
            build = self._build(locations)
        except MissingRelationError as error:
            raise Nothing(f"no build is to be found: {error}. {BUILD_AGAIN}") from error
        return State(build, locations, self._reader, lambda: self._build(locations) == build)

    def _locations(self) -> dict[str, tuple[str, str]]:
        try:
            tables = self._project.tables
        except SetupError as error:
            raise Nothing(str(error)) from error
        return {name: (schema, alias) for name, (_, schema, alias) in tables.items()}

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
    """Open the source of a project's builds: the published folder of an embedded warehouse, or the server itself."""
    folder = project.published_folder
    return Server(project) if folder is None else Folder(folder)


def open_folder(folder: Path) -> Source:
    """Open a folder that builds publish to; it need not exist yet."""
    return Folder(folder)
