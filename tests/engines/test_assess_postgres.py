"""`mlbridge assess` on a PostgreSQL server, with a role that lacks rights and with one that has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from assessed import CLOCK, node, orders, shop_project, unique
from click.testing import CliRunner
from postgres import Postgres

from mlbridge.cli import main
from mlbridge.errors import MlbridgeError
from mlbridge.project.manifest import read_or_make
from mlbridge.project.project import Project
from mlbridge.readiness.assess import assess
from mlbridge.readiness.assessment import Question
from mlbridge.readiness.rights import may_write

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
    (write, publish) = (each for each in found.requirements if each.code in ("may_write", "may_publish"))
    assert (write.met, publish.met, found.exit_code) == (False, False, 1)
    assert "permission denied for schema" in write.evidence
    assert publish.evidence.startswith("Ana lytics_published: permission denied for database")
    assert found.grants == (
        'grant usage, create on schema "Ana lytics" to "but""ler";',
        'grant create on database "postgres" to "but""ler";',
    )
    run(orders_there, *found.grants)

    found = assess(here, Question("fct_orders"), CLOCK)
    assert found.verdict == "can work", found.failed
    assert found.spec["label_time"] == "arrived_at"
    assert found.suspected == {}
    tables = orders_there.rows("select tablename from pg_tables where tablename like 'mlbridge%'")
    assert tables == []
    run(orders_there, 'revoke create on database "postgres" from "but""ler"')


def test_a_role_that_may_only_read_is_an_answer_and_no_graft(orders_there: Postgres, tmp_path: Path) -> None:
    run(
        orders_there,
        'grant usage on schema "Ana lytics" to "but""ler"',
        'revoke create on schema "Ana lytics" from "but""ler"',
        'grant select on "Ana lytics".fct_orders to "but""ler"',
    )
    project(orders_there, tmp_path)
    folder = ("--project-dir", str(tmp_path))
    answer = CliRunner().invoke(main, ["assess", "fct_orders", *folder])
    assert answer.exit_code == 1, answer.output
    assert '\ngrant usage, create on schema "Ana lytics" to "but""ler";\n' in answer.stdout
    before = sorted(tmp_path.rglob("*"))
    refused = CliRunner().invoke(main, ["graft", "late", "--from", "fct_orders", *folder, "--apply"])
    assert refused.exit_code == 2, refused.output
    assert "a branch cannot grow on 'fct_orders' yet: Ana lytics: permission denied" in refused.output
    assert 'Ask for: grant usage, create on schema "Ana lytics" to "but""ler";' in refused.output
    assert sorted(tmp_path.rglob("*")) == before


def test_each_schema_that_would_be_written_is_tried_with_the_role(orders_there: Postgres, tmp_path: Path) -> None:
    """By the project's own rule: of a schema of the branch's own, and of the target that is named."""
    run(
        orders_there,
        'grant usage on schema "Ana lytics" to "but""ler"',
        'grant select on "Ana lytics".fct_orders to "but""ler"',
        "create schema prod_lab",
    )
    project(orders_there, tmp_path)
    question = Question("fct_orders", "is_late", ("order_id",), "zoned_at", "arrived_at")
    here = Project.at(tmp_path, None, None)
    found = assess(here, question, CLOCK, schema="lab")
    (write,) = (each for each in found.requirements if each.code == "may_write")
    assert write.evidence.startswith("Ana lytics_lab: permission denied for database")
    assert found.grants == ('grant create on database "postgres" to "but""ler";',)
    (zone,) = (each for each in found.requirements if each.code == "time_in_utc")
    assert (zone.score, "timestamp with time zone" in zone.evidence) == (0.5, True)

    profiles = tmp_path / "profiles.yml"
    outputs = yaml.safe_load(profiles.read_text())
    outputs["shop"]["outputs"]["prod"] = {**outputs["shop"]["outputs"]["dev"], "schema": "prod"}
    profiles.write_text(yaml.safe_dump(outputs))
    rule = "{% macro generate_schema_name(own, node) %}{{ target.name }}_{{ own }}{% endmacro %}"
    for file, text in {"macros/schemas.sql": rule, "models/fct_orders.sql": "select 1"}.items():
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(text)
    prod = Project.at(tmp_path, None, "prod")
    tried = may_write(prod, read_or_make(prod), "lab")
    assert [(each.of, each.grants) for each in tried] == [
        ("prod_lab", ('grant usage, create on schema "prod_lab" to "but""ler";',)),
        ("prod_lab_published", ('grant create on database "postgres" to "but""ler";',)),
    ]
    run(orders_there, *(grant for each in tried for grant in each.grants))
    assert [each.lacks for each in may_write(prod, read_or_make(prod), "lab")] == [None, None]
    manifest = read_or_make(prod)
    for name, place in {"ml_profiles": "prod", "ml_runs": "prod_lab"}.items():  # builds publish beside `ml_runs`
        manifest["nodes"][name] = node(name, place, "postgres", package_name="mlbridge")
    assert [each.of for each in may_write(prod, manifest, "lab")] == ["prod_lab", "prod", "prod_lab_published"]
    assert orders_there.rows("select count(*) from pg_namespace where nspname like '%lab_published'") == [(0,)]
