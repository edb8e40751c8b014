"""`mlbridge assess` on made relations of which the truth is known."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import PIPE

import pytest
from assessed import CLOCK, assessed, node, orders, shop_of, unique

from mlbridge.errors import MlbridgeError
from mlbridge.project.project import Project
from mlbridge.readiness.assess import assess
from mlbridge.readiness.assessment import Assessment, Question, Requirement
from mlbridge.readiness.catalogue import BLOCKS, REQUIREMENTS

# Some outcomes of the past are not known, and where that is so, the moment is not either.
UNKNOWN = {
    "is_late": "case when hash(order_id, 9) % 20 > 0 then is_late end",
    "arrived_at": "case when hash(order_id, 9) % 20 > 0 then arrived_at end",
}


def of(found: Assessment, code: str) -> Requirement:
    (only,) = (each for each in found.requirements if each.code == code)
    return only


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    return assessed(tmp_path_factory.mktemp("honest"), orders(**UNKNOWN))


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


@pytest.mark.parametrize(
    ("column", "expression"),
    [
        ("refund", "case when is_late then 5.0 + load else 0 end"),
        ("hours", "epoch(arrived_at - ordered_at) / 3600"),
        ("signed_at", "arrived_at + interval 5 minutes"),
        ("packed_at", "ordered_at + to_minutes(cast(hash(order_id, 5) % 300 as bigint))"),
    ],
)
def test_a_planted_leak_is_suspected_and_nothing_else(tmp_path: Path, column: str, expression: str) -> None:
    known = {**UNKNOWN, column: f"case when hash(order_id, 9) % 20 > 0 then {expression} end"}
    found = assessed(tmp_path, orders(**known))
    assert list(found.suspected) == [column]
    assert found.verdict == "can work, with warnings"


def test_a_plan_and_the_clock_of_another_zone_are_no_leaks(tmp_path: Path) -> None:
    plans = {"due_at": "ordered_at + to_hours(cast(24 + hash(order_id, 7) % 9 as bigint))",
             "ordered_in_tokyo": "ordered_at + interval 9 hours"}  # fmt: skip
    assert assessed(tmp_path, orders(**UNKNOWN, **plans)).suspected == {}


def test_columns_that_no_model_can_learn_from(tmp_path: Path) -> None:
    columns = {"shop": "'north'", "nothing": "cast(null as integer)", "note": "'note ' || order_id",
               "tags": "[carrier]", "rare": "case when items = 0 and load < 0.5 then items end"}  # fmt: skip
    found = assessed(tmp_path, orders(**UNKNOWN, **columns))
    assert set(found.unusable) == set(columns)
    assert "constant" in found.unusable["shop"]
    assert "nearly unique" in found.unusable["note"]
    assert "VARCHAR[]" in found.unusable["tags"]
    codes = ("columns_vary", "columns_filled", "columns_repeat", "columns_readable")
    assert all(of(found, code).met is False for code in codes)
    assert found.exit_code == 0


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


def test_rows_that_stopped_coming_and_a_gap(tmp_path: Path) -> None:
    gap = "select * from ({}) where ordered_at not between '2024-06-01' and '2024-08-15'"
    found = assessed(tmp_path, gap.format(orders(**UNKNOWN)), datetime(2026, 1, 1))
    assert of(found, "fresh").met is False
    assert of(found, "no_gaps").met is False
    assert "2024-06-01" in of(found, "no_gaps").fix


def test_rows_that_were_changed_after_the_prediction(tmp_path: Path) -> None:
    changed = {"updated_at": "case when hash(order_id, 6) % 4 = 0 then arrived_at else ordered_at end"}
    kept = of(assessed(tmp_path, orders(**UNKNOWN, **changed)), "history_kept")
    assert kept.met is False
    assert kept.score == pytest.approx(0.75, abs=0.03)


def test_few_repeated_and_incomplete_keys_block(tmp_path: Path) -> None:
    sql = f"with t as ({orders(**UNKNOWN)}) select * from t union all (select * from t limit 3)"
    moment = "case when items = 39 and load > 0.9 then null else ordered_at end"
    sql = f"select * replace ({moment} as ordered_at) from ({sql})"
    found = assessed(tmp_path, sql, entity=("order_id",), time="ordered_at")
    assert of(found, "key_unique").evidence.startswith("3 of 3,003 rows")
    assert of(found, "key_complete").met is False
    assert found.exit_code == 1


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


def test_nothing_is_written(tmp_path: Path) -> None:
    project = shop_of(tmp_path, {"fct_orders": orders(**UNKNOWN)}, unique("fct_orders", "order_id"))

    def state() -> dict[str, str]:
        return {str(file): hashlib.md5(file.read_bytes()).hexdigest() for file in tmp_path.rglob("*") if file.is_file()}

    before = state()
    assess(project, Question(), CLOCK)
    assert state() == before


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
