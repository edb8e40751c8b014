"""Peak memory and time of scoring, as the rows grow: `mlbridge.predict`, and a dbt Python model written by hand.

By hand: `dbt.ref().df()`, `predict_proba`, return the frame. Both load the same stored gradient boosting (100 trees)
and write 1 and 4 million rows of 20 features into the same DuckDB file, each in a process of its own; the memory is
the process's highest resident one. Run: .venv/bin/python benchmarks/scoring_memory.py
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

FEATURES = [f"x{number}" for number in range(20)]
SPEC = {
    "task": "classification",
    "target": "y",
    "entity": "id",
    "time": "at",
    "candidates": ["hist_gradient_boosting"],
}
FITTED_ROWS = 30_000


def node(name: str) -> Any:
    """Stand in for what the materialization gives a Python model."""
    run = {
        "node": name,
        "invocation_id": "benchmark",
        "as_of": "2030-01-01 00:00:00",
        "started_at": "2030-01-01 00:00:00",
        "retrain": False,
        "exists": False,
        "empty": False,
        "spec": SPEC,
        "package_version": mlbridge.__version__,
    }
    return SimpleNamespace(this=name, mlbridge=run)


def prepare(path: Path) -> None:
    """Write the rows, and a logbook with one version fitted on the first of them."""
    with duckdb.connect(str(path)) as warehouse:
        columns = ", ".join(f"(hash(i, {number}) % 100000) / 1000.0 as {name}" for number, name in enumerate(FEATURES))
        warehouse.execute(
            f"create table rows as select i as id, timestamp '2020-01-01' + to_seconds(i) as at, {columns}, "
            f"case when i < {FITTED_ROWS} then x0 + x1 + (hash(i, 99) % 100) > 150 end as y, "
            f"case when i < {FITTED_ROWS} * 0.7 then 'train' when i < {FITTED_ROWS} * 0.85 then 'validation' "
            f"when i < {FITTED_ROWS} then 'test' else 'score' end as ml_split from range(4_000_000) as t(i)"
        )
        fitted = warehouse.sql(f"select * from rows where id < {FITTED_ROWS}")
        logbook = mlbridge.train(node("rows_training"), warehouse, fitted, SPEC)
        warehouse.register("logbook_arrow", logbook)
        warehouse.execute("create table logbook as from logbook_arrow")


def ours(warehouse: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Score as the predictions node does."""
    split = warehouse.sql(f"select * from rows where id < {rows}")
    reader = mlbridge.predict(node("rows_predictions"), warehouse, split, warehouse.sql("select * from logbook"))
    writer = warehouse.cursor()
    writer.register("predictions", reader)
    writer.execute("create or replace table scored as from predictions")


def by_hand(warehouse: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Score as an experienced user would without mlbridge."""
    import skops.io

    artifact = warehouse.sql("select artifact from logbook where artifact is not null").fetchall()[0][0]
    estimator = skops.io.loads(artifact, trusted=skops.io.get_untrusted_types(data=artifact))
    frame = warehouse.sql(f"select * from rows where id < {rows}").df()
    frame["probability"] = estimator.predict_proba(frame[FEATURES])[:, 1]
    result = frame[["id", "at", "probability"]]
    warehouse.register("result", result)
    warehouse.execute("create or replace table scored as from result")


def measure(how: str, path: str, rows: int) -> None:
    """Run one way in this process, and print seconds and MiB."""
    with duckdb.connect(path, config={"memory_limit": "1GB"}) as warehouse:
        started = time.perf_counter()
        {"ours": ours, "by_hand": by_hand}[how](warehouse, rows)
        seconds = time.perf_counter() - started
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def main() -> None:
    """Print seconds and MiB of both ways, and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.duckdb"
        prepare(path)
        print(f"{platform.machine()}, Python {platform.python_version()}")
        for rows in (1_000_000, 4_000_000):
            found = {}
            for how in ("ours", "by_hand"):
                command = [sys.executable, __file__, how, str(path), str(rows)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[how] = json.loads(done.stdout.splitlines()[-1])
            (seconds, memory), (seconds_by_hand, memory_by_hand) = found["ours"], found["by_hand"]
            print(
                f"{rows:,} rows: {seconds:.1f} s and {memory:,.0f} MiB; by hand {seconds_by_hand:.1f} s and "
                f"{memory_by_hand:,.0f} MiB; ratios {seconds / seconds_by_hand:.2f} and {memory / memory_by_hand:.2f}"
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main()
