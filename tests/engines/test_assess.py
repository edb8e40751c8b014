"""`mlbridge assess` on made relations of which the truth is known."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import PIPE

import pytest
from assessed import CLOCK, assessed, node, orders, shop_of, unique
from click.testing import CliRunner

from mlbridge.cli import main
from mlbridge.errors import MlbridgeError, SetupError
from mlbridge.project.manifest import read_or_make
from mlbridge.project.project import Project
from mlbridge.readiness.assess import assess
from mlbridge.readiness.assessment import Assessment, Question, Requirement
from mlbridge.readiness.catalogue import BLOCKS, REQUIREMENTS
from mlbridge.readiness.examined import examine
from mlbridge.readiness.leaks_by_lineage import leaks_by_lineage
from mlbridge.readiness.page import html_page
from mlbridge.readiness.relations import relation_of
from mlbridge.readiness.source import open_source

# Some outcomes of the past are not known, and where that is so, the moment is not either.
UNKNOWN = {
    "is_late": "case when hash(order_id, 9) % 20 > 0 then is_late end",
    "arrived_at": "case when hash(order_id, 9) % 20 > 0 then arrived_at end",
}

# Honest, although they lie after the moment of the prediction.
PLANS = {
    "due_at": "ordered_at + to_hours(cast(24 + hash(order_id, 7) % 9 as bigint))",
    "ordered_in_tokyo": "ordered_at + interval 9 hours",
}
LEAKS = {
    "refund": "case when is_late then 5.0 + load else 0 end",
    "hours": "epoch(arrived_at - ordered_at) / 3600",
    "signed_at": "arrived_at + interval 5 minutes",
    "packed_at": "ordered_at + to_minutes(cast(hash(order_id, 5) % 300 as bigint))",
}
USELESS = {
    "shop": "'north'",
    "nothing": "cast(null as integer)",
    "note": "'note ' || order_id",
    "tags": "[carrier]",
    "rare": "case when items = 0 and load < 0.5 then items end",
}


def of(found: Assessment, code: str) -> Requirement:
    (only,) = (each for each in found.requirements if each.code == code)
    return only


def state(folder: Path) -> dict[str, str]:
    return {str(file): hashlib.md5(file.read_bytes()).hexdigest() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    return assessed(tmp_path_factory.mktemp("honest"), orders(**UNKNOWN, **PLANS))


def test_what_is_not_named_is_proposed(honest: Assessment) -> None:
    assert honest.spec == {
        "task": "classification",
        "target": "is_late",
        "entity": "order_id",
        "time": "ordered_at",
        "label_time": "arrived_at",
    }
    assert all(each.proposed and each.reason for each in (honest.target, honest.entity, honest.time))
    assert "'arrived_at' is" in honest.target.reason


def test_an_honest_relation_can_work_and_no_column_is_accused(honest: Assessment) -> None:
    assert (honest.verdict, honest.exit_code) == ("can work", 0), honest.failed
    assert honest.suspected == {}
    assert of(honest, "first_model").score == 1.0
    assert of(honest, "may_write").met


def test_every_requirement_of_the_catalogue_is_there_once(honest: Assessment) -> None:
    assert [each.code for each in honest.requirements] == list(REQUIREMENTS)
    for each in honest.requirements:
        assert each.score is None or 0 <= each.score <= 1
        assert each.evidence
        assert bool(each.fix) == (each.met is False)


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    """Orders with leaks, with columns that nothing can be learned from, with a gap, changed later and long ended."""
    leaks = {name: f"case when hash(order_id, 9) % 20 > 0 then {each} end" for name, each in LEAKS.items()}
    changed = {"updated_at": "case when hash(order_id, 6) % 4 = 0 then arrived_at else ordered_at end"}
    world = orders(**UNKNOWN, **leaks, **USELESS, **changed)
    gap = f"select * from ({world}) where ordered_at not between '2024-06-01' and '2024-08-15'"
    question = {"target": "is_late", "label_time": "arrived_at", "time": "ordered_at"}
    return assessed(tmp_path_factory.mktemp("dirty"), gap, datetime(2026, 1, 1), **question)


def test_planted_leaks_are_suspected_and_nothing_else(dirty: Assessment) -> None:
    assert set(dirty.suspected) == {*LEAKS, "updated_at"}
    assert dirty.verdict == "can work, with warnings"


def test_columns_that_no_model_can_learn_from(dirty: Assessment) -> None:
    assert set(dirty.unusable) == set(USELESS)
    assert "constant" in dirty.unusable["shop"]
    assert "nearly unique" in dirty.unusable["note"]
    assert "VARCHAR[]" in dirty.unusable["tags"]
    codes = ("columns_vary", "columns_filled", "columns_repeat", "columns_readable")
    assert all(of(dirty, code).met is False for code in codes)


def test_rows_that_stopped_coming_and_a_gap(dirty: Assessment) -> None:
    assert of(dirty, "fresh").met is False
    assert of(dirty, "no_gaps").met is False
    assert "2024-06-01" in of(dirty, "no_gaps").fix


def test_rows_that_were_changed_after_the_prediction(dirty: Assessment) -> None:
    kept = of(dirty, "history_kept")
    assert kept.met is False
    assert kept.score == pytest.approx(0.75, abs=0.03)


def test_too_few_positives_and_the_date_from_which_they_suffice(tmp_path: Path) -> None:
    # One row a day from 1 January on, every tenth is late, and outcomes are known at once. The test rows are the last
    # 15 %: five late ones need more than 40 of them, so about 300 rows. There are 200.
    world = """
        select 'o' || i as order_id, timestamp '2024-01-01' + to_days(cast(i as integer)) as ordered_at, i % 7 as items,
            timestamp '2024-01-01' + to_days(cast(i as integer)) as known_at, i % 10 = 9 as is_late
        from range({rows}) as t(i)
    """
    question = {"target": "is_late", "time": "ordered_at", "label_time": "known_at"}
    found = assessed(tmp_path / "few", world.format(rows=200), datetime(2024, 7, 18, 12), **question)
    enough = of(found, "rows_enough")
    assert (found.exit_code, enough.level, enough.score) == (1, BLOCKS, 3 / 5)
    assert "test has 3 of at least 5 rows of the class 'True'" in enough.evidence
    # The rule by hand: the smallest number of days whose last 15 % and the 15 % before hold five late rows each.
    needed = next(n for n in range(200, 400) if all(_late_in_parts(n)))
    assert enough.fix.startswith(f"Wait until {datetime(2024, 1, 1) + timedelta(days=needed - 1):%Y-%m-%d}, ")


def _late_in_parts(days: int) -> list[bool]:
    """Say of each part of a split of `days` rows whether it has five late ones."""
    first, second = days * 7000 // 10000, days * 8500 // 10000
    parts = (range(first), range(first, second), range(second, days))
    return [sum(i % 10 == 9 for i in part) >= 5 for part in parts]


def test_few_repeated_and_incomplete_keys_block(tmp_path: Path) -> None:
    sql = f"with t as ({orders(**UNKNOWN)}) select * from t union all (select * from t limit 3)"
    moment = "case when items = 39 and load > 0.9 then null else ordered_at end"
    sql = f"select * replace ({moment} as ordered_at) from ({sql})"
    found = assessed(tmp_path, sql, entity=("order_id",), time="ordered_at")
    assert of(found, "key_unique").evidence.startswith("3 of 3,003 rows")
    assert of(found, "key_complete").met is False
    assert found.exit_code == 1


@pytest.mark.parametrize("tested", [True, False])
def test_the_key_of_a_panel_is_proposed_without_its_time(tmp_path: Path, tested: bool) -> None:
    panel = """
        select 'c' || c as customer_id, timestamp '2024-01-01' + to_days(cast(7 * w as integer)) as week,
            hash(c, w) % 9 as visits, case when w < 40 then hash(c, w, 1) % 3 = 0 end as churned
        from range(60) as customers(c), range(45) as weeks(w)
    """
    both = unique("fct_weeks", "")
    both["test_metadata"] = {"name": "unique_combination_of_columns",
                             "kwargs": {"combination_of_columns": ["customer_id", "week"]}}  # fmt: skip
    project = shop_of(tmp_path, {"fct_weeks": panel}, *([both] if tested else []))
    found = assess(project, Question(target="churned"), CLOCK)
    assert (found.relation.name, found.entity.columns, found.time.column) == ("fct_weeks", ("customer_id",), "week")
    assert ("unique_combination" in found.entity.reason) == tested


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Project:
    world = orders(day="date_trunc('day', ordered_at)")
    tables = {
        "fct_orders": world,
        "open": f"select * exclude (arrived_at) from ({world})",
        "empty": f"select * from ({world}) limit 0",
    }
    ephemeral = node("inline", "main", "shop", config={"materialized": "ephemeral"})
    more = (node("later", "main", "shop"), ephemeral, unique("fct_orders", "order_id"))
    return shop_of(tmp_path_factory.mktemp("small"), tables, *more)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"relation": "fct_order"}, ["no model, seed, snapshot or source 'fct_order'", "Did you mean 'fct_orders'?"]),
        ({"relation": "later"}, ["'later' is not in the warehouse", "dbt build --select +later"]),
        ({"relation": "inline"}, ["'inline' is ephemeral"]),
        ({"target": "is_lat"}, ["--target: 'fct_orders' has no column 'is_lat'. Did you mean 'is_late'?"]),
        ({"entity": ("order",)}, ["--entity: 'fct_orders' has no column 'order'. Did you mean 'order_id'?"]),
        ({"time": "carrier"}, ["--time: 'carrier' of 'fct_orders' is a VARCHAR; expected a timestamp or a date"]),
        ({"entity": ("carrier",), "time": "day"}, ["are not unique together", "of 3,000 rows repeat another"]),
        ({"relation": "open", "target": "items"}, ["the target 'items' is never NULL", "--label-time"]),
        ({"relation": "empty"}, ["'empty' has no rows"]),
        ({"target": "carrier", "task": "regression"}, ["'carrier' is a VARCHAR; regression needs a number"]),
    ],
)
def test_wrong_questions_are_refused_in_a_sentence(small: Project, question: dict[str, str], words: list[str]) -> None:
    with pytest.raises(MlbridgeError) as raised:
        assess(small, Question(**{"relation": "fct_orders", **question}), CLOCK)
    assert all(word in str(raised.value) for word in words), str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("command", [("assess",), ("graft", "late", "--apply", "--from")])
@pytest.mark.parametrize(
    ("question", "words"),
    [
        (("fct_order",), "the project has no model, seed, snapshot or source 'fct_order'. Did you mean 'fct_orders'?"),
        (("later",), "'later' is not in the warehouse, where it would be main.later. Build it first"),
        (("inline",), "'inline' is ephemeral, so the warehouse has no relation of it."),
        (("fct_orders", "--target", "is_lat"), "--target: 'fct_orders' has no column 'is_lat'."),
        (("fct_orders", "--entity", "carrier", "--time", "day"), "'fct_orders': 'carrier' and 'day' are not unique"),
        (("open", "--target", "items"), "'open': the target 'items' is never NULL"),
    ],
)
def test_at_the_command_line_a_wrong_question_is_misuse_and_nothing_is_written(
    small: Project, command: tuple[str, ...], question: tuple[str, ...], words: str
) -> None:
    before = state(small.path)
    answer = CliRunner().invoke(main, [*command, *question, "--project-dir", str(small.path)])
    assert answer.exit_code == 2, answer.output
    (sentence,) = [line for line in answer.stderr.splitlines() if not line.startswith("[")]
    assert sentence.startswith(f"Error: {words}")
    assert answer.stdout == ""
    assert state(small.path) == before


def test_nothing_is_written(tmp_path: Path) -> None:
    project = shop_of(tmp_path, {"fct_orders": orders(**UNKNOWN)}, unique("fct_orders", "order_id"))
    before = state(tmp_path)
    assess(project, Question(), CLOCK)
    assert state(tmp_path) == before


def test_a_warehouse_that_another_process_reads_cannot_be_written(tmp_path: Path) -> None:
    project = shop_of(tmp_path, {"fct_orders": orders(**UNKNOWN)}, unique("fct_orders", "order_id"))
    held = f"held = duckdb.connect({str(tmp_path / 'shop.duckdb')!r}, read_only=True)"
    code = f"import duckdb; {held}; print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE, text=True) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        found = assess(project, Question("fct_orders"), CLOCK)
        reader.communicate("\n")
    assert "another process" in of(found, "may_write").evidence
    assert of(found, "may_write").met is False
    assert found.exit_code == 1


def test_a_column_from_where_the_outcome_comes_is_suspected_by_lineage(tmp_path: Path) -> None:
    raw = orders(delay="cast(hash(order_id, 4) % 60 as integer)", weight="load * 3")
    sql = """
        select
            order_id, ordered_at, arrived_at, load, items, carrier,
            delay >= 45 as is_late,
            round(delay / 60.0 + hash(order_id) % 3, 1) as hours,
            date_part('hour', ordered_at) as hour,
            avg(delay) over (partition by carrier order by ordered_at rows between 9 preceding and 1 preceding) as past,
            avg(delay) over (
                partition by carrier order by ordered_at range between unbounded preceding and interval 3 days preceding
            ) as long_ago
        from raw_orders
    """
    compiled = sql.replace("raw_orders", '"shop"."main"."raw_orders"')
    orders_node = node("fct_orders", "main", "shop", compiled_code=compiled, language="sql",
                       depends_on={"nodes": ["model.shop.raw_orders"]})  # fmt: skip
    who = {"carrier": {"name": "carrier", "config": {"meta": {"pii": True}}}}
    raw_node = node("raw_orders", "main", "shop", resource_type="seed", config={"materialized": "seed"}, columns=who)
    tables = {"raw_orders": raw, "fct_orders": sql}
    project = shop_of(tmp_path, tables, raw_node, orders_node, unique("fct_orders", "order_id"))
    found = assess(project, Question("fct_orders", "is_late", label_time="arrived_at"), CLOCK)
    outcome = "it comes from shop.raw_orders.delay, which the target 'is_late' comes from: shop.fct_orders."
    assert found.suspected["hours"] == (
        f"{outcome}hours (transformed); no time condition on the way lets only earlier rows in"
    )
    assert found.suspected["past"].startswith(f"{outcome}past (aggregated by AVG(delay) OVER (")
    assert found.suspected["carrier"].startswith("it comes from shop.raw_orders.carrier, which is personal data")
    assert set(found.suspected) == {"hours", "past", "carrier"}
    assert of(found, "no_leak_by_lineage").met is False


@pytest.mark.parametrize(
    ("of_staging", "of_facts", "score", "evidence"),
    [
        ("select * from raw_orders", "select * from stg_orders", 1, "of 4 columns, read off the SQL of 3 relations"),
        ("select * from raw_orders", "select from", None, "; not looked at: shop.fct_orders"),
        ("select from", "select * from stg_orders", None, "; not looked at: shop.stg_orders"),
        ("select from", "select *, is_late as leak from stg_orders", 0.8, "; not looked at: shop.stg_orders"),
    ],
)
def test_what_could_not_be_read_is_not_said_to_be_honest(
    tmp_path: Path, of_staging: str, of_facts: str, score: float | None, evidence: str
) -> None:
    raw = node("raw_orders", "main", "shop", resource_type="seed", config={"materialized": "seed"})
    sql = {"stg_orders": (of_staging, "raw_orders"), "fct_orders": (of_facts, "stg_orders")}
    models = [
        node(name, "main", "shop", compiled_code=code, language="sql", depends_on={"nodes": [f"model.shop.{parent}"]})
        for name, (code, parent) in sql.items()
    ]
    leak = {"leak": "is_late"} if "leak" in of_facts else {}
    tables = {"raw_orders": orders(300), "stg_orders": orders(300), "fct_orders": orders(300, **leak)}
    project = shop_of(tmp_path, tables, raw, *models, unique("fct_orders", "order_id"))
    manifest = read_or_make(project)
    question = Question("fct_orders", "is_late", time="ordered_at", label_time="arrived_at")
    with open_source(project) as source:
        found = examine(question, relation_of("fct_orders", manifest), manifest, source)
        suspected, requirement = leaks_by_lineage(manifest, source, found)
    assert requirement.score == score
    assert requirement.evidence.endswith(evidence)
    assert set(suspected) == ({"leak"} if score == 0.8 else set())


def test_the_page_is_one_file_and_escapes_what_it_shows(honest: Assessment) -> None:
    hostile = '<script>alert("x")</script>'
    found = replace(honest, unusable={hostile: f"constant: {hostile}"}, others={hostile: hostile})
    text = html_page(found)
    assert hostile not in text
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in text
    assert not re.search(r"(src|href)\s*=|https?:|url\(|@import", text)
    for each in found.requirements:
        assert each.code in text


@pytest.mark.parametrize(
    ("changed", "text", "compiled"),
    [
        ("models/other.sql", "select {{ 2 }} as a", {"fct_orders", "step"}),
        ("models/step.sql", "{{ config(materialized='ephemeral') }} select 2 as b", {"other"}),
        ("macros/comma.sql", "{% macro comma() %} , {% endmacro %}", {"other", "step"}),
        ("dbt_project.yml", None, set()),
    ],
)
def test_what_was_compiled_of_a_model_counts_until_its_sql_may_be_another(
    tmp_path: Path, changed: str, text: str | None, compiled: set[str]
) -> None:
    project = shop_of(tmp_path, {"fct_orders": orders(**UNKNOWN)})
    files = {
        "models/fct_orders.sql": "select 1 as order_id {{ comma() }} b from {{ ref('step') }}",
        "models/step.sql": "{{ config(materialized='ephemeral') }} select 1 as b",
        "models/other.sql": "select {{ 1 }} as a",
        "macros/comma.sql": "{% macro comma() %},{% endmacro %}",
    }
    for name, sql in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(sql)
    shutil.rmtree(tmp_path / "target")
    manifest = read_or_make(project)
    for each in manifest["nodes"].values():
        each["compiled_code"] = "select 1 as compiled"
    (tmp_path / "target").mkdir()
    (tmp_path / "target/manifest.json").write_text(json.dumps(manifest))
    if text is not None:
        (tmp_path / changed).write_text(text)
    later = time.time() + 60
    os.utime(tmp_path / changed, (later, later))
    found = read_or_make(Project.at(tmp_path, None, None))["nodes"].values()
    assert {each["name"] for each in found if each.get("compiled_code")} == compiled


def test_without_a_manifest_the_project_is_parsed_and_nothing_is_kept(tmp_path: Path) -> None:
    project = shop_of(tmp_path, {"fct_orders": orders(**UNKNOWN)})
    shutil.rmtree(tmp_path / "target")
    (tmp_path / "models").mkdir()
    model = tmp_path / "models" / "fct_orders.sql"
    model.write_text("{{ config(materialized='table') }} select 1 as order_id")
    before = sorted(map(str, tmp_path.rglob("*")))
    assert "model.shop.fct_orders" in read_or_make(project)["nodes"]
    model.write_text("select {{ order_id")
    with pytest.raises(SetupError, match=r"dbt cannot parse the project: .*Mend it until `dbt parse` passes"):
        assess(Project.at(tmp_path, None, None), Question("fct_orders"), CLOCK)
    assert sorted(map(str, tmp_path.rglob("*"))) == before


def test_a_warehouse_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    project = shop_of(tmp_path, {"fct_orders": orders(**UNKNOWN)})
    project.path.joinpath("shop.duckdb").unlink()
    with pytest.raises(SetupError, match=r"there is no warehouse at .* Run `dbt build` first"):
        assess(project, Question("fct_orders"), CLOCK)
    assert not project.path.joinpath("shop.duckdb").exists()


def test_models_declared_in_another_form_get_a_sentence(tmp_path: Path) -> None:
    shop_of(tmp_path, {"fct_orders": orders(**UNKNOWN)})
    with (tmp_path / "dbt_project.yml").open("a") as file:
        file.write("vars: {mlbridge_models: late}\n")
    with pytest.raises(SetupError, match="vars: mlbridge_models: expected a list of names"):
        assess(Project.at(tmp_path, None, None), Question(), CLOCK)
