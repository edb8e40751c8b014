"""`mlbridge graft` and `ungraft` on a project with a style of its own: it builds without an edit, and is as before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from difflib import ndiff
from pathlib import Path

import duckdb
import pytest
import yaml
from click.testing import CliRunner, Result
from dbt_host import ROOT, SHOP, Host, copy_of_host, once
from host_state import state
from warm import Warm

from mlbridge.cli import main
from mlbridge.grafting.names import nodes_of

# The second host without its branch, with two model paths, four spaces, schemas by its own rule, and another package.
FILES = {
    "dbt_project.yml": (
        "name: 'shop'   # the tills\nversion: '1.0.0'\nprofile: 'shop'\n\nmodel-paths: ['models', 'more_models']\n\n"
        "models:\n    shop:\n        staging:\n            +materialized: view\n        marts:\n"
        "            +materialized: table\n            +schema: trade\n\n# The end.\n"
    ),
    "dependencies.yml": "packages:\n    - local: utils\n",
    "utils/dbt_project.yml": "name: utils\nversion: 1.0.0\n",
    "utils/models/days.sql": "select 1 as day\n",
    "macros/generate_schema_name.sql": (
        "{% macro generate_schema_name(custom_schema_name, node) -%}\n"
        "    {{ (custom_schema_name or target.schema) | trim }}\n{%- endmacro %}\n"
    ),
    "more_models/ml/readme.md": "What our models predict.\n",
}
QUESTION = ("--from", "weeks", "--target", "next_amount", "--entity", "shop", "--entity", "customer_id",
            "--time", "week_from", "--label-time", "next_known_at")  # fmt: skip


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """The host without a branch, built."""

    def build(folder: Path) -> Host:
        host = Host(folder / "shop", folder / "shop" / "shop.duckdb")
        shutil.copytree(SHOP, host.path, ignore=shutil.ignore_patterns("ml"))
        duckdb.sql((host.path / "orders.sql").read_text()).write_parquet(str(host.path / "orders.parquet"))
        host.write(FILES)
        warm.dbt(host.path, "deps")
        warm.dbt(host.path, "build")
        return host

    return once(tmp_path_factory, "trunk_of_the_shop", build)


@pytest.fixture
def run() -> Callable[..., Result]:
    def invoke(host: Host, *args: str) -> Result:
        return CliRunner().invoke(main, [*args, "--project-dir", str(host.path)])

    return invoke


def test_it_builds_without_an_edit_and_goes_without_a_trace(
    trunk: Host, run: Callable[..., Result], warm: Warm, tmp_path: Path
) -> None:
    host = copy_of_host(trunk, tmp_path)
    warm.dbt(host.path, "parse")  # as the state reads it
    before = state(host.path)
    shown = run(host, "graft", "amount", *QUESTION, "--sql", "--schema", "lab", "--package", str(ROOT), "--apply")
    assert shown.exit_code == 0, shown.output
    folder = host.path / "more_models" / "ml" / "amount"
    text = (folder / "amount.yml").read_text()
    (training,) = (each for each in yaml.safe_load(text)["models"] if each["name"] == "amount_training")
    assert training["config"]["meta"]["mlbridge"]["entity"] == ["shop", "customer_id"]
    lines = ndiff(FILES["dbt_project.yml"].splitlines(), (host.path / "dbt_project.yml").read_text().splitlines())
    assert {line[0] for line in lines} == {" ", "+"}
    early = json.loads(run(host, "ungraft", "amount", "--format", "json").stdout)  # before `dbt deps` has run
    assert (early["last"], early["relations"]) == (True, [])
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, "parse")
    shown = run(host, "graft", "spend", *QUESTION, "--apply")
    assert shown.exit_code == 0, shown.output
    assert (folder.parent / "spend" / "spend_predictions.py").exists()
    warm.dbt(host.path, "build")
    assert host.rows("select model, version from lab.ml_champions order by 1") == [("amount", 1), ("spend", 1)]
    assert host.rows("select distinct scored_by from lab.amount_predictions") == [("sql",)]
    assert {schema for (schema,) in host.rows("select distinct table_schema from information_schema.tables")} == {
        "main", "trade", "lab"
    }  # fmt: skip

    both = state(host.path)["rows"]
    planned = json.loads(run(host, "ungraft", "amount", "--format", "json", "--apply").stdout)
    assert (planned["written"], planned["last"], planned["published"]) == (True, False, None)
    assert planned["relations"] == [f"lab.{name}" for name in nodes_of("amount")]
    assert planned["rows"]["lab.ml_distributions"] > 0
    own = "more_models/amount_features.sql"  # the project has a node of this name again, in the same place
    host.write({own: "{{ config(schema='lab') }} select 1 as mine\n"})
    # In a process of its own: dbt keeps the warehouse of this one open.
    output = warm.mlbridge(host.path, "ungraft", "amount", "--drop", "--apply")
    assert "lab.amount_training: dropped" in output
    assert "amount_features: stays, because a node of the project has this name" in output
    assert host.rows("select count(*) > 0 from lab.amount_features") == [(True,)]
    (host.path / own).unlink()
    with duckdb.connect(str(host.database)) as warehouse:
        warehouse.execute("drop table lab.amount_features")
    warm.dbt(host.path, "build", "--exclude-resource-type", "test")
    left = state(host.path)["rows"]
    assert left.keys() == {each for each in both if each[1] not in nodes_of("amount")}
    for name in ("spend_features", "spend_predictions", "ml_scores_spend"):
        assert left["main", name, "BASE TABLE"] == both["main", name, "BASE TABLE"]
    assert host.rows("select model, version from lab.ml_champions") == [("spend", 1)]

    project = host.path / "dbt_project.yml"  # the model is taken out of the vars by hand
    project.write_text(project.read_text().replace("vars:\n    mlbridge_models: [spend]\n", ""))
    warm.dbt(host.path, "parse")
    planned = json.loads(run(host, "ungraft", "spend", "--format", "json").stdout)
    assert not planned["written"]
    assert {"main.spend_training", "lab.ml_health"} <= {*planned["relations"]}
    assert planned["published"].endswith("shop.duckdb.published/dev")
    assert "main.spend_training: dropped" in warm.mlbridge(host.path, "ungraft", "spend", "--drop", "--apply")
    shutil.rmtree(host.path / "shop.duckdb.published")
    shutil.rmtree(host.path / "dbt_packages")
    shutil.rmtree(host.path / "target")
    (host.path / "package-lock.yml").unlink()
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, "parse")
    assert state(host.path) == before


def written(host: Host) -> dict[Path, int]:
    """Say when each file and folder of a project was written; the rights are tried on the warehouse itself."""
    files = [path for path in host.path.rglob("*") if not path.name.startswith(host.database.name)]
    return {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--from", "wekes"), "Did you mean 'weeks'?"),
        (("--from", "weeks", "--target", "next_amout"), "Did you mean 'next_amount'?"),
        (("--from", "days"), "'days' is not in the warehouse"),
        (("--from", "weeks", "--package", "../nowhere"), "holds no dbt package mlbridge"),
    ],
)
def test_a_wrong_question_is_misuse_and_nothing_is_written(
    trunk: Host, run: Callable[..., Result], tmp_path: Path, args: tuple[str, ...], words: str
) -> None:
    host = copy_of_host(trunk, tmp_path)
    if "days" in args:
        with duckdb.connect(str(host.database)) as warehouse:
            warehouse.execute("drop view days")
    before = written(host)
    shown = run(host, "graft", "amount", *args, "--apply")
    assert isinstance(shown.exception, SystemExit)
    assert (shown.exit_code, words in shown.output) == (2, True), shown.output
    assert written(host) == before


def test_a_project_that_does_not_parse_is_misuse(trunk: Host, run: Callable[..., Result], tmp_path: Path) -> None:
    host = copy_of_host(trunk, tmp_path)
    shutil.rmtree(host.path / "target")
    host.write({"models/broken.sql": "select {{ ref('weeks' }}"})
    shown = run(host, "graft", "amount", *QUESTION, "--apply")
    assert shown.exit_code == 2
    assert "dbt cannot parse the project" in shown.output
    assert not (host.path / "mlbridge-graft.json").exists()
