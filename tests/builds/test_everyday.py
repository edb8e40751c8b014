"""The commands of everyday dbt over a host with the branch: each gives the right result, or one clear sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
import yaml
from dbt_host import Host, copy_of_host, specify
from warm import Warm

from mlbridge.commands.doctor import run_checks
from mlbridge.commands.versions import leaderboard
from mlbridge.project.project import Project


@pytest.fixture
def host(shop: Host, tmp_path: Path) -> Host:
    return copy_of_host(shop, tmp_path)


def logged(host: Host, table: str) -> list[tuple[int]]:
    return host.rows(f"select count(*) from main_lab.{table}")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"split": {"by": "hash"}}, "`split.by` was time and is hash"),
        ({"split": {"test": 0.3}}, "`split.test` was "),
        ({"label_time": "week_from"}, "`label_time` was "),
    ],
)
@pytest.mark.parametrize("stage", ["training", "predictions"])
def test_a_split_of_another_spec_is_neither_trained_nor_scored(
    host: Host, warm: Warm, stage: str, changed: dict[str, object], words: str
) -> None:
    before = logged(host, f"amount_{stage}")
    specify(host, "amount", **changed)
    output = warm.dbt(host.path, "build", "--select", f"amount_{stage}", ok=False)
    assert f"amount_{stage}: amount_split was made from another spec: {words}" in output
    assert "Build it as well: `dbt build --select amount_split+`" in output
    assert logged(host, f"amount_{stage}") == before


def test_the_split_built_as_well_is_trained_on(host: Host, warm: Warm) -> None:
    specify(host, "amount", split={"by": "hash"})
    warm.dbt(host.path, "run", "--select", "amount_split", "amount_training")
    ((version, spec),) = host.rows(
        "select version, spec from main_lab.amount_training where version is not null order by trained_at desc limit 1"
    )
    assert version == 2
    assert '"by": "hash"' in spec


def test_a_split_of_a_later_clock_is_not_trained_on(host: Host, warm: Warm) -> None:
    variables = "{mlbridge_as_of: 2024-05-15, mlbridge_retrain: true}"
    output = warm.dbt(host.path, "run", "--select", "amount_training", "--vars", variables, ok=False)
    assert "it holds what was not known then" in output
    warm.dbt(host.path, "run", "--select", "amount_split", "amount_training", "--vars", variables)


HISTORY = ("ml_runs", "ml_distributions", "ml_realized")


def configured(host: Host, **settings: object) -> None:
    """Configure all models in the host's dbt_project.yml, or those of the package."""
    path = host.path / "dbt_project.yml"
    declared = yaml.safe_load(path.read_text())
    of_package = {f"+{key}": value for key, value in settings.items()}
    declared["models"]["mlbridge"].update(of_package)
    path.write_text(yaml.safe_dump(declared))


@pytest.mark.parametrize(
    ("settings", "refusing"),
    [
        ({"materialized": "table"}, HISTORY),
        ({"materialized": "view"}, ("ml_runs", "ml_windows")),
        ({"incremental_strategy": "append"}, ("ml_distributions", "ml_realized")),
        ({"unique_key": "model"}, ("ml_distributions", "ml_realized")),
        ({"full_refresh": True}, HISTORY),
    ],
)
def test_a_setting_that_would_destroy_history_is_refused(
    host: Host, warm: Warm, settings: dict[str, object], refusing: tuple[str, ...]
) -> None:
    before = {name: host.rows(f"from main_insight.{name} order by all") for name in HISTORY}
    configured(host, **settings)
    output = warm.dbt(host.path, "run", "--select", *HISTORY, "ml_windows", ok=False)
    (by_doctor,) = (
        each.finding for each in run_checks(lambda: Project.at(host.path, None, None)) if each.check == "configuration"
    )
    (key,) = settings
    for name in refusing:
        assert f"{name}: `{key}` is {settings[key]} by the configuration of this project; mlbridge needs" in output
        assert f"{name}: `{key}` is {settings[key]} by the configuration" in by_doctor
    for name, rows in before.items():
        there = set(host.rows(f"from main_insight.{name}"))
        assert not set(rows) - there, name


def test_what_a_host_may_configure(host: Host, warm: Warm) -> None:
    configured(host, schema="ml", tags=["ours"], docs={"show": False}, meta={"owner": "us"})
    declared = host.path / "dbt_project.yml"
    text = yaml.safe_load(declared.read_text())
    text["models"]["mlbridge"]["register"] = {"+materialized": "table"}
    declared.write_text(yaml.safe_dump(text))
    warm.dbt(host.path, "run", "--select", "tag:ours")
    kinds = dict(
        host.rows("select table_name, table_type from information_schema.tables where table_schema = 'main_ml'")
    )
    assert (kinds["ml_versions"], kinds["ml_metrics"], kinds["ml_runs"]) == ("BASE TABLE", "VIEW", "BASE TABLE")


