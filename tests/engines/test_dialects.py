"""The SQL of the package for other engines: it reads as their dialect, and has nothing in it that they refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
import sqlglot
from dbt_host import Host
from dialects import FUNCTIONS, RULES, Statement
from rendering import NOW, Column, Rendering
from sqlglot import exp

ENGINES = tuple(FUNCTIONS)
COUNTED = ("ml_distributions", "ml_realized")
INCREMENTAL = (*COUNTED, "ml_lineage")
AWKWARD = ("'); drop table t; --", "back\\slash\\' or 1 = 1 --", "two\nlines\r", "'''", '"', "$$ {{ x }} %", "日本")


def models(host: Host) -> list[str]:
    """Name the package's models, the ephemeral ones too."""
    nodes = host.manifest["nodes"].values()
    return [node["name"] for node in nodes if node["package_name"] == "mlbridge" and node["resource_type"] == "model"]


def written(rendering: Rendering, host: Host) -> Iterator[tuple[str, str]]:
    """Write everything that the package asks of an engine: name and SQL."""
    for name in models(host):
        yield name, rendering.model(name).sql
    for name in INCREMENTAL:
        yield f"{name}, incremental", rendering.model(name, incremental=True).sql
        for number, query in enumerate(rendering.model(name, incremental=True).queries):
            yield f"{name} asks, {number}", query
    for model in ("basket", "amount"):
        predictions = rendering.ref(f"{model}_predictions")
        yield f"{model}_split", rendering.model(f"{model}_split").sql
        for number, query in enumerate(rendering.macro("drift_facts", model, 1, within=f"{model}_training").queries):
            yield f"drift_facts of {model}, {number}", query
        yield from decided(rendering, model)
        limits = {"metric": "mae", "value": 3}
        tests = {"no_alerts": {"about": "drift", "what": "visits"}, "performance_at_least": limits}
        for test, test_sql in tests.items():
            found = rendering.macro(f"test_{test}", predictions, within=f"{model}_predictions", **test_sql)
            yield f"{test} on {model}", found.sql
    checks = {"not_null": ["model", "rows"], "accepted_values": {"kind": ["it's"]}, "conditions": ["share <= 1"]}
    keys = [["model", "bin"], ["feature"]]
    found = rendering.macro("test_valid_rows", rendering.ref("ml_profiles"), keys, within="ml_profiles", **checks)
    yield "valid_rows", found.sql
    yield "log_runs", rendering.macro("log_runs", [failed_run(rendering)], within="ml_runs").sql
    forgotten = rendering.macro("forget_runs", within="ml_runs").sql
    if rendering.engine.name != "spark":
        yield "forget_runs", forgotten
    else:
        assert not forgotten.strip()  # it deletes no single rows
    # What the models of the second host do not need.
    labelled = "select window_start, slice, prediction, truth, probability from t"
    yield "of_classes", rendering.macro("of_classes", labelled, ["false", "it's"], within="ml_realized").sql
    for name, type_ in {"moment": "timestamp", "day": "date", "flag": "boolean", "size": "double"}.items():
        column = Column(name, exp.DataType.build(type_).sql(rendering.engine.name), exp.DataType.build(type_))
        value = rendering.macro("value_of", column, "numeric", "facts", within="ml_distributions").sql
        yield f"value_of a {type_}", f"select {value} as value from facts"


def decided(rendering: Rendering, model: str) -> Iterator[tuple[str, str]]:
    """Write what decides about the versions and the rows of a model."""
    node, split, training = (
        f"{model}_predictions",
        *(rendering.ref(f"{model}_{each}") for each in ("split", "training")),
    )
    for number, query in enumerate(rendering.macro("in_use", model, training, within=node).queries):
        yield f"in_use of {model}, {number}", query
    spec = rendering.macro("spec", model, within=node).sql
    keys = (["customer", "it's"], spec["time"], "group")
    yield f"key_problem of {model}", rendering.macro("key_problem", *keys, split, within=node).sql
    features = [{"name": "visits", "type": "DOUBLE"}]
    version = {"number": 1, "spec": spec, "features": features, "holdout_from": "2024-01-01 00:00:00"}
    yield f"waiting_rows of {model}", rendering.macro("waiting_rows", version, spec, split, split, within=node).sql


def failed_run(rendering: Rendering) -> Any:
    return SimpleNamespace(
        node=rendering.node("amount_training"),
        status="error",
        message="".join(AWKWARD),
        adapter_response={},
        timing=[SimpleNamespace(name="execute", started_at=NOW)],
        execution_time=1.5,
    )


@pytest.fixture(scope="module")
def for_duckdb(aged_shop: Host) -> Rendering:
    return Rendering("duckdb", aged_shop)


@pytest.fixture(scope="module")
def statements(aged_shop: Host, for_duckdb: Rendering) -> dict[str, dict[str, Statement]]:
    """Everything for every engine, by engine and name."""
    return {
        engine: {
            name: Statement(engine, sql) for name, sql in written(Rendering(engine, aged_shop, for_duckdb), aged_shop)
        }
        for engine in ENGINES
    }


