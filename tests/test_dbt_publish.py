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
from conftest import Host, copy_of_host, small_host, specify
from warm import Warm

import mlbridge
import mlbridge.publish
from mlbridge.errors import SetupError
from mlbridge.project import Project

TABLES = {
    "ml_versions", "ml_champions", "ml_decisions", "ml_metrics", "ml_importances", "ml_profiles", "ml_predictions",
    "ml_windows", "ml_distributions", "ml_drift", "ml_realized", "ml_performance", "ml_alerts", "ml_runs", "ml_nodes",
    "ml_leaks",
}  # fmt: skip
RUN = ("run", "--select", "ml_runs", "ml_nodes")  # the least that publishes
KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def parsed(shop: Host, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The second host as built, parsed: commands on copies of it start at once."""
    host = copy_of_host(shop, tmp_path_factory.mktemp("parsed"))
    warm.parse(host.path)
    return host


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Host], Host]:
    """Copy a host, for one test to change."""
    numbers = count()
    return lambda host: copy_of_host(host, tmp_path / str(next(numbers)))


def folder_of(host: Host) -> Path:
    return host.database.with_name(f"{host.database.name}.published")


def pointer(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder_of(host) / "current.json").read_text())
    return found


def invocation(host: Host) -> str:
    """Give the id of the last command that dbt ran to its end."""
    results = json.loads((host.path / "target" / "run_results.json").read_text())
    return str(results["metadata"]["invocation_id"])


def published(host: Host, table: str) -> str:
    """Name a table's file for SQL."""
    path = str(folder_of(host) / f"{pointer(host)['slot']}.{table}.parquet")
    return "'" + path.replace("'", "''") + "'"


def assert_published(host: Host, schema: str = "main_insight", tables: set[str] = TABLES) -> None:
    """Assert that the pointer names these tables, and that each holds exactly what the warehouse does."""
    assert set(pointer(host)["tables"]) == tables
    with duckdb.connect(str(host.database), read_only=True) as connection:
        for name in tables:
            ours, theirs = f"from {schema}.{name}", f"from {published(host, name)}"
            assert connection.sql(theirs).columns == connection.sql(ours).columns
            assert connection.sql(theirs).types == connection.sql(ours).types
            for one, other in ((ours, theirs), (theirs, ours)):
                assert connection.sql(f"({one}) except all ({other})").fetchall() == [], name


def contents(host: Host) -> dict[str, bytes]:
    """Read what a reader finds now: the pointer, and the files of the slot that it names."""
    names = ["current.json", *(f"{pointer(host)['slot']}.{table}.parquet" for table in pointer(host)["tables"])]
    return {name: (folder_of(host) / name).read_bytes() for name in names}


# --- what is published -------------------------------------------------------------------------------------


def test_a_build_publishes_what_the_tables_hold(shop: Host) -> None:
    assert_published(shop)
    said = pointer(shop)
    assert said["build"] == invocation(shop)
    assert said["version"] == mlbridge.__version__
    assert shop.rows("select distinct as_of from main_insight.ml_runs") == [(datetime.fromisoformat(said["as_of"]),)]
    began = shop.rows("select max(started_at) from main_insight.ml_runs")[0][0]
    assert 0 < (datetime.fromisoformat(said["published_at"]) - began).total_seconds() < 600
    assert json.loads((folder_of(shop) / "format0.json").read_text()) == {"format": 1}
    assert not list(folder_of(shop).glob("tmp_*"))


def test_it_is_also_of_what_the_build_says_of_itself(shop: Host) -> None:
    ((nodes, failed),) = shop.rows(
        f"select count(*), count(message) from {published(shop, 'ml_runs')} where invocation_id = '{invocation(shop)}'"
    )
    assert (nodes, failed) == (len(shop.rows("from main_insight.ml_runs")), 0)


def test_builds_take_turns_with_the_slots(parsed: Host, warm: Warm, copied: Callable[[Host], Host]) -> None:
    host = copied(parsed)
    slots, before = [pointer(host)["slot"]], contents(host)
    made = (folder_of(host) / "format0.json").stat().st_mtime_ns
    for _ in range(3):
        warm.dbt(host.path, *RUN, "--vars", "{mlbridge_as_of: 2024-06-30}", parsed=True)
        assert_published(host)
        assert pointer(host)["build"] == invocation(host)
        assert pointer(host)["as_of"] == "2024-06-30 00:00:00"
        slots.append(pointer(host)["slot"])
        if len(slots) == 2:
            files = {name: (folder_of(host) / name).read_bytes() for name in before if name != "current.json"}
            assert files.items() <= before.items(), "the slot that readers read was written"
    assert slots in (["a", "b", "a", "b"], ["b", "a", "b", "a"])
    assert (folder_of(host) / "format0.json").stat().st_mtime_ns == made


def test_a_transaction_left_open_by_dbt_takes_nothing_back(
    parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    """Without its cache dbt asks the catalog at the end, and begins a transaction for it."""
    host = copied(parsed)
    warm.dbt(host.path, "--no-populate-cache", "run", "--select", "amount_features", parsed=True)
    assert_published(host)
    asked = f"select node from main_insight.ml_runs where invocation_id = '{invocation(host)}'"
    assert host.rows(asked) == [("amount_features",)]


def test_a_failing_node_is_published_and_a_retry_too(
    failed_shop: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(failed_shop)
    assert_published(host)
    assert pointer(host)["build"] == invocation(host)
    runs = f"select node, status from {published(host, 'ml_runs')} where invocation_id = '{invocation(host)}'"
    status = dict(host.rows(runs))
    assert status["amount_features"] == "error"
    assert status["amount_training"] == status["ml_predictions"] == "skipped"

    warm.dbt(host.path, "retry", "--vars", "{closed: false}")
    assert_published(host)
    assert dict(host.rows(runs.replace(pointer(host)["build"], invocation(host))))["amount_features"] == "error"
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
    said = warm.dbt(host.path, "run", ok=False)
    assert "ml_predictions cannot be read, and is not published: " in said
    assert "Failure in hook" not in said
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
    before = {file.name: file.stat().st_mtime_ns for file in folder_of(host).iterdir()}
    warm.dbt(host.path, *command, parsed=True)
    assert {file.name: file.stat().st_mtime_ns for file in folder_of(host).iterdir()} == before


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
    other = tmp_path / place.format("a!") / "small.duckdb.published"
    other.mkdir(parents=True)
    (other / "current.json").write_text('{"slot": "a"}')
    host = Host(host.path, tmp_path / place.format("[a]*") / "small.duckdb")
    host.database.parent.mkdir()
    output = {"type": "duckdb", "path": str(host.database), "keep_open": False}
    host.write({"profiles.yml": json.dumps({"small": {"target": "dev", "outputs": {"dev": output}}})})
    warm.dbt(host.path, "deps")
    for slot in ("a", "b"):
        warm.dbt(host.path, *RUN)
        assert_published(host, "main", {"ml_runs", "ml_nodes"})
        assert pointer(host)["slot"] == slot, "the pointer of another folder was read"
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
    warm.dbt(host.path, "build")
    assert_published(Host(host.path, real), "main")
    assert Project.at(host.path, None, None).published_folder == folder_of(Host(host.path, real))


# --- what may go wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b'{"build": "x", "slot": "a',
        b'{"slot": "c"}',
        b'{"slot": ["a"]}',
        b'["a"]',
        b"null",
        b"\xff\xfe{",
        b"'; --",
    ],
    ids=repr,
)
def test_damaged_documents_are_replaced(
    damage: bytes, parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(parsed)
    for name in ("current.json", "format0.json"):
        (folder_of(host) / name).write_bytes(damage)
    warm.dbt(host.path, *RUN, parsed=True)
    assert_published(host)
    assert json.loads((folder_of(host) / "format0.json").read_text()) == {"format": 1}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "statement", ["select 1 as format", "ml_champions.parquet", "ml_predictions.parquet", "as build"]
)
def test_a_build_killed_while_it_publishes(
    statement: str, when: str, parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(parsed)
    first = statement == "select 1 as format"
    if first:
        shutil.rmtree(folder_of(host))
    before = {} if first else contents(host)
    command = warm.start(host.path, *RUN, kill_at=(statement, when), parsed=True)
    assert command.wait() == KILLED, command.said
    if first:
        assert not (folder_of(host) / "current.json").exists()
    elif (statement, when) == ("as build", "after"):
        assert_published(host)
        assert contents(host) != before
    else:
        assert contents(host) == before

    warm.dbt(host.path, *RUN, parsed=True)
    assert_published(host)
    assert not list(folder_of(host).glob("tmp_*"))


def test_a_build_killed_within_a_file(parsed: Host, warm: Warm, copied: Callable[[Host], Host]) -> None:
    host = copied(parsed)
    with duckdb.connect(str(host.database)) as connection:
        connection.execute(
            "insert into main_lab.amount_predictions "
            "select p.* replace (entity || i as entity) from main_lab.amount_predictions as p, range(1500) as t(i)"
        )
    before = contents(host)
    command = warm.start(host.path, *RUN, parsed=True)
    while not list(folder_of(host).glob("tmp_*.ml_predictions.parquet")):
        assert "Completed" not in command.said
        time.sleep(0.001)
    command.kill()
    assert command.wait() == KILLED
    assert list(folder_of(host).glob("tmp_*.ml_predictions.parquet")), "it was not killed within the file"
    assert contents(host) == before

    warm.dbt(host.path, *RUN, parsed=True)
    assert_published(host)
    assert not list(folder_of(host).glob("tmp_*"))


def test_what_cannot_be_written_is_said_and_the_earlier_build_stays(
    parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    host = copied(parsed)
    before = contents(host)
    other = "b" if pointer(host)["slot"] == "a" else "a"
    obstacle = folder_of(host) / f"{other}.ml_drift.parquet" / "full"
    obstacle.parent.unlink(missing_ok=True)
    obstacle.mkdir(parents=True)
    said = warm.dbt(host.path, *RUN, ok=False, parsed=True)
    assert "on-run-end.1 failed" in said
    assert "ml_drift.parquet" in said
    assert contents(host) == before

    shutil.rmtree(obstacle.parent)
    warm.dbt(host.path, *RUN, parsed=True)
    assert_published(host)


READER = """
import json, sys, threading, duckdb

def asked(name, query):
    return duckdb.sql(query.format(f"'{folder}/{now['slot']}.{name}.parquet'")).fetchall()

folder, seen, thrown_away = sys.argv[1], [], 0
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print("reading", flush=True)
while not ended.is_set():
    said = open(f"{folder}/current.json").read()
    now = json.loads(said)
    try:
        answer = [
            *asked("ml_runs", "select invocation_id, as_of::varchar from {} order by started_at desc limit 1"),
            *asked("ml_predictions", "select count(*) from {}"),
            *asked("ml_decisions", "select invocation_id, as_of::varchar from {} order by decided_at desc limit 2"),
        ]
    except duckdb.Error as error:
        answer = str(error)
    if open(f"{folder}/current.json").read() != said:
        thrown_away += 1
    elif not seen or seen[-1] != [now, answer]:
        seen.append([now, answer])
print(json.dumps(seen, default=str))
"""


def test_a_reader_sees_one_build_or_the_next_and_no_build_minds(
    parsed: Host, warm: Warm, copied: Callable[[Host], Host]
) -> None:
    """A reader asks three tables again and again while builds run that change each of them."""
    host = copied(parsed)
    warm.dbt(host.path, "run", "--select", "ml_runs", "basket_training", "amount_training", parsed=True)
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
        said, _ = reader.communicate("", timeout=60)
    seen = json.loads(said)
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
    assert pointer(host)["build"] != invocation(host)
    assert pointer(host)["as_of"] == "2024-06-30 00:00:00"
    assert (host.path / "target" / "run_results.json").read_bytes() == results
    for word in (*TABLES, pointer(host)["build"], str(folder_of(host))):
        assert word in shown.stdout

    shown = publish(host, "--format", "json")
    assert json.loads(shown.stdout) == {**pointer(host), "folder": str(folder_of(host))}
    assert_published(host)


def test_by_hand_before_a_build(empty_shop: Host, copied: Callable[[Host], Host]) -> None:
    host = copied(empty_shop)
    with pytest.raises(SetupError, match="Run `dbt build` first"):
        mlbridge.publish.publish(Project.at(host.path, None, None), print)
    duckdb.connect(str(host.database)).close()
    shown = publish(host)
    assert (shown.returncode, "has no ml_* tables yet" in shown.stderr) == (2, True)
    shutil.rmtree(host.path / "dbt_packages")
    with pytest.raises(SetupError, match="run `dbt deps`"):
        mlbridge.publish.publish(Project.at(host.path, None, None), print)


@pytest.mark.parametrize(
    "output",
    [
        "{type: duckdb, path: ':memory:'}",
        "{type: postgres, host: localhost, port: 5432, user: u, password: p, dbname: d, schema: s}",
    ],
)
def test_by_hand_where_nothing_needs_to_be(output: str, empty_shop: Host, copied: Callable[[Host], Host]) -> None:
    host = copied(empty_shop)
    host.write({"profiles.yml": f"shop: {{target: dev, outputs: {{dev: {output}}}}}\n"})
    with pytest.raises(SetupError, match="nothing needs to be published"):
        mlbridge.publish.publish(Project.at(host.path, None, None), print)


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
