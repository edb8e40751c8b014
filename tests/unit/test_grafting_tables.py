"""Which tables `mlbridge ungraft --drop` takes: those of the models, wherever they are, and none of the project's."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from assessed import node, shop_project

from mlbridge.commands.ungraft import ungraft
from mlbridge.grafting import ungraft as ungrafting
from mlbridge.grafting.names import nodes_of
from mlbridge.grafting.record import Record
from mlbridge.grafting.remains import Removal
from mlbridge.grafting.shared import Shared
from mlbridge.project.project import Project
from mlbridge.project.schemas import schemas_of

PROJECT = "name: shop\nversion: 1.0.0\nprofile: shop\n"
SHARED = Shared("packages.yml", None, None, ())
ORIGINALS = {"dbt_project.yml": PROJECT, "packages.yml": None, ".gitignore": None}
REPORT = "models/report.sql"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Write a project from which `late` was taken away, its tables in `main_lab` left, while `risk` remains.

    Its edited features have stayed and are read by a report, and a seed has the name of its split since.
    """
    features, split = "models/late_features.sql", "seeds/Late_Split.csv"
    lab = {"materialized": "table", "schema": "lab"}
    nodes = [
        node("late_features", "main_lab", "shop", original_file_path=features),
        node("splits", "main_lab", "shop", resource_type="seed", alias="Late_Split", original_file_path=split),
        node("late_training", "main_lab", "shop", original_file_path="models/of_the_last_parse.py", config=lab),
        node("report", "main", "shop", original_file_path=REPORT, depends_on={"nodes": ["model.shop.late_features"]}),
        *(node(name, "main", "shop", original_file_path=f"models/{name}.sql") for name in nodes_of("risk")),
    ]
    project = shop_project(tmp_path, nodes)
    record = Record(SHARED, ORIGINALS)
    record = record.with_model("late", {}, (), dict.fromkeys(nodes_of("late"), "lab"))
    record = record.with_model("risk", {f"models/{name}.sql": "" for name in nodes_of("risk")}, (), {})
    for name in (features, split, REPORT):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "mlbridge-graft.json").write_text(record.text)
    declare(project, "risk")
    monkeypatch.setattr(ungrafting, "read_or_make", lambda found: found.manifest)
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as warehouse:
        warehouse.execute("create schema main_lab")
        for table in (*(f"main_lab.{name}" for name in nodes_of("late")), *nodes_of("risk")):
            warehouse.execute(f"create table {table} as select 1 as x")
    return project


def declare(project: Project, *models: str) -> None:
    (project.path / "dbt_project.yml").write_text(SHARED.with_models(ORIGINALS, models)["dbt_project.yml"] or "")


def planned(project: Project, model: str) -> Removal:
    return ungraft(Project.at(project.path, None, None), model, force=False, drop_tables=True, write=False)


def recorded(done: Removal) -> dict[str, object]:
    (record,) = (each for each in done.files.changes if each.path == "mlbridge-graft.json")
    return {} if record.after is None else dict(Record.of_text(record.after).files)


def test_a_table_stays_if_the_project_has_a_node_of_its_name(shop: Project) -> None:
    theirs = [f"main_lab.{name}" for name in ("late_training", "late_predictions", "ml_scores_late")]
    later, last = planned(shop, "late"), planned(shop, "risk")
    assert later.files.kept == last.files.kept == ("late_features", "late_split")
    assert [*later.remains.relations] == theirs
    assert [*last.remains.relations] == [*(f"main.{name}" for name in nodes_of("risk")), *theirs]
    assert {name for *_, name in later.remains.places} == {*nodes_of("late")} - {"late_features", "late_split"}
    assert later.files.readers == ()  # the report reads what stays
    assert recorded(later).keys() == {"risk"}


def test_the_table_of_an_edited_file_stays_with_it_unless_forced(shop: Project) -> None:
    (shop.path / "models/risk_features.sql").write_text("select 1 as mine")
    done = planned(shop, "risk")
    assert done.files.edited == ("models/risk_features.sql",)
    assert "risk_features" in done.files.kept
    assert "main.risk_split" in done.remains.relations
    assert not [each for each in (*done.remains.relations, *map(str, done.remains.places)) if "risk_features" in each]
    forced = ungraft(Project.at(shop.path, None, None), "risk", force=True, drop_tables=True, write=False)
    assert "main.risk_features" in forced.remains.relations
    assert "risk_features" not in forced.files.kept


def test_a_model_whose_tables_are_not_found_stays_in_the_record(shop: Project) -> None:
    with duckdb.connect(str(shop.path / "shop.duckdb")) as warehouse:
        warehouse.execute("create schema elsewhere")
        for name in nodes_of("late"):
            warehouse.execute(f"create table elsewhere.{name} as from main_lab.{name}")
        warehouse.execute("drop schema main_lab cascade")
    done = planned(shop, "late")
    assert done.remains.relations == ()
    assert recorded(done).keys() == {"late", "risk"}
    declare(shop, "risk", "churn")  # the second one by hand
    assert recorded(planned(shop, "risk")).keys() == {"late"}


def test_a_schema_that_depends_on_the_target_is_looked_for_too(shop: Project) -> None:
    rule = "{+schema: \"{{ 'far' if target.name == 'dev' else 'lab' }}\"}"
    with (shop.path / "dbt_project.yml").open("a") as file:
        file.write(f"models: {{shop: {{ml: {rule}}}}}\n")
    with duckdb.connect(str(shop.path / "shop.duckdb")) as warehouse:
        warehouse.execute("create schema main_far; create table main_far.late_predictions as select 1 as x")
    found = [*planned(shop, "late").remains.relations]
    assert found[1:3] == ["main_lab.late_predictions", "main_far.late_predictions"]
    assert len(found) == 4


@pytest.mark.parametrize(
    ("models", "schemas"),
    [
        ("{+schema: all}", ["main_all", "main_all"]),
        ("{schema: all, mlbridge: {+schema: ml}}", ["main_all", "main_ml"]),
        ("{+schema: all, shop: {ml: {+schema: null}}}", ["main", "main_all"]),
        ("{+schema: all, shop: {ml: {late_split: {+schema: own}}}}", ["main_own", "main_all"]),
    ],
)
def test_a_schema_is_that_of_the_innermost_folder_or_of_all_models(
    tmp_path: Path, models: str, schemas: list[str]
) -> None:
    project = shop_project(tmp_path, [])
    with (tmp_path / "dbt_project.yml").open("a") as file:
        file.write(f"models: {models}\n")
    asked = [("late_split", "shop", None), ("ml_runs", "mlbridge", None)]
    assert schemas_of(project, project.manifest, asked) == schemas
