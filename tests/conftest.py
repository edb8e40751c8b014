"""What the tests share: hosts that are built once per session, and servers of PostgreSQL and Spark."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import yaml
from dbt_host import ROOT, SHOP, Host, clone, copy_of_flights, copy_of_host, once, specify
from hypothesis import settings
from postgres import Postgres, binaries
from spark import Spark
from warm import Warm

# A core that others use as well makes any example slow.
settings.register_profile("mlbridge", deadline=None)
settings.load_profile("mlbridge")
# The fixtures that take longest; the first is that of the flights at a later time.
COSTLY = ("aged_flights", "shop", "flights")
# The folders of short files.
SHORT = ("engines", "unit")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Begin with a file for each of the costly hosts; after the builds comes what else needs the flights, and is slow.

    So no two workers of pytest-xdist wait for the same host, and the last files, of which one may be left to a worker
    while the others have nothing to do, are short ones.
    """
    needing = {name: [item for item in items if name in getattr(item, "fixturenames", ())] for name in COSTLY}
    for item in needing["flights"]:
        item.add_marker(pytest.mark.slow)
    first = [found[0].path if found else None for found in needing.values()]
    waiting = {item.path for item in needing["flights"]}

    def place(item: pytest.Item) -> tuple[int, bool, bool]:
        of_first = first.index(item.path) if item.path in first else len(first)
        return of_first, item.path.parent.name in SHORT, item.path in waiting

    items.sort(key=place)
    yield


def pytest_collection_finish() -> None:
    """Look for garbage only among what the tests make, not among modules and the tests themselves, which takes long."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let go at the end of what was kept; libraries complain of objects that are never freed."""
    gc.unfreeze()


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
        warm.dbt(host.path, "build", "--exclude-resource-type", "test", "--vars", "{closed: true}", ok=False)
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

    Two candidates a model and, but for the pictures in the docs, a third of the flights, for the sake of time. Tests
    only read it.
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
            for model in ("late_arrival", "arrival_delay"):
                for table in ("training", "predictions"):
                    connection.execute(f"drop table {model}_{table}")
                if "MLBRIDGE_PICTURES" not in os.environ:
                    connection.execute(f"delete from {model}_features where hash(flight_id) % 3 > 0")
            for table in ("ml_distributions", "ml_realized", "ml_runs"):
                connection.execute(f"drop table {table}")
        warm.dbt(host.path, "deps")
        warm.parse(host.path)
        line = ["late_arrival_split+", "arrival_delay_split+", "ml_runs", "ml_nodes"]
        for as_of, retrain in (("2013-07-01", "policy"), ("2013-09-01", "true"), ("2014-01-02", "never")):
            variables = f"{{mlbridge_as_of: '{as_of}', mlbridge_retrain: '{retrain}'}}"
            environment = {"FLIGHTS_DUCKDB": str(host.database)}
            command = ("build", "--exclude-resource-type", "test", "unit_test", "--select", *line)
            warm.dbt(host.path, *command, "--vars", variables, env=environment, parsed=True)
        return host

    return once(tmp_path_factory, "aged_flights", build)


@pytest.fixture(scope="session")
def flights_warehouse(flights: Host) -> Path:
    """The DuckDB file of the built flights."""
    return flights.database


@pytest.fixture(scope="module")
def own_flights(flights: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The built flights with a warehouse of the test file's own, for commands that write, or try whether they could."""
    copied = Host(flights.path, tmp_path_factory.mktemp("own") / flights.database.name)
    shutil.copy(flights.database, copied.database)
    shutil.copytree(flights.published.parent, copied.published.parent, symlinks=True)
    return copied


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server with nothing in it."""
    programs = binaries()
    assert programs is not None, "install Debian's package `postgresql`"
    with Postgres(programs) as running:
        yield running


@pytest.fixture(scope="session")
def cluster() -> Iterator[Spark]:
    """A server of Spark Connect with nothing in it."""
    assert shutil.which("java"), "install Debian's package `default-jre-headless`"
    with Spark() as running:
        yield running
