"""Time `mlbridge assess` on the built example and on a made relation of ten million rows.

    python benchmarks/assess.py [folder of a built example host] [rows]

Prints the seconds and the peak memory of each as a whole process, and how many rows were sampled.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from assessed import orders, shop_of, unique  # noqa: E402

# What of the past is not known, and further columns as a mart has them.
COLUMNS = {
    "is_late": "case when hash(order_id, 9) % 20 > 0 then is_late end",
    "arrived_at": "case when hash(order_id, 9) % 20 > 0 then arrived_at end",
    **{f"number_{i}": f"(hash(order_id, {20 + i}) % 10000) / 7.0" for i in range(8)},
    **{f"word_{i}": f"'w' || (hash(order_id, {40 + i}) % {10 ** (i + 1)})" for i in range(4)},
}


def run(folder: Path, *arguments: str) -> None:
    """Assess a relation of a project in a process of its own, and print what it took."""
    command = ["/usr/bin/time", "-f", "%M", Path(sys.executable).with_name("mlbridge"), "assess", *arguments]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--project-dir", folder, "--format", "json"], capture_output=True, text=True, check=False
    )
    seconds, memory = time.perf_counter() - started, int(done.stderr.split()[-1]) / 1024
    if done.returncode == 2:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout)
    sampled = "all" if found["sampled"] is None else f"{found['sampled']:,}"
    print(f"{found['relation']['name']}: {found['rows']:,} rows x {len(found['columns'])} columns, {sampled} sampled, "
          f"{seconds:.1f} s, {memory:,.0f} MiB: {found['verdict']}")  # fmt: skip


def main() -> None:
    """Run both."""
    built = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dbt_project"
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000
    run(built, "flights")
    run(built, "late_arrival_features", "--target", "is_late")
    with TemporaryDirectory() as name:
        folder = Path(name)
        shop_of(folder, {"fct_orders": orders(rows, **COLUMNS)}, unique("fct_orders", "order_id"))
        run(folder, "fct_orders")


if __name__ == "__main__":
    main()
