"""Where the package's tables are: in another database or schema, and beside tables of the same name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from dbt_host import Host, copy_of_host, small_host
from hosts import CHURNED, PREDICTIONS, SHOPPERS, SPEC, TRAINING
from warm import Warm

from mlbridge import monitor
from mlbridge.cli import main
from mlbridge.commands.doctor import run_checks
from mlbridge.monitor import open_source
from mlbridge.project.project import Project

OWN_SCHEMAS = """
{% macro generate_schema_name(custom_schema_name, node) %}own_{{ custom_schema_name or target.schema }}{% endmacro %}
"""


def configure(host: Host, **settings: object) -> None:
    """Add to the host's dbt_project.yml."""
    file = host.path / "dbt_project.yml"
    file.write_text(file.read_text() + "".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items()))


def finding(host: Host, check: str) -> tuple[bool, str]:
    """Give whether `mlbridge doctor` is content with something, and what it says."""
    (found,) = (each for each in run_checks(lambda: Project.at(host.path, None, None)) if each.check == check)
    return found.fine, found.finding


# --- elsewhere ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """A host that names its schemas itself, with the tables of mlbridge in a database that the profile attaches."""
    host = small_host(tmp_path_factory.mktemp("places") / "small", ["churned"])
    host.write(
        {
            "macros/generate_schema_name.sql": OWN_SCHEMAS,
            "models/churned_features.sql": SHOPPERS.format(name="churned", target=CHURNED),
            "models/churned_split.sql": "{{ mlbridge.split(ref('churned_features')) }}\n",
            "models/churned_training.py": TRAINING.format(name="churned"),
            "models/churned_predictions.py": PREDICTIONS.format(name="churned"),
            "models/churned.yml": SPEC.format(name="churned", task="classification", stock="logistic_regression"),
        }
    )
    named = {"monitor": {"ml_alerts": {"+alias": "warnings"}}, "register": {"ml_versions": {"+alias": "History"}}}
    configure(host, models={"mlbridge": {"+database": "shelf", "+schema": "insight", **named}})
    profiles = host.path / "profiles.yml"
    attached = "path: small.duckdb, attach: [{path: kept.duckdb, alias: shelf}]"
    profiles.write_text(profiles.read_text().replace("path: small.duckdb", attached))
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, "run")
    return host


@pytest.fixture
def run(elsewhere: Host) -> Callable[..., Result]:
    """Run a command of mlbridge from another folder."""
    return lambda *args: CliRunner().invoke(main, [*args, "--project-dir", str(elsewhere.path)])


@pytest.fixture
def warehouse(elsewhere: Host) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(elsewhere.database), read_only=True) as connection:
        connection.execute(f"attach '{elsewhere.path / 'kept.duckdb'}' as shelf (read_only)")
        yield connection


def test_versions_finds_them(run: Callable[..., Result]) -> None:
    shown = run("versions")
    assert shown.exit_code == 0, shown.output
    assert "champion" in shown.output


def test_doctor_finds_them(run: Callable[..., Result]) -> None:
    shown = run("doctor")
    assert shown.exit_code == 0, shown.output


def test_compile_finds_them(run: Callable[..., Result], warehouse: duckdb.DuckDBPyConnection) -> None:
    shown = run("compile", "churned", "--relation", "own_main.churned_split")
    assert shown.exit_code == 0, shown.output
    scored = warehouse.sql(
        f"select count(*), max(abs(s.probability_true - p.probability)) from ({shown.stdout}) as s "
        "join shelf.own_insight.ml_predictions as p on p.entity = s.customer_id::varchar and p.time = s.at"
    ).fetchall()
    assert scored[0][0] > 100
    assert scored[0][1] < 1e-12


def test_publish_and_the_monitor_find_them(
    run: Callable[..., Result], elsewhere: Host, warehouse: duckdb.DuckDBPyConnection
) -> None:
    rows = warehouse.sql("select count(*) from shelf.own_insight.warnings").fetchall()
    warehouse.close()
    folder = elsewhere.path / "kept.duckdb.published" / "dev"
    before = (folder / "current").resolve()
    shown = run("publish")
    assert shown.exit_code == 0, shown.output
    assert (folder / "current").resolve() != before
    assert not elsewhere.published.exists()
    assert duckdb.sql(f"select count(*) from '{folder / 'current' / 'ml_alerts.parquet'}'").fetchall() == rows
    state = open_source(Project.at(elsewhere.path, None, None)).state()
    assert monitor.models(state)["model"].tolist() == ["churned"]


def test_a_build_says_there_what_it_did(elsewhere: Host, warehouse: duckdb.DuckDBPyConnection) -> None:
    logged = warehouse.sql("select count(*) from shelf.own_insight.ml_runs where node = 'churned_training'").fetchall()
    assert logged == [(1,)]
    own = "select distinct table_name from duckdb_tables() where database_name = 'small' and table_name ~ 'ml_.*'"
    assert warehouse.sql(own).fetchall() == [("ml_thresholds",)]  # a seed, which `models:` does not speak of


