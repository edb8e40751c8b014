"""What a request for predictions takes: `mlbridge serve`, and the same pipeline by scikit-learn over the same server.

    make demo
    .venv/bin/python benchmarks/serving.py dbt_project/flights.duckdb.published/dev late_arrival

The load comes from this process, beside the server on the same machine: requests are sent at a fixed rate, whether or
not those before are answered, each for one row, and their time counts from when they were due. Then 1,000 rows are
asked for in one request, one request after the other. A request of either server has a row of the training, and both
give the same predictions. Ratios of one run say more than its milliseconds. Where a server is slower than the rate, its
requests queue, and their time says no more than that; scikit-learn is asked for a shorter time for that reason. All of
it takes about a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

PORT, CONNECTIONS, RATES, MANY = 8931, 32, (200, 500), 1_000
# For so many seconds requests are sent at each rate, and so often many rows are asked for.
SECONDS, TIMES = {"numpy": 10, "scikit-learn": 2}, {"numpy": 20, "scikit-learn": 10}
# The same server, where scikit-learn answers.
BY_SCIKIT_LEARN = """
import sys
from mlbridge.serving import __main__ as server
read = server.Versions.refresh
def refresh(versions):
    changed = read(versions)
    for served in versions.state.models.values():
        served.scorer.program = None
    return changed
server.Versions.refresh = refresh
server.main()
"""


def bodies(folder: Path, model: str, features: list[Any], rows: int) -> list[bytes]:
    """Give bodies of requests of so many rows each, from the training rows that are published."""
    found = pq.read_table(folder / "current" / f"{model}.background").to_pylist()
    plain = [{each["name"]: _as_json(row[each["name"]], each) for each in features} for row in found]
    starts = range(len(plain)) if rows == 1 else (0,)
    return [json.dumps({"rows": [plain[(at + each) % len(plain)] for each in range(rows)]}).encode() for at in starts]


def _as_json(value: Any, feature: Any) -> Any:
    """Write a version's input as the value that it was made of: a published date is its seconds since 1970."""
    if value is None or value != value or feature["kind"] == "category":
        return None if value != value else value
    if feature["json"] == "string":
        moment = datetime.fromtimestamp(value, UTC)
        return moment.date().isoformat() if feature["type"] == "DATE" else moment.isoformat()
    return {"boolean": bool, "integer": int, "number": float}[feature["json"]](value)


@contextmanager
def server(folder: Path, model: str, by: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; prints what starting took."""
    code = ["-m", "mlbridge.serving"] if by == "numpy" else ["-c", BY_SCIKIT_LEARN]
    line = [sys.executable, *code, str(folder), "--host", "127.0.0.1", "--port", str(PORT), "--model", model]
    begun = time.monotonic()
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                asyncio.run(one(b"", model, "GET /v2/health/ready"))
                break
            except OSError:
                time.sleep(0.02)
        print(f"{by}: ready after {time.monotonic() - begun:.1f} s, of which {cpu(process):.1f} s of processor time")
        yield process
    finally:
        process.terminate()
        process.wait()


def cpu(process: subprocess.Popen[bytes]) -> float:
    """Return the processor time of a process in seconds."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def memory(process: subprocess.Popen[bytes]) -> float:
    """Return the resident memory of a process in MiB."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096 / 2**20


def asked(body: bytes, model: str, what: str) -> bytes:
    """Write a request: for predictions, where nothing else is said."""
    head = f"{what or f'POST /predict/{model}'} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read an answer: its status and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return int(head[9:12]), await reader.readexactly(length)


async def one(body: bytes, model: str, what: str = "") -> tuple[int, bytes]:
    """Send one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(asked(body, model, what))
    found = await answer(reader)
    writer.close()
    return found


async def at_a_rate(requests: list[bytes], model: str, rate: int, seconds: int) -> tuple[list[float], int]:
    """Send requests at a rate; return the seconds that each took from when it was due, and how many failed."""
    free: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", PORT))
    took: list[float] = []
    failed = 0

    async def send(due: float, body: bytes) -> None:
        nonlocal failed
        reader, writer = await free.get()
        writer.write(asked(body, model, ""))
        status, _ = await answer(reader)
        took.append(time.perf_counter() - due)
        failed += status != 200
        free.put_nowait((reader, writer))

    begun, tasks = time.perf_counter() + 0.1, []
    for index in range(rate * seconds):
        due = begun + index / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(send(due, requests[index % len(requests)])))
    await asyncio.gather(*tasks)
    return took, failed


async def in_turn(body: bytes, model: str, times: int) -> list[float]:
    """Send the same request again and again; return the seconds that each took."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        status, _ = await one(body, model)
        assert status == 200
        took.append(time.perf_counter() - begun)
    return took


def measured(folder: Path, model: str, by: str) -> list[Any]:
    """Print what a server takes; return its predictions of the rows."""
    with server(folder, model, by) as process:
        features = json.loads(asyncio.run(one(b"", model, f"GET /v2/models/{model}"))[1])["parameters"]["features"]
        single, (many,) = bodies(folder, model, features, 1), bodies(folder, model, features, MANY)
        asyncio.run(in_turn(single[0], model, 50))
        for rate in RATES:
            before = cpu(process)
            took, failed = asyncio.run(at_a_rate(single, model, rate, SECONDS[by]))
            p50, p95, p99 = np.quantile(took, [0.5, 0.95, 0.99]) * 1e3
            each = (cpu(process) - before) / len(took) * 1e3
            print(
                f"{by}: one row, {rate} requests/s: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, "
                f"{failed} of {len(took):,} failed; {each:.2f} ms of processor time each"
            )
        before = cpu(process)
        took = asyncio.run(in_turn(many, model, TIMES[by]))
        each = (cpu(process) - before) / len(took) * 1e3
        p50, p95, p99 = np.quantile(took, [0.5, 0.95, 0.99]) * 1e3
        print(
            f"{by}: {MANY:,} rows: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms; "
            f"{each:.1f} ms of processor time each"
        )
        print(f"{by}: {memory(process):.0f} MiB")
        return list(json.loads(asyncio.run(one(many, model))[1])["predictions"])


def main() -> None:
    """Measure both servers, and compare what they answer."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="the folder that builds publish to")
    options.add_argument("model")
    chosen = options.parse_args()
    found = [measured(chosen.folder, chosen.model, by) for by in ("numpy", "scikit-learn")]
    print("the same predictions" if found[0] == found[1] else "DIFFERENT PREDICTIONS")


if __name__ == "__main__":
    main()
