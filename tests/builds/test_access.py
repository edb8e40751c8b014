"""Who may read the inputs and outputs of the branch: what a project grants, and what the warehouse has granted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml
from dbt_host import Host, small_host
from postgres import Postgres
from warm import Warm

SPEC = "{task: regression, target: spent, entity: id, time: at}"
NODES = ("visits", "spent_features", "spent_split", "spent_training", "spent_predictions")
# The features read `visits` and the source `raw.prices`; `raw.visits` is what `visits` reads in turn.
MODELS = {
    "models/raw.yml": "sources: [{name: raw, schema: shop, tables: [{name: visits}, {name: prices}]}]\n",
    "models/visits.sql": "select id, at, spent from {{ source('raw', 'visits') }}",
    "models/spent_features.sql": "select v.* from {{ ref('visits') }} as v, {{ source('raw', 'prices') }} as p",
    "models/spent_split.sql": "select * from {{ ref('spent_features') }}",
    "models/spent_training.sql": "select id from {{ ref('spent_split') }}",
    "models/spent_predictions.sql": "select s.* from {{ ref('spent_split') }} as s, {{ ref('spent_training') }} as t",
    "models/models.yml": f"""
models:
  - {{name: visits, config: {{grants: {{select: [analyst, staff]}}}}}}
  - {{name: spent_training, config: {{meta: {{mlbridge: {SPEC}}}}}}}
  - name: spent_predictions
    config: {{grants: {{select: [Analyst, board, anna, '"bi-reader"'], insert: [board]}}}}
