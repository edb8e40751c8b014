"""What a build publishes for the monitor: everything, all together, whatever happens to the build or to a reader."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt_host import Host, copy_of_host, small_host, specify
from rendering import Rendering
from warm import Warm

import mlbridge
from mlbridge.commands import publish as command
from mlbridge.errors import SetupError
from mlbridge.project.project import Project
from mlbridge.project.served import served_branches

TABLES = {
    "ml_versions", "ml_champions", "ml_decisions", "ml_metrics", "ml_importances", "ml_profiles", "ml_predictions",
    "ml_windows", "ml_distributions", "ml_drift", "ml_realized", "ml_performance", "ml_alerts",
    "ml_incidents", "ml_health", "ml_runs", "ml_nodes",
    "ml_leaks", "ml_lineage", "ml_access", "ml_requests",
}  # fmt: skip
RUN = ("run", "--select", "ml_runs", "ml_nodes")  # the least that publishes
KILLED = -signal.SIGKILL
# What rows are, whatever their order: how many, and a sum that any other value changes.
HELD = "select count(*), sum(hash(held)::hugeint) from held"


@pytest.fixture(scope="module")
def parsed(shop: Host, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The second host as built, parsed: commands on copies of it start at once."""
    host = copy_of_host(shop, tmp_path_factory.mktemp("parsed"))
    warm.parse(host.path)
    return host


@pytest.mark.parametrize("lacking", [None, "basket_split", "amount_training", "ml_scores_amount"])
def test_a_build_and_the_command_publish_the_same(parsed: Host, tmp_path: Path, lacking: str | None) -> None:
    """Each rule stands in SQL for the build, and in Python for `mlbridge publish`."""
    host = copy_of_host(parsed, tmp_path)
    file = host.path / "target" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["nodes"] = {name: node for name, node in manifest["nodes"].items() if node["name"] != lacking}
    file.write_text(json.dumps(manifest))
    rendering, project = Rendering("duckdb", host), Project.at(host.path, None, None)
    branches = rendering.macro("served_branches", within="ml_runs").sql
    assert branches == {
        name: {key: list(place) for key, place in each.items()} for name, each in served_branches(project).items()
    }
    assert set(branches) == {"basket", "amount"} - {str(lacking).split("_")[0]}
    tables = rendering.macro("published_tables", within="ml_runs").sql
    assert tables == {name: list(place) for name, place in project.published_tables.items()}


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Host], Host]:
    """Copy a host, for one test to change."""
    numbers = count()
    return lambda host: copy_of_host(host, tmp_path / str(next(numbers)))


def folder_of(host: Host) -> Path:
    return host.published


def facts_of(host: Host) -> dict[str, Any]:
    """Read what the newest published build says of itself."""
    found: dict[str, Any] = json.loads((folder_of(host) / "current" / "build.json").read_text())
    return found


def invocation(host: Host) -> str:
    """Give the id of the last command that dbt ran to its end."""
    results = json.loads((host.path / "target" / "run_results.json").read_text())
    return str(results["metadata"]["invocation_id"])


def published(host: Host, table: str) -> str:
    """Name a table's file for SQL."""
    path = str(folder_of(host) / "current" / f"{table}.parquet")
    return "'" + path.replace("'", "''") + "'"


def assert_published(host: Host, schema: str = "main_insight", tables: set[str] = TABLES) -> None:
    """Assert that these tables are published, and that files and views hold exactly what the warehouse does."""
    assert set(facts_of(host)["tables"]) == tables
    files = {file.stem for file in (folder_of(host) / "current").glob("*.parquet")}
    assert files == tables
    assert {each.name for each in folder_of(host).iterdir()} == {"builds", "current", "bi.duckdb", "lock"}
    counted = {}
    with duckdb.connect(str(host.database), read_only=True) as connection:
        for name in tables:
            ours, theirs = (connection.sql(f"from {each}") for each in (f"{schema}.{name}", published(host, name)))
            assert theirs.columns == ours.columns
            assert theirs.types == ours.types
            held, found = (each.query("held", HELD).fetchall() for each in (ours, theirs))
            assert held == found, name
            counted[name] = held[0][0]
    with duckdb.connect(str(folder_of(host) / "bi.duckdb"), read_only=True) as views:
        names = {name for (name,) in views.sql("select view_name from duckdb_views() where not internal").fetchall()}
        assert {name: views.sql(f"select count(*) from {name}").fetchall()[0][0] for name in names} == counted


def contents(host: Host) -> dict[str, bytes]:
    """Read what a reader finds now."""
    return {str(file): file.read_bytes() for file in sorted((folder_of(host) / "current").resolve().iterdir())}


