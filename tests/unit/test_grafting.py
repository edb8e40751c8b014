"""`mlbridge graft` and `ungraft` over projects in many styles; what the warehouse would say is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlglot
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_projects import IGNORED, PACKAGES, PLAIN, PROJECTS

from mlbridge.errors import GraftError
from mlbridge.grafting import graft as grafting
from mlbridge.grafting import ungraft as ungrafting
from mlbridge.grafting.changes import Change, write
from mlbridge.grafting.description import Described
from mlbridge.grafting.features import features_sql
from mlbridge.grafting.graft import Graft
from mlbridge.grafting.names import LONGEST, check_name, nodes_of
from mlbridge.grafting.own_files import Wish
from mlbridge.grafting.package import names_package, package_entry, package_file
from mlbridge.grafting.record import Record
from mlbridge.grafting.style import SqlStyle
from mlbridge.project.project import Project
from mlbridge.project.yaml_style import YamlStyle
from mlbridge.readiness.assessment import Assessment, Question, Relation
from mlbridge.readiness.settled import Choice

COLUMNS = {
    "order_id": "BIGINT",
    "ordered_at": "TIMESTAMP",
    "is_late": "BOOLEAN",
    "delivered_at": "TIMESTAMP",
    "order": "VARCHAR",
    'odd "x"': "INTEGER",
    "due": "DATE",
    "{{ evil }}": "INTEGER",
    "tags": "VARCHAR[]",
}
PROFILE = "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n"


def named(*columns: str) -> Choice:
    return Choice(columns, "named", proposed=False)


ORDERS = Assessment(
    relation=Relation("fct_orders", "model.shop.fct_orders", "shop", "main", "fct_orders"),
    columns=COLUMNS,
    target=named("is_late"),
    entity=named("order_id"),
    time=named("ordered_at"),
    label_time=named("delivered_at"),
    task=named("classification"),
    as_of=datetime(2024, 1, 1),
    suspected={"due": "it says {{ what }}\n-- or drop table x"},
    unusable={"tags": "a list"},
)


def node(name: str, path: str, **config: Any) -> dict[str, Any]:
    found = {"name": name, "unique_id": f"model.shop.{name}", "package_name": "shop", "resource_type": "model"}
    found |= {"alias": name}
    return found | {"original_file_path": path, "config": config, "columns": {}, "depends_on": {"nodes": []}}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Project]:
    """Write a project that has the orders; what dbt parsed and the assessment are given."""
    manifest: dict[str, Any] = {"nodes": {}, "sources": {}, "exposures": {}}

    def made(files: dict[str, str | None], *more: dict[str, Any]) -> Project:
        for name, text in {"models/marts/fct_orders.sql": "select 1", "profiles.yml": PROFILE, **files}.items():
            if text is not None:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_bytes(text.encode())
        for each in (node("fct_orders", "models/marts/fct_orders.sql"), *more):
            manifest["nodes"][each["unique_id"]] = each
        return Project.at(tmp_path, None, None)

    for module in (grafting, ungrafting):
        monkeypatch.setattr(module, "read_or_make", lambda _: manifest)
    monkeypatch.setattr(grafting, "assess", lambda *_, **__: ORDERS)
    monkeypatch.setattr(grafting, "_ignored", lambda _: ("*.duckdb",))
    monkeypatch.setattr(Project, "credentials", type("Credentials", (), {"type": "duckdb"}))
    return made


def files(folder: Path) -> dict[str, bytes | None]:
    found = sorted(each for each in folder.rglob("*") if "logs" not in each.parts)
    return {str(each.relative_to(folder)): each.read_bytes() if each.is_file() else None for each in found}


def unreported(*_: object) -> None:
    """Take what is reported, and say nothing."""


def grafted(project: Project, name: str = "late", **how: Any) -> Graft:
    return grafting.graft(project, Wish(name, Question("fct_orders"), **how), unreported).apply(project.path)


def ungrafted(project: Project, name: str = "late", force: bool = False) -> ungrafting.Ungraft:
    return ungrafting.ungraft(project, name, force).apply(project.path)


STYLES = [*zip(PROJECTS, [*PACKAGES, *PACKAGES], [*IGNORED] * 6, strict=False)]


@pytest.mark.parametrize(("project", "packages", "ignored"), STYLES)
def test_graft_and_ungraft_leave_every_file_as_it_was(
    host: Callable[..., Project], project: str, packages: str, ignored: str
) -> None:
    shop = host(
        {"dbt_project.yml": PROJECTS[project], "packages.yml": PACKAGES[packages], ".gitignore": IGNORED[ignored]}
    )
    before = files(shop.path)
    grafted(shop)
    one = files(shop.path)
    assert set(before) < set(one)
    grafted(shop, "risk", sql=True, schema="ml")
    ungrafted(shop, "risk")
    assert files(shop.path) == one
    grafted(shop, "risk")
    ungrafted(shop, "late")
    assert not [name for name in files(shop.path) if "late" in name]
    ungrafted(shop, "risk")
    assert files(shop.path) == before


def test_it_takes_over_the_style_of_the_project(host: Callable[..., Project]) -> None:
    shop = host(
        {
            "dbt_project.yml": PLAIN + "model-paths: [models, ml-models]\n",
            "dependencies.yml": "packages:\n    - local: utils\n",
            "models/marts/fct_orders.sql": 'SELECT\n  a\n  , b\nFROM {{ ref("x") }}\n',
            "models/marts/marts.yaml": "models:\n-   name: 'fct_orders'\n    config:\n      tags: [a]\n",
        }
    )
    done = {change.path: change for change in grafted(shop, schema="ml").changes}
    features = done["ml-models/late/late_features.sql"].after or ""
    assert "\nSELECT\n  -- The key" in features
    assert "\n  , is_late\n" in features
    assert 'FROM {{ ref("fct_orders") }}\n' in features or "FROM {{ ref('fct_orders') }}\n" in features
    described = done["ml-models/late/late.yaml"].after or ""
    assert "\n-   name: late_split\n" in described
    assert "\n    config:\n      materialized: table\n      schema: ml\n" in described
    assert done["dependencies.yml"].diff.count("\n+") == 2  # the header's, and one line
    assert "packages.yml" not in done


def test_edited_files_stay_unless_forced(host: Callable[..., Project]) -> None:
    shop = host({"dbt_project.yml": PLAIN})
    before = files(shop.path)
    grafted(shop)
    mine = shop.path / "models/ml/late/late_features.sql"
    mine.write_text("select 1 as mine")
    planned = ungrafting.ungraft(shop, "late", force=False)
    assert planned.edited == ("models/ml/late/late_features.sql",)
    assert mine.read_text() == "select 1 as mine"
    planned.apply(shop.path)
    ours = {"models/ml", "models/ml/late", "models/ml/late/late_features.sql"}
    assert set(files(shop.path)) == set(before) | ours
    mine.unlink()
    mine.parent.rmdir()
    mine.parent.parent.rmdir()
    grafted(shop)
    mine.write_text("select 1 as mine")
    ungrafted(shop, force=True)
    assert files(shop.path) == before


def test_lines_that_the_user_has_edited_are_left_to_people(host: Callable[..., Project]) -> None:
    shop = host({"dbt_project.yml": PLAIN})
    grafted(shop)
    path = shop.path / "dbt_project.yml"
    path.write_text(path.read_text().replace("[late]", "[late]  # ours"))
    before = files(shop.path)
    with pytest.raises(GraftError, match=r"'dbt_project\.yml' has been edited in the lines that the branch has there"):
        ungrafting.ungraft(shop, "late", force=True)
    assert files(shop.path) == before
    path.write_text(PLAIN)
    assert ungrafted(shop).last
    assert path.read_text() == PLAIN
    assert not (shop.path / "packages.yml").exists()


def test_a_model_whose_tables_remain_stays_in_the_record_until_they_are_dropped(host: Callable[..., Project]) -> None:
    shop = host({"dbt_project.yml": PLAIN})
    before = files(shop.path)
    grafted(shop, "risk")
    one = files(shop.path)
    grafted(shop, "late", schema="lab")
    ungrafting.ungraft(shop, "late", force=False).remembered().apply(shop.path)
    later = ungrafting.ungraft(shop, "late", force=False)
    lab = dict.fromkeys(nodes_of("late"), "lab")
    assert (later.schemas, later.last) == ({"late": lab}, False)
    assert [change.path for change in later.changes] == ["mlbridge-graft.json"]
    assert later.remembered().changes == ()
    last = ungrafting.ungraft(shop, "risk", force=False)
    assert (last.schemas, last.last) == ({"risk": {}, "late": lab}, True)
    later.apply(shop.path)
    assert files(shop.path) == one
    ungrafting.ungraft(shop, "risk", force=False).remembered().apply(shop.path)
    assert files(shop.path) == before


def test_the_record_says_which_schemas_the_nodes_have_had(host: Callable[..., Project]) -> None:
    shop = host({"dbt_project.yml": PLAIN + "models: {+schema: all, shop: {lab: {+schema: lab}}}\n"})
    grafted(shop, "late")
    grafted(shop, "risk")
    assert ungrafting.ungraft(shop, "late", force=False).schemas == {"late": dict.fromkeys(nodes_of("late"), "all")}
    host({}, node("ml_scores_late", "models/ml/late/ml_scores_late.sql", schema="marts"))
    parsed = dict.fromkeys(nodes_of("late"), "all") | {"ml_scores_late": "marts"}
    ungrafting.ungraft(shop, "late", force=False).remembered().apply(shop.path)
    record = Record.of(shop.path)
    assert record is not None
    assert record.schemas == {"late": parsed, "risk": dict.fromkeys(nodes_of("risk"), "all")}


def test_a_model_is_remembered_while_one_written_by_hand_remains(host: Callable[..., Project]) -> None:
    shop = host({"dbt_project.yml": PLAIN})
    grafted(shop)
    path = shop.path / "dbt_project.yml"
    path.write_text(path.read_text().replace("[late]", "[late, churn]"))
    ungrafting.ungraft(shop, "late", force=False).remembered().apply(shop.path)
    assert "mlbridge_models: [churn]" in path.read_text()
    later = ungrafted(shop)
    assert ([*later.schemas], later.last) == (["late"], False)
    assert not (shop.path / "mlbridge-graft.json").exists()


def test_a_model_that_was_declared_by_hand_keeps_the_package(host: Callable[..., Project]) -> None:
    shop = host({"dbt_project.yml": PLAIN})
    grafted(shop)
    path = shop.path / "dbt_project.yml"
    path.write_text(path.read_text().replace("[late]", "[late, churn]"))
    assert not ungrafted(shop).last
    assert "mlbridge_models: [churn]" in path.read_text()
    assert "require_ref_searches_node_package_before_root: true" in path.read_text()
    assert (shop.path / "packages.yml").exists()


def test_who_reads_the_model_is_named(host: Callable[..., Project]) -> None:
    shop = host({"dbt_project.yml": PLAIN})
    grafted(shop)
    reader = node("report", "models/report.sql") | {"depends_on": {"nodes": ["model.shop.ml_scores_late"]}}
    host({}, node("ml_scores_late", "models/ml/late/ml_scores_late.sql"), reader)
    assert ungrafting.ungraft(shop, "late", force=False).readers == ("report",)


def test_where_no_python_models_run_all_nodes_are_sql(
    host: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = host({"dbt_project.yml": PLAIN})
    monkeypatch.setattr(Project, "credentials", type("Credentials", (), {"type": "postgres"}))
    planned = grafting.graft(shop, Wish("late", Question("fct_orders")), unreported)
    nodes = {Path(each.path).name: each.after for each in planned.changes}
    assert nodes["late_training.sql"] == "{{ mlbridge.training(ref('late_split')) }}\n"
    assert nodes["late_predictions.sql"] == "{{ mlbridge.predict(ref('late_split'), ref('late_training')) }}\n"


@pytest.mark.parametrize("broken", range(10))
def test_a_write_that_fails_undoes_those_before_it(
    host: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    shop = host({"dbt_project.yml": PLAIN, ".gitignore": "a"})
    before = files(shop.path)
    planned = grafting.graft(shop, Wish("late", Question()), unreported)
    assert len(planned.changes) == 10
    replace_file, count = Path.replace, iter(range(100))

    def replaced(self: Path, target: Path) -> Path:
        if next(count) == broken:
            raise OSError(28, "No space left on device", str(target))
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", replaced)
    with pytest.raises(GraftError, match=r"cannot be written: No space left on device\. Nothing is changed"):
        planned.apply(shop.path)
    assert files(shop.path) == before


def test_a_file_that_changes_in_the_meantime_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("2")
    with pytest.raises(GraftError, match="'a' has changed in the meantime"):
        write(tmp_path, [Change("b/c", None, "new"), Change("a", "1", "3")])
    assert files(tmp_path) == {"a": b"2"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("late arrival", "cannot be the name of a model"),
        ("1late", "cannot be the name of a model"),
        ("späte", "cannot be the name of a model"),
        ("", "cannot be the name of a model"),
        ("x" * (LONGEST + 1), f"a model's name may have {LONGEST}"),
        ("fct", "has 'fct_features' already, in 'models/fct_features.sql'"),
        ("Churn", "is declared already"),
    ],
)
def test_a_name_that_cannot_be_is_refused(host: Callable[..., Project], name: str, message: str) -> None:
    shop = host(
        {"dbt_project.yml": PLAIN + "vars: {mlbridge_models: [churn]}\n"},
        node("fct_features", "models/fct_features.sql"),
    )
    before = files(shop.path)
    with pytest.raises(GraftError, match=message):
        grafted(shop, name)
    assert files(shop.path) == before
    check_name("x" * LONGEST)


def test_files_that_are_there_already_are_refused(host: Callable[..., Project]) -> None:
    shop = host({"dbt_project.yml": PLAIN, "models/ml/late/late_split.sql": "select 1"})
    with pytest.raises(GraftError, match=r"there is a file 'models/ml/late/late_split\.sql' already"):
        grafted(shop)
    with pytest.raises(GraftError, match=r"says nothing of a model 'late'\. Grafted: none"):
        ungrafted(shop)


def test_text_that_is_no_utf8_is_refused(host: Callable[..., Project]) -> None:
    shop = host({"dbt_project.yml": PLAIN})
    (shop.path / ".gitignore").write_bytes(b"\xff")
    with pytest.raises(GraftError, match=r"'\.gitignore' is no text in UTF-8"):
        grafted(shop)


@pytest.mark.parametrize("style", [SqlStyle(), SqlStyle("\t", True, True, '"')])
@pytest.mark.parametrize("type_", ["TIMESTAMP", "TIMESTAMP WITH TIME ZONE"])
def test_the_features_are_one_select_of_the_usable_columns(style: SqlStyle, type_: str) -> None:
    found = replace(ORDERS, columns=COLUMNS | {"ordered_at": type_})
    text = features_sql(found, "ref('fct_orders')", style, "duckdb")
    assert text.count("{{") == 1
    query = sqlglot.parse_one(text.replace("{{ ref('fct_orders') }}", "fct_orders"), dialect="duckdb")
    assert query.named_selects == ["order_id", "ordered_at", "is_late", "delivered_at", "order", 'odd "x"']
    assert "--   due: it says" in text
    assert "--   tags: a list" in text
    assert ("AT TIME ZONE 'UTC'" in text) is (type_ != "TIMESTAMP")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12)
STYLE = st.builds(
    YamlStyle,
    st.sampled_from([2, 4]),
    st.sampled_from([0, 2, 4]),
    st.sampled_from("'\""),
    st.booleans(),
    st.sampled_from([2, 4]),
)


@settings(max_examples=20)
@given(STYLE, st.dictionaries(st.sampled_from(sorted(COLUMNS)), TEXTS), st.sampled_from([None, "ml", "null"]))
def test_the_yaml_says_the_same_in_every_style(style: YamlStyle, described: dict[str, str], schema: str | None) -> None:
    text = Described("late", ORDERS, schema, described).text(style)
    found, plain = yaml.safe_load(text), Described("late", ORDERS, schema, described).text(YamlStyle())
    assert found == yaml.safe_load(plain)
    spec = found["models"][2]["config"]["meta"]["mlbridge"]
    assert spec == {
        "task": "classification", "target": "is_late", "entity": "order_id", "time": "ordered_at",
        "label_time": "delivered_at",
    }  # fmt: skip
    assert all(each["config"].get("schema") == schema for each in found["models"])


def test_the_entry_of_the_package(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    assert (tmp_path / package_entry(tmp_path, None)["local"]).resolve() == root
    assert package_entry(tmp_path, str(root)) == {"local": str(root)}
    assert package_entry(tmp_path, "https://host/a/mlbridge.git@v1.0") == {
        "git": "https://host/a/mlbridge.git", "revision": "v1.0"
    }  # fmt: skip
    assert package_entry(tmp_path, "git@host:a/mlbridge.git") == {"git": "git@host:a/mlbridge.git"}
    with pytest.raises(GraftError, match="holds no dbt package mlbridge"):
        package_entry(tmp_path, "../nowhere")
    for text in (f"packages: [{{local: '{root}'}}]", "packages: [{git: 'https://host/a/mlbridge.git', revision: x}]"):
        assert names_package(tmp_path, text, "packages.yml")
    assert not names_package(tmp_path, "packages: [{package: dbt-labs/dbt_utils}]", "packages.yml")
    assert package_file(None, None) == "packages.yml"
    assert package_file(None, "projects: []") == "dependencies.yml"
    assert package_file("packages: []", "packages: []") == "dependencies.yml"
    assert package_file("packages: []", "projects: []") == "packages.yml"
