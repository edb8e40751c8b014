"""The commands over a project on PostgreSQL: they say what they say of the same tables on DuckDB."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from click.testing import CliRunner, Result
from dbt_host import Host, copy_of_host, specify
from postgres import Postgres
from warm import Warm

from mlbridge.cli import main
from mlbridge.engines.postgres import translated

READ = {
    "main_lab": ("basket_split", "basket_training", "amount_split", "amount_training"),
    "main_insight": (
        "ml_versions", "ml_metrics", "ml_champions", "ml_decisions", "ml_health", "ml_incidents", "ml_alerts",
        "ml_predictions", "ml_leaks",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def served(aged_shop: Host, server: Postgres, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The second host with its warehouse on the server, which has the tables of its DuckDB file."""
    host = copy_of_host(aged_shop, tmp_path_factory.mktemp("served"))
    profiles = host.path / "profiles.yml"
    (name,) = yaml.safe_load(profiles.read_text())
    profiles.write_text(yaml.safe_dump({name: {"target": "dev", "outputs": {"dev": server.profile("main")}}}))
    warm.dbt(host.path, "parse")
    with duckdb.connect(str(host.database), read_only=True) as connection:
        for schema, tables in READ.items():
            for table in tables:
                found = connection.sql(f"from {schema}.{table}")
                types = {column: str(type_) for column, type_ in zip(found.columns, found.types, strict=True)}
                server.load(schema, table, types, found.fetchall())
    return host


def run(host: Host, *args: str) -> Result:
    return CliRunner().invoke(main, [*args, "--project-dir", str(host.path)])


def said(host: Host, *args: str) -> Any:
    shown = run(host, *args, "--format", "json")
    assert shown.exit_code in (0, 1), shown.output
    return json.loads(shown.stdout)


@pytest.mark.parametrize("command", [("status",), ("alerts",), ("alerts", "basket"), ("versions",)])
def test_the_same_as_on_duckdb(command: tuple[str, ...], aged_shop: Host, served: Host) -> None:
    expected, found = said(aged_shop, *command), said(served, *command)
    assert len(found) == len(expected) > 0
    assert found == expected
    assert run(served, *command).exit_code == run(aged_shop, *command).exit_code


@pytest.mark.parametrize("args", [("basket", "north", "7"), ("amount", "north/42", "--version", "1")])
def test_a_prediction_is_explained_as_on_duckdb(args: tuple[str, ...], aged_shop: Host, served: Host) -> None:
    expected, found = said(aged_shop, "explain", *args), said(served, "explain", *args)
    assert found["recorded"] == expected["recorded"]
    for name in ("entity", "time", "version", "prediction", "split", "background_rows"):
        assert found[name] == expected[name]
    assert [found["value"], found["base"]] == pytest.approx([expected["value"], expected["base"]])
    ours, theirs = ({row["feature"]: row for row in each["features"]} for each in (found, expected))
    assert ours.keys() == theirs.keys()
    for name, row in ours.items():
        assert row["contribution"] == pytest.approx(theirs[name]["contribution"], abs=1e-9)
        assert row["usual"] == theirs[name]["usual"]


def test_a_version_is_retired_and_compiled(aged_shop: Host, served: Host, tmp_path: Path) -> None:
    expected, found = said(aged_shop, "retire", "basket", "1"), said(served, "retire", "basket", "1")
    assert found == expected
    copied = copy_of_host(served, tmp_path)
    specify(copied, "basket", pin=None)
    written = said(copied, "retire", "basket", "2", "--write")
    assert (written["written"], written["next_champion"]) == (True, 1)
    assert (
        run(served, "compile", "amount").stdout == run(aged_shop, "compile", "amount", "--dialect", "postgres").stdout
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("explain", "baskt", "north", "7"), "Did you mean 'basket'?"),
        (("explain", "amount", "north42"), "Near keys: 'north/"),
        (("explain", "amount", "50%(x)s"), "has no row of '50%(x)s'"),
        (("explain", "basket", "north", "7", "--version", "9"), "'basket' has no version 9. Versions:"),
        (("retire", "basket", "3"), "'basket' has no version 3. Versions: '1', '2'."),
        (("alerts", "baskt"), "Did you mean 'basket'?"),
    ],
)
def test_what_is_not_there_is_misuse(args: tuple[str, ...], words: str, served: Host) -> None:
    shown = run(served, *args)
    assert (shown.exit_code, words in shown.output) == (2, True), shown.output