def test_history_outlives_a_full_refresh(host: Host, warm: Warm) -> None:
    before = {name: set(host.rows(f"from main_insight.{name}")) for name in HISTORY}
    warm.dbt(host.path, "run", "--full-refresh", "--select", "package:mlbridge")
    for name, rows in before.items():
        assert rows <= set(host.rows(f"from main_insight.{name}"))


# --- where only a part is there ----------------------------------------------------------------------------


def in_target(host: Host, name: str) -> None:
    """Give the host's profile a second target: the same file, schemas of its own."""
    path = host.path / "profiles.yml"
    profiles = yaml.safe_load(path.read_text())
    outputs = profiles["shop"]["outputs"]
    outputs[name] = {**outputs["dev"], "schema": name}
    path.write_text(yaml.safe_dump(profiles))


def shown(host: Host, table: str, schema: str = "main_insight") -> set[str]:
    """Name the models that a table of the package shows."""
    return {name for (name,) in host.rows(f"select distinct model from {schema}.{table}")}


@pytest.mark.parametrize("command", [("compile",), ("docs", "generate")])
def test_a_command_before_anything_is_built(
    empty_shop: Host, tmp_path: Path, warm: Warm, command: tuple[str, ...]
) -> None:
    host = copy_of_host(empty_shop, tmp_path)
    warm.dbt(host.path, *command)


def test_one_model_of_two_in_a_new_schema(empty_shop: Host, tmp_path: Path, warm: Warm) -> None:
    host = copy_of_host(empty_shop, tmp_path)
    output = warm.dbt(host.path, "run", "--select", "+amount_predictions+")
    assert "ml_predictions: nothing is shown of the model basket yet" in output
    assert "basket_split, basket_predictions" in output
    assert " reads ml_versions, which has not been built here yet, so it stays empty" in output
    assert shown(host, "ml_predictions") == {"amount"}
    output = warm.dbt(host.path, "build", "--select", "package:mlbridge")
    assert "ml_versions: nothing is shown of the model basket yet" in output
    assert shown(host, "ml_versions") == shown(host, "ml_distributions") == {"amount"}
    warm.dbt(host.path, "build", "--exclude-resource-type", "test")
    assert shown(host, "ml_versions") == shown(host, "ml_distributions") == {"amount", "basket"}


def test_one_model_that_fails_leaves_the_others_their_tables(host: Host, warm: Warm) -> None:
    warm.dbt(host.path, "run", "--vars", "{closed: true, mlbridge_retrain: true}", ok=False)
    warm.dbt(host.path, "run", "--select", "package:mlbridge")
    versions = host.rows("select model, max(version) from main_insight.ml_versions group by all order by all")
    assert versions == [("amount", 1), ("basket", 2)]


@pytest.fixture
def in_pr(host: Host, tmp_path: Path, warm: Warm) -> tuple[str, ...]:
    """Change the features of `amount` as a pull request does; gives the options of a command that builds it."""
    in_target(host, "pr")
    warm.dbt(host.path, "parse")
    state = tmp_path / "production"
    state.mkdir()
    shutil.copy(host.path / "target" / "manifest.json", state)
    features = host.path / "models" / "ml" / "amount" / "amount_features.sql"
    features.write_text(features.read_text() + "-- changed\n")
    return ("--target", "pr", "--state", str(state))


def test_a_pull_request_scores_with_the_champion_of_production(host: Host, warm: Warm, in_pr: tuple[str, ...]) -> None:
    before = logged(host, "amount_training")
    output = warm.dbt(host.path, "build", "--select", "state:modified+", "--exclude", "*_training", "--defer", *in_pr)
    assert "version 1 scored 1,000 new rows" in output
    assert logged(host, "amount_training") == before
    tables = {
        name for (name,) in host.rows("select table_name from information_schema.tables where table_schema = 'pr_lab'")
    }
    assert tables == {"amount_features", "amount_split", "amount_predictions"}
    assert shown(host, "ml_predictions", "pr_insight") == {"amount", "basket"}