@pytest.mark.slow
def test_backtest_finds_what_it_needs(elsewhere: Host, warm: Warm) -> None:
    kept = (elsewhere.path / "kept.duckdb").read_bytes()
    asked = ("churned", "--from", "2024-02-20", "--to", "2024-03-20", "--step", "month")
    assert "always" in warm.mlbridge(elsewhere.path, "backtest", *asked)
    assert (elsewhere.path / "kept.duckdb").read_bytes() == kept


# --- beside others of the same name ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """A host with a model of its own and the package, nothing built."""
    host = small_host(tmp_path_factory.mktemp("plain") / "small", [])
    host.write({"models/mine.sql": "select 1 as one\n"})
    warm.dbt(host.path, "deps")
    return host


@pytest.fixture
def crowded(plain: Host, tmp_path: Path) -> Host:
    """The same, and its schema has two tables that have the names of two of mlbridge's."""
    host = copy_of_host(plain, tmp_path)
    with duckdb.connect(str(host.database)) as connection:
        connection.execute("create table ml_runs as select 1 as run_id, 'done' as status, now() as started_at")
        connection.execute("create table ml_predictions as select 'a' as model, 7 as entity, 0.5 as prediction")
    return host


def test_a_strange_table_is_not_replaced(crowded: Host, warm: Warm) -> None:
    output = warm.dbt(crowded.path, "run", ok=False)
    for name, lacking in (("ml_runs", "'invocation_id', 'node'"), ("ml_predictions", "'time', 'version'")):
        if name in output.split("is there already")[0]:
            assert f"is there already, and is not mlbridge's: it lacks {lacking}" in " ".join(output.split())
    assert "`models: {mlbridge: {+schema: ml}}`" in " ".join(output.split())
    assert crowded.rows("select run_id from ml_runs") == [(1,)]
    assert crowded.rows("select entity from ml_predictions") == [(7,)]
    assert crowded.rows("select table_name from duckdb_tables() order by all") == [("ml_predictions",), ("ml_runs",)]
    assert crowded.rows("select view_name from duckdb_views() where not internal") == []
    fine, words = finding(crowded, "names")
    assert not fine
    assert "'main.ml_runs' is not mlbridge's: it lacks 'invocation_id', 'node', 'model', 'stage'." in words
    assert "'main.ml_predictions' is not mlbridge's: it lacks 'time', 'version'." in words


def test_what_else_a_project_builds_does_not_mind(crowded: Host, warm: Warm) -> None:
    warm.dbt(crowded.path, "run", "--select", "mine")
    assert crowded.rows("select one from mine") == [(1,)]
    assert crowded.rows("select run_id from ml_runs") == [(1,)]


def test_the_ways_out_lead_out(crowded: Host, warm: Warm) -> None:
    aliases = {"monitor": {"ml_runs": {"+alias": "mlbridge_ml_runs"}}, "score": {"ml_predictions": {"+schema": "ml"}}}
    project = crowded.path / "dbt_project.yml"
    before = project.read_text()
    configure(crowded, models={"mlbridge": aliases})
    warm.dbt(crowded.path, "run")
    assert crowded.rows("select count(*) > 0 from mlbridge_ml_runs") == [(True,)]
    assert crowded.rows("select count(*) from main_ml.ml_predictions") == [(0,)]
    assert crowded.rows("select run_id from ml_runs") == [(1,)]
    assert finding(crowded, "names")[0]

    # mlbridge's table of that name in another schema does not speak for the strange one.
    project.write_text(before)
    output = " ".join(warm.dbt(crowded.path, "run", "--select", "ml_predictions", ok=False).split())
    assert "is there already, and is not mlbridge's: it lacks 'time', 'version'" in output
    assert crowded.rows("select entity from ml_predictions") == [(7,)]


def test_a_model_of_the_same_name(plain: Host, tmp_path: Path, warm: Warm) -> None:
    host = copy_of_host(plain, tmp_path)
    host.write({"models/ml_runs.sql": "select 1 as own\n", "models/mine.sql": "select * from {{ ref('ml_runs') }}\n"})
    output = warm.dbt(host.path, "run", ok=False)
    assert "two resources with the database representation" in output
    fine, words = finding(host, "names")
    assert not fine
    assert "'models/ml_runs.sql' has the name of a table of mlbridge. Rename it, or give" in words

    configure(host, models={"mlbridge": {"+schema": "ml"}})
    project = host.path / "dbt_project.yml"
    project.write_text(project.read_text().replace("node_package_before_root: true", "node_package_before_root: false"))
    host.write({"models/ml_versions.sql": "select 1 as own\n"})
    output = " ".join(warm.dbt(host.path, "run", ok=False).split())
    assert (
        "it would read 'model.small.ml_versions', this project's own model, for mlbridge's of the same name" in output
    )
    assert host.rows("select count(*) from duckdb_tables()") == [(0,)]
    fine, words = finding(host, "names")
    assert (fine, "require_ref_searches_node_package_before_root: true" in words) == (False, True)

    project.write_text(project.read_text().replace("node_package_before_root: false", "node_package_before_root: true"))
    warm.dbt(host.path, "run")
    assert host.rows("select own from ml_versions union all select own from mine") == [(1,), (1,)]
    assert host.rows("select count(*) from main_ml.ml_versions") == [(0,)]
    assert finding(host, "names")[0]