def test_the_room_is_what_a_first_build_takes(shop: Host, served: Host, server: Postgres) -> None:
    """Of one model of the second host, whose tables are written to the server, and those of dashboards once more."""
    with duckdb.connect(str(shop.database), read_only=True) as connection:
        there = connection.sql(
            "select table_schema, table_name, table_type from information_schema.tables "
            "where table_schema in ('main_lab', 'main_insight') and not starts_with(table_name, 'basket')"
        ).fetchall()
        for schema, table, kind in there:
            found = connection.sql(f"from {schema}.{table}")
            found = found.filter("model = 'amount'") if "model" in found.columns else found
            types = {column: str(type_) for column, type_ in zip(found.columns, found.types, strict=True)}
            copies = {"room": kind == "BASE TABLE", "room_published": schema == "main_insight"}
            for copy in (name for name, is_there in copies.items() if is_there and not table.endswith("_latest")):
                server.load(copy, table, types, found.fetchall())
            if table == "amount_features":
                server.load(schema, table, types, found.fetchall())
    sizes = {
        (schema, table): size
        for schema, table, size in server.rows(
            "select schemaname, relname, pg_total_relation_size(relid) from pg_stat_user_tables "
            "where schemaname in ('room', 'room_published')"
        )
    }
    truth = {name: sizes["room", f"amount_{name}"] for name in ("features", "split", "predictions")}
    truth["published"] = sum(size for (schema, _), size in sizes.items() if schema == "room_published")
    truth["all"] = sum(sizes.values())
    question = (
        "--target",
        "next_amount",
        "--entity",
        "customer",
        "--time",
        "week_from",
        "--label-time",
        "next_known_at",
    )
    room = said(served, "assess", "amount_features", *question)["room"]["first"]
    for part, taken in truth.items():
        estimated = sum(room.values()) if part == "all" else room[part]
        assert taken / 1.5 < estimated < 1.5 * taken, part


def test_a_server_without_the_tables(server: Postgres, served: Host, tmp_path: Path, warm: Warm) -> None:
    host = copy_of_host(served, tmp_path)
    profiles = host.path / "profiles.yml"
    profiles.write_text(profiles.read_text().replace("schema: main", "schema: empty"))
    warm.dbt(host.path, "parse")
    for command in (("status",), ("alerts",), ("retire", "basket", "1"), ("explain", "basket", "north", "7")):
        shown = run(host, *command)
        assert (shown.exit_code, "Run `dbt build` first." in shown.output) == (2, True), shown.output


def test_a_server_that_does_not_answer(served: Host, tmp_path: Path) -> None:
    host = copy_of_host(served, tmp_path)
    profiles = host.path / "profiles.yml"
    port = yaml.safe_load(profiles.read_text()).popitem()[1]["outputs"]["dev"]["port"]
    profiles.write_text(profiles.read_text().replace(f"port: {port}", "port: 1"))
    shown = run(host, "status")
    assert (shown.exit_code, "refused" in shown.output) == (2, True), shown.output


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("case when isnan(cast('NaN' as double)) then 1 else 2 end", 1),
        ("""cast(json_array(cast('a"b' as text), cast('c,d' as text)) as text)""", '["a\\"b","c,d"]'),
        ("case when isinf(cast('-infinity' as double)) and not isinf(cast('NaN' as double)) then 1 else 2 end", 1),
        ("cast(true as tinyint)", 1),
        ("cast(epoch(cast('1970-01-02' as timestamp)) as double)", 86400.0),
    ],
)
def test_an_expression_means_the_same(expression: str, value: object, server: Postgres) -> None:
    ((here,),) = duckdb.sql(f"select {expression}").fetchall()
    ((there,),) = server.rows(translated(f"select {expression}"))
    assert (there, here) == (value, value)


def test_near_texts_differ_late(server: Postgres) -> None:
    texts = (
        "select levenshtein(t, 'north42') as d, t from (values ('north/42'), ('nord'), ('south')) as v(t) order by 1"
    )
    assert server.rows(translated(texts)) == [(2, "north/42"), (4, "nord"), (7, "south")]
