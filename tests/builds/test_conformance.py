"""`mlbridge doctor --conformance` on DuckDB, whose values are the expected ones, and on PostgreSQL."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dbt_host import Host, copy_of_host
from portable import profile
from postgres import Postgres
from warm import Warm

from mlbridge.catalogue.conformance import EXPECTED, ROWS
from mlbridge.readiness.conformance import compiled, same

COMPILED = ["compiled tree", "compiled linear model"]
DISPATCH = "\ndispatch: [{macro_namespace: mlbridge, search_order: [shop, mlbridge]}]\n"


def test_what_is_expected_is_what_python_says() -> None:
    moments = [datetime.fromisoformat(row["moment"]) for row in ROWS]
    hashes = [hashlib.md5(row["label"].encode()).hexdigest() for row in ROWS]
    assert [row[1:] for row in EXPECTED["hash of the split"]] == [[each, str(int(each[:7], 16))] for each in hashes]
    assert [json.loads(row[1] or "") for row in EXPECTED["keys"]] == [[row["label"], str(row["id"])] for row in ROWS]
    for row, found, zoned, moment in zip(ROWS, EXPECTED["moments"], EXPECTED["time zones"], moments, strict=True):
        utc = moment.replace(tzinfo=ZoneInfo("UTC"))
        day = moment.replace(hour=0, minute=0, second=0)
        week, month = day - timedelta(days=day.weekday()), day.replace(day=1)
        assert float(found[1] or "") == utc.timestamp()
        assert found[2:] == [str(each) for each in (day, week, month, moment + timedelta(days=row["id"]))]
        assert zoned[1] == str(utc.astimezone(ZoneInfo("America/New_York")).replace(tzinfo=None))
    unfolded = [
        [str(row["id"]), *(None if each.get(name) is None else str(each[name]) for name in ("name", "value", "n"))]
        for row in ROWS[:3]
        for each in json.loads(row["document"])
    ]
    assert EXPECTED["documents"] == unfolded


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_an_engine_conforms_and_nothing_is_left(
    engine: str, empty_shop: Host, server: Postgres, warm: Warm, tmp_path: Path
) -> None:
    host = copy_of_host(empty_shop, tmp_path)
    if engine == "postgres":
        profile(host, server.profile("mine"))
    as_json = {"DBT_LOG_FORMAT": "json", "DBT_LOG_FORMAT_FILE": "json"}
    said = warm.mlbridge(host.path, "doctor", "--conformance", "--format", "json", env=as_json)
    found = json.loads(said[said.index("[\n") :])
    assert [each["check"] for each in found] == [*EXPECTED, *COMPILED]
    assert {each["fine"] for each in found} == {"ok"}
    schemas = "select schema_name from information_schema.schemata where schema_name like 'mlbridge_conformance%'"
    assert (server.rows(schemas) if engine == "postgres" else host.rows(schemas)) == []


def test_what_differs_is_said(empty_shop: Host, warm: Warm, tmp_path: Path) -> None:
    host = copy_of_host(empty_shop, tmp_path)
    macros = {"truncated": "cast('2000-01-01' as timestamp)", "four_decimals": "no_such_function(1)"}
    for name, sql in macros.items():
        arguments = "size, moment" if name == "truncated" else "value"
        text = f'{{% macro duckdb__{name}({arguments}) %}}{{{{ return("{sql}") }}}}{{% endmacro %}}\n'
        host.write({f"macros/{name}.sql": text})
    config = (host.path / "dbt_project.yml").read_text()
    host.write({"dbt_project.yml": config + DISPATCH})
    said = warm.mlbridge(host.path, "doctor", "--conformance", "--format", "json", code=1)
    found = {each["check"]: each for each in json.loads(said[said.index("[\n") :])}
    assert [name for name, each in found.items() if each["fine"] != "ok"] == ["moments", "numbers"]
    assert found["moments"]["finding"] == "row 1, column 3: '2000-01-01 00:00:00', expected '2024-02-29 00:00:00'"
    assert found["numbers"]["finding"].startswith("failed: ")
    assert "no_such_function" in found["numbers"]["finding"]


def test_a_role_that_may_not_make_a_schema_is_told_so(
    empty_shop: Host, server: Postgres, warm: Warm, tmp_path: Path
) -> None:
    host = copy_of_host(empty_shop, tmp_path)
    server.rows("create role guest login; select 1")
    profile(host, {**server.profile("mine"), "user": "guest"})
    said = warm.mlbridge(host.path, "doctor", "--conformance", code=2)
    assert "permission denied for database postgres" in said
    assert "Traceback" not in said


def test_a_schema_of_others_is_neither_taken_nor_dropped(
    empty_shop: Host, server: Postgres, warm: Warm, tmp_path: Path
) -> None:
    host = copy_of_host(empty_shop, tmp_path)
    profile(host, server.profile("mine"))
    with server.connection.cursor() as cursor:
        cursor.execute("create schema analytics; create schema mlbridge_conformance_taken")
    call = ("run-operation", "mlbridge.conformance", "--args")
    warm.dbt(host.path, *call, "{suffix: analytics, check: end}")
    said = warm.dbt(host.path, *call, "{suffix: taken, check: begin}", ok=False)
    assert "the schema mlbridge_conformance_taken is there already" in said
    found = server.rows("select nspname from pg_namespace where nspname like 'analytics' or nspname like '%taken'")
    with server.connection.cursor() as cursor:
        cursor.execute("drop schema analytics; drop schema mlbridge_conformance_taken")
    assert len(found) == 2


def test_a_table_that_cannot_be_made_leaves_no_schema(
    empty_shop: Host, server: Postgres, warm: Warm, tmp_path: Path
) -> None:
    host = copy_of_host(empty_shop, tmp_path)
    profile(host, server.profile("mine"))
    host.write({"macros/double.sql": "{% macro postgres__type_double() %}{{ return('no_type') }}{% endmacro %}\n"})
    config = (host.path / "dbt_project.yml").read_text()
    host.write({"dbt_project.yml": config + DISPATCH})
    said = warm.mlbridge(host.path, "doctor", "--conformance", code=2)
    assert "no_type" in said
    assert server.rows("select 1 from pg_namespace where nspname like 'mlbridge_conformance%'") == []


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [("0.0", "1E-9", False), ("1e-09", "1E-9", True), ("0.30000000000000004", "0.3", True), ("a", "b", False)],
)
def test_a_small_number_is_not_zero(one: str, other: str, equal: bool) -> None:
    assert same(one, other) == equal


def test_a_model_that_is_not_compiled_for_an_engine_is_a_finding() -> None:
    found = compiled("no_engine")
    assert list(found) == COMPILED
    assert all("no_engine" in each for each in found.values())
