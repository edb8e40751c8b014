"""What a request for predictions takes: `mlbridge serve`, scikit-learn over the same server, and MLflow's server.

    make demo
    .venv/bin/python benchmarks/serving.py dbt_project/flights.duckdb.published/dev late_arrival

The load comes from this process, beside the server on the same machine: requests are sent at a fixed rate, whether or
not those before are answered, each for one row, and their time counts from when they were due. Then 1,000 rows are
asked for in one request, one request after the other. All get the same rows of the training, and give the same
predictions. MLflow (`uvicorn` over its scoring server, one process, as here) is installed into an environment that is
thrown away, and serves the same fitted pipeline. Ratios of one run say more than its milliseconds. Where a server is
slower than the rate, its requests queue, and their time says no more than that; such servers are asked for a shorter
time for that reason. All of it takes some three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow.parquet as pq
import sklearn

from mlbridge.serving.served import Served
from mlbridge.serving.state import Versions

PORT, CONNECTIONS, RATES, MANY = 8931, 32, (200, 500), 1_000
# For so many seconds requests are sent at each rate, also to a server that is slower; so often many rows are asked for.
SECONDS, SECONDS_OF_SLOW, TIMES = 10, 2, 20
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


# Writes a fitted pipeline as MLflow has models; then its predictions are probabilities.
AS_MLFLOW = """
import sys, joblib, mlflow.sklearn
pipeline = joblib.load(sys.argv[1])
mlflow.sklearn.save_model(pipeline, sys.argv[2], pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle")
"""


@dataclass(frozen=True)
class Server:
    """A server to measure: how it is started, and what a request for rows and the answer to it are."""

    name: str
    line: Sequence[str]
    path: str
    ready: str
    body: Callable[[int, int], bytes]
    probabilities: Callable[[Any], list[float]]
    environment: Mapping[str, str] = field(default_factory=dict)
    keeps_up: bool = False


def servers(folder: Path, model: str, scratch: Path) -> list[Server]:
    """Prepare the servers over the version in use, which must be of a classification into two classes."""
    versions = Versions(folder, [model])
    versions.refresh()
    served = versions.state.served(model)
    names, rows = [each["name"] for each in served.metadata["features"]], background(folder, model)
    plain = rows_as_json(folder, served)
    inputs = [[None if row[name] != row[name] else row[name] for name in names] for row in rows]

    def ours(start: int, count: int) -> bytes:
        return json.dumps({"rows": [plain[(start + each) % len(plain)] for each in range(count)]}).encode()

    def mlflows(start: int, count: int) -> bytes:
        data = [inputs[(start + each) % len(inputs)] for each in range(count)]
        return json.dumps({"dataframe_split": {"columns": names, "data": data}}).encode()

    def probability(answer: Any) -> list[float]:
        return [each["probability"] for each in answer["predictions"]]

    def of_second_class(answer: Any) -> list[float]:
        return [each[1] for each in answer["predictions"]]

    options = [str(folder), "--host", "127.0.0.1", "--port", str(PORT), "--model", model]
    by, ready = (f"/predict/{model}", "/v2/health/ready"), "/version"
    python, saved = installed_mlflow(scratch), scratch / "model"
    joblib.dump(served.scorer.version.estimator, scratch / "pipeline.joblib")
    subprocess.run([python, "-c", AS_MLFLOW, scratch / "pipeline.joblib", saved], check=True, capture_output=True)
    line = [str(python), "-m", "uvicorn", "mlflow.pyfunc.scoring_server.app:app", "--port", str(PORT)]
    quiet = ["--log-level", "error", "--no-access-log"]
    return [
        Server("numpy", [sys.executable, "-m", "mlbridge.serving", *options], *by, ours, probability, keeps_up=True),
        Server("scikit-learn", [sys.executable, "-c", BY_SCIKIT_LEARN, *options], *by, ours, probability),
        Server("MLflow", [*line, *quiet], "/invocations", ready, mlflows, of_second_class, {
            "__pyfunc_model_path__": str(saved),
        }),
    ]  # fmt: skip


def background(folder: Path, model: str) -> list[dict[str, Any]]:
    """Return the training rows that are published with the version in use, as inputs of its estimator."""
    return pq.read_table(folder / "current" / f"{model}.background").to_pylist()


def rows_as_json(folder: Path, served: Served) -> list[dict[str, Any]]:
    """Return the same rows as a request gives them."""
    features = served.metadata["features"]
    rows = background(folder, served.model)
    return [{each["name"]: _as_json(row[each["name"]], each) for each in features} for row in rows]


def installed_mlflow(scratch: Path) -> Path:
    """Install MLflow beside the scikit-learn of this environment; returns its Python."""
    uv = Path(sys.executable).with_name("uv")
    python = scratch / "mlflow" / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, scratch / "mlflow"], check=True)
    needed = ["mlflow", f"scikit-learn=={sklearn.__version__}"]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *needed], check=True)
    return python


def _as_json(value: Any, feature: Any) -> Any:
    """Write a version's input as the value that it was made of: a published date is its seconds since 1970."""
    if value is None or value != value or feature["kind"] == "category":
        return None if value != value else value
    if feature["json"] == "string":
        moment = datetime.fromtimestamp(value, UTC)
        return moment.date().isoformat() if feature["type"] == "DATE" else moment.isoformat()
    return {"boolean": bool, "integer": int, "number": float}[feature["json"]](value)


@contextmanager
def running(server: Server) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; prints what starting took."""
    begun = time.monotonic()
    process = subprocess.Popen(server.line, stderr=subprocess.DEVNULL, env={**os.environ, **server.environment})
    try:
        while True:
            try:
                asyncio.run(one(b"", f"GET {server.ready}"))
                break
            except OSError:
                time.sleep(0.02)
        taken = time.monotonic() - begun
        print(f"{server.name}: ready after {taken:.1f} s, of which {cpu(process):.1f} s of processor time")
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


def asked(body: bytes, what: str) -> bytes:
    """Write a request."""
    head = (
        f"{what} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read an answer: its status and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return int(head[9:12]), await reader.readexactly(length)


async def one(body: bytes, what: str) -> tuple[int, bytes]:
    """Send one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(asked(body, what))
    found = await answer(reader)
    writer.close()
    return found


async def at_a_rate(requests: list[bytes], what: str, rate: int, seconds: int) -> tuple[list[float], int]:
    """Send requests at a rate; return the seconds that each took from when it was due, and how many failed."""
    free: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", PORT))
    took: list[float] = []
    failed = 0

    async def send(due: float, body: bytes) -> None:
        nonlocal failed
        reader, writer = await free.get()
        writer.write(asked(body, what))
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


async def in_turn(body: bytes, what: str, times: int) -> list[float]:
    """Send the same request again and again; return the seconds that each took."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        status, _ = await one(body, what)
        assert status == 200
        took.append(time.perf_counter() - begun)
    return took


def measured(server: Server) -> list[float]:
    """Print what a server takes; return its probabilities of the rows."""
    with running(server) as process:
        what, name = f"POST {server.path}", server.name
        single, many = [server.body(start, 1) for start in range(256)], server.body(0, MANY)
        gc.collect()
        gc.freeze()  # a pause of the one that asks would count as the server's
        asyncio.run(in_turn(single[0], what, 50))
        for rate in RATES:
            before = cpu(process)
            took, failed = asyncio.run(at_a_rate(single, what, rate, SECONDS if server.keeps_up else SECONDS_OF_SLOW))
            p50, p95, p99 = np.quantile(took, [0.5, 0.95, 0.99]) * 1e3
            each = (cpu(process) - before) / len(took) * 1e3
            print(
                f"{name}: one row, {rate} requests/s: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, "
                f"{failed} of {len(took):,} failed; {each:.2f} ms of processor time each"
            )
        before = cpu(process)
        took = asyncio.run(in_turn(single[0], what, 200))
        each = (cpu(process) - before) / len(took) * 1e3
        p50, p99 = np.quantile(took, [0.5, 0.99]) * 1e3
        print(f"{name}: one row in turn: p50 {p50:.1f} ms, p99 {p99:.1f} ms; {each:.2f} ms of processor time each")
        before = cpu(process)
        took = asyncio.run(in_turn(many, what, TIMES))
        each = (cpu(process) - before) / len(took) * 1e3
        p50, p95, p99 = np.quantile(took, [0.5, 0.95, 0.99]) * 1e3
        print(
            f"{name}: {MANY:,} rows: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms; "
            f"{each:.1f} ms of processor time each"
        )
        print(f"{name}: {memory(process):.0f} MiB")
        return server.probabilities(json.loads(asyncio.run(one(many, what))[1]))


def main() -> None:
    """Measure the servers, and compare what they answer."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="the folder that builds publish to")
    options.add_argument("model", help="a classification into two classes")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        first, *others = [measured(each) for each in servers(chosen.folder, chosen.model, Path(scratch))]
    same = all(np.array_equal(first, other) for other in others)
    print("the same predictions" if same else "DIFFERENT PREDICTIONS")


if __name__ == "__main__":
    main()