# --- what is published -------------------------------------------------------------------------------------


def test_a_build_publishes_what_the_tables_hold(shop: Host) -> None:
    assert_published(shop)
    facts = facts_of(shop)
    assert facts["build"] == invocation(shop)
    assert facts["version"] == mlbridge.__version__
    assert shop.rows("select distinct as_of from main_insight.ml_runs") == [(datetime.fromisoformat(facts["as_of"]),)]
    began = shop.rows("select max(started_at) from main_insight.ml_runs")[0][0]
    assert 0 < (datetime.fromisoformat(facts["published_at"]) - began).total_seconds() < 600
    assert facts["format"] == 2


def test_it_is_also_of_what_the_build_says_of_itself(shop: Host) -> None:
    ((nodes, failed),) = shop.rows(
        f"select count(*), count(message) from {published(shop, 'ml_runs')} where invocation_id = '{invocation(shop)}'"
    )
    assert (nodes, failed) == (len(shop.rows("from main_insight.ml_runs")), 0)


def test_a_build_and_the_one_before_are_kept(parsed: Host, warm: Warm, copied: Callable[[Host], Host]) -> None:
    host = copied(parsed)
    left = folder_of(host)
    for name in ("current.json", "format0.json", "a.ml_runs.parquet", "tmp_b.ml_runs.parquet"):  # by mlbridge 0.8
        (left / name).write_text("{}")
    known = [contents(host)]
    for _ in range(3):
        warm.dbt(host.path, *RUN, "--vars", "{mlbridge_as_of: 2024-06-30}", parsed=True)
        assert_published(host)
        assert facts_of(host)["build"] == invocation(host)
        assert facts_of(host)["as_of"] == "2024-06-30 00:00:00"
        assert {file: Path(file).read_bytes() for file in known[-1]} == known[-1], "what readers read was written"
        known.append(contents(host))
        assert len(list((left / "builds").iterdir())) == 2


@pytest.mark.parametrize(
    ("warehouse", "umask", "files", "folders"),
    [
        (0o600, 0o000, 0o600, 0o700),
        (0o600, 0o022, 0o600, 0o700),
        (0o640, 0o077, 0o640, 0o750),
        (0o644, 0o077, 0o644, 0o755),
        (0o664, 0o022, 0o664, 0o775),
    ],
    ids=lambda mode: f"{mode:o}",
)
def test_who_may_read_the_warehouse_may_read_what_is_published(
    warehouse: int, umask: int, files: int, folders: int, parsed: Host, copied: Callable[[Host], Host]
) -> None:
    host = copied(parsed)
    host.database.chmod(warehouse)
    before = os.umask(umask)
    try:
        command.publish(Project.at(host.path, None, None))
    finally:
        os.umask(before)
    above = [folder_of(host).parent, folder_of(host), folder_of(host) / "builds", folder_of(host) / "current"]
    assert {each.stat().st_mode & 0o777 for each in above} == {folders}
    found = [*(folder_of(host) / "current").iterdir(), folder_of(host) / "bi.duckdb"]
    assert {each.stat().st_mode & 0o777 for each in found} == {files}


