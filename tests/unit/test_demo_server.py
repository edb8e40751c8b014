"""`make demo TARGET=postgres`: its own server only, and one sentence where that cannot be."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from dbt_host import ROOT

ELSEWHERE = {"PGHOST": "db.example.com", "PGHOSTADDR": "192.0.2.1", "PGPORT": "5432", "PGUSER": "me", "PGSERVICE": "s"}
OWN = {"PGHOST": "127.0.0.1", "PGHOSTADDR": "127.0.0.1", "PGPORT": "54329", "PGUSER": "flights"}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script in a project of its own."""
    (tmp_path / "data").mkdir()
    return Path(shutil.copy(ROOT / "dbt_project" / "data" / "postgres.py", tmp_path / "data"))


def run(script: Path, command: str, port: int = 54329) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PGPORT": str(port)}
    return subprocess.run(
        [sys.executable, script, command], capture_output=True, text=True, check=False, env=environment
    )


def test_a_port_of_others_is_named(script: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run(script, "start", port)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Another program listens on port {port}: choose one")
    assert "Traceback" not in done.stderr
    assert not (script.parents[1] / "postgres").exists()


def test_no_server_is_no_error(script: Path) -> None:
    done = run(script, "stop")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"No server runs in {script.parents[1] / 'postgres'}.\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="another user runs the server only for root")
def test_a_folder_that_the_server_may_not_enter_is_named(script: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = run(script, "start", port)
    assert done.returncode == 1
    assert done.stderr.startswith("The server's user 'postgres' may not enter ")


def test_the_environment_names_neither_server_nor_target(tmp_path: Path) -> None:
    said = tmp_path / "said"
    for name in ("python", "dbt", "mlbridge"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\nenv | grep "^PG" | sed "s/^/{name} /" >> {said}\n')
        program.chmod(0o755)
    command = ["make", "-o", ".venv/postgres", f"BIN={tmp_path}", "INITDB=there"]
    environment = {**os.environ, **ELSEWHERE, "TARGET": "prod"}
    subprocess.run([*command, "demo", "TARGET=postgres"], cwd=ROOT, env=environment, check=True, capture_output=True)
    lines = said.read_text().splitlines()
    for name in ("python", "mlbridge"):
        found = dict(line.removeprefix(f"{name} ").split("=", 1) for line in lines if line.startswith(f"{name} "))
        assert {variable: found[variable] for variable in OWN} == OWN
    assert not [line for line in lines if line.startswith("mlbridge PGSERVICE")]
    dry = subprocess.run(["make", "-n", "demo"], cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    assert "dbt build" in dry.stdout
