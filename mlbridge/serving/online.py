"""Published online tables as the server reads them: opened, and what each model reads of them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlglot import exp

from mlbridge.engines.warehouse import parse_type
from mlbridge.features.columns import WITH_ZONE
from mlbridge.publication.online import (
    HAPPENED,
    INDEX,
    KEY,
    KNOWN,
    MOMENTS,
    OnlineFeatures,
    file_of,
    read_index,
    selecting,
)
from mlbridge.serving.moments import MICROSECOND
from mlbridge.spec.checks import to_timedelta
from mlbridge.typing import Document, Json

Type = exp.DataType.Type
EPOCH = datetime(1970, 1, 1)


class OnlineTable:
    """A published online table, opened to be read: by any thread, because SQLite lets one at a time read."""

    def __init__(self, file: Path, entry: Document) -> None:
        """Open the file; `entry` is what the index has of it. Raises an OSError, ValueError or sqlite3.Error."""
        self.name, self.known_at = str(entry["name"]), entry["known_at"]
        self.entity: Mapping[str, str] = entry["entity"]
        self._as_json = {name: _reader(parse_type(type_)) for name, type_ in entry["columns"].items()}
        # The file is never written again, so SQLite need not look for locks and changes.
        self._file = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        self._file.execute(selecting((KEY,)), [""])
        ((pages,),), ((size,),) = (self._file.execute(f"pragma page_{each}") for each in ("count", "size"))
        if pages * size != file.stat().st_size:
            raise ValueError(f"the online table of '{self.name}' is not whole.")

    def rows(self, keys: Sequence[str], columns: Sequence[str]) -> list[tuple[Json, ...] | None]:
        """Return of the row of each key, as `key_text` writes it, both moments and some columns, as JSON; else None."""
        query = selecting((HAPPENED, KNOWN, *columns))
        reads = [self._as_json[name] for name in columns]
        changed = [(place, read) for place, read in enumerate(reads, 2) if read is not None]
        found: list[tuple[Json, ...] | None] = []
        for key in keys:
            row = self._file.execute(query, (key,)).fetchone()
            if row is not None and changed:
                values = list(row)
                for place, read in changed:
                    values[place] = None if row[place] is None else read(row[place])
                row = tuple(values)
            found.append(row)
        return found


def _reader(type_: exp.DataType) -> Callable[[Json], Json] | None:
    """Return what turns a kept value into what JSON has for its type; None where they are the same."""
    if type_.is_type(Type.BOOLEAN):
        return bool
    if type_.is_type(*WITH_ZONE):
        return lambda value: written(value, "Z")
    return written if type_.is_type(*MOMENTS) else None


def written(microseconds: int, zone: str = "") -> str:
    """Write a moment as JSON has it; one of another year than 1 to 9999 in words, which no feature takes."""
    try:
        return f"{(EPOCH + timedelta(microseconds=microseconds)).isoformat()}{zone}"
    except OverflowError:
        return "after the year 9999" if microseconds > 0 else "before the year 1"


@dataclass(frozen=True)
class OnlineView:
    """A view as a model reads it, with the limits in microseconds; `problem` says why there is no `table`."""

    name: str
    # The same file opened again is no other table.
    table: OnlineTable | None = field(compare=False)
    problem: str | None
    asked: OnlineFeatures
    embargo: int | None
    max_staleness: int | None
    look_back: int | None


@dataclass(frozen=True)
class ModelOnline:
    """What online tables give a model by key; `problem` says why that is not known."""

    views: Sequence[OnlineView] = ()
    problem: str | None = None

    @property
    def keys(self) -> dict[str, None]:
        """Name the columns by which a request names keys."""
        return {name: None for view in self.views for name in view.asked.key.values()}

    @property
    def features(self) -> set[str]:
        """Name the features that need not be given."""
        return {name for view in self.views for name in view.asked.columns}


@dataclass(frozen=True)
class Online:
    """The online tables of a published build, and what each model reads of them; `published_at` is in UTC.

    `problems` say by view which tables are not there, and why; `problem` says why nothing is known of any.
    """

    tables: Mapping[str, OnlineTable] = field(default_factory=dict, compare=False)
    models: Mapping[str, ModelOnline] = field(default_factory=dict)
    published_at: datetime = EPOCH
    problems: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    @classmethod
    def load(cls, place: Path, published_at: str) -> Online:
        """Open what a build has published; a table that is damaged takes nothing with it."""
        moment = datetime.fromisoformat(published_at)
        try:
            entries, features = read_index(place)
        except (OSError, ValueError) as error:
            return cls(published_at=moment, problem=str(error))
        tables: dict[str, OnlineTable] = {}
        problems = {one.view: f"{INDEX} does not have it" for each in features.values() for one in each}
        for id_, entry in entries.items():
            try:
                if "failed" in entry:
                    raise LookupError(entry["failed"])
                tables[id_] = OnlineTable(file_of(place, id_), entry)
                problems.pop(id_, None)
            except Exception as error:
                problems[id_] = str(error) or type(error).__name__
        names = {id_: str(entry.get("name", id_)) for id_, entry in entries.items()}
        models = {
            model: ModelOnline(
                [
                    _view(one, names.get(one.view, one.view), tables.get(one.view), problems.get(one.view))
                    for one in each
                ]
            )
            for model, each in features.items()
        }
        return cls(tables, models, moment, {names.get(id_, id_): why for id_, why in problems.items()})

    def of(self, model: str) -> ModelOnline:
        """Return what online tables give a model."""
        return self.models.get(model, ModelOnline(problem=self.problem))

    def described(self, model: str) -> list[Document]:
        """Say what a model reads of online tables, and how old these are; moments are UTC, ages in seconds."""
        found = []
        for view in self.of(model).views:
            known_at = None if view.table is None else view.table.known_at
            found.append(
                {
                    "view": view.name,
                    "key": list(view.asked.key.values()),
                    "features": list(view.asked.columns),
                    "embargo": view.asked.embargo,
                    "max_staleness": view.asked.max_staleness,
                    "look_back": view.asked.look_back,
                    "published": view.table is not None,
                    "problem": view.problem,
                    "published_at": f"{self.published_at.isoformat()}Z",
                    "known_at": None if known_at is None else written(known_at, "Z"),
                    "age_seconds": None if known_at is None else time.time() - known_at / 1e6,
                }
            )
        return found


def _view(asked: OnlineFeatures, name: str, table: OnlineTable | None, problem: str | None) -> OnlineView:
    limits = asked.embargo, asked.max_staleness, asked.look_back
    spans = (None if each is None else to_timedelta(each) // MICROSECOND for each in limits)
    return OnlineView(name, table, problem, asked, *spans)
