"""How long `dbt build` of the flights takes from nothing, and how long a second one that has nothing to do.

dbt's own share of the second is measured as the same commands on the trunk alone: parsing, and building the host
without the branch. Run: .venv/bin/python benchmarks/build.py
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOST = Path(__file__).resolve().parents[1] / "dbt_project"
DBT = Path(sys.executable).with_name("dbt")


def seconds(folder: Path, *args: str) -> float:
    """Run dbt on the host with its warehouse and target in a folder; wall seconds of the whole process."""
    environment = {**os.environ, "FLIGHTS_DUCKDB": str(folder / "flights.duckdb"), "DO_NOT_TRACK": "1"}
    started = time.perf_counter()
    command = [DBT, *args, "--profiles-dir", HOST, "--target-path", folder / "target"]
    subprocess.run(command, cwd=HOST, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Print seconds and shares."""
    subprocess.run([DBT, "deps", "--quiet"], cwd=HOST, check=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        first = seconds(place, "build")
        second = seconds(place, "build")
        start = seconds(place, "parse")
        trunk = seconds(place, "build", "--exclude", "path:models/ml", "package:mlbridge")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"first build {first:.0f} s; second build {second:.0f} s ({second / first:.0%})")
    print(f"of the second, dbt's start takes {start:.0f} s ({start / second:.0%})")
    print(f"a build of the trunk alone takes {trunk:.0f} s ({trunk / second:.0%} of the second)")


if __name__ == "__main__":
    main()
