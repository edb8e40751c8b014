"""What a backtest is asked for: its moments, its project, and whatever is wrong with them."""

from __future__ import annotations

import fcntl
import stat
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from click.testing import CliRunner, Result
from dbt_host import small_host

from mlbridge.backtesting.sandbox import RESULTS, Dbt, copy_warehouse, error_message
from mlbridge.cli import main
from mlbridge.commands.backtest import backtest, moment, moments
from mlbridge.errors import SetupError
from mlbridge.project.project import Project


@pytest.fixture
def backtest_of_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Ask for a backtest of a host that declares models and has a warehouse, if an empty one, but no nodes."""
    monkeypatch.delenv("DBT_PROFILES_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    host = small_host(tmp_path / "small", ["churned", "spent"])
    duckdb.connect(str(host.database)).close()

    def ask(*args: str, **changes: str) -> Result:
        options = {"from": "2024-01-01", "to": "2024-02-01", **changes}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return CliRunner().invoke(main, ["backtest", *args, *words, "--project-dir", str(host.path)])

    return ask


def days(*texts: str) -> list[datetime]:
    return [datetime.fromisoformat(each) for each in texts]


@pytest.mark.parametrize(
    ("step", "first", "last", "expected"),
    [
        ("day", "2024-02-28", "2024-03-02", ["2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02"]),
        ("week", "2024-01-01 06:00", "2024-01-15", ["2024-01-01 06:00", "2024-01-08 06:00", "2024-01-15"]),
        ("month", "2023-12-31", "2024-04-01", ["2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31", "2024-04-01"]),
        ("month", "2024-01-01", "2024-01-20", ["2024-01-01", "2024-01-20"]),
    ],
)  # fmt: skip
def test_moments_go_by_the_calendar_and_end_at_the_last_one(
    step: str, first: str, last: str, expected: Sequence[str]
) -> None:
    assert moments(*days(first, last), step) == days(*expected)


def test_a_moment_is_utc() -> None:
    assert moment("--to", "2024-01-01T02:30:00+02:00") == datetime(2024, 1, 1, 0, 30)
    assert moment("--to", "2024-01-01") == datetime(2024, 1, 1)


@pytest.mark.parametrize(
    ("args", "options", "sentence"),
    [
        ((), {"from": "2024-02-01"}, "--from 2024-02-01 00:00:00 does not come before --to 2024-02-01 00:00:00"),
        ((), {"from": "2024-02-30"}, "--from: found '2024-02-30'; expected a moment in UTC such as '2013-07-01'"),
        ((), {"to": "soon"}, "--to: found 'soon'; expected a moment"),
        ((), {"to": "9999-12-31"}, "--to 9999-12-31 00:00:00 lies in the future: it is 2"),
        ((), {"step": "year"}, "'year' is not one of 'day', 'week', 'month'"),
        (("chruned",), {}, "there is no model 'chruned'. Did you mean 'churned'? Declared: 'churned', 'spent'."),
    ],
)
def test_misuse(
    backtest_of_host: Callable[..., Result], args: Sequence[str], options: dict[str, str], sentence: str
) -> None:
    shown = backtest_of_host(*args, **options)
    assert shown.exit_code == 2
    assert sentence in " ".join(shown.output.split())


def test_no_models_are_declared(backtest_of_host: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "small" / "dbt_project.yml"
    file.write_text(file.read_text().replace('["churned", "spent"]', "[]"))
    shown = backtest_of_host()
    assert shown.exit_code == 2
    assert "no model is declared. Name yours in dbt_project.yml below `vars: mlbridge_models`" in shown.output


def test_no_warehouse_yet(backtest_of_host: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "small" / "small.duckdb").unlink()
    shown = backtest_of_host()
    assert shown.exit_code == 2
    assert "there is no warehouse at" in shown.output
    assert "Run `dbt build` first" in shown.output


def test_a_server_is_no_file(backtest_of_host: Callable[..., Result], tmp_path: Path) -> None:
    server = "{type: postgres, host: h, port: 5432, user: u, password: p, dbname: d, schema: s}"
    (tmp_path / "small" / "profiles.yml").write_text(f"small: {{target: dev, outputs: {{dev: {server}}}}}\n")
    shown = backtest_of_host()
    assert shown.exit_code == 2
    assert "the profile's warehouse is no file; this command reads 'duckdb' files only so far" in shown.output


def test_another_backtest_is_running(backtest_of_host: Callable[..., Result], tmp_path: Path) -> None:
    home = tmp_path / "small" / "target" / "mlbridge_backtest"
    home.mkdir(parents=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4321")
        lock.flush()
        shown = backtest_of_host()
    assert shown.exit_code == 2
    assert "another backtest of this project is running (process 4321)" in shown.output


def test_a_project_that_does_not_parse_is_refused_in_the_words_of_dbt(tmp_path: Path) -> None:
    host = small_host(tmp_path / "small", ["churned"])
    host.write({"models/broken.sql": "select * from {{ ref('nothing') }}", "packages.yml": "packages: []\n"})
    duckdb.connect(str(host.database)).close()
    found = Project.at(host.path, host.path, None)
    with pytest.raises(SetupError, match=r"the project does not parse: .*(?s:.)*'nothing' which was not found"):
        backtest(found, None, days("2024-01-01", "2024-02-01"), lambda *_: None)


def test_dbt_is_started_where_the_warehouse_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = small_host(tmp_path / "small", [])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert Project.at(host.path, host.path, None).start_folder == host.path
    duckdb.connect(str(tmp_path / "elsewhere" / host.database.name)).close()
    assert Project.at(host.path, host.path, None).start_folder == tmp_path / "elsewhere"


# --- the copy ------------------------------------------------------------------------------------------------


def test_the_profile_of_the_copy_changes_the_path_only_and_keeps_secrets_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = small_host(tmp_path / "small", [])
    real: dict[str, Any] = {
        "type": "duckdb", "path": "{{ env_var('WHERE') }}", "threads": 3, "settings": {"file_search_path": ".,data"},
        "attach": [{"path": "other.duckdb", "alias": "other"}],
        "config_options": {"token": "{{ env_var('DBT_ENV_SECRET_TOKEN') }}"},
    }  # fmt: skip
    (host.path / "profiles.yml").write_text(yaml.safe_dump({"small": {"target": "dev", "outputs": {"dev": real}}}))
    monkeypatch.setenv("WHERE", str(host.database))
    monkeypatch.setenv("DBT_ENV_SECRET_TOKEN", "hush")
    folder = tmp_path / "work"
    file = folder / "profiles.yml"
    dbt = Dbt(Project.at(host.path, host.path, None), folder)
    texts = []

    def interrupted() -> None:
        with dbt.profile(folder / "next" / "small.duckdb", folder / "out"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            texts.append(file.read_text())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not file.exists()
    (text,) = texts
    assert "hush" not in text
    outputs = yaml.safe_load(text)["small"]["outputs"]
    assert set(outputs) == {"dev", RESULTS}
    changed = {"path": str(folder / "next" / "small.duckdb"), "keep_open": False}
    changed["attach"] = [{"path": "other.duckdb", "alias": "other", "read_only": True}]
    assert outputs["dev"] == {**real, **changed}


def test_a_copy_holds_what_is_not_in_the_file_yet(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    file, kept = tmp_path / "live" / "small.duckdb", tmp_path / "kept" / "small.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table one as select 1 as i")
        connection.execute("checkpoint")
        connection.execute("set checkpoint_threshold = '1TB'")
        connection.execute("insert into one values (2)")
        copied = tmp_path / "crashed" / "small.duckdb"
        copied.parent.mkdir()
        for part in file.parent.iterdir():  # as the files are when the process dies here
            (copied.parent / part.name).write_bytes(part.read_bytes())
    assert copied.with_name("small.duckdb.wal").exists()
    copy_warehouse(copied, kept)
    with duckdb.connect(str(kept), read_only=True) as connection:
        assert connection.sql("select i from one order by i").fetchall() == [(1,), (2,)]


def test_a_warehouse_that_changes_while_it_is_copied_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "small.duckdb"
    duckdb.connect(str(file)).close()

    def copy_and_write(source: Path, to: Path) -> None:
        to.write_bytes(source.read_bytes())
        with duckdb.connect(str(file)) as connection:
            connection.execute("create table late as select 1 as i")

    monkeypatch.setattr("shutil.copyfile", copy_and_write)
    with pytest.raises(SetupError, match=r"another process wrote to .* while it was being copied"):
        copy_warehouse(file, tmp_path / "copy" / "small.duckdb")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (
            "Compilation Error in model late_split (a.sql)\n  late_training: no.\n  \n  > in macro refuse (b.sql)",
            "late_split: late_training: no.",
        ),
        (
            "Compilation Error in model late_split (a.sql)\n  late_split: no.\n  \n  > in macro x (b.sql)",
            "late_split: no.",
        ),
        (
            "Runtime Error in model late_split (a.sql)\n  Binder Error: x\n  LINE 1",
            "late_split: Binder Error: x\nLINE 1",
        ),
        (
            "Runtime Error in model late_split (a.py)\n  Python model failed:\n  Traceback (most recent call last):\n"
            "    File x\n      y\n  KeyError: 'x'\n  ",
            "late_split: KeyError: 'x'",
        ),
    ],
)
def test_an_error_of_dbt_is_told_without_its_frame(message: str, sentence: str) -> None:
    assert error_message("late_split", message) == sentence
