"""What the tests share: one built warehouse of the flights per session, and small hosts written on the spot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[1]
FLIGHTS = ROOT / "dbt_project"


def run_dbt(
    project: Path, *args: str, env: Mapping[str, str] | None = None, ok: bool | None = True
) -> subprocess.CompletedProcess[str]:
    """Run dbt as a user does, in a process of its own; `ok=None` accepts any end."""
    done = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--no-use-colors", *args],
        cwd=project,
        env={**os.environ, "DO_NOT_TRACK": "1", "DBT_PROFILES_DIR": str(project), **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if ok is not None:
        assert (done.returncode == 0) is ok, done.stdout[-8000:] + done.stderr[-4000:]
    return done


@dataclass(frozen=True)
class Host:
    """A dbt project in a folder of its own with its DuckDB file, and the branch grafted on."""

    path: Path
    database: Path

    def dbt(self, *args: str, ok: bool | None = True) -> subprocess.CompletedProcess[str]:
        """Run a dbt command on it."""
        return run_dbt(self.path, *args, env={"FLIGHTS_DUCKDB": str(self.database)}, ok=ok)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask its warehouse."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.sql(sql).fetchall()

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, given by their path in the project."""
        for name, text in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)

    @property
    def manifest(self) -> dict[str, Any]:
        """Read what dbt parsed last."""
        found: dict[str, Any] = json.loads((self.path / "target" / "manifest.json").read_text())
        return found


def copy_of_flights(folder: Path) -> Host:
    """Copy the example host; its package stays this repository."""
    path = folder / "dbt_project"
    skip = shutil.ignore_patterns("target", "dbt_packages", "logs", "*.duckdb", "*.wal", "package-lock.yml")
    shutil.copytree(FLIGHTS, path, ignore=skip)
    (path / "packages.yml").write_text(f"packages:\n  - local: {ROOT}\n")
    host = Host(path, folder / "flights.duckdb")
    host.dbt("deps", "--quiet")
    return host


def small_host(folder: Path, models: list[str]) -> Host:
    """Write an empty host that declares ML models."""
    host = Host(folder, folder / "small.duckdb")
    host.write(
        {
            "dbt_project.yml": (
                "name: small\nversion: 1.0.0\nprofile: small\n"
                "flags: {require_ref_searches_node_package_before_root: true, send_anonymous_usage_stats: false}\n"
                f"vars: {{mlbridge_models: {json.dumps(models)}}}\n"
            ),
            "packages.yml": f"packages:\n  - local: {ROOT}\n",
            "profiles.yml": (
                "small: {target: dev, outputs: {dev: {type: duckdb, threads: 2, keep_open: false, "
                f"path: {json.dumps(str(host.database))}}}}}}}\n"
            ),
        }
    )
    return host


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The example host, built once from nothing. Tests only read it."""
    host = copy_of_flights(tmp_path_factory.mktemp("flights"))
    host.dbt("build")
    return host


@pytest.fixture(scope="session")
def flights_warehouse(flights: Host) -> Path:
    """The DuckDB file of the built flights."""
    return flights.database
