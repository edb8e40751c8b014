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
from mlbridge.publication.online import HAPPENED, KEY, KNOWN, MOMENTS, OnlineFeatures, file_of, read_index, selecting
from mlbridge.typing import Document, Json

Type = exp.DataType.Type
MINUTES = {"minute": 1, "hour": 60, "day": 1_440, "week": 10_080}
EPOCH = datetime(1970, 1, 1)


class OnlineTable:
    """A published online table, opened to be read: by any thread, one at a time."""

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
        return lambda value: f"{written(value)}Z"
    return written if type_.is_type(*MOMENTS) else None


def written(microseconds: int) -> str:
    """Write a moment as JSON has it."""
    return (EPOCH + timedelta(microseconds=microseconds)).isoformat()


@dataclass(frozen=True)
class OnlineView:
    """A view as a model reads it, with the limits in microseconds; `table` is None where it could not be published."""

    name: str
    table: OnlineTable | None
    asked: OnlineFeatures
    embargo: int | None
    max_staleness: int | None
    look_back: int | None


@dataclass(frozen=True)
class ModelOnline:
    """What online tables give a model by key."""

    views: Sequence[OnlineView] = ()

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
    """The online tables of a published build, and what each model reads of them; `published_at` is in UTC."""

    tables: Mapping[str, OnlineTable] = field(default_factory=dict)
    models: Mapping[str, ModelOnline] = field(default_factory=dict)
    published_at: datetime = EPOCH

    @classmethod
    def load(cls, place: Path, published_at: str) -> Online:
        """Map what a build has published; raises OSError or ValueError where that is damaged."""
        entries, features = read_index(place)
        tables = {id_: OnlineTable(file_of(place, id_), each) for id_, each in entries.items() if "failed" not in each}
        models = {
            model: ModelOnline([_view(one, str(entries[one.view]["name"]), tables.get(one.view)) for one in each])
            for model, each in features.items()
        }
        return cls(tables, models, datetime.fromisoformat(published_at))

    def described(self, model: str) -> list[Document]:
        """Say what a model reads of online tables, and how old these are; moments are UTC, ages in seconds."""
        found = []
        for view in self.models.get(model, ModelOnline()).views:
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
                    "published_at": f"{self.published_at.isoformat()}Z",
                    "known_at": None if known_at is None else f"{written(known_at)}Z",
                    "age_seconds": None if known_at is None else time.time() - known_at / 1e6,
                }
            )
        return found


def _view(asked: OnlineFeatures, name: str, table: OnlineTable | None) -> OnlineView:
    limits = asked.embargo, asked.max_staleness, asked.look_back
    return OnlineView(name, table, asked, *(None if each is None else _microseconds(each) for each in limits))


def _microseconds(duration: str) -> int:
    count, unit = duration.split(" ")
    return int(count) * MINUTES[unit.rstrip("s")] * 60_000_000
