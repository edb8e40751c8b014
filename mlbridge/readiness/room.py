"""How much room a branch takes: a build, and twelve months of builds, part by part."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from mlbridge.engines.adapters import PYTHON_ENGINE, engine_of
from mlbridge.engines.engine import Engine
from mlbridge.engines.warehouse import column, select
from mlbridge.project.project import Project
from mlbridge.readiness.assessment import Requirement, Room, scored
from mlbridge.readiness.examined import Examined
from mlbridge.readiness.rows import DAY, Course
from mlbridge.readiness.sample import table_of
from mlbridge.readiness.source import Source

YEAR = 365 * DAY
CADENCES = {"day": 365, "week": 52, "month": 12}
TRAININGS_A_YEAR = 12
# Measured on the example, in bytes; tests compare the sums with what builds took. A training: the artifact, the SQL and
# the metrics, and for each feature its profile. A month of monitoring: the bins of each feature. A build: what its
# nodes did.
A_TRAINING, A_FEATURE_OF_TRAINING = 400_000, 12_000
A_MONTH_OF_FEATURE = 1_600
A_BUILD = 10_000


@dataclass(frozen=True)
class Sizes:
    """Bytes that depend on how an engine stores rows.

    `split`: what the split adds to a row, `scored` and `published`: a row with a prediction, and its copy for
    dashboards. `tables`: the package's tables, of at least a block each; `publication`: what is published beside rows,
    of the logbook's documents and the package's small tables.
    """

    split: int
    scored: int
    published: int
    tables: int
    publication: int


SIZES = {
    True: Sizes(split=0, scored=32, published=25, tables=4_000_000, publication=700_000),  # by column, compressed
    False: Sizes(split=250, scored=205, published=150, tables=300_000, publication=600_000),  # by row
}


def room_of(
    project: Project,
    source: Source,
    examined: Examined,
    found: Course,
    columns: Sequence[str],
    split: Mapping[str, int],
    cadence: str,
) -> Room:
    """Estimate the room of a branch whose features table has these columns, from the bytes of the sampled rows.

    `split` are the rows by value of `ml_split`. In twelve months the relation grows as it did, a training a month is
    added, and what is scored and monitored is kept.
    """
    engine, file = engine_of(project.credentials.type), project.tables_file
    row, sizes = _row_bytes(engine, source, examined, columns), SIZES[engine.compresses]
    publishes = file is not None or engine.published_schema(str(project.credentials.schema)) is not None
    new = round(found.total * (YEAR / max(found.period, DAY)))
    scored_rows = split.get("test", 0) + split.get("score", 0)
    months = ceil(12 * (found.period / YEAR) * scored_rows / found.total)

    def parts(rows: int, scored: int, trainings: int, months: int, builds: int) -> dict[str, int]:
        return {
            "features": ceil(rows * row),
            "split": ceil(rows * (row + sizes.split)),
            "logbook": trainings * (A_TRAINING + A_FEATURE_OF_TRAINING * len(columns)),
            "predictions": scored * sizes.scored,
            "monitoring": sizes.tables + A_MONTH_OF_FEATURE * months * len(columns) + builds * A_BUILD,
            # The one before is kept, as files or as rows that are not cleaned up yet.
            "published": publishes * min(builds, 2) * (sizes.publication + scored * sizes.published),
        }

    first = parts(found.total, scored_rows, 1, months, 1)
    year = parts(found.total + new, scored_rows + new, 1 + TRAININGS_A_YEAR, months + 12, CADENCES[cadence])
    free = None if file is None else shutil.disk_usage(file.parent).free
    return Room(first, year, max(year["features"], year["split"]), free, cadence)


def _row_bytes(engine: Engine, source: Source, examined: Examined, columns: Sequence[str]) -> float:
    """Return the bytes of a row: as the engine says, else as the sample takes them in a file by column."""
    query, sample = engine.row_bytes_query(table_of(examined.relation)), examined.sample
    if query is not None:
        return float(source.rows(query)[0]["bytes"] or 0)
    rows = select({name: column(name) for name in columns}, sample.table)
    with TemporaryDirectory(prefix="mlbridge_") as folder:
        return PYTHON_ENGINE.stored_bytes(sample.session, rows, Path(folder) / "rows") / sample.count


def room_requirements(room: Room) -> Iterator[Requirement]:
    """Score the free space against the first build and against twelve months of builds."""
    for code, parts, needed, when in (
        ("room_now", room.first, 2 * sum(room.first.values()), "the first build"),
        ("room_year", room.year, sum(room.year.values()) + room.spare, f"12 months with a build a {room.cadence}"),
    ):
        taken = ", ".join(f"{part} {in_bytes(size)}" for part, size in parts.items() if size)
        evidence = f"{when} takes about {in_bytes(sum(parts.values()))}: {taken}"
        if room.free is None:
            yield scored(code, None, f"{evidence}; the space of a server is not known")
            continue
        evidence += f"; {in_bytes(room.free)} are free"
        yield scored(code, room.free / max(needed, 1), evidence, bytes=in_bytes(needed))


def in_bytes(size: float) -> str:
    """Write a number of bytes for a sentence."""
    for unit, least in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= least:
            return f"{size / least:.3g} {unit}"
    return f"{size:.0f} bytes"
