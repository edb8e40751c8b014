"""Published online tables as the server reads them: mapped into memory, and what each model reads of them."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import md5
from pathlib import Path

import numpy as np
from sqlglot import exp

from mlbridge.engines.warehouse import parse_type
from mlbridge.features.columns import WITH_ZONE
from mlbridge.publication.online import HAPPENED, HASH, KEY, KNOWN, MOMENTS, OnlineFeatures, file_of, read_index
from mlbridge.typing import Document, Json

Type = exp.DataType.Type
MINUTES = {"minute": 1, "hour": 60, "day": 1_440, "week": 10_080}
EPOCH = datetime(1970, 1, 1)


def hash_of(key: str) -> int:
    """Return the hash that a table is sorted by; `text_hash` of the engine is the same in SQL."""
    return int.from_bytes(md5(key.encode(), usedforsecurity=False).digest()[:8], "little")


class OnlineTable:
    """A published online table, mapped into memory: what it holds is read when it is asked for."""

    def __init__(self, file: Path, entry: Document) -> None:
        """Map the file; `entry` is what the index has of it. Raises OSError or ValueError for a damaged one."""
        import pyarrow as pa

        self.name, self.known_at = str(entry["name"]), entry["known_at"]
        self.entity: Mapping[str, str] = entry["entity"]
        self.types: Mapping[str, str] = entry["columns"]
        with pa.memory_map(str(file)) as source:
            reader = pa.ipc.open_file(source)
            self._pieces = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        self._hashes = [piece.column(HASH).to_numpy() for piece in self._pieces]
        self._first = [int(each[0]) for each in self._hashes]

    def rows(self, keys: Sequence[str], columns: Sequence[str]) -> list[Document | None]:
        """Return moments and some columns, as JSON, of the row of each key, as `key_text` writes it, or None."""
        wanted: defaultdict[int, list[int]] = defaultdict(list)
        hashes = [hash_of(key) for key in keys]
        for number, each in enumerate(hashes):
            # Equal hashes may go on from one piece to the next.
            piece = max(bisect_right(self._first, each) - 1, 0)
            wanted[piece].append(number)
            while piece > 0 and self._first[piece] == each:
                piece -= 1
                wanted[piece].append(number)
        found: list[Document | None] = [None] * len(keys)
        for piece, numbers in wanted.items():
            if piece < len(self._pieces):
                self._look(piece, numbers, keys, hashes, columns, found)
        return found

    def _look(
        self,
        piece: int,
        numbers: Sequence[int],
        keys: Sequence[str],
        hashes: Sequence[int],
        columns: Sequence[str],
        found: list[Document | None],
    ) -> None:
        import pyarrow as pa

        there, batch = self._hashes[piece], self._pieces[piece]
        asked = np.array([hashes[number] for number in numbers], dtype=np.uint64)
        first, end = np.searchsorted(there, asked), np.searchsorted(there, asked, side="right")
        texts, places, of = batch.column(KEY), [], []
        for number, low, high in zip(numbers, first.tolist(), end.tolist(), strict=True):
            for place in range(low, high):
                if texts[place].as_py() == keys[number]:
                    places.append(place)
                    of.append(number)
        if not places:
            return
        names, indices = [HAPPENED, KNOWN, *columns], pa.array(places, pa.int64())
        taken = [batch.column(name).take(indices).to_pylist() for name in names]
        for name, values in zip(names[2:], taken[2:], strict=True):
            _as_json(values, self.types[name])
        for number, *values in zip(of, *taken, strict=True):
            found[number] = dict(zip(names, values, strict=True))


def _as_json(values: list[Json], type_: str) -> None:
    """Turn values that are kept otherwise, dates and moments, into what JSON has for them."""
    parsed = parse_type(type_)
    if parsed.is_type(Type.DATE, Type.DATE32):
        values[:] = [None if each is None else each.isoformat() for each in values]
    elif parsed.is_type(*MOMENTS):
        end = "Z" if parsed.is_type(*WITH_ZONE) else ""
        values[:] = [None if each is None else written(each) + end for each in values]


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
