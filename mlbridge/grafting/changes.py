"""Changes of files: shown as diffs, and written all or nothing."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlbridge.errors import GraftError, listed

NOTHING = "Nothing is changed"


@dataclass(frozen=True)
class Change:
    """One file of the project, by its path there, with its text before and after; None: there is no such file."""

    path: str
    before: str | None
    after: str | None

    @property
    def action(self) -> str:
        """Return `create`, `edit` or `delete`."""
        return "create" if self.before is None else "delete" if self.after is None else "edit"

    @property
    def diff(self) -> str:
        """Return the change as a unified diff."""
        return difference(self.path, self.before, self.after)


def difference(path: str, before: str | None, after: str | None) -> str:
    """Return a unified diff of a file; None: there is no such file."""
    old, new = ((text or "").splitlines(keepends=True) for text in (before, after))
    names = ("/dev/null" if before is None else f"a/{path}", "/dev/null" if after is None else f"b/{path}")
    lines = difflib.unified_diff(old, new, *names, n=3)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def read(folder: Path, path: str) -> str | None:
    """Return the text of a file of the project, with its line ends; None where there is none.

    Raises GraftError if it is no text in UTF-8.
    """
    try:
        return (folder / path).read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise GraftError(f"'{path}' is no text in UTF-8: {error}. Save it as UTF-8.") from error
    except OSError as error:
        raise GraftError(f"'{path}' cannot be read: {error.strerror}.") from error


def changed(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> list[Change]:
    """Return the changes between texts by path."""
    return [Change(path, before.get(path), text) for path, text in after.items() if before.get(path) != text]


def missing_folders(folder: Path, paths: Iterable[str]) -> list[str]:
    """Return the folders of the project that files need and that are not there, the deepest first."""
    needed = dict.fromkeys(str(each) for path in paths for each in PurePosixPath(path).parents)
    return [each for each in needed if not (folder / each).exists()]


def write(folder: Path, changes: Sequence[Change], spare_folders: Sequence[str] = ()) -> None:
    """Write all changes, or none: where one fails, those before it are undone.

    `spare_folders` are removed afterwards where nothing is left in them. Raises GraftError if a file cannot be written,
    or is not what it was when the changes were worked out.
    """
    done: list[Change] = []
    made = missing_folders(folder, (change.path for change in changes))
    try:
        for change in changes:
            if read(folder, change.path) != change.before:
                raise GraftError(f"'{change.path}' has changed in the meantime. Nothing is written; run it again.")
            done.append(change)
            _put(folder, change.path, change.after)
    except BaseException as error:
        stuck = _undo(folder, done)
        _remove_empty(folder, made)
        if isinstance(error, OSError):
            left = f"Nothing is changed, except that {listed(stuck)} could not be restored" if stuck else NOTHING
            raise GraftError(
                f"'{done[-1].path}' cannot be written: {error.strerror}. {left}. See to the rights and the space of "
                "the project's folder."
            ) from error
        raise
    _remove_empty(folder, spare_folders)


def _undo(folder: Path, done: Sequence[Change]) -> list[str]:
    """Take changes back, the last one first; returns the files of which that was not possible."""
    stuck = []
    for change in reversed(done):
        try:
            if read(folder, change.path) != change.before:
                _put(folder, change.path, change.before)
        except (OSError, GraftError):
            stuck.append(change.path)
    return stuck


def _put(folder: Path, path: str, text: str | None) -> None:
    """Write or delete one file at once, with the mode that it has."""
    place = (folder / path).resolve()
    if text is None:
        place.unlink(missing_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        fresh.write_bytes(text.encode())
        if place.exists():
            fresh.chmod(place.stat().st_mode)
        fresh.replace(place)
    finally:
        fresh.unlink(missing_ok=True)


def _remove_empty(folder: Path, folders: Sequence[str]) -> None:
    """Remove folders in which nothing is left, the deepest first."""
    for each in sorted(folders, key=len, reverse=True):
        if (folder / each).is_dir() and not any((folder / each).iterdir()):
            (folder / each).rmdir()
