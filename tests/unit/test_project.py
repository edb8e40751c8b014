"""What the command line finds out about a dbt project: its folders, its warehouse, its models and what they lack."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import duckdb
import pytest
import yaml
from dbt_host import ROOT, small_host
from packaging.requirements import Requirement

from mlbridge.commands.doctor import run_checks
from mlbridge.errors import SetupError
from mlbridge.project.project import STAGES, Project


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that is not the project's, with nothing said by the environment."""
    for name in ("DBT_PROFILES_DIR", "DBT_TARGET_PATH"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def project(tmp_path: Path, models: Sequence[str] = (), files: Sequence[str] = (), more: str = "") -> Project:
    """Write a host that declares models, has some files, and says more in its dbt_project.yml."""
    host = small_host(tmp_path / "small", list(models))
    host.write(dict.fromkeys(files, ""))
    with (host.path / "dbt_project.yml").open("a") as file:
        file.write(more)
    return Project.at(host.path, None, None)


def declares(tmp_path: Path, declaration: str) -> Project:
    """Write a host whose vars are these."""
    found = project(tmp_path)
    file = found.path / "dbt_project.yml"
    file.write_text(file.read_text().replace("vars: {mlbridge_models: []}", f"vars: {declaration}"))
    return found


def line(name: str, folder: str = "models/ml") -> list[str]:
    return [f"{folder}/{name}_{stage}.{'sql' if stage in STAGES[:2] else 'py'}" for stage in STAGES]


# --- folders -----------------------------------------------------------------------------------------------


def test_the_warehouse_is_looked_for_where_dbt_was_started_then_beside_the_project(
    tmp_path: Path, elsewhere: Path
) -> None:
    found = project(tmp_path)
    assert found.warehouse_file == found.path / "small.duckdb"
    duckdb.connect(str(found.path / "small.duckdb")).close()
    assert found.warehouse_file == found.path / "small.duckdb"
    duckdb.connect(str(elsewhere / "small.duckdb")).close()
    assert found.warehouse_file == elsewhere / "small.duckdb"


def test_the_folders_are_those_of_dbt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPS", "deps")
    found = project(tmp_path, more="target-path: out\npackages-install-path: \"{{ env_var('DEPS') }}/dbt\"\n")
    package = found.path / "deps" / "dbt" / "mlbridge" / "dbt_project.yml"
    assert found.package_version is None
    package.parent.mkdir(parents=True)
    package.write_text("version: 1.2.3\n")
    assert found.package_version == "1.2.3"
    with pytest.raises(SetupError, match=r"small/out/manifest.json' is not there yet. Run `dbt build` first."):
        _ = found.manifest
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "ours"))
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "manifest.json").write_text('{"nodes": {}}')
    assert Project.at(found.path, None, None).manifest == {"nodes": {}}


def test_the_project_is_read_without_a_profile(tmp_path: Path) -> None:
    found = project(tmp_path, ["churn"])
    (found.path / "profiles.yml").write_text("other: {}\n")
    assert found.models == ["churn"]
    with pytest.raises(SetupError, match="the profile does not load"):
        _ = found.credentials


# --- models ------------------------------------------------------------------------------------------------


def test_a_declared_model_has_its_four_nodes(tmp_path: Path) -> None:
    assert project(tmp_path, ["churn"], [*line("churn"), "models/staff_training.sql"]).missing_nodes() == []


def test_nodes_are_looked_for_in_the_folders_of_models(tmp_path: Path) -> None:
    found = project(tmp_path, ["churn"], [*line("churn", "marts/ml"), *line("churn")[1:]], "model-paths: [marts]\n")
    assert found.missing_nodes() == []
    (found.path / "marts" / "ml" / "churn_split.sql").unlink()
    assert found.missing_nodes() == ["the model 'churn' lacks 'churn_split'."]


def test_a_misspelt_model_and_a_misspelt_node(tmp_path: Path) -> None:
    files = [*line("churn"), *line("spent")[:2], "models/ml/spent_trainign.py", *line("spent")[3:]]
    assert project(tmp_path, ["chrun", "spent"], files).missing_nodes() == [
        "the model 'chrun' lacks 'chrun_features', 'chrun_split', 'chrun_training', 'chrun_predictions'. "
        "Did you mean 'churn'?",
        "the model 'spent' lacks 'spent_training'. Did you mean 'spent_trainign'?",
    ]


