"""The challenger beside the version in use: which rows it answers, and those that it scores without an answer.

A canary answers a share of the entities: always the same ones, by the MD5 of their key. In shadow it scores what the
version in use has answered, in a thread of its own after the answer, so that no request waits for it.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlbridge.compile.arrays.program import Columns
from mlbridge.errors import MlbridgeError, listed
from mlbridge.serving.recorder import CANARY, CHAMPION, SHADOW, Answered
from mlbridge.serving.served import Served
from mlbridge.typing import Document, Json

LOG = logging.getLogger("mlbridge.serve")
# So many rows, and requests of so many bytes, may wait to be scored in shadow.
MOST_WAITING, MOST_BYTES = 20_000, 32 * 2**20


@dataclass(frozen=True)
class Beside:
    """The challenger of a model: whether it scores `shadow`, and the share of the entities that it answers."""

    served: Served
    shadow: bool
    canary: float

    def answered_rows(self, rows: Sequence[Document]) -> list[int]:
        """Return the places of the rows that the challenger answers; a row without its whole key is none of them."""
        if not self.canary:
            return []
        entity = self.served.scorer.version.spec.entity
        return [place for place, row in enumerate(rows) if is_of_share(key_of(row, entity), self.canary)]


def key_of(row: Document, entity: Sequence[str]) -> list[str] | None:
    """Return a row's key as texts; None where a column is missing or null.

    The types of the warehouse are not known here: an entity has the same texts where it has the same spelling.
    5, 5.0 and "5" are one, "05" is another.
    """
    values = [row.get(name) for name in entity]
    return None if any(each is None for each in values) else [_text(each) for each in values]


def _text(value: Json) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def is_of_share(key: Sequence[str] | None, share: float) -> bool:
    """Return whether an entity belongs to a share of all: the same answer for ever, on every server.

    By the MD5 of the key, as a split by hash, but by its second 8 digits: the first are those by which that split
    chooses rows to train on. A smaller share is a part of a larger one.
    """
    if key is None:
        return False
    hashes = [hashlib.md5(each.encode(), usedforsecurity=False).hexdigest() for each in key]
    whole = hashes[0] if len(hashes) == 1 else hashlib.md5("".join(hashes).encode(), usedforsecurity=False).hexdigest()
    return int(whole[8:16], 16) < share * 2**32


def beside_problem(champion: Served, challenger: Served) -> str | None:
    """Say why a challenger cannot take what the version in use is asked; None where it can."""
    known = {each.name: (each.kind, each.type) for each in champion.scorer.version.features}
    other = [each.name for each in challenger.scorer.version.features if known.get(each.name) != (each.kind, each.type)]
    if other:
        return f"its features {listed(other)} are not among those of version {champion.version}, or of another type."
    if champion.key != challenger.key or champion.scorer.version.classes != challenger.scorer.version.classes:
        return f"its entity, time or classes are not those of version {champion.version}."
    return None


def taken(columns: Columns, places: Sequence[int]) -> Columns:
    """Return some rows of columns."""
    return {
        name: [values[place] for place in places] if isinstance(values, list) else values[np.asarray(places, dtype=int)]
        for name, values in columns.items()
    }


@dataclass(frozen=True)
class Part:
    """Rows of a request that one version answers; `places` are theirs in the request, None: they are all of it."""

    served: Served
    role: str
    columns: Columns
    rows: Sequence[Document]
    places: Sequence[int] | None = None


def parts_of(served: Served, beside: Beside | None, columns: Columns, rows: Sequence[Document]) -> list[Part]:
    """Divide a request among the version in use and the challenger."""
    chosen = [] if beside is None else beside.answered_rows(rows)
    if beside is None or not chosen:
        return [Part(served, CHAMPION, columns, rows)]
    others = sorted({*range(len(rows))} - {*chosen})
    both = ((served, CHAMPION, others), (beside.served, CANARY, chosen))
    return [
        Part(version, role, taken(columns, places), [rows[place] for place in places], places)
        for version, role, places in both
        if places
    ]


def merged(parts: Sequence[tuple[Part, list[Document]]], served: Served) -> list[Document]:
    """Put the predictions of parts into the order of their request; one of another version names it."""
    if len(parts) == 1 and parts[0][0].places is None:
        return parts[0][1]
    found = {
        place: made if part.served is served else {**made, "version": part.served.version}
        for part, predictions in parts
        for place, made in zip(part.places or (), predictions, strict=True)
    }
    return [found[place] for place in sorted(found)]


@dataclass(frozen=True)
class _Waiting:
    beside: Beside
    columns: Columns
    answered: Answered


class Shadow:
    """Scores what was answered with challengers; `record` gets the rows, `dropped` is told how many were not scored."""

    def __init__(
        self, record: Callable[[Answered], None], scored: Callable[[Served, int], None], dropped: Callable[[int], Any]
    ) -> None:
        """Begin to wait for rows; `scored` is told the challenger and how many rows it has scored."""
        self._record, self._scored, self._dropped = record, scored, dropped
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._rows, self._bytes, self._lock = 0, 0, threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def add(self, beside: Beside, columns: Columns, answered: Answered) -> None:
        """Keep rows that the version in use has answered, to be scored soon; where too many wait they are dropped."""
        rows = len(answered.rows)
        with self._lock:
            if self._rows + rows > MOST_WAITING or self._bytes + answered.size > MOST_BYTES:
                self._dropped(rows)
                return
            self._rows += rows
            self._bytes += answered.size
        self._queue.put(_Waiting(beside, columns, answered))

    def close(self) -> None:
        """Drop what waits, and end: a server that is stopped does not go on for it."""
        self._is_closed = True
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (waiting := self._queue.get()) is not None:
            rows = len(waiting.answered.rows)
            try:
                if self._is_closed:
                    self._dropped(rows)
                else:
                    self._score(waiting)
            except Exception as error:
                self._dropped(rows)
                facts = {"model": waiting.answered.model, "version": waiting.beside.served.version, "error": str(error)}
                LOG.error("not_scored_in_shadow", extra={"facts": facts}, exc_info=not isinstance(error, MlbridgeError))
            with self._lock:
                self._rows -= rows
                self._bytes -= waiting.answered.size

    def _score(self, waiting: _Waiting) -> None:
        served, answered = waiting.beside.served, waiting.answered
        began = time.perf_counter()
        predictions = served.predict(waiting.columns, len(answered.rows))
        seconds = time.perf_counter() - began
        self._record(
            replace(answered, version=served.version, seconds=seconds, numbers=served.numbers, predictions=predictions,
                    role=SHADOW)
        )  # fmt: skip
        self._scored(served, len(answered.rows))
