"""A dbt project in a folder of its own: the example host, small hosts written on the spot, and copies of them."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FLIGHTS = ROOT / "dbt_project"
SHOP = ROOT / "tests" / "shop"


@dataclass(frozen=True)
class Host:
    """A dbt project in a folder of its own with its DuckDB file, and the branch grafted on."""

    path: Path
    database: Path

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
    def published(self) -> Path:
        """Name the folder that builds of its default target publish to."""
        return self.database.with_name(f"{self.database.name}.published") / "dev"

    @property
    def manifest(self) -> dict[str, Any]:
        """Read what dbt parsed last."""
        found: dict[str, Any] = json.loads((self.path / "target" / "manifest.json").read_text())
        return found


def copy_of_flights(folder: Path) -> Host:
    """Copy the example host, before `dbt deps`; its package stays this repository."""
    path = folder / "dbt_project"
    skip = shutil.ignore_patterns(
        "target", "dbt_packages", "logs", "postgres", "*.duckdb", "*.wal", "*.published", "package-lock.yml"
    )
    shutil.copytree(FLIGHTS, path, ignore=skip)
    (path / "packages.yml").write_text(f"packages:\n  - local: {ROOT}\n")
    return Host(path, folder / "flights.duckdb")


def copy_of_host(host: Host, folder: Path) -> Host:
    """Copy a host whose profile names its database by a relative path, warehouse and all."""
    path = folder / host.path.name
    shutil.copytree(host.path, path, symlinks=True, ignore=shutil.ignore_patterns("logs"))
    return Host(path, path / host.database.name)


def specify(host: Host, model: str, **changes: Any) -> None:
    """Change the spec of one of the second host's models."""
    path = host.path / "models" / "ml" / model / f"{model}.yml"
    declared = yaml.safe_load(path.read_text())
    (training,) = (each["config"] for each in declared["models"] if "meta" in each["config"])
    training["meta"]["mlbridge"].update(changes)
    path.write_text(yaml.safe_dump(declared))


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
                f"small: {{target: dev, outputs: {{dev: {{type: duckdb, threads: 2, path: {host.database.name}}}}}}}\n"
            ),
        }
    )
    return host


def clone(folder: Path) -> Path:
    """Copy what a clone of this repository would hold, changes that are not committed included."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], Host]) -> Host:
    """Build a host in a folder that all workers of pytest-xdist share: the first that asks does, the others wait."""
    temporary = factory.getbasetemp()
    shared = temporary.parent if "PYTEST_XDIST_WORKER" in os.environ else temporary
    folder, built = shared / name, shared / f"{name}.json"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a build that failed has left
            folder.mkdir()
            host = build(folder)
            built.write_text(json.dumps([str(host.path), str(host.database)]))
    return Host(*map(Path, json.loads(built.read_text())))