def test_a_clone_of_production_is_built_on(host: Host, warm: Warm, in_pr: tuple[str, ...]) -> None:
    warm.dbt(host.path, "clone", "--exclude", "config.materialized:mlbridge", *in_pr)
    warm.dbt(host.path, "build", "--select", "state:modified+", "--defer", *in_pr)
    assert shown(host, "ml_versions", "pr_insight") == {"amount", "basket"}


def test_an_empty_build_keeps_what_is_there(host: Host, warm: Warm) -> None:
    kept = (
        *(f"main_lab.{model}_{stage}" for model in ("amount", "basket") for stage in ("training", "predictions")),
        *(f"main_insight.{name}" for name in HISTORY),
    )
    before = {name: set(host.rows(f"from {name}")) for name in kept}
    warm.dbt(host.path, "build", "--empty")
    assert all(rows <= set(host.rows(f"from {name}")) for name, rows in before.items())


def test_runs_of_long_ago_are_forgotten_whole(host: Host, warm: Warm) -> None:
    with duckdb.connect(str(host.database)) as connection:
        for name, first, second in (("old", "400 days", "399 days"), ("young", "400 days", "10 days")):
            connection.execute(
                f"insert into main_insight.ml_runs by name select * replace ('{name}' as invocation_id, "
                f"now() - interval '{first}' as started_at) from main_insight.ml_runs limit 2;"
                f"insert into main_insight.ml_runs by name select * replace ('{name}' as invocation_id, "
                f"now() - interval '{second}' as started_at) from main_insight.ml_runs limit 1"
            )
    command = ("run", "--select", "ml_nodes", "--vars")
    warm.parse(host.path)
    warm.dbt(host.path, *command, "{mlbridge_keep_runs: forever}", parsed=True)
    counted = "select invocation_id, count(*) from main_insight.ml_runs where length(invocation_id) < 6 group by all"
    assert dict(host.rows(counted)) == {"old": 3, "young": 3}
    warm.dbt(host.path, *command, "{}", parsed=True)
    assert dict(host.rows(counted)) == {"young": 3}
    output = warm.dbt(host.path, *command, "{mlbridge_keep_runs: soon}", ok=False, parsed=True)
    assert "mlbridge_keep_runs: expected a number of days from 1 to 36500, or 'forever', found 'soon'." in output


def test_targets_of_one_file_publish_beside_each_other(host: Host, warm: Warm) -> None:
    in_target(host, "pr")
    before = {file.name: file.read_bytes() for file in (host.published / "current").iterdir()}
    warm.dbt(host.path, "run", "--select", "+ml_versions", "--target", "pr", "--vars", "{mlbridge_retrain: never}")
    assert {file.name: file.read_bytes() for file in (host.published / "current").iterdir()} == before
    theirs = Project.at(host.path, None, "pr").published_folder
    assert theirs == host.published.with_name("pr")
    assert (theirs / "current" / "ml_versions.parquet").is_file()


def test_a_damaged_row_of_a_logbook_takes_no_other_with_it(host: Host, warm: Warm) -> None:
    read = "select model, version from main_insight.{} group by all order by all"
    before = {name: host.rows(read.format(name)) for name in ("ml_versions", "ml_metrics", "ml_profiles")}
    with duckdb.connect(str(host.database)) as connection:
        connection.execute(
            "update main_lab.amount_training set metrics = left(metrics, 99), params = '{' where version = 1"
        )
        for table in ("ml_distributions", "ml_realized"):
            connection.execute(f"delete from main_insight.{table} where model = 'amount'")
    output = " ".join(warm.dbt(host.path, "build", "--select", "ml_versions+").split())
    left_out = "version 1 of amount is left out, because this is no JSON in its row of amount_training"
    assert f"ml_distributions: {left_out}: params." in output
    assert f"ml_realized: {left_out}: metrics, params." in output
    assert host.rows(read.format("ml_versions")) == before["ml_versions"]
    assert host.rows(read.format("ml_profiles")) == before["ml_profiles"]
    assert host.rows(read.format("ml_metrics")) == [each for each in before["ml_metrics"] if each[0] != "amount"]
    damaged = (
        "select model, version, damaged_documents from main_insight.ml_versions where damaged_documents is not null"
    )
    assert set(host.rows(damaged)) == {("amount", 1, "metrics")}
    ((verdict, reason),) = host.rows("select verdict, reason from main_insight.ml_health where model = 'amount'")
    assert (verdict, reason) == ("act", "In the logbook this is no JSON of version 1, which is in use: metrics")
    shown = leaderboard(Project.at(host.path, None, None), "amount")
    assert {(row["version"], row["metric"], row["value"]) for row in shown} == {(1, None, None)}
