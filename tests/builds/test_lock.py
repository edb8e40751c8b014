"""One process writes a DuckDB file or many read it: a build waits for a reader, and `doctor` says who that is."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from dbt_host import FLIGHTS, Host, copy_of_host
from warm import Warm

from mlbridge.commands.doctor import run_checks
from mlbridge.project.project import Project

# Opens the file for a moment again and again, as a dashboard does.
READER = """
import sys, time, duckdb
for _ in range(int(sys.argv[2])):
    try:
        with duckdb.connect(sys.argv[1], read_only=True) as held:
            print("held", flush=True)
            time.sleep(float(sys.argv[3]))
    except duckdb.IOException:
        pass
    time.sleep(0.5)
"""


@contextmanager
def reader(host: Host, times: int, seconds: float) -> Iterator[int]:
    """Hold the warehouse of a host from now on; gives the number of the process that does."""
    command = [sys.executable, "-c", READER, str(host.database), str(times), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.terminate()


@pytest.fixture
def patient(shop: Host, tmp_path: Path) -> Host:
    """The second host, which waits for the lock as the example does."""
    host = copy_of_host(shop, tmp_path)
    example = yaml.safe_load((FLIGHTS / "profiles.yml").read_text())["flights"]["outputs"]["dev"]
    profiles = yaml.safe_load((host.path / "profiles.yml").read_text())
    profiles["shop"]["outputs"]["dev"]["retries"] = example["retries"]
    host.write({"profiles.yml": yaml.safe_dump(profiles)})
    return host


@pytest.mark.slow
@pytest.mark.parametrize(("times", "seconds"), [(1, 3), (30, 0.3)], ids=["once", "again and again"])
def test_a_build_waits_for_a_reader(times: int, seconds: float, patient: Host, warm: Warm) -> None:
    began = time.monotonic()
    with reader(patient, times, seconds):
        warm.dbt(patient.path, "build", "--select", "ml_runs", "ml_nodes", "ml_champions")
    assert time.monotonic() - began > seconds


def lock(host: Host) -> tuple[bool, str]:
    (found,) = (each for each in run_checks(lambda: Project.at(host.path, None, None)) if each.check == "lock")
    return found.fine, found.finding


def test_doctor_says_who_reads(shop: Host, tmp_path: Path) -> None:
    host = copy_of_host(shop, tmp_path)
    assert lock(host)[0]
    with reader(host, 1, 60) as pid:
        fine, words = lock(host)
    assert not fine
    assert "another process reads or writes the warehouse" in words
    assert f"python{sys.version_info.major}.{sys.version_info.minor} (PID {pid})" in words


def test_the_example_can_be_read_by_clients_of_duckdb_1_4(flights: Host) -> None:
    """Versions of the storage are counted in the file's head; 67 is that of DuckDB 1.4."""
    head = flights.database.read_bytes()[8:20]
    assert (head[:4], int.from_bytes(head[4:], "little")) == (b"DUCK", 67)
