"""A backtest of a small host whose world changes: against builds by hand, killed at any moment, and in the way."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dbt_host import Host, copy_of_host, small_host
from hosts import OWN_TREE, PREDICTIONS, SHOPPERS, SPEC
from sklearn.metrics import average_precision_score
from warm import Command, Warm

pytestmark = pytest.mark.slow

MOMENTS = ("2024-01-20", "2024-02-20", "2024-03-20")
ASKED = ("--from", MOMENTS[0], "--to", MOMENTS[-1], "--step", "month")
NODES = ("churned_split", "churned_training", "churned_predictions")
START = datetime(2024, 1, 1)
# What decides the outcome is the age until 20 January, and the visits from then on.
CHANGING = (
    "case when i % 11 <> 0 then (hash(i + 3000000) % 1000) / 1000.0 "
    "+ case when i < 470 then (hash(i + 1000000) % 100) / 50.0 else (hash(i) % 1000) / 500.0 end > 1.5 end"
)
SAID = "split: {validation: 0.2, test: 0.2}, retrain: {max_age: 40 days}"


@dataclass(frozen=True)
class Finished:
    """What a backtest printed, and what it printed on standard error."""

    code: int
    out: str
    err: str

    def rows(self, table: str, **where: Any) -> list[dict[str, Any]]:
        """Give rows of one of the tables by the values of some columns."""
        rows: list[dict[str, Any]] = json.loads(self.out)[table]
        return [row for row in rows if all(row[key] == value for key, value in where.items())]


def from_elsewhere(host: Host, *args: str) -> Finished:
    """Run it from another folder, as a user may."""
    line = [Path(sys.executable).with_name("mlbridge"), "backtest", *args, "--project-dir", host.path]
    done = subprocess.run(line, cwd=host.path.parent, capture_output=True, text=True, check=False)
    return Finished(done.returncode, done.stdout, done.stderr)


def started(warm: Warm, host: Host, *args: str) -> Command:
    return warm.start(host.path, "backtest", *args, cli=True, apart=True)


def backtest(warm: Warm, host: Host, *args: str) -> Finished:
    """Run it in the project."""
    command = started(warm, host, *args)
    return Finished(command.wait(), command.output, command.errors.read_text())


def bytes_of(host: Host) -> tuple[str, int]:
    return hashlib.sha256(host.database.read_bytes()).hexdigest(), host.database.stat().st_mtime_ns


def facts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out how long it took, which no two runs share."""
    return [{key: value for key, value in row.items() if key != "training_seconds"} for row in rows]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """A host that was built today, pins a version since, publishes at the end of a run, and attaches a file."""
    found = small_host(tmp_path_factory.mktemp("changing") / "small", ["churned"])
    folder = "models/churned/churned"
    found.write(
        {
            f"{folder}_features.sql": SHOPPERS.format(name="churned", target=CHANGING),
            f"{folder}_split.sql": "{{ mlbridge.split(ref('churned_features')) }}\n",
            f"{folder}_training.py": OWN_TREE.format(name="churned", tree="DecisionTreeClassifier"),
            f"{folder}_predictions.py": PREDICTIONS.format(name="churned"),
            f"{folder}.yml": SPEC.format(name="churned", task="classification", stock="logistic_regression"),
        }
    )
    spec, project = found.path / f"{folder}.yml", found.path / "dbt_project.yml"
    spec.write_text(spec.read_text().replace("candidates:", f"{SAID}, candidates:"))
    warm.dbt(found.path, "deps")
    warm.dbt(found.path, "run", "--select", "churned_features", *NODES)
    spec.write_text(spec.read_text().replace("candidates:", "pin: 1, candidates:"))
    published = found.path / "published.csv"
    hook = f"copy (select 1) to '{published}'"
    project.write_text(f'{project.read_text()}on-run-end: ["{hook}"]\n')
    profiles = yaml.safe_load((found.path / "profiles.yml").read_text())
    other = found.path / "other.duckdb"
    duckdb.connect(str(other)).close()
    profiles["small"]["outputs"]["dev"]["attach"] = [{"path": str(other), "alias": "other"}]
    (found.path / "profiles.yml").write_text(yaml.safe_dump(profiles))
    return found


@pytest.fixture(scope="module")
def before(host: Host) -> tuple[str, int]:
    return bytes_of(host)


