"""What the tests share: one built warehouse of the flights per session, and small hosts written on the spot."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from postgres import Postgres, binaries
from warm import Warm

ROOT = Path(__file__).resolve().parents[1]
FLIGHTS = ROOT / "dbt_project"
SHOP = ROOT / "tests" / "shop"
# The fixtures that take longest.
COSTLY = ("flights", "shop")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Begin with a file for each of the costly hosts, so that no two workers of pytest-xdist wait for the same one."""
    first = {
        name: item.path for name in COSTLY for item in reversed(items) if name in getattr(item, "fixturenames", ())
    }
    items.sort(key=lambda item: [*first.values(), item.path].index(item.path))
    yield


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
    def manifest(self) -> dict[str, Any]:
        """Read what dbt parsed last."""
        found: dict[str, Any] = json.loads((self.path / "target" / "manifest.json").read_text())
        return found


def copy_of_flights(folder: Path) -> Host:
    """Copy the example host, before `dbt deps`; its package stays this repository."""
    path = folder / "dbt_project"
    skip = shutil.ignore_patterns(
        "target", "dbt_packages", "logs", "*.duckdb", "*.wal", "*.published", "package-lock.yml"
    )
    shutil.copytree(FLIGHTS, path, ignore=skip)
    (path / "packages.yml").write_text(f"packages:\n  - local: {ROOT}\n")
    return Host(path, folder / "flights.duckdb")


def copy_of_host(host: Host, folder: Path) -> Host:
    """Copy a host whose profile names its database by a relative path, warehouse and all."""
    path = folder / host.path.name
    shutil.copytree(host.path, path, symlinks=True, ignore=shutil.ignore_patterns("logs"))
    return Host(path, path / host.database.name)


def specify(host: Host, model: str, **said: Any) -> None:
    """Change the spec of one of the second host's models."""
    path = host.path / "models" / "ml" / model / f"{model}.yml"
    declared = yaml.safe_load(path.read_text())
    (training,) = (each["config"] for each in declared["models"] if "meta" in each["config"])
    training["meta"]["mlbridge"].update(said)
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
                "small: {target: dev, outputs: {dev: {type: duckdb, threads: 2, keep_open: false, "
                f"path: {host.database.name}}}}}}}\n"
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


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The example host, built once by `make demo` in a fresh clone. Tests only read it."""

    def build(folder: Path) -> Host:
        copy = clone(folder / "mlbridge")
        done = subprocess.run(["make", "demo"], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
        return Host(copy / "dbt_project", copy / "dbt_project" / "flights.duckdb")

    return once(tmp_path_factory, "fresh", build)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """A server that runs dbt commands in forked children: they start at once."""
    with Warm(tmp_path_factory.mktemp("warm")) as server:
        yield server


@pytest.fixture(scope="session")
def empty_shop(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """A second host (tests/shop) with the branch grafted on, nothing built. Tests only copy it."""

    def build(folder: Path) -> Host:
        path = folder / "shop"
        shutil.copytree(SHOP, path)
        duckdb.sql((path / "orders.sql").read_text()).write_parquet(str(path / "orders.parquet"))
        (path / "packages.yml").write_text(f"packages:\n  - local: {ROOT}\n")
        warm.dbt(path, "deps")
        return Host(path, path / "shop.duckdb")

    return once(tmp_path_factory, "empty", build)


@pytest.fixture(scope="session")
def shop(empty_shop: Host, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The second host, built once from nothing. Tests only read it, or copy it."""

    def build(folder: Path) -> Host:
        host = copy_of_host(empty_shop, folder)
        warm.dbt(host.path, "build")
        return host

    return once(tmp_path_factory, "built", build)


@pytest.fixture(scope="session")
def failed_shop(shop: Host, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The second host after a build in which the features of `amount` failed. Tests only read it, or copy it."""

    def build(folder: Path) -> Host:
        host = copy_of_host(shop, folder)
        warm.dbt(host.path, "build", "--vars", "{closed: true}", ok=False)
        return host

    return once(tmp_path_factory, "failed", build)


@pytest.fixture(scope="session")
def aged_shop(empty_shop: Host, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The second host after three builds: trained in May, trained again in June but in vain, the second version pinned.

    The windows of the first version gain outcomes after its last prediction. `earlier.duckdb` beside the warehouse is
    what it was before the third build. Tests only read it, or copy it.
    """

    def build(folder: Path) -> Host:
        host = copy_of_host(empty_shop, folder)
        specify(host, "amount", monitor={"thresholds": {"mae": 5}, "feature_thresholds": {"visits": {"psi": 0.001}}})
        scored = ("run", "--select", "+basket_predictions", "+amount_predictions")
        warm.parse(host.path)
        warm.dbt(host.path, *scored, "--vars", "{mlbridge_as_of: 2024-05-15}", parsed=True)
        whole = ("build", "--exclude-resource-type", "test", "--vars")
        warm.dbt(host.path, *whole, "{mlbridge_as_of: 2024-06-12, mlbridge_retrain: true}", parsed=True)
        shutil.copy(host.database, host.path / "earlier.duckdb")
        for model in ("basket", "amount"):
            specify(host, model, pin=2)
        warm.dbt(host.path, *whole, "{}")
        return host

    return once(tmp_path_factory, "aged", build)


@pytest.fixture(scope="session")
def aged_flights(flights: Host, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The example host after three builds at its own time: trained in July, again in September, looked at in January.

    Two candidates a model, for the sake of time. Tests only read it.
    """

    def build(folder: Path) -> Host:
        host = copy_of_flights(folder)
        shutil.copy(flights.database, host.database)
        for model in ("late_arrival", "arrival_delay"):
            path = host.path / "models" / "ml" / model / f"_{model}.yml"
            declared = yaml.safe_load(path.read_text())
            (training,) = (each for each in declared["models"] if each["name"] == f"{model}_training")
            linear = "logistic_regression" if model == "late_arrival" else "ridge"
            training["config"]["meta"]["mlbridge"]["candidates"] = [linear, "hist_gradient_boosting"]
            path.write_text(yaml.safe_dump(declared))
        with duckdb.connect(str(host.database)) as connection:
            for table in ("training", "predictions"):
                for model in ("late_arrival", "arrival_delay"):
                    connection.execute(f"drop table {model}_{table}")
            for table in ("ml_distributions", "ml_realized", "ml_runs"):
                connection.execute(f"drop table {table}")
        warm.dbt(host.path, "deps")
        warm.parse(host.path)
        line = ["late_arrival_split+", "arrival_delay_split+", "ml_runs", "ml_nodes"]
        for as_of, retrain in (("2013-07-01", "policy"), ("2013-09-01", "true"), ("2014-01-02", "never")):
            said = f"{{mlbridge_as_of: '{as_of}', mlbridge_retrain: '{retrain}'}}"
            environment = {"FLIGHTS_DUCKDB": str(host.database)}
            asked = ("build", "--exclude-resource-type", "test", "unit_test", "--select", *line)
            warm.dbt(host.path, *asked, "--vars", said, env=environment, parsed=True)
        return host

    return once(tmp_path_factory, "aged_flights", build)


@pytest.fixture(scope="session")
def flights_warehouse(flights: Host) -> Path:
    """The DuckDB file of the built flights."""
    return flights.database


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server with nothing in it."""
    programs = binaries()
    assert programs is not None, "install Debian's package `postgresql`"
    with Postgres(programs) as running:
        yield running
