"""Requests as rows: each row that was asked for, with its answer, in Parquet files that a build can read.

A thread writes them, so that no request waits for it. Rows that come faster than it writes are dropped, and counted.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from mlbridge.engines.records import Moment, Number, ShortWhole, Text, as_table
from mlbridge.errors import SetupError
from mlbridge.typing import Document, Json

LOG = logging.getLogger("mlbridge.serve")
# A file is written after so many seconds, or rows; so many rows, and bytes of the requests that had them, may wait.
EVERY, ROWS_A_FILE, MOST_WAITING, MOST_BYTES = 5.0, 20_000, 50_000, 64 * 2**20
# What a version was to a row: it answers as the version in use, or as the challenger; or it only scores beside.
CHAMPION, CANARY, SHADOW = "champion", "canary", "shadow"
# A file that is not whole after so many seconds is of a server that has ended.
ABANDONED = 3600.0


@dataclass(frozen=True)
class RequestRow:
    """A row of a request: `number` is its place there, from 0. Times are UTC; `key` and `features` are JSON.

    `key` has the columns of entity and time that the request gave; NULL where it gave none. A redacted column is in
    neither. `probabilities` are those of all classes in their order, a JSON array, where there are more than two.
    `role` is `champion` where the version in use has answered, `canary` where the challenger has, and `shadow` where
    the challenger has scored what the version in use answered; `latency_ms` is then its own time.
    """

    request_id: Text
    number: ShortWhole
    model: Text
    version: ShortWhole
    received_at: Moment
    key: Text | None
    features: Text
    prediction: Text | None
    prediction_value: Number | None
    probability: Number | None
    not_scored_because: Text | None
    latency_ms: Number
    probabilities: Text | None
    role: Text


@dataclass(frozen=True)
class Answered:
    """An answered request; `rows` as JSON gave them in about `size` bytes, `key` the columns of entity and time.

    `numbers` are the classes as numbers, as `prediction_value` has them; None where they are texts. `places`
    are those of the rows in the request; None: these are all of its rows.
    """

    request_id: str
    model: str
    version: int
    received_at: datetime
    seconds: float
    key: Sequence[str]
    features: Collection[str]
    numbers: Mapping[str, float] | None
    size: int
    rows: Sequence[Document]
    predictions: Sequence[Document]
    role: str = CHAMPION
    places: Sequence[int] | None = None


class Recorder:
    """Writes answered requests into files of a folder; `lost` is told how many rows were dropped."""

    def __init__(self, folder: Path, redacted: Sequence[str], lost: Callable[[int], None]) -> None:
        """Make the folder, which only its owner reads; raises SetupError where that is not possible."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for each in folder.glob(".requests_*.tmp"):
                if time.time() - each.stat().st_mtime > ABANDONED:
                    each.unlink()
        except OSError as error:
            raise SetupError(f"requests cannot be recorded in {folder}: {error}") from error
        self._folder, self._redacted, self._lost = folder, frozenset(redacted), lost
        self._queue: queue.SimpleQueue[Answered | None] = queue.SimpleQueue()
        self._rows, self._bytes, self._lock = 0, 0, threading.Lock()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def add(self, answered: Answered) -> None:
        """Keep a request, to be written soon; where too much waits it is dropped."""
        rows = len(answered.rows)
        with self._lock:
            if self._rows + rows > MOST_WAITING or self._bytes + answered.size > MOST_BYTES:
                self._lost(rows)
                return
            self._rows += rows
            self._bytes += answered.size
        self._queue.put(answered)

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        going_on = True
        while going_on:
            taken: list[Answered] = []
            rows, end = 0, time.monotonic() + EVERY
            while rows < ROWS_A_FILE:
                try:
                    found = self._queue.get(timeout=max(0.0, end - time.monotonic()))
                except queue.Empty:
                    break
                if found is None:
                    going_on = False
                    break
                taken.append(found)
                rows += len(found.rows)
            if taken:
                self._flush(taken)
            with self._lock:
                self._rows -= rows
                self._bytes -= sum(each.size for each in taken)

    def _flush(self, taken: Sequence[Answered]) -> None:
        """Write a file; a request that cannot be written takes no other one with it, and does not end the thread."""
        try:
            self._write_file([row for each in taken for row in self._rows_of(each)])
        except Exception as error:
            if len(taken) > 1 and not isinstance(error, OSError):
                for each in taken:
                    self._flush([each])
                return
            rows = sum(len(each.rows) for each in taken)
            self._lost(rows)
            LOG.exception("not_recorded", extra={"facts": {"rows": rows}})

    def _write_file(self, rows: Sequence[RequestRow]) -> None:
        """Write a file that only its owner reads, and which has its name once it is whole."""
        import pyarrow.parquet as pq

        name = f"requests_{datetime.now(UTC):%Y%m%dT%H%M%S}_{uuid4().hex[:8]}.parquet"
        # No name that ends as those of whole files do: a reader's `*` may find hidden ones too.
        half = self._folder / f".{name}.tmp"
        try:
            with os.fdopen(os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                pq.write_table(as_table(RequestRow, rows), file)
            half.replace(self._folder / name)
        except BaseException:
            half.unlink(missing_ok=True)
            raise

    def _rows_of(self, answered: Answered) -> list[RequestRow]:
        found = []
        places = range(len(answered.rows)) if answered.places is None else answered.places
        for number, row, made in zip(places, answered.rows, answered.predictions, strict=True):
            shown = {name: value for name, value in row.items() if name not in self._redacted}
            key = {name: shown[name] for name in answered.key if name in shown}
            shown = {name: value for name, value in shown.items() if name in answered.features}
            prediction = made["prediction"]
            is_text = isinstance(prediction, str)
            value = (answered.numbers or {}).get(prediction) if is_text else prediction
            found.append(
                RequestRow(
                    request_id=answered.request_id,
                    number=number,
                    model=answered.model,
                    version=answered.version,
                    received_at=answered.received_at,
                    key=_written(key) if key else None,
                    features=_written(shown),
                    prediction=prediction if is_text or prediction is None else repr(prediction),
                    prediction_value=value,
                    probability=made["probability"],
                    not_scored_because=made.get("not_scored_because"),
                    latency_ms=answered.seconds * 1e3,
                    probabilities=_written(list(made["probabilities"].values())) if "probabilities" in made else None,
                    role=answered.role,
                )
            )
        return found


def _written(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
