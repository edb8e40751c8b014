"""Requests as rows: each row that was asked for, with its answer, in Parquet files that a build can read.

A thread writes them, so that no request waits for it. Rows that come faster than it writes are dropped, and counted.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from mlbridge.engines.records import Moment, Number, ShortWhole, Text, as_table
from mlbridge.errors import SetupError
from mlbridge.log import warn
from mlbridge.typing import Document, Json

# A file is written after so many seconds, or rows; so many rows may wait.
EVERY, ROWS_A_FILE, MOST_WAITING = 5.0, 20_000, 50_000


@dataclass(frozen=True)
class RequestRow:
    """A row of a request: `number` is its place there, from 0. Times are UTC; `key` and `features` are JSON.

    `key` has the columns of entity and time that the request gave; NULL where it gave none. A redacted value is null.
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


@dataclass(frozen=True)
class Answered:
    """A request that was answered; `rows` as JSON gave them, `key` the columns that are no features."""

    request_id: str
    model: str
    version: int
    received_at: datetime
    seconds: float
    key: Sequence[str]
    rows: Sequence[Document]
    predictions: Sequence[Document]


class Recorder:
    """Writes answered requests into files of a folder; `lost` is told how many rows were dropped."""

    def __init__(self, folder: Path, redacted: Sequence[str], lost: Callable[[int], None]) -> None:
        """Make the folder; raises SetupError where that is not possible."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(f"requests cannot be recorded in {folder}: {error}") from error
        self._folder, self._redacted, self._lost = folder, frozenset(redacted), lost
        self._queue: queue.SimpleQueue[Answered | None] = queue.SimpleQueue()
        self._waiting, self._lock = 0, threading.Lock()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def add(self, answered: Answered) -> None:
        """Keep a request, to be written soon; where too many rows wait it is dropped."""
        rows = len(answered.rows)
        with self._lock:
            if self._waiting + rows > MOST_WAITING:
                self._lost(rows)
                return
            self._waiting += rows
        self._queue.put(answered)

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        going_on = True
        while going_on:
            taken: list[Answered] = []
            rows, end = 0, datetime.now(UTC).timestamp() + EVERY
            while rows < ROWS_A_FILE:
                try:
                    found = self._queue.get(timeout=max(0.0, end - datetime.now(UTC).timestamp()))
                except queue.Empty:
                    break
                if found is None:
                    going_on = False
                    break
                taken.append(found)
                rows += len(found.rows)
            with self._lock:
                self._waiting -= rows
            if taken:
                self._flush(taken, rows)

    def _flush(self, taken: Sequence[Answered], rows: int) -> None:
        """Write a file, which has its name once it is whole."""
        import pyarrow.parquet as pq

        try:
            table = as_table(RequestRow, [row for each in taken for row in self._rows_of(each)])
            name = f"requests_{datetime.now(UTC):%Y%m%dT%H%M%S}_{uuid4().hex[:8]}.parquet"
            pq.write_table(table, self._folder / f".{name}")
            (self._folder / f".{name}").replace(self._folder / name)
        except (OSError, ValueError) as error:
            self._lost(rows)
            warn("serve", f"{rows:,} rows of requests could not be written: {error}")

    def _rows_of(self, answered: Answered) -> list[RequestRow]:
        found = []
        for number, (row, made) in enumerate(zip(answered.rows, answered.predictions, strict=True)):
            shown = {name: None if name in self._redacted else value for name, value in row.items()}
            key = {name: shown.pop(name) for name in answered.key if name in shown}
            is_text = isinstance(made["prediction"], str)
            found.append(
                RequestRow(
                    request_id=answered.request_id,
                    number=number,
                    model=answered.model,
                    version=answered.version,
                    received_at=answered.received_at,
                    key=_written(key) if key else None,
                    features=_written(shown),
                    prediction=made["prediction"]
                    if is_text or made["prediction"] is None
                    else repr(made["prediction"]),
                    prediction_value=None if is_text else made["prediction"],
                    probability=made["probability"],
                    not_scored_because=made.get("not_scored_because"),
                    latency_ms=answered.seconds * 1e3,
                )
            )
        return found


def _written(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