def test_a_build_gives_what_it_publishes_the_mode_of_the_warehouse(
    parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(parsed)
    host.database.chmod(0o600)
    warm.dbt(host.path, *RUN, parsed=True)
    assert {each.stat().st_mode & 0o777 for each in (folder_of(host) / "current").iterdir()} == {0o600}
    assert (folder_of(host) / "current").stat().st_mode & 0o777 == 0o700


def test_a_group_that_cannot_be_given_reads_nothing(
    parsed: Host, copied: Callable[[Host], Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warehouse is of a group that the user of the build is not in."""
    host = copied(parsed)
    host.database.chmod(0o640)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", refuse)
    command.publish(Project.at(host.path, None, None))
    assert {each.stat().st_mode & 0o777 for each in (folder_of(host) / "current").iterdir()} == {0o600}
    assert (folder_of(host) / "current").stat().st_mode & 0o777 == 0o700


def test_a_transaction_left_open_by_dbt_takes_nothing_back(
    parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    """Without its cache dbt asks the catalog at the end, and begins a transaction for it."""
    host = copied(parsed)
    warm.dbt(host.path, "--no-populate-cache", "run", "--select", "amount_features", parsed=True)
    assert_published(host)
    sql = f"select node from main_insight.ml_runs where invocation_id = '{invocation(host)}'"
    assert host.rows(sql) == [("amount_features",)]


def test_a_failing_node_is_published_and_a_retry_too(
    failed_shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(failed_shop)
    assert_published(host)
    assert facts_of(host)["build"] == invocation(host)
    runs = f"select node, status from {published(host, 'ml_runs')} where invocation_id = '{invocation(host)}'"
    status = dict(host.rows(runs))
    assert status["amount_features"] == "error"
    assert status["amount_training"] == status["ml_predictions"] == "skipped"

    warm.dbt(host.path, "retry", "--vars", "{closed: false}")
    assert_published(host)
    assert dict(host.rows(runs.replace(facts_of(host)["build"], invocation(host))))["amount_features"] == "error"
    again = f"select distinct status from {published(host, 'ml_runs')} where invocation_id = '{invocation(host)}'"
    assert host.rows(again) == [("success",)]


def test_a_view_that_a_failed_build_left_behind_is_left_out(
    shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    """The split has another target already, but the training failed, so that the predictions' view is the old one."""
    host = copied(shop)
    features = host.path / "models" / "ml" / "amount" / "amount_features.sql"
    features.write_text(features.read_text().replace("}} as next_amount", "}} as spent_next"))
    specify(host, "amount", target="spent_next")
    training = host.path / "models" / "ml" / "amount" / "amount_training.py"
    written = training.read_text()
    training.write_text(written.replace("    return", '    raise RuntimeError("not today")\n    return'))
    output = warm.dbt(host.path, "run", ok=False)
    assert "ml_predictions cannot be read, and is not published: " in output
    assert "Failure in hook" not in output
    assert_published(host, tables=TABLES - {"ml_predictions"})
    runs = f"select status from {published(host, 'ml_runs')} where node = 'amount_training' order by started_at"
    assert host.rows(runs) == [("success",), ("error",)]

    training.write_text(written)
    warm.dbt(host.path, "run")
    assert_published(host)


# --- when nothing is published -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("test", "--select", "ml_champions"),
        ("compile", "--select", "ml_champions"),
        ("seed",),
        ("ls",),
        (*RUN, "--empty"),
    ],
    ids=" ".join,
)
def test_commands_that_build_nothing_publish_nothing(
    command: tuple[str, ...], parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(parsed)
    before = contents(host)
    warm.dbt(host.path, *command, parsed=True)
    assert contents(host) == before


def test_a_host_without_the_tables_publishes_nothing(
    empty_shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(empty_shop)
    warm.dbt(host.path, "build", "--select", "staging")
    assert not folder_of(host).exists()


def test_a_database_in_memory_publishes_nothing(tmp_path: Path, warm: Warm) -> None:
    host = small_host(tmp_path / "host", [])
    profiles = host.path / "profiles.yml"
    profiles.write_text(profiles.read_text().replace("small.duckdb", '":memory:"'))
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, *RUN)
    assert list(tmp_path.rglob("*.published")) == []
    assert Project.at(host.path, None, None).published_folder is None


def test_an_engine_that_may_open_no_files_publishes_nothing(
    parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(parsed)
    before = contents(host)
    profiles = host.path / "profiles.yml"
    profiles.write_text(profiles.read_text().replace("}", ", settings: {enable_external_access: false}}", 1))
    warm.dbt(host.path, *RUN, parsed=True)
    assert contents(host) == before


# --- where it is published ---------------------------------------------------------------------------------


def test_a_folder_of_any_name(tmp_path: Path, warm: Warm) -> None:
    host = small_host(tmp_path / "host", [])
    place = """it's our "place" {} 100%; drop table x --"""
    host = Host(host.path, tmp_path / place.format("[a]*") / "small.duckdb")
    host.database.parent.mkdir()
    output = {"type": "duckdb", "path": str(host.database)}
    host.write({"profiles.yml": json.dumps({"small": {"target": "dev", "outputs": {"dev": output}}})})
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, *RUN)
    assert_published(host, "main", {"ml_runs", "ml_nodes"})
    assert Project.at(host.path, None, None).published_folder == folder_of(host)


def test_beside_the_file_that_the_tables_are_in(tmp_path: Path, warm: Warm) -> None:
    host = small_host(tmp_path / "host", [])
    profiles, project = host.path / "profiles.yml", host.path / "dbt_project.yml"
    attached = "path: small.duckdb, attach: [{path: kept.duckdb, alias: shelf}]"
    profiles.write_text(profiles.read_text().replace("path: small.duckdb", attached))
    project.write_text(project.read_text() + "models: {mlbridge: {+database: shelf}}\n")
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, *RUN)
    kept = Host(host.path, host.path / "kept.duckdb")
    with duckdb.connect(str(kept.database), read_only=True) as connection:
        tables = connection.sql("select table_name from duckdb_tables() where table_name = 'ml_nodes'").fetchall()
    assert tables == [("ml_nodes",)]
    rows = kept.rows("select count(*) from main.ml_nodes")
    assert kept.rows(f"select count(*) from {published(kept, 'ml_nodes')}") == rows
    assert Project.at(host.path, None, None).published_folder == folder_of(kept)
    assert not folder_of(host).exists()


def test_a_link_is_followed(tmp_path: Path, warm: Warm) -> None:
    host = small_host(tmp_path / "host", [])
    real = tmp_path / "elsewhere" / "small.duckdb"
    real.parent.mkdir()
    duckdb.connect(str(real)).close()
    host.database.symlink_to(real)
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, "build", "--exclude-resource-type", "test")
    assert_published(Host(host.path, real), "main")
    assert Project.at(host.path, None, None).published_folder == folder_of(Host(host.path, real))