@pytest.fixture(scope="module")
def finished(host: Host, before: tuple[str, int], warm: Warm) -> Finished:
    """The backtest, never disturbed, while somebody reads the warehouse."""
    with duckdb.connect(str(host.database), read_only=True):
        done = from_elsewhere(host, "churned", *ASKED, "--format", "json")
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def by_hand(host: Host, warm: Warm, tmp_path_factory: pytest.TempPathFactory, finished: Finished) -> Mapping[str, Host]:
    """The same history built with dbt by hand, trained once (`never`), or at each step (`always`)."""
    built = {}
    for policy, words in (("never", ["never"]), ("always", ["never", "true"])):
        copy = copy_of_host(host, tmp_path_factory.mktemp(policy))
        spec = copy.path / "models/churned/churned.yml"
        spec.write_text(spec.read_text().replace("pin: 1, ", ""))
        project = copy.path / "dbt_project.yml"
        project.write_text(project.read_text().partition("on-run-end")[0])
        with duckdb.connect(str(copy.database)) as connection:
            connection.execute("drop table churned_training; drop table churned_predictions")
        warm.parse(copy.path)
        for moment in MOMENTS:
            for retrain in words[:1] if moment == MOMENTS[0] else words:
                variables = f"{{mlbridge_as_of: {moment}, mlbridge_retrain: '{retrain}'}}"
                warm.dbt(copy.path, "run", "--select", *NODES, "--vars", variables, parsed=True)
        built[policy] = copy
    return built


def test_a_step_says_what_was_known(finished: Finished) -> None:
    assert [(row["step"], row["policy"]) for row in finished.rows("ml_backtest")] == [
        (f"{moment} 00:00:00", policy) for moment in MOMENTS for policy in ("spec", "never", "always")
    ]
    for row in finished.rows("ml_backtest"):
        hours = (datetime.fromisoformat(row["step"]) - START) // timedelta(hours=1)
        assert row["known_rows"] == hours + 1
        assert row["labels"] == sum(number % 11 != 0 for number in range(hours + 1))


def test_the_policies_decide(finished: Finished) -> None:
    decisions = {
        policy: [row["decision"] for row in finished.rows("ml_backtest", policy=policy)]
        for policy in ("spec", "never", "always")
    }
    assert decisions["spec"] == ["promoted", "skipped", "promoted"]
    assert decisions["never"] == ["promoted", "skipped", "skipped"]
    assert decisions["always"] == ["promoted", "promoted", "promoted"]
    assert [row["version"] for row in finished.rows("ml_backtest", policy="always")] == [1, 2, 3]
    assert [row["version"] for row in finished.rows("ml_backtest", policy="never")] == [1, 1, 1]
    counted = {row["policy"]: (row["trainings"], row["promotions"]) for row in finished.rows("ml_backtest_policies")}
    assert counted == {"spec": (2, 2), "never": (1, 1), "always": (3, 3)}
    for policy, reason in (("spec", "max_age is exceeded"), ("never", "says never"), ("always", "requested by")):
        assert reason in finished.rows("ml_backtest", policy=policy)[-1]["reason"]


@pytest.mark.parametrize("policy", ["never", "always"])
def test_what_was_realized_is_what_builds_by_hand_come_to(
    finished: Finished, by_hand: Mapping[str, Host], policy: str
) -> None:
    rows = finished.rows("ml_backtest", policy=policy)
    query = """
        select scored.probability, split.churned
        from churned_predictions as scored
        inner join churned_split as split on scored.entity = cast(split.customer_id as text)
        where
            split.churned is not null and scored.version = {version}
            and scored.time > '{after}' and scored.time <= '{to}'
    """
    every = []
    for row in rows[:-1]:
        came = by_hand[policy].rows(query.format(version=row["version"], after=row["step"], to=row["until"]))
        scores, truth = zip(*came, strict=True)
        assert row["n"] == len(came) > 500
        assert row["value"] == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
        every += came
    assert (rows[-1]["until"], rows[-1]["n"], rows[-1]["value"]) == (None, 0, None)
    scores, truth = zip(*every, strict=True)
    (together,) = finished.rows("ml_backtest_policies", policy=policy)
    assert together["n"] == len(every)
    assert together["value"] == pytest.approx(average_precision_score(truth, scores), abs=1e-12)


def test_training_again_was_worth_it_here(finished: Finished) -> None:
    worth = {row["policy"]: row["value"] for row in finished.rows("ml_backtest_policies")}
    assert worth["always"] > worth["never"] + 0.02
    assert worth["spec"] == worth["never"]  # it trained at the last step only
    seconds = {row["policy"]: row["training_seconds"] for row in finished.rows("ml_backtest_policies")}
    assert seconds["always"] > seconds["never"] > 0


