"""Peak memory of a training, as the rows grow: the frame alone, and `mlbridge.train` with each stock candidate.

20 features: 8 whole numbers of 0 to 99, 8 with decimals, 2 truth values and 2 texts of 30 values. Each figure is
the highest resident memory of a process of its own, in MiB, less what the process has before it reads (the imports, the
warehouse). Run: .venv/bin/python benchmarks/training_memory.py [rows ...]
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb

import mlbridge

SPEC = {"task": "classification", "target": "y", "entity": "id", "time": "at"}
CANDIDATES = ("logistic_regression", "random_forest", "hist_gradient_boosting")


def columns() -> str:
    """Give the features as SQL over a number `i`."""
    found = [f"(hash(i, {number}) % 100)::int as whole{number}" for number in range(8)]
    found += [f"(hash(i, {number}) % 1000003) / 997.0 as number{number}" for number in range(8, 16)]
    found += [f"hash(i, {number}) % 3 = 0 as flag{number}" for number in (16, 17)]
    found += [f"'t' || hash(i, {number}) % 30 as text{number}" for number in (18, 19)]
    return ", ".join(found)


def prepare(path: Path, rows: int) -> None:
    """Write labelled rows: 70 % to train on, 15 % each to validate and test."""
    with duckdb.connect(str(path), config={"memory_limit": "1GB"}) as warehouse:
        warehouse.execute(
            f"create table split as select i as id, timestamp '2020-01-01' + to_seconds(i) as at, {columns()}, "
            "whole0 + number8 / 10 + hash(i, 99) % 40 > 120 as y, case when i < "
            f"{rows} * 0.7 then 'train' when i < {rows} * 0.85 then 'validation' else 'test' end as ml_split "
            f"from range({rows}) as t(i)"
        )


def node(spec: dict[str, Any]) -> Any:
    """Stand in for what the materialization gives a Python model."""
    moment = "2030-01-01 00:00:00"
    run = {"node": "rows_training", "invocation_id": "benchmark", "as_of": moment, "started_at": moment}
    run |= {"retrain": False, "exists": False, "empty": False, "spec": spec, "package_version": mlbridge.__version__}
    return SimpleNamespace(this="rows_training", mlbridge=run)


def peak() -> float:
    """Give the highest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(how: str, path: str) -> None:
    """Train with one candidate, or read the frame alone, and print seconds and MiB."""
    import mlbridge.nodes.new_version

    if how == "frame":
        mlbridge.nodes.new_version.challenge = lambda training, *_: training.frame.part("train").shape and []
    spec = {**SPEC, "candidates": ["hist_gradient_boosting" if how == "frame" else how]}
    with duckdb.connect(path, read_only=True, config={"memory_limit": "500MB"}) as warehouse:
        before, started = peak(), time.perf_counter()
        mlbridge.train(node(spec), warehouse, warehouse.sql("select * from split"), spec)
        print(json.dumps([time.perf_counter() - started, peak() - before]))


def main(counts: list[int]) -> None:
    """Print seconds and MiB by rows and candidate."""
    print(f"{platform.machine()}, Python {platform.python_version()}")
    for rows in counts:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.duckdb"
            prepare(path, rows)
            for how in ("frame", *CANDIDATES):
                command = [sys.executable, __file__, how, str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                seconds, memory = json.loads(done.stdout.splitlines()[-1])
                print(f"{rows:,} rows, {how}: {seconds:.1f} s and {memory:,.0f} MiB", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3 and not sys.argv[1].isdigit():
        measure(sys.argv[1], sys.argv[2])
    else:
        main([int(each) for each in sys.argv[1:]] or [1_000_000])