""",
}
ACCESS = """
select node, grantee, privilege, is_configured, is_observed, is_readable, is_widened, unreadable_inputs
from {schema}.ml_access
"""
Access = dict[tuple[str, str, str], tuple[Any, ...]]


def access(rows: Iterable[tuple[Any, ...]]) -> Access:
    return {(node, grantee, privilege): tuple(rest) for node, grantee, privilege, *rest in rows}


# --- PostgreSQL ------------------------------------------------------------------------------------------------

ROLES = """
create schema shop; create schema served;
create table shop.visits as select 1 as id, timestamp '2024-01-01' as at, 2.0 as spent;
create table shop.prices as select 1 as price;
create role analyst; create role board login; create role "bi-reader"; create role staff; create role keeper;
create role anna in role staff; create role distant in role staff noinherit;
alter table shop.prices owner to keeper;
grant usage on schema shop, served to analyst, board, anna, staff, keeper;
grant select on shop.prices to public;
grant select (id) on shop.visits to board;
grant usage on schema served to distant;
"""
# What happens after the project has granted: what nobody configured, and what somebody has taken back.
AFTERWARDS = """
grant select on served.spent_split to public;
grant select on served.spent_split to distant;
revoke select on served.visits from analyst;
"""


@pytest.fixture(scope="module")
def served(server: Postgres, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Access:
    host = small_host(tmp_path_factory.mktemp("access") / "small", ["spent"])
    target = {"target": "dev", "outputs": {"dev": server.profile("served")}}
    host.write({**MODELS, "profiles.yml": yaml.safe_dump({"small": target})})
    with server.connection.cursor() as cursor:
        cursor.execute(ROLES)
        warm.dbt(host.path, "deps")
        warm.dbt(host.path, "run", "--select", *NODES, "ml_access")
        cursor.execute(AFTERWARDS)
    return access(server.rows(ACCESS.format(schema="served")))


def test_configured_grants_are_beside_observed_ones(served: Access) -> None:
    assert {key: row[:3] for key, row in served.items() if key[0] in ("visits", "raw.prices", "raw.visits")} == {
        ("visits", "postgres", "select"): (False, True, True),
        ("visits", "staff", "select"): (True, True, True),
        ("visits", "analyst", "select"): (True, False, False),
        ("raw.prices", "keeper", "select"): (False, True, True),
        # a role of its own may use the schema, everybody may not
        ("raw.prices", "public", "select"): (False, True, False),
    }


@pytest.mark.parametrize(
    ("node", "grantee", "expected"),
    [
        # `visits` was taken back from the one and never given to the other; `raw.prices` both may read
        ("spent_predictions", "analyst", (True, True, True, True, "visits")),
        ("spent_predictions", "board", (True, True, True, True, "visits")),
        # may read `visits` through the role that it is a member of, or does not have what that role has
        ("spent_predictions", "anna", (True, True, True, False, None)),
        ("spent_split", "distant", (False, True, True, True, "raw.prices, visits")),
        # who may not use the schema may not read
        ("spent_predictions", "bi-reader", (True, True, False, None, None)),
        ("spent_split", "public", (False, True, False, None, None)),
        ("spent_predictions", "postgres", (False, True, True, False, None)),
        ("visits", "staff", (True, True, True, None, None)),
    ],
)
def test_who_reads_more_than_the_inputs(
    served: Access, node: str, grantee: str, expected: tuple[bool, bool, bool, bool | None, str | None]
) -> None:
    assert served[node, grantee, "select"] == expected


def test_other_privileges_are_listed_and_not_judged(served: Access) -> None:
    assert served["spent_predictions", "board", "insert"] == (True, True, None, None, None)
    assert not [key for key in served if key[1] in ("postgres", "keeper") and key[2] != "select"]


def test_it_says_what_each_role_can_really_read(served: Access, server: Postgres) -> None:
    """For every row about reading, against the error that the role gets or does not get."""
    places = {"raw.prices": "shop.prices"}
    said = {(node, role): row[2] for (node, role, privilege), row in served.items() if privilege == "select"}
    found = {}
    with server.connection.cursor() as cursor:
        cursor.execute("create role nobody")
        for node, role in said:
            cursor.execute('set role "{}"'.format("nobody" if role == "public" else role))
            try:
                cursor.execute(f"select * from {places.get(node, f'served.{node}')} limit 0")
                found[node, role] = True
            except psycopg2.errors.InsufficientPrivilege:
                found[node, role] = False
            cursor.execute("reset role")
    assert found == said
    assert set(said.values()) == {True, False}


# --- DuckDB, which has no roles -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def local(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    host = small_host(tmp_path_factory.mktemp("local") / "small", ["spent"])
    host.write(MODELS)
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, "run", "--select", "ml_access")
    return host


def test_without_a_catalog_only_what_is_configured_is_known(local: Host) -> None:
    found = access(local.rows(ACCESS.format(schema="main")))
    assert found == {
        ("visits", "analyst", "select"): (True, None, None, None, None),
        ("visits", "staff", "select"): (True, None, None, None, None),
        # `raw.prices` cannot have grants in a project, so that it is not known who may read it
        ("spent_predictions", "Analyst", "select"): (True, None, None, True, "visits"),
        ("spent_predictions", "board", "select"): (True, None, None, True, "visits"),
        ("spent_predictions", "anna", "select"): (True, None, None, True, "visits"),
        ("spent_predictions", "bi-reader", "select"): (True, None, None, True, "visits"),
        ("spent_predictions", "board", "insert"): (True, None, None, None, None),
    }


def test_a_role_that_may_read_the_inputs_is_not_widened(local: Host, warm: Warm, tmp_path: Path) -> None:
    host = small_host(tmp_path / "small", ["spent"])
    readable = MODELS["models/spent_features.sql"].split(", ")[0]
    granted = MODELS["models/models.yml"].replace("[Analyst, board,", "[analyst, board,")
    host.write({**MODELS, "models/spent_features.sql": readable, "models/models.yml": granted})
    warm.dbt(host.path, "deps")
    command = ("run", "--select", "ml_access", "--vars", "{mlbridge_grant_select: [analyst, board]}")
    assert "Grants for relations are not supported by DuckDB" in warm.dbt(host.path, *command)
    found = access(host.rows(ACCESS.format(schema="main")))
    assert found["spent_predictions", "analyst", "select"] == (True, None, None, False, None)
    assert found["spent_predictions", "board", "select"] == (True, None, None, True, "visits")
    assert found["ml_predictions", "analyst", "select"] == (True, None, None, False, None)
    assert found["ml_predictions", "board", "select"] == (True, None, None, True, "visits")
    assert found["ml_nodes", "board", "select"] == (True, None, None, False, None)
    assert {key[0] for key in found} > {"ml_predictions", "ml_access", "ml_health", "visits"}
