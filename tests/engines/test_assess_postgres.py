"""`mlbridge assess` on a PostgreSQL server, with a role that lacks rights and with one that has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from assessed import CLOCK, node, orders, shop_project, unique
from postgres import Postgres

from mlbridge.errors import MlbridgeError
from mlbridge.project.project import Project
from mlbridge.readiness.assess import assess
from mlbridge.readiness.assessment import Question

SCHEMA = "Ana lytics"
ROLE = 'but"ler'
UNKNOWN = {
    "is_late": "case when hash(order_id, 9) % 20 > 0 then is_late end",
    "arrived_at": "case when hash(order_id, 9) % 20 > 0 then arrived_at end",
    "zoned_at": "ordered_at",
}


@pytest.fixture(scope="module")
def orders_there(server: Postgres) -> Postgres:
    rows = duckdb.sql(orders(1500, **UNKNOWN))
    types = {name: str(type_) for name, type_ in zip(rows.columns, rows.types, strict=True)}
    server.load(SCHEMA, "fct_orders", {**types, "zoned_at": "timestamp with time zone"}, rows.fetchall())
    with server.connection.cursor() as cursor:
        cursor.execute('create role "but""ler" login')
    return server


def project(server: Postgres, folder: Path, schema: str = SCHEMA) -> Project:
    output: dict[str, Any] = {**server.profile(schema), "user": ROLE}
    nodes = [node("fct_orders", SCHEMA, "postgres"), unique("fct_orders", "order_id")]
    return shop_project(folder, nodes, output)


def run(server: Postgres, *statements: str) -> None:
    with server.connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_rights_are_tried_and_what_lacks_is_granted(orders_there: Postgres, tmp_path: Path) -> None:
    here = project(orders_there, tmp_path)
    with pytest.raises(MlbridgeError) as raised:
        assess(here, Question("fct_orders"), CLOCK)
    usage, select = 'grant usage on schema "Ana lytics"', 'grant select on "Ana lytics"."fct_orders"'
    grants = [f'{each} to "but""ler";' for each in (usage, select)]
    assert str(raised.value).endswith(f"Ask for: {' '.join(grants)}")
    run(orders_there, *grants)

    found = assess(here, Question("fct_orders"), CLOCK)
    (write,) = (each for each in found.requirements if each.code == "may_write")
    assert (write.met, found.exit_code) == (False, 1)
    assert "permission denied for schema" in write.evidence
    assert found.grants == ('grant usage, create on schema "Ana lytics" to "but""ler";',)
    run(orders_there, *found.grants)

    found = assess(here, Question("fct_orders"), CLOCK)
    assert found.verdict == "can work", found.failed
    assert found.spec["label_time"] == "arrived_at"
    assert found.suspected == {}
    tables = orders_there.rows("select tablename from pg_tables where tablename like 'mlbridge%'")
    assert tables == []


def test_a_schema_that_is_not_there_needs_the_right_to_create_it(orders_there: Postgres, tmp_path: Path) -> None:
    run(
        orders_there,
        'grant usage on schema "Ana lytics" to "but""ler"',
        'grant select on "Ana lytics".fct_orders to "but""ler"',
    )
    here = project(orders_there, tmp_path, "lab")
    question = Question("fct_orders", "is_late", ("order_id",), "zoned_at", "arrived_at")
    found = assess(here, question, CLOCK)
    assert found.grants == ('grant create on database "postgres" to "but""ler";',)
    (zone,) = (each for each in found.requirements if each.code == "time_in_utc")
    assert (zone.score, "timestamp with time zone" in zone.evidence) == (0.5, True)
    run(orders_there, *found.grants)
    assert assess(here, question, CLOCK).grants == ()
    assert orders_there.rows("select count(*) from pg_namespace where nspname = 'lab'") == [(0,)]
