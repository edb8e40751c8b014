"""The folder that a target's builds publish to: a folder per build, and a link to the newest one.

    <warehouse>.published/<target>/
        current -> builds/20131231T235959123456_k3v9
        builds/20131231T235959123456_k3v9/    ml_alerts.parquet, ..., build.json
        bi.<engine>    a small database file: for each table a view over its file in current/
        lock           held by who publishes, without content

Tables of a server are read there. What `mlbridge serve` needs of them is published to a folder of the project, with the
same builds and the same link.

A build's folder is whole before the link leads to it, and is never written again, so whoever resolves the link once
reads one build. The build before is kept for those who still read it, until the next one is published.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

from mlbridge.engines.adapters import PYTHON_ENGINE
from mlbridge.typing import Document

CURRENT, BUILDS, FACTS, LOCK, FORMAT = "current", "builds", "build.json", "lock", 2
OF_A_SERVER = "mlbridge"  # what a warehouse that is no file is called among published folders
VIEWS = f"bi.{PYTHON_ENGINE.name}"
# What mlbridge 0.8 published in the same folder.
FORMER = re.compile(r"current\.json|format0\.json|(tmp_)?[ab]\.\w+\.parquet")


@dataclass(frozen=True)
class Facts:
    """What a published build says of itself; `published_at` and `as_of` are UTC, `build` is dbt's invocation id."""

    build: str
    published_at: str
    as_of: str
    version: str
    tables: tuple[str, ...]

    @classmethod
    def now(cls, build: str, as_of: str, version: str, tables: tuple[str, ...]) -> Facts:
        """Return the facts of a build that is published at this moment."""
        return cls(build, datetime.now(UTC).replace(tzinfo=None).isoformat(" "), as_of, version, tables)

    def write(self, place: Path) -> None:
        """Write them into a build's folder."""
        (place / FACTS).write_text(json.dumps({"format": FORMAT, **asdict(self)}), encoding="utf-8")


def folder_of(warehouse: Path, target: str) -> Path:
    """Return the folder that builds of a target publish to, beside the file that the package's tables are in."""
    return warehouse.with_name(f"{warehouse.name}.published") / re.sub("[^A-Za-z0-9_-]", "_", target)


def own_folder(folder: Path) -> Path:
    """Make the folder that all targets of a server are published to, where it is not there; returns it.

    What is published has its mode and group. It is made for its user only, and no part of the project's repository.
    """
    above = folder.parent
    with suppress(FileExistsError):
        above.mkdir(mode=0o700)
        (above / ".gitignore").write_text("*\n", encoding="utf-8")
    return above


def file_of(place: Path, table: str) -> Path:
    """Return the file of a table in a build's folder."""
    return place / f"{table}.parquet"


def current_build(folder: Path) -> Path | None:
    """Return the folder of the newest published build; None if none is published yet."""
    try:
        return (folder / CURRENT).resolve(strict=True)
    except FileNotFoundError:
        return None


def read_facts(place: Path) -> Document:
    """Return the content of a build's `build.json`; raises OSError, TypeError or ValueError where that is damaged."""
    return dict(json.loads((place / FACTS).read_text(encoding="utf-8")))


@contextmanager
def new_build(folder: Path, owner: Path) -> Iterator[Path]:
    """Give an empty folder for the files of a build, and publish it at the end; after an error nothing is published.

    It waits for another publication into the same folder, so what is read within is no older than what that has read.

    Whoever may not read the warehouse, `owner`, or for a server its own folder, may not read what is published: its
    mode and group are those of all files.
    """
    like = owner.stat()
    builds = folder / BUILDS
    for each in (folder.parent, folder, builds):
        each.mkdir(mode=0o700, exist_ok=True)
        _share(each, like)
    with _exclusive(folder / LOCK, like):
        former = current_build(folder)
        place = Path(mkdtemp(prefix=f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}_", dir=builds))
        try:
            yield place
            for each in (*place.iterdir(), place):
                _share(each, like)
            _link(folder, place)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        _clear(folder, {place, former})


@contextmanager
def _exclusive(file: Path, like: os.stat_result) -> Iterator[None]:
    """Wait until nobody else publishes; the operating system releases the lock when a process ends.

    Else one of two that publish at once would clear away what the other one writes. Who publishes from a warehouse that
    is a file holds that anyway; a server lets many read it.
    """
    with file.open("a") as lock:
        _share(file, like)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def new_views(folder: Path, warehouse: Path) -> Iterator[Path]:
    """Give the path of a file to be written, and put that in the place of the file of views."""
    file = folder / f"{VIEWS}.new"
    file.unlink(missing_ok=True)
    yield file
    _share(file, warehouse.stat())
    file.replace(folder / VIEWS)


def _share(path: Path, like: os.stat_result) -> None:
    """Let those read and write a file or a folder who may read and write the warehouse."""
    mode = stat.S_IMODE(like.st_mode) & 0o666
    try:
        os.chown(path, -1, like.st_gid)
    except PermissionError:  # the warehouse is of a group that this user is not in: of another group nobody may read it
        mode &= ~0o060
    if path.is_dir():
        mode |= stat.S_IRWXU | (mode & 0o044) >> 2
    with suppress(PermissionError):  # a folder that another user's build has made
        path.chmod(mode)


def _link(folder: Path, place: Path) -> None:
    """Let `current` lead to a build, by a rename: a reader finds the former build or this one."""
    link, current = folder / f"{CURRENT}.{place.name}", folder / CURRENT
    link.symlink_to(Path(BUILDS) / place.name, target_is_directory=True)
    if current.is_dir() and not current.is_symlink():
        shutil.rmtree(current)  # whoever copied the folder followed the link, and no rename replaces a folder
    try:
        link.replace(current)
    except OSError:
        link.unlink()
        raise


def _clear(folder: Path, kept: set[Path | None]) -> None:
    """Remove what is no longer read: older builds, what a killed build has left, and the files of former versions."""
    names = {each.name for each in kept if each is not None}
    for each in (folder / BUILDS).iterdir():
        if each.name not in names:
            shutil.rmtree(each, ignore_errors=True)
    for each in folder.iterdir():
        if FORMER.fullmatch(each.name) or each.name.startswith((f"{CURRENT}.", f"{VIEWS}.")):
            each.unlink(missing_ok=True)
