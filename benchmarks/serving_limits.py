"""What a server does with ten thousand connections, and with a body that is too large.

    make demo
    ulimit -n 20000
    .venv/bin/python benchmarks/serving_limits.py dbt_project/flights.duckdb.published/dev late_arrival

Connections are opened within some seconds, 4,000 a second, each sends a request for one row, and all stay until the
last one is answered. Then a body of 100 MiB is sent, with its length declared and without. Printed are the statuses,
the connections that the server had open at most, and its resident memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from serving import PORT, Server, answer, asked, memory, one, rows_as_json, running

from mlbridge.serving.state import Versions

CONNECTIONS, A_SECOND, LARGE = 10_000, 4_000, 100 * 2**20


async def many(process: subprocess.Popen[bytes], request: bytes) -> None:
    """Open connections, ask on each, and print what came of it."""
    statuses: Counter[int | str] = Counter()
    over = asyncio.Event()

    async def ask(number: int) -> None:
        await asyncio.sleep(number / A_SECOND)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
            writer.write(request)
            status, _ = await answer(reader)
            statuses[status] += 1
            await over.wait()
            writer.close()
        except (OSError, asyncio.IncompleteReadError) as error:
            statuses[type(error).__name__] += 1

    tasks = [asyncio.create_task(ask(number)) for number in range(CONNECTIONS)]
    most, peak = 0, 0.0
    while statuses.total() < CONNECTIONS:
        await asyncio.sleep(0.1)
        most = max(most, len(os.listdir(f"/proc/{process.pid}/fd")))
        peak = max(peak, memory(process))
    over.set()
    await asyncio.gather(*tasks)
    print(f"{CONNECTIONS:,} connections, {most:,} files open at a time: {dict(statuses)}; {peak:.0f} MiB at most")


async def large(what: str, is_declared: bool) -> int:
    """Send a large body; return the status of the answer, which comes before its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    length = f"content-length: {LARGE}" if is_declared else "transfer-encoding: chunked"
    writer.write(f"{what} HTTP/1.1\r\nhost: 127.0.0.1\r\n{length}\r\n\r\n".encode())
    piece = b" " * 2**16
    found = asyncio.create_task(answer(reader))
    for _ in range(LARGE // len(piece)):
        if found.done():
            break
        writer.write(piece if is_declared else b"10000\r\n" + piece + b"\r\n")
        try:
            await writer.drain()
        except OSError:
            break
    status, _ = await found
    writer.close()
    return status


def main() -> None:
    """Measure, and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="the folder that builds publish to")
    options.add_argument("model")
    chosen = options.parse_args()
    versions = Versions(chosen.folder, [chosen.model])
    versions.refresh()
    row = rows_as_json(chosen.folder, versions.state.served(chosen.model))[0]
    body, what = json.dumps({"rows": [row]}).encode(), f"POST /predict/{chosen.model}"
    options = ["--host", "127.0.0.1", "--port", str(PORT), "--model", chosen.model]
    line = [sys.executable, "-m", "mlbridge.serving", str(chosen.folder), *options]
    with running(Server("numpy", line, what, "/v2/health/ready", lambda *_: body, lambda _: [])) as process:
        print(f"before: {memory(process):.0f} MiB")
        asyncio.run(many(process, asked(body, what)))
        for is_declared in (True, False):
            status = asyncio.run(large(what, is_declared))
            print(f"100 MiB, {'' if is_declared else 'not '}declared: {status}; {memory(process):.0f} MiB afterwards")
        print(f"one row: {asyncio.run(one(body, what))[0]}")


if __name__ == "__main__":
    main()
