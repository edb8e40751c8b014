"""A server as users run it, over what real builds publish, and a client of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser import free_port
from dbt_host import Host

MLBRIDGE = str(Path(sys.executable).with_name("mlbridge"))


@contextmanager
def serving(host: Host, *options: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the command until the block ends; gives its address, and the process."""
    port = free_port()
    line = [MLBRIDGE, "serve", "--project-dir", str(host.path), "--port", str(port), *options]
    environment = {**os.environ, **environment}
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            end = time.monotonic() + 120
            while True:
                try:
                    get(f"{address}/v2/health/live")
                    break
                except OSError:
                    assert process.poll() is None, process.stderr and process.stderr.read()
                    assert time.monotonic() < end
                    time.sleep(0.1)
            yield address, process
        finally:
            process.kill()


def get(address: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def schema(host: Host, table: str) -> str:
    ((found,),) = host.rows(
        f"select distinct schema_name from (select schema_name, table_name from duckdb_tables() union all "
        f"select schema_name, view_name from duckdb_views()) where table_name = '{table}'"
    )
    return f'"{found}"."{table}"'
