"""What a change of a project touches, on a manifest written by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mlbridge.commands.impact import Impact, compare, markdown
from mlbridge.commands.lineage import answer
from mlbridge.errors import SetupError
from mlbridge.lineage.cache import Cache
from mlbridge.lineage.graph import Relation, moves
from mlbridge.lineage.project_lineage import traced
from mlbridge.lineage.trace import trace

SPEC = {"task": "classification", "target": "is_late", "entity": "id", "time": "at"}
STAGING = "select id, at, weight * 2 as weight, kind, is_late from db.main.orders where id > 0"
FEATURES = "with s as (select * from db.main.stg) select id, at, weight, upper(kind) as kind, is_late from s"


def node(name: str, sql: str | None, *parents: str, **more: Any) -> dict[str, Any]:
    """Write a model as the manifest has it."""
    return {
        "resource_type": "model", "name": name, "alias": name, "database": "db", "schema": "main",
        "package_name": "host", "relation_name": f'"db"."main"."{name}"', "language": "sql" if sql else "python",
        "compiled_code": sql, "raw_code": sql or f"code of {name}", "columns": {},
        "config": {"materialized": "table", **more}, "depends_on": {"nodes": list(parents), "macros": []},
    }  # fmt: skip


def project() -> dict[str, Any]:
    """Write a project with one model."""
    columns = {name: {"name": name, "data_type": ""} for name in ("id", "at", "weight", "kind", "is_late", "spare")}
    source = {
        "resource_type": "source", "name": "orders", "identifier": "orders", "source_name": "shop", "database": "db",
        "schema": "main", "package_name": "host", "relation_name": '"db"."main"."orders"', "columns": columns,
        "config": {},
    }  # fmt: skip
    models = (
        node("stg", STAGING, "source.host.shop.orders"),
        node("late_features", FEATURES, "model.host.stg"),
        node("late_split", "select *, 'train' as ml_split from db.main.late_features", "model.host.late_features"),
        node("late_training", None, "model.host.late_split", meta={"mlbridge": SPEC}),
        node("late_predictions", None, "model.host.late_split", "model.host.late_training"),
        node("report", "select kind, count(*) as n from db.main.stg group by kind", "model.host.stg"),
    )
    return {
        "metadata": {"adapter_type": "duckdb"},
        "nodes": {f"model.host.{each['name']}": each for each in models},
        "sources": {"source.host.shop.orders": source},
    }


def touched(name: str, old: str, new: str) -> Impact:
    """Change the SQL of a node."""
    now = project()
    sql = now["nodes"][f"model.host.{name}"]["compiled_code"]
    assert old in sql
    now["nodes"][f"model.host.{name}"]["compiled_code"] = sql.replace(old, new)
    return compare(traced(project(), {}), traced(now, {}))


@pytest.mark.parametrize(
    ("name", "old", "new", "columns", "features", "by_rows"),
    [
        ("stg", "weight * 2", "weight * 3", ("weight",), ("weight",), ()),
        ("late_features", "upper(kind)", "lower(kind)", ("kind",), ("kind",), ()),
        ("stg", "id > 0", "id > 1", (), (), ("weight", "kind")),
        ("late_features", "is_late from s", "is_late, id * 2 as twice from s", ("twice",), ("twice",), ()),
    ],
)
def test_a_change_touches_the_features_that_come_from_it(
    name: str, old: str, new: str, columns: tuple[str, ...], features: tuple[str, ...], by_rows: tuple[str, ...]
) -> None:
    found = touched(name, old, new)
    (change,) = found.changes
    assert (change.node, change.columns, change.rows) == (name, columns, bool(by_rows))
    (model,) = found.models
    assert (model.features, model.features_by_rows) == (features, by_rows)
    assert f"| late | {', '.join(features) or 'none'} |" in markdown(found)


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("stg", STAGING.replace(" from ", "\nfrom ")),
        ("late_features", "select id, at, weight, UPPER(t.kind) as kind, is_late from db.main.stg as t"),
        ("late_features", FEATURES.replace("with s", "with r").replace("from s", "from (select * from r) as s")),
    ],
)
def test_another_spelling_touches_nothing(name: str, sql: str) -> None:
    now = project()
    now["nodes"][f"model.host.{name}"]["compiled_code"] = sql
    found = compare(traced(project(), {}), traced(now, {}))
    assert not found.changes
    assert "touches no column" in markdown(found)


def test_what_no_model_reads_touches_none() -> None:
    found = touched("report", "count(*)", "count(kind)")
    assert not found.models
    assert "touches no feature" in markdown(found)


def test_nodes_that_come_and_go() -> None:
    now = project()
    del now["nodes"]["model.host.report"]
    now["nodes"]["model.host.extra"] = node("extra", "select kind from db.main.stg", "model.host.stg")
    found = compare(traced(project(), {}), traced(now, {}))
    assert [(each.node, each.kind, each.columns) for each in found.changes] == [
        ("extra", "added", ("kind",)),
        ("report", "removed", ("kind", "n")),
    ]
    assert not found.models


def test_code_of_the_training_and_a_removed_source_column() -> None:
    now = project()
    now["nodes"]["model.host.late_training"]["raw_code"] += " changed"
    del now["sources"]["source.host.shop.orders"]["columns"]["spare"]
    found = compare(traced(project(), {}), traced(now, {}))
    assert [(each.node, each.why) for each in found.changes] == [("late_training", "code"), ("shop.orders", "columns")]
    assert "late_predictions" in found.reached


def test_features_and_ways_of_a_project_that_is_not_built() -> None:
    lineage = traced(project(), {}, cache=Cache())
    assert [each.features for each in lineage.models] == [("weight", "kind")]
    found = answer(lineage, "shop.orders.weight", rows=False)
    assert found.models == {"late": ("weight",)}
    assert [step.column for step in answer(lineage, "late.kind", rows=False).comes_from] == ["shop.orders.kind"]
    assert "late_predictions.probability" in [step.column for step in found.goes_to]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"x": ["stgg.id"]}, "which is no column of a node that it refers to: 'stg'. Did you mean 'stg'?"),
        ({"x": "stg.id"}, "must name for each column a list"),
        ({"*": ["stg.id"]}, "expected every column of a node"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(declared: object, message: str) -> None:
    wrong = project()
    python = node("python", None, "model.host.stg", meta={"mlbridge": {"lineage": declared}})
    wrong["nodes"]["model.host.python"] = python
    with pytest.raises(SetupError) as raised:
        traced(wrong, {})
    assert message in str(raised.value)


def test_a_cache_keeps_what_is_only_a_part_of_a_value(tmp_path: Any) -> None:
    source = Relation("source.raw", (None, "raw", "trips"), columns={"id": "int", "v": "int"})
    sql = "with g as (select id // 10 as k, max(v) as v from raw.trips group by 1) "
    sql += "select t.id, t.id % 7 as part, g.v from raw.trips as t left join g on g.k = t.id // 10"
    relations = [source, Relation("model.made", (None, "main", "made"), sql, {}, ("source.raw",))]
    first, second = (trace(relations, "duckdb", Cache(tmp_path / "cache.json")) for _ in range(2))
    assert second.edges == first.edges
    assert [each.column for each in second.edges if each.is_part and each.is_value] == ["part"]
    compared = {each.column: {move.compared for move in moves(each.conditions)} for each in second.edges}
    assert compared["v"] == {("part",)}


def test_a_cache_gives_the_same_and_a_broken_one_is_ignored(tmp_path: Any) -> None:
    file = tmp_path / "cache.json"
    first = traced(project(), {}, cache=Cache(file)).lineage
    assert traced(project(), {}, cache=Cache(file)).lineage == first
    changed = copy.deepcopy(project())
    changed["nodes"]["model.host.stg"]["compiled_code"] = STAGING.replace("kind", "spare as kind")
    assert traced(changed, {}, cache=Cache(file)).lineage.edges == traced(changed, {}).lineage.edges
    for text in ("{", "[]", '{"format": 1}', '{"format": 1, "nodes": [1]}', '{"format": 99, "nodes": {}}'):
        file.write_text(text)
        assert traced(project(), {}, cache=Cache(file)).lineage == first
    file.write_text(file.read_text().replace('"edges"', '"edgy"'))
    assert traced(project(), {}, cache=Cache(file)).lineage == first
