"""The features of the flights have the same values on PostgreSQL as on DuckDB, on a part of the flights."""

from __future__ import annotations

import importlib.util
import json
import shutil

import duckdb
import pytest
from dbt_host import Host, copy_of_flights
from portable import near
from postgres import SUPERUSER, Postgres
from warm import Warm

from mlbridge.lineage.project_lineage import traced

FEATURES = ("late_arrival_features", "arrival_delay_features")
# Three small airlines all the year, and all flights about the night on which the clocks go forward.
PART = "carrier in ('VX', 'F9', 'HA') or month = 3 and day between 9 and 11"
UP_TO_THE_FEATURES = ("build", "--exclude-resource-type", "test", "--select", *map("+{}".format, FEATURES))


@pytest.fixture(scope="module")
def flights_of_both(server: Postgres, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The example host up to the features, in a file of DuckDB and in the schema `main` of the server."""
    host = copy_of_flights(tmp_path_factory.mktemp("both"))
    data = host.path / "data"
    whole = duckdb.read_parquet(str(data / "flights.parquet")).filter(PART).to_arrow_table()
    (data / "flights.parquet").unlink()
    duckdb.from_arrow(whole).write_parquet(str(data / "flights.parquet"))
    specification = importlib.util.spec_from_file_location("demo_postgres", data / "postgres.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    server.connection.autocommit = False
    module.load(server.connection, data)
    server.connection.autocommit = True
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, *UP_TO_THE_FEATURES, env={"FLIGHTS_DUCKDB": str(host.database)})
    shutil.copy(host.path / "target" / "manifest.json", host.path / "of_duckdb.json")
    place = {"PGPORT": str(server.port), "PGUSER": SUPERUSER, "PGDATABASE": "postgres"}
    warm.dbt(host.path, *UP_TO_THE_FEATURES, "--target", "postgres", env=place)
    return host


@pytest.mark.parametrize("name", FEATURES)
def test_features_have_the_same_values(name: str, flights_of_both: Host, server: Postgres) -> None:
    names = sorted(row[0] for row in flights_of_both.rows(f"describe {name}"))
    query = f"select {', '.join(names)} from main.{name} order by flight_id"
    expected, found = flights_of_both.rows(query), server.rows(query)
    stored = "select column_name from information_schema.columns where table_schema = 'main' and table_name = "
    assert sorted(row[0] for row in server.rows(f"{stored}'{name}'")) == names
    assert len(found) == len(expected) > 8_000
    for mine, theirs in zip(found, expected, strict=True):
        assert dict(zip(names, mine, strict=True)) == near(dict(zip(names, theirs, strict=True)), 1e-9)


def test_features_come_from_the_same_columns_under_the_same_conditions(flights_of_both: Host) -> None:
    found = []
    for file in ("of_duckdb.json", "target/manifest.json"):
        lineage = traced(json.loads((flights_of_both.path / file).read_text()), {}, "the SQL says it")
        edges = [edge for edge in lineage.lineage.edges if edge.node == "model.flights.late_arrival_history"]
        kinds = {edge: [(each.kind, each.earlier, each.later) for each in edge.conditions] for edge in edges}
        found.append(sorted((edge.column, edge.from_column, edge.how, kinds[edge]) for edge in edges))
    assert found[0] == found[1]
    assert len(found[0]) > 20
