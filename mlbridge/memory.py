"""The memory that this process may still take, as Linux and its control groups say; elsewhere that of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
# By version of the control groups: the files of the limit and of what is used, and the prefix of the latter's parts.
FILES = (
    ("sys/fs/cgroup", "memory.max", "memory.current", ""),
    ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
)
# Pages of files, which can be had back.
RECLAIMABLE = ("inactive_file", "active_file")


def free_bytes(root: Path = ROOT) -> int:
    """Return the least of what the machine and each control group of the process have left."""
    available = _fields(root / "proc/meminfo").get("MemAvailable")
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if available is None else available * 1024
    return min([machine, *_left_in_groups(root)])


def _left_in_groups(root: Path) -> Iterator[int]:
    for place in _groups(root):
        for mount, limit, used, prefix in FILES:
            folder = root / mount / place
            most, taken = _number(folder / limit), _number(folder / used)
            if most is not None and taken is not None:
                parts = _fields(folder / "memory.stat")
                yield max(0, most - taken + sum(parts.get(prefix + name, 0) for name in RECLAIMABLE))


def _groups(root: Path) -> set[str]:
    """Return the paths of the process's groups and of all above them; within a container that is the root only."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return set()
    places = {Path(line.split(":", 2)[2].strip("/")) for line in lines if ":memory:" in line or line.startswith("0::")}
    return {str(above) for place in places for above in (place, *place.parents)}


def _number(file: Path) -> int | None:
    """Return the number in a file; None where there is no such file, or no limit."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _fields(file: Path) -> dict[str, int]:
    """Return the numbers of a file with a name and a number on each line."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return {}
    return {words[0].rstrip(":"): int(words[1]) for words in map(str.split, lines) if len(words) > 1}
