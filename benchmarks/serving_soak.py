"""A server under load for ten minutes: does its memory grow, does a request fail, while the version changes twice?

    make demo
    .venv/bin/python benchmarks/serving_soak.py dbt_project/flights.duckdb.published/dev late_arrival [--minutes 10]

Requests come at a fixed rate, 99 of 100 for one row and one for 100 rows, and are recorded to Parquet. After a third of
the time another version is published and after two thirds the first one again: the same artifact under another number,
loaded and compared anew as any version is. Each minute prints the server's resident memory, its processor time for each
request, the times of the requests and how many failed; at the end, how many rows were recorded and lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from serving import PORT, Server, at_a_rate, cpu, memory, one, rows_as_json, running

from mlbridge.publication.versions import INDEX, file_of
from mlbridge.serving.state import Versions

MANY = 100


def with_other_version(folder: Path, model: str, scratch: Path) -> tuple[Path, Callable[[str], None]]:
    """Copy what is published, and beside it the same with the model's version under the next number.

    Returns the folder, and a function that puts one of them, `first` or `other`, in use.
    """
    place = scratch / "dev"
    for name in ("first", "other"):
        shutil.copytree(folder / "current", place / "builds" / name)
    other = place / "builds" / "other"
    index = json.loads((other / INDEX).read_text())
    index["models"][model]["version"] += 1
    (other / INDEX).write_text(json.dumps(index))
    file = file_of(other, model, "version")
    row = pq.read_table(file)
    number = row.schema.get_field_index("version")
    row = row.set_column(
        number, row.schema.field(number), pa.array([row["version"][0].as_py() + 1], row["version"].type)
    )
    pq.write_table(row, file)

    def use(name: str) -> None:
        (place / "new").symlink_to(Path("builds") / name)
        (place / "new").replace(place / "current")

    use("first")
    return place, use


def main() -> None:
    """Measure, and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="the folder that builds publish to")
    options.add_argument("model")
    options.add_argument("--minutes", type=int, default=10)
    options.add_argument("--rate", type=int, default=100, help="requests a second")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, use = with_other_version(chosen.folder, chosen.model, Path(scratch))
        versions = Versions(folder, [chosen.model])
        versions.refresh()
        plain, recorded = rows_as_json(folder, versions.state.served(chosen.model)), Path(scratch) / "requests"

        def body(start: int, count: int) -> bytes:
            return json.dumps({"rows": [plain[(start + each) % len(plain)] for each in range(count)]}).encode()

        options = ["--host", "127.0.0.1", "--port", str(PORT), "--model", chosen.model, "--requests", str(recorded)]
        line = [sys.executable, "-m", "mlbridge.serving", str(folder), *options]
        server = Server("numpy", line, f"/predict/{chosen.model}", "/v2/health/ready", body, lambda _: [])
        mixed = [body(number, MANY if number == 99 else 1) for number in range(100)]
        changes = {chosen.minutes // 3: "other", 2 * chosen.minutes // 3: "first"}
        with running(server) as process:
            print(f"before: {memory(process):.0f} MiB")
            for minute in range(chosen.minutes):
                if minute in changes:
                    use(changes[minute])
                before = cpu(process)
                took, failed = asyncio.run(at_a_rate(mixed, f"POST {server.path}", chosen.rate, 60))
                each = (cpu(process) - before) / len(took) * 1e3
                p50, p99 = np.quantile(took, [0.5, 0.99]) * 1e3
                _, ready = asyncio.run(one(b"", f"GET {server.ready}"))
                print(
                    f"minute {minute + 1}: {memory(process):.0f} MiB, version {json.loads(ready)['models']}, "
                    f"{failed} of {len(took):,} failed, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {each:.2f} ms of CPU each",
                    flush=True,
                )
            _, metrics = asyncio.run(one(b"", "GET /metrics"))
        rows = pq.read_table(recorded, columns=["version"]).group_by("version").aggregate([("version", "count")])
        lost = [each for each in metrics.decode().splitlines() if each.startswith("mlbridge_requests_lost_total")]
        print(f"recorded rows by version: {rows.to_pylist()}; {lost}")


if __name__ == "__main__":
    main()