def test_nodes_of_other_packages_count_but_not_what_the_last_manifest_says_of_the_project(tmp_path: Path) -> None:
    found = project(tmp_path, ["churn"], line("churn")[2:])
    names = {"churn_features": "shared", "churn_split": "small"}
    nodes = {name: {"name": name, "package_name": package, "resource_type": "model"} for name, package in names.items()}
    (found.path / "target").mkdir()
    (found.path / "target" / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    assert found.missing_nodes() == ["the model 'churn' lacks 'churn_split'."]


@pytest.mark.parametrize("where", ["{mlbridge_models: [churn]}", "{mlbridge: {mlbridge_models: [churn]}}"])
def test_models_are_declared_where_the_package_sees_them(tmp_path: Path, where: str) -> None:
    assert declares(tmp_path, where).models == ["churn"]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("{small: {mlbridge_models: [churn]}}", "mlbridge_models below 'small', where dbt hides it from the package"),
        ("{mlbridge_models: churn}", "expected a list of names such as [late_arrival], found 'churn'."),
    ],
)
def test_models_declared_elsewhere_are_a_finding(tmp_path: Path, where: str, words: str) -> None:
    found = declares(tmp_path, where)
    (models,) = (each for each in run_checks(lambda: found) if each.check == "models")
    assert not models.fine
    assert words in models.finding


# --- what is installed -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [("pandas", "0.1, but pandas>="), ("lightgbm", "0.1, but lightgbm>="), ("dbt-core", "0.1, but dbt-core<2,>=")],
)
def test_what_is_installed_and_too_old_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    found = project(tmp_path)
    assert all(each.fine for each in run_checks(lambda: found) if each.check == name)
    monkeypatch.setattr(
        "mlbridge.commands.doctor.version", lambda package: "0.1" if package == name else version(package)
    )
    (finding,) = (each for each in run_checks(lambda: found) if each.check == name)
    assert not finding.fine
    assert finding.finding.startswith(words)
    assert finding.finding.endswith("is needed; install that")


def test_an_extra_that_is_not_installed_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(package: str) -> str:
        if package in ("catboost", "pandas"):
            raise PackageNotFoundError
        return version(package)

    found = project(tmp_path)
    monkeypatch.setattr("mlbridge.commands.doctor.version", lacking)
    lacked = {each.check: each.finding for each in run_checks(lambda: found) if "is not installed; run" in each.finding}
    assert list(lacked) == ["pandas"]


@pytest.mark.parametrize("needed", ['">=99.0.0"', '[">=1.0.0", "<1.9.0"]', '">=1.0.0,<1.9.0"'])
def test_a_dbt_package_that_needs_another_dbt_is_named(tmp_path: Path, needed: str) -> None:
    found = project(tmp_path)
    for name, requirement in (("old", needed), ("fits", '">=1.0.0"')):
        file = found.path / "dbt_packages" / name / "dbt_project.yml"
        file.parent.mkdir(parents=True)
        file.write_text(f"name: {name}\nversion: 1.0.0\nrequire-dbt-version: {requirement}\n")
    (finding,) = (each for each in run_checks(lambda: found) if each.check == "dbt packages")
    assert not finding.fine
    assert finding.finding.startswith("old needs dbt >=")
    assert "fits" not in finding.finding


def test_what_the_docs_say_is_needed_is_what_the_metadata_says() -> None:
    needs = {need.name: str(need.specifier) for need in map(Requirement, requires("mlbridge") or [])}
    page = (ROOT / "docs" / "install.md").read_text()
    rows = dict(re.findall(r"^\| `([\w-]+)` \| ([\d.]+) ", page, re.MULTILINE))
    assert {"dbt-core", "dbt-duckdb", "duckdb", "pandas", "numpy", "scikit-learn"} <= set(rows)
    for name, least in rows.items():
        assert f">={least}" in needs[name].split(","), name
    package = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
    assert package["require-dbt-version"] == [f">={rows['dbt-core']}", "<3.0.0"]
