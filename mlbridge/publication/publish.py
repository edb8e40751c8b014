"""Publishes the package's tables, at the end of each build and by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlbridge.engines.adapters import PYTHON_ENGINE, Session
from mlbridge.engines.warehouse import Warehouse, lowered
from mlbridge.log import info
from mlbridge.publication.folder import (
    CURRENT,
    Facts,
    current_build,
    file_of,
    folder_of,
    new_build,
    new_views,
    own_folder,
)

# Writes more into a build's new folder; the second folder is that of the build before, if there is one.
Beside = Callable[[Path, "Path | None"], None]


def publish(
    session: Session,
    tables: Mapping[str, Sequence[str]],
    target: str,
    build: str,
    as_of: str,
    version: str,
    beside: Beside | None = None,
) -> Path | None:
    """Copy tables to the folder of a target beside the file that they are in, and what `beside` writes; returns it.

    `tables` gives database, schema and name of each; one that is not there is left out, and so is a view that does not
    fit what it reads any more, because a build failed before it came to it. None is returned where nothing is
    published: the tables are in memory or shut in, or none is there yet.
    """
    warehouse = PYTHON_ENGINE.place_of(session, next(iter(tables.values()))[0]) if tables else None
    if warehouse is None:
        return None
    there = Warehouse(session).every_table()
    built = [name for name, place in tables.items() if lowered(*place) in there]
    readable = [name for name in built if _is_readable(session, name, tables[name])]
    if not readable:
        return None
    folder = folder_of(warehouse, target)
    with new_build(folder, warehouse) as place:
        for name in readable:
            PYTHON_ENGINE.export(session, tables[name], file_of(place, name))
        if beside is not None:
            beside(place, current_build(folder))
        Facts.now(build, as_of, version, tuple(readable)).write(place)
    with new_views(folder, warehouse) as views:
        PYTHON_ENGINE.write_views(views, {name: file_of(folder / CURRENT, name) for name in readable})
    return folder


def publish_beside(folder: Path, beside: Beside, build: str, as_of: str, version: str) -> None:
    """Publish what `beside` writes to a folder, and no tables: those of a server are read there."""
    with new_build(folder, own_folder(folder)) as place:
        beside(place, current_build(folder))
        Facts.now(build, as_of, version, ()).write(place)


def _is_readable(session: Session, name: str, place: Sequence[str]) -> bool:
    problem = PYTHON_ENGINE.defect(session, place)
    if problem is not None:
        info("publish", f"{name} cannot be read, and is not published: {problem}")
    return problem is None
