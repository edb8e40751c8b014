"""The memory that is left, read from the files of Linux, which stand here in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlbridge.memory import free_bytes

GIB = 2**30


def _files(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable:  {8 * GIB // 1024} kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "1"}, 8),
        # A container: its group is the root that it sees, and the page cache can be had back.
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{3 * GIB}\n",
          "sys/fs/cgroup/memory.current": f"{2 * GIB}\n",
          "sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {GIB // 2}\nactive_file {GIB // 2}\n"}, 2),
        # A service: the group above it has the limit.
        ({"proc/self/cgroup": "0::/user/job\n", "sys/fs/cgroup/user/memory.max": f"{4 * GIB}",
          "sys/fs/cgroup/user/memory.current": f"{GIB}", "sys/fs/cgroup/user/job/memory.max": "max",
          "sys/fs/cgroup/user/job/memory.current": "5"}, 3),
        # The older control groups: no limit is a huge number.
        ({"proc/self/cgroup": "9:cpu:/x\n4:memory:/job\n",
          "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**63 - 4096}",
          "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{9 * GIB}",
          "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{2 * GIB}",
          "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{GIB}"}, 1),
        # More in use than there may be, for an instant.
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "5", "sys/fs/cgroup/memory.current": "6"}, 0),
    ],
)  # fmt: skip
def test_the_least_of_machine_and_groups_counts(files: dict[str, str], left: int, tmp_path: Path) -> None:
    assert free_bytes(_files(tmp_path, files)) == left * GIB


def test_without_such_files_it_is_the_memory_of_the_machine(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