def test_nothing_but_the_work_folder_is_touched(host: Host, finished: Finished, before: tuple[str, int]) -> None:
    assert bytes_of(host) == before
    assert not (host.path / "published.csv").exists()
    assert host.rows("select count(*) from churned_training") == [(2,)]
    folder = Path(json.loads(finished.out)["file"]).parent
    assert folder.parent == host.path / "target" / "mlbridge_backtest"
    assert {each.name for each in folder.iterdir()} == {"backtest.duckdb", "logs"}
    assert "churned_training" in (folder / "logs" / "dbt.log").read_text()


def test_the_results_are_tables(finished: Finished) -> None:
    with duckdb.connect(json.loads(finished.out)["file"], read_only=True) as connection:
        stored = connection.sql("from ml_backtest").fetchall()
        grain = connection.sql("select count(distinct (model, policy, step)) from ml_backtest").fetchall()
        best = connection.sql("select policy from ml_backtest_policies order by value desc limit 1").fetchall()
    assert grain == [(len(stored),)] == [(9,)]
    assert best == [("always",)]


def test_asked_again_it_shows_what_is_stored(host: Host, finished: Finished) -> None:
    again = from_elsewhere(host, "churned", *ASKED)
    assert again.code == 0, again.err
    assert again.err.splitlines() == ["[0/1] parsing the project"]
    lines = again.out.splitlines()
    assert lines[0] == "churned"
    titles = ["step", "policy", "known rows", "labels", "decision", "version"]
    titles += ["average_precision (95 % interval)", "n"]
    assert lines[2].split() == " ".join(titles).split()
    assert lines[3].split()[:4] == ["2024-01-20", "spec", "457", "415"]
    assert any(line.startswith("2024-01-20 spec promoted: no version yet") for line in lines)
    assert lines[-1].endswith(f"are in {json.loads(finished.out)['file']}")


def test_killed_at_any_moment_it_goes_on_where_it_was(
    host: Host, finished: Finished, warm: Warm, tmp_path: Path
) -> None:
    copy = copy_of_host(host, tmp_path)
    assert copy.database.stat().st_mtime_ns == host.database.stat().st_mtime_ns
    for folder in (copy.path / "target" / "mlbridge_backtest").glob("*/backtest.duckdb"):
        folder.unlink()
    words = ("churned", *ASKED, "--format", "json")
    begun = 0
    for moment in (
        "[1/7] 2024-02-20 spec: scoring",
        "[3/7] 2024-02-20 always: deciding",
        "[5/7] 2024-03-20 never: copying",
    ):
        running = started(warm, copy, *words)
        patience = time.monotonic() + 300
        while f"\n{moment}" not in (said := running.errors.read_text()):
            assert not running.output, "it has ended"
            assert time.monotonic() < patience, said
            assert "Error" not in said, said
            time.sleep(0.001)
        running.kill()
        assert running.wait() == -signal.SIGKILL
        assert running.errors.read_text().splitlines()[1].startswith(f"[{begun}/7]")
        begun = int(moment[1])
    last = backtest(warm, copy, *words)
    assert last.code == 0, last.err
    assert last.err.splitlines()[1].startswith(f"[{begun}/7]")
    for table in ("ml_backtest", "ml_backtest_policies"):
        assert facts(last.rows(table)) == facts(finished.rows(table))


def test_a_start_before_the_first_rows_waits_until_they_suffice(host: Host, finished: Finished, warm: Warm) -> None:
    done = backtest(warm, host, "--from", "2023-11-01", "--to", "2024-02-01")
    assert done.code == 0, done.err
    first = [line.split() for line in done.out.splitlines() if line.startswith("2023-11-01") and "not_trained" in line]
    assert [line[1] for line in first[:3]] == ["spec", "never", "always"]
    assert "\n2023-11-01 spec not_trained: " in done.out
    assert "Traceback" not in done.err


def test_a_warehouse_that_somebody_writes_to_is_misuse(
    host: Host, finished: Finished, warm: Warm, tmp_path: Path
) -> None:
    copy = copy_of_host(host, tmp_path)
    code = f"import duckdb; writer = duckdb.connect({str(copy.database)!r}); print('held', flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        done = backtest(warm, copy, *ASKED)
        holder.communicate("\n")
    assert done.code == 2
    assert "another process is writing to the warehouse" in done.err


def test_a_node_in_an_attached_file_is_misuse(host: Host, finished: Finished, warm: Warm, tmp_path: Path) -> None:
    copy = copy_of_host(host, tmp_path)
    spec = copy.path / "models/churned/churned.yml"
    spec.write_text(spec.read_text().replace("{materialized: mlbridge}", "{materialized: mlbridge, database: other}"))
    done = backtest(warm, copy, *ASKED)
    assert done.code == 2
    assert "churned_predictions is built in another database, 'other', of which there is no copy" in done.err