# --- what may go wrong -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    "moment",
    [
        {"kill_at": ("ml_champions.parquet", "before")},
        {"kill_at": ("ml_predictions.parquet", "after")},
        {"kill_in": ("mlbridge.publication.folder._link",)},
        {"kill_in": ("mlbridge.publication.folder._clear",)},
        {"kill_in": ("mlbridge.publication.publish.new_views",)},
    ],
    ids=str,
)
def test_a_build_killed_while_it_publishes(
    moment: dict[str, tuple[str, ...]], first: bool, parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(parsed)
    if first:
        shutil.rmtree(folder_of(host))
    before = {} if first else contents(host)
    running = warm.start(host.path, *RUN, parsed=True, **moment)  # type: ignore[arg-type]
    assert running.wait() == KILLED, running.output
    if "_clear" in str(moment) or "new_views" in str(moment):
        assert contents(host) != before
    elif first:
        assert not (folder_of(host) / "current").exists()
    else:
        assert contents(host) == before

    warm.dbt(host.path, *RUN, parsed=True)
    assert_published(host)
    assert len(list((folder_of(host) / "builds").iterdir())) <= 2


def test_a_build_killed_within_a_file(parsed: Host, warm: Warm, copied: Callable[[Host], Host]) -> None:
    host = copied(parsed)
    with duckdb.connect(str(host.database)) as connection:
        connection.execute(
            "insert into main_lab.amount_predictions "
            "select p.* replace (entity || i as entity) from main_lab.amount_predictions as p, range(1500) as t(i)"
        )
    before = contents(host)
    command = warm.start(host.path, *RUN, parsed=True)
    while (
        not list(folder_of(host).glob("builds/*/tmp_*"))
        and len(list(folder_of(host).glob("builds/*/ml_predictions.parquet"))) < 2
    ):
        assert "Completed" not in command.output
        time.sleep(0.001)
    command.kill()
    assert command.wait() == KILLED
    assert contents(host) == before

    warm.dbt(host.path, *RUN, parsed=True)
    assert_published(host)


def test_what_cannot_be_written_is_said_and_the_earlier_build_stays(
    parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(parsed)
    before = contents(host)
    builds = folder_of(host) / "builds"
    builds.rename(folder_of(host) / "aside")
    builds.write_text("in the way")
    output = warm.dbt(host.path, *RUN, ok=False, parsed=True)
    assert "on-run-end.2 failed" in output
    assert f"nothing was published: [Errno 17] File exists: '{builds}'" in " ".join(output.split())
    builds.unlink()
    (folder_of(host) / "aside").rename(builds)
    assert contents(host) == before

    warm.dbt(host.path, *RUN, parsed=True)
    assert_published(host)


READER = """
import json, os, sys, threading, duckdb

def rows_of(name, query):
    return duckdb.sql(query.format(f"'{place}/{name}.parquet'")).fetchall()

folder, seen = sys.argv[1], []
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print("reading", flush=True)
while not ended.is_set():
    place = os.path.realpath(f"{folder}/current")
    now = json.load(open(f"{place}/build.json"))
    answer = [
        *rows_of("ml_runs", "select invocation_id, as_of::varchar from {} order by started_at desc limit 1"),
        *rows_of("ml_predictions", "select count(*) from {}"),
        *rows_of("ml_decisions", "select invocation_id, as_of::varchar from {} order by decided_at desc limit 2"),
    ]
    if not seen or seen[-1] != [now, answer]:
        seen.append([now, answer])
print(json.dumps(seen, default=str))
"""


def test_a_reader_sees_one_build_or_the_next_and_no_build_minds(
    parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    """A reader asks three tables again and again while builds run that change each of them."""
    host = copied(parsed)
    line = [f"{model}_{stage}" for model in ("basket", "amount") for stage in ("split", "training")]
    warm.dbt(host.path, "run", "--select", "ml_runs", *line, "--vars", "{mlbridge_as_of: '2024-07-09'}", parsed=True)
    built = [invocation(host)]
    command = [sys.executable, "-c", READER, str(folder_of(host))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        for day in range(10, 15):
            as_of = f"{{mlbridge_as_of: '2024-07-{day}'}}"
            nodes = ("basket_training", "amount_training", "ml_runs")
            warm.dbt(host.path, "run", "--select", *nodes, "--vars", as_of, parsed=True)
            built.append(invocation(host))
        output, _ = reader.communicate("", timeout=60)
    seen = json.loads(output)
    assert [now["build"] for now, _ in seen] == built
    ((rows,),) = host.rows("select count(*) from main_insight.ml_predictions")
    for now, answer in seen:
        assert answer == [[now["build"], now["as_of"]], [rows], *[[now["build"], now["as_of"]]] * 2]


# --- by hand -----------------------------------------------------------------------------------------------


def publish(host: Host, *args: str) -> subprocess.CompletedProcess[str]:
    """Run `mlbridge publish` as a user does, in a process of its own."""
    command = [Path(sys.executable).with_name("mlbridge"), "publish", "--project-dir", host.path, *args]
    environment = {name: value for name, value in os.environ.items() if name != "DBT_PROFILES_DIR"}
    return subprocess.run(command, cwd=host.path.parent, env=environment, capture_output=True, text=True, check=False)


def test_by_hand(shop: Host, copied: Callable[[Host], Host]) -> None:
    host = copied(shop)
    with duckdb.connect(str(host.database)) as connection:
        connection.execute("delete from main_insight.ml_drift where baseline = 'previous'")
        connection.execute("update main_insight.ml_runs set as_of = timestamp '2024-06-30'")
    results = (host.path / "target" / "run_results.json").read_bytes()
    shown = publish(host)
    assert shown.returncode == 0, shown.stderr
    assert_published(host)
    assert facts_of(host)["build"] != invocation(host)
    assert facts_of(host)["as_of"] == "2024-06-30 00:00:00"
    assert (host.path / "target" / "run_results.json").read_bytes() == results
    for text in (*TABLES, facts_of(host)["build"], str(folder_of(host))):
        assert text in shown.stdout

    shown = publish(host, "--format", "json")
    assert json.loads(shown.stdout) | {"format": 2} == {**facts_of(host), "folder": str(folder_of(host))}
    assert_published(host)


def test_by_hand_before_a_build(empty_shop: Host, copied: Callable[[Host], Host]) -> None:
    host = copied(empty_shop)
    with pytest.raises(SetupError, match="Run `dbt build` first"):
        command.publish(Project.at(host.path, None, None))
    duckdb.connect(str(host.database)).close()
    shown = publish(host)
    assert (shown.returncode, "Run `dbt build` first" in shown.stderr) == (2, True)
    shutil.rmtree(host.path / "dbt_packages")
    with pytest.raises(SetupError, match="run `dbt deps`"):
        command.publish(Project.at(host.path, None, None))


@pytest.mark.parametrize(
    ("output", "engine"),
    [
        ("{type: duckdb, path: ':memory:'}", "duckdb"),
        ("{type: spark, method: session, host: localhost, schema: s}", "spark"),
    ],
)
def test_by_hand_where_nothing_can_be(
    output: str, engine: str, empty_shop: Host, copied: Callable[[Host], Host]
) -> None:
    host = copied(empty_shop)
    host.write({"profiles.yml": f"shop: {{target: dev, outputs: {{dev: {output}}}}}\n"})
    with pytest.raises(SetupError, match=f"nothing is published for serving from this target: .*'{engine}'"):
        command.publish(Project.at(host.path, None, None))


def test_by_hand_while_a_build_holds_the_warehouse(shop: Host, copied: Callable[[Host], Host]) -> None:
    host = copied(shop)
    before = contents(host)
    code = f"import duckdb; held = duckdb.connect({str(host.database)!r}); print('held', flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        shown = publish(host)
        holder.communicate("\n")
    assert shown.returncode == 2
    assert "another process is writing to the warehouse" in shown.stderr
    assert str(holder.pid) in shown.stderr
    assert contents(host) == before
