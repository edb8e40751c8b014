"""The branch only adds: without it the host parses, builds and holds exactly what it does with it."""

from __future__ import annotations

import shutil
from typing import Any

import duckdb
import pytest
import yaml
from dbt_host import Host, copy_of_flights
from warm import Warm

BRANCH = "models/ml/"
# When and where a node was parsed or run says nothing about the node.
OF_THE_RUN = ("created_at", "root_path", "build_path", "compiled_path")


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """The flights with the branch cut off, built from nothing."""
    host = copy_of_flights(tmp_path_factory.mktemp("trunk"))
    shutil.rmtree(host.path / BRANCH)
    (host.path / "packages.yml").unlink()
    project = host.path / "dbt_project.yml"
    config = yaml.safe_load(project.read_text())
    config["vars"] = {key: value for key, value in config["vars"].items() if not key.startswith("mlbridge")}
    project.write_text(yaml.safe_dump(config))
    warm.dbt(host.path, "build", env={"FLIGHTS_DUCKDB": str(host.database)})
    return host


def nodes(host: Host) -> dict[str, dict[str, Any]]:
    """Give the nodes of the trunk by their id: models, seeds, tests of the host, sources, macros."""
    manifest = host.manifest
    every = {**manifest["nodes"], **manifest["sources"], **manifest["macros"], **manifest["unit_tests"]}
    return {
        name: {key: value for key, value in node.items() if key not in OF_THE_RUN}
        for name, node in every.items()
        if node["package_name"] == "flights" and not node["original_file_path"].startswith(BRANCH)
    }


def contents(host: Host) -> dict[str, list[tuple[Any, ...]]]:
    """Give the number of rows and a hash of all of them, in any order, for each table and view of the trunk."""
    relations = [
        node["relation_name"].split(".", 1)[1]  # the first part is the database: the file's name
        for node in nodes(host).values()
        if node["resource_type"] in ("model", "seed")
    ]
    with duckdb.connect(str(host.database), read_only=True) as connection:
        connection.execute(f"set file_search_path = '{host.path}'")  # the views of the staging read files
        hashed = "select count(*), sum(hash(rows)::hugeint), bit_xor(hash(rows)) from {} as rows"
        return {name: connection.sql(hashed.format(name)).fetchall() for name in relations}


@pytest.mark.slow
def test_the_trunk_builds_and_passes_its_tests_without_the_branch(trunk: Host) -> None:
    kinds = [node["resource_type"] for node in nodes(trunk).values()]
    assert min(kinds.count(kind) for kind in ("model", "seed", "test", "unit_test", "source", "macro")) > 0
    assert {node["package_name"] for node in trunk.manifest["nodes"].values()} == {"flights"}
    files = [file for folder in ("models", "macros", "tests") for file in (trunk.path / folder).rglob("*.*")]
    lines = [line for file in files for line in file.read_text().splitlines() if "mlbridge" in line]
    # Declarations in `meta` need no package: when a column is known, and what a row is about.
    assert not [line for line in lines if "known_at" not in line and "meta: {mlbridge: {entity:" not in line]


def test_every_node_of_the_trunk_is_the_same(trunk: Host, flights: Host) -> None:
    with_it, without = nodes(flights), nodes(trunk)
    assert set(with_it) == set(without)
    for name, node in without.items():
        assert with_it[name] == node, name


def test_every_table_of_the_trunk_holds_the_same(trunk: Host, flights: Host) -> None:
    without = contents(trunk)
    assert without == contents(flights)
    assert len(without) > 10
    assert all(rows for ((rows, *_),) in without.values())


def test_the_branch_adds_tables_and_nothing_else(trunk: Host, flights: Host) -> None:
    def relations(host: Host) -> set[tuple[str, ...]]:
        names = "select table_schema, table_name, column_name, data_type from information_schema.columns"
        return set(host.rows(names))

    assert relations(trunk) <= relations(flights)
    added = {name for _, name, *_ in relations(flights) - relations(trunk)}
    models = ("late_arrival", "arrival_delay")
    assert all(name.startswith(("ml_", *models)) for name in added)
