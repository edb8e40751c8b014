"""How well the estimated performance foretold the realized one on the flights, month by month.

Both models are trained on what was known on the first of July 2013; then the rest of the year comes in at once,
with its outcomes. Prints a line per metric and month: realized with its interval, and estimated, which saw no outcome.
Run: .venv/bin/python benchmarks/estimated_performance.py
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

HOST = Path(__file__).resolve().parents[1] / "dbt_project"
DBT = Path(sys.executable).with_name("dbt")
SHOWN = {
    "late_arrival": ("roc_auc", "average_precision", "accuracy", "precision", "recall", "f1", "brier"),
    "arrival_delay": ("mae", "rmse"),
}


def build(folder: Path, as_of: str, *args: str) -> None:
    """Build the host as of a moment, its warehouse in a folder."""
    environment = {**os.environ, "FLIGHTS_DUCKDB": str(folder / "flights.duckdb"), "DO_NOT_TRACK": "1"}
    options = ["--vars", f"{{mlbridge_as_of: '{as_of}'}}", "--profiles-dir", HOST, "--target-path", folder / "target"]
    command = [DBT, "build", "--exclude-resource-type", "test", *options, *args]
    subprocess.run(command, cwd=HOST, env=environment, check=True, capture_output=True)


def main() -> None:
    """Print the table."""
    subprocess.run([DBT, "deps", "--quiet"], cwd=HOST, check=True)
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), "2013-07-01")
        branch = [f"{model}_{stage}" for model in SHOWN for stage in ("split", "training", "predictions")]
        build(Path(folder), "2014-02-01", "--vars", "{mlbridge_as_of: '2014-02-01', mlbridge_retrain: never}",
              "--select", *branch, "package:mlbridge")  # fmt: skip
        with duckdb.connect(str(Path(folder) / "flights.duckdb"), read_only=True) as warehouse:
            rows = warehouse.sql("""
                select model, metric, strftime("window", '%b') as month,
                    max(value) filter (where kind = 'realized') as realized,
                    max(low) filter (where kind = 'realized') as low,
                    max(high) filter (where kind = 'realized') as high,
                    max(value) filter (where kind = 'estimated') as estimated,
                    max(n) filter (where kind = 'realized') as n
                from ml_performance
                where slice = 'all' and version = 1 and "window" between '2013-07-01' and '2013-12-01'
                group by model, metric, "window"
                order by model desc, metric, "window"
            """).fetchall()
    print(f"{platform.machine()}, Python {platform.python_version()}")
    for model, metric, month, realized, low, high, estimated, n in rows:
        if metric in SHOWN[model]:
            print(
                f"{model} {metric} {month}: realized {realized:.3f} ({low:.3f} to {high:.3f}, n {n:,}), "
                f"estimated {estimated:.3f}"
            )


if __name__ == "__main__":
    main()