# --- the rendering is dbt's ------------------------------------------------------------------------------------


def parsed(sql: str) -> exp.Expression:
    """Read what is for DuckDB, without the ephemeral models that dbt puts before it and without the clock."""
    tree = sqlglot.parse_one(re.sub(r"'20\d\d-[-\d :.]+'", "'now'", sql), dialect="duckdb")
    before = tree.args.get("with_")
    if before:
        own = [each for each in before.expressions if not each.alias.startswith("__dbt__cte__")]
        before.set("expressions", own) if own else tree.set("with_", None)
    return tree


def test_what_is_rendered_for_duckdb_is_what_dbt_compiled(for_duckdb: Rendering, aged_shop: Host) -> None:
    for name in models(aged_shop):
        (compiled,) = (aged_shop.path / "target" / "compiled" / "mlbridge").rglob(f"{name}.sql")
        # Where a model reads its own table, it is the one before the build.
        own = for_duckdb.model(name, name in INCREMENTAL).sql.replace(
            '"earlier"', f'"{for_duckdb.node(name)["database"]}"'
        )
        assert parsed(own) == parsed(compiled.read_text()), name


def test_no_query_hands_over_a_moment_that_is_written_back(for_duckdb: Rendering, aged_shop: Host) -> None:
    """Some drivers give moments on the clock of the machine."""
    found = [for_duckdb.model(name, name in INCREMENTAL) for name in (*models(aged_shop), "basket_split")]
    found += [for_duckdb.macro("drift_facts", "basket", 1, within="basket_training")]
    values = [value for each in found for answer in each.answers for row in answer.rows for value in row]
    assert len(values) > 50
    assert not [value for value in values if isinstance(value, date)]


@pytest.mark.parametrize("name", COUNTED)
def test_there_are_windows_to_count(name: str, for_duckdb: Rendering) -> None:
    """Of both models; and fewer of them once most have been counted."""
    first, later = for_duckdb.model(name).sql, for_duckdb.model(name, incremental=True).sql
    for sql in (first, later):
        assert "'basket' as model" in sql
        assert "'amount' as model" in sql
    assert moments_counted(later) < moments_counted(first)


def moments_counted(sql: str) -> int:
    """Count the windows that are read row by row; those whose outcomes were withdrawn, or rows deleted, are not."""
    moment = r"cast\('20[^']+' as timestamp\)"
    read = re.sub(rf"rows_(labelled|there) = 0\s+and windows\.window_start in \(({moment}(, )?)+\)", "", sql)
    return len(re.findall(moment, read))


# --- the other engines -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_engine_refuses_it(engine: str, rule: str, statements: dict[str, dict[str, Statement]]) -> None:
    found = {name: sorted(set(RULES[rule](statement))) for name, statement in statements[engine].items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_text_is_only_a_text(engine: str, aged_shop: Host, for_duckdb: Rendering) -> None:
    rendering = Rendering(engine, aged_shop, for_duckdb)
    for text in AWKWARD:
        literal = rendering.macro("text", text, within="ml_runs").sql
        (only,) = sqlglot.parse_one(f"select {literal}", dialect=engine).expressions
        assert (only.is_string, only.this) == (True, text)


@pytest.mark.parametrize(
    ("engine", "sql", "wrong"),
    [
        ("redshift", "vacuum a", "unread"),
        ("postgres", "select list_sum(x) from a", "unknown_functions"),
        ("spark", "select json_extract_string(x, '$.a') from a", "unknown_functions"),
        ("bigquery", "select cast(x as double precision) from a", "unknown_types"),
        ("spark", "select cast(case when x then cast(y as text) end as string) from a", "unknown_types"),
        ("bigquery", "select sum(x.window) as n from a as x", "reserved_names"),
        ("snowflake", "select a.n as start from a", "reserved_names"),
        ("snowflake", "select x::text from a", "tokens_refused"),
        ("bigquery", "select x % 2 from a", "tokens_refused"),
        ("spark", "select 'it''s' as x", "tokens_refused"),
        ("bigquery", "select 'two\nlines' as x", "tokens_refused"),
        ("redshift", "select sum(x) over w from a window w as (partition by y)", "clauses_refused"),
        ("bigquery", "select 1 as x where 1 = 0", "clauses_refused"),
        ("snowflake", "select count(*) filter (where x > 1) from a", "clauses_refused"),
        ("spark", "select distinct on (x) y from a", "clauses_refused"),
        ("redshift", "select sum(x) over (partition by y order by z) from a", "clauses_refused"),
        ("redshift", "select y from a cross join lateral (select a.x as y) as b", "clauses_refused"),
        ("postgres", "select * from a cross join lateral unnest(a.x) as b", "clauses_refused"),
    ],
)
def test_what_an_engine_refuses_is_seen(engine: str, sql: str, wrong: str) -> None:
    statement = Statement(engine, sql)
    assert [rule for rule, finds in RULES.items() if list(finds(statement))] in ([wrong], ["unknown_functions", wrong])
