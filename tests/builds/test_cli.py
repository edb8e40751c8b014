"""The command line over a built warehouse, and over what is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dbt_host import Host

from mlbridge.auditing import audit
from mlbridge.cli import main


@pytest.fixture
def run(flights: Host, own_flights: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("FLIGHTS_DUCKDB", str(own_flights.database))
    monkeypatch.delenv("DBT_PROFILES_DIR", raising=False)

    def invoke(*args: str, project: Path = flights.path) -> Result:
        return CliRunner().invoke(main, [*args, "--project-dir", str(project)])

    return invoke


def test_versions_for_people(run: Callable[..., Result]) -> None:
    shown = run("versions", "late_arrival")
    assert shown.exit_code == 0
    assert "champion" in shown.output
    assert "average_precision" in shown.output
    assert "of the naive baseline (recent rate by carrier) on the same" in shown.output
    assert "arrival_delay" not in shown.output


def test_versions_for_programs(run: Callable[..., Result]) -> None:
    rows = json.loads(run("versions", "--format", "json").stdout)
    assert {row["model"] for row in rows} == {"late_arrival", "arrival_delay"}
    assert sum(row["champion"] for row in rows) == 2
    for row in rows:
        assert row["low"] < row["value"] < row["high"]
        assert row["metric"] == {"late_arrival": "average_precision", "arrival_delay": "rmse"}[row["model"]]


def test_status_is_the_verdict_and_what_to_do(run: Callable[..., Result], flights: Host) -> None:
    shown = run("status", "late_arrival")
    rows = json.loads(run("status", "--format", "json").stdout)
    (verdict, reason), *_ = flights.rows("select verdict, reason from ml_health where model = 'late_arrival'")
    assert {row["model"] for row in rows} == {"late_arrival", "arrival_delay"}
    assert verdict in shown.output
    assert reason in shown.output
    assert shown.exit_code == (1 if verdict == "act" else 0)


def test_lineage_of_a_feature(run: Callable[..., Result]) -> None:
    shown = run("lineage", "late_arrival.seats")
    assert shown.exit_code == 0
    assert "raw.planes.seats" in shown.output
    assert "late_arrival: reaches 1 feature, seats" in shown.output
    found = json.loads(run("lineage", "late_arrival.seats", "--format", "json").stdout)
    assert found["models"] == {"late_arrival": ["seats"], "arrival_delay": ["seats"]}


def test_audit_accuses_no_honest_feature(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    """At one moment: each costs as much as a build of the features."""
    monkeypatch.setattr(audit, "FEWEST", 1)
    monkeypatch.setattr(audit, "ROWS_IN_ALL", 1)
    found = run("audit", "late_arrival", "--format", "json")
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert (told["used_the_future"], told["not_cut"]) == ([], [])
    assert {each["verdict"] for each in told["features"]} == {"fine", "not looked at"}
    assert len(told["features"]) == 32
    in_python = run("audit", "arrival_delay")
    assert in_python.exit_code == 2
    assert "'arrival_delay_features' is no table or view that SQL makes" in in_python.output


def test_impact_of_nothing_and_of_a_change(run: Callable[..., Result], flights: Host, tmp_path: Path) -> None:
    same = run("impact", "--state", str(flights.path / "target"))
    assert (same.exit_code, same.stdout) == (0, "\nnothing differs\n")
    earlier = flights.manifest
    sql = earlier["nodes"]["model.flights.stg_planes"]["compiled_code"]
    earlier["nodes"]["model.flights.stg_planes"]["compiled_code"] = sql.replace("source.seats", "1 + source.seats")
    (tmp_path / "manifest.json").write_text(json.dumps(earlier))
    shown = run("impact", "--state", str(tmp_path), "--format", "markdown")
    assert shown.exit_code == 1
    assert "| late_arrival | seats | all " in shown.stdout
    (tmp_path / "manifest.json").write_text("{")
    assert run("impact", "--state", str(tmp_path)).exit_code == 2


def test_alerts_are_the_current_ones(run: Callable[..., Result], flights: Host) -> None:
    rows = json.loads(run("alerts", "--format", "json").stdout)
    found = flights.rows("select model, what from ml_alerts where is_current")
    assert sorted((row["model"], row["what"]) for row in rows) == sorted(found)
    assert run("alerts").exit_code == (1 if any(row["severity"] != "note" for row in rows) else 0)


@pytest.mark.parametrize("command", ["status", "alerts"])
def test_health_of_a_misspelt_model_is_misuse(run: Callable[..., Result], command: str) -> None:
    shown = run(command, "late_arival")
    assert shown.exit_code == 2
    assert "Did you mean 'late_arrival'?" in shown.output


def test_a_misspelt_model_is_misuse(run: Callable[..., Result]) -> None:
    shown = run("versions", "late_arival")
    assert shown.exit_code == 2
    assert "Did you mean 'late_arrival'?" in shown.output


@pytest.mark.parametrize("command", ["status", "alerts"])
def test_health_without_a_build_or_a_project(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    shown = run(command, project=tmp_path)
    assert (shown.exit_code, "holds no dbt_project.yml" in shown.stderr, shown.stdout) == (2, True, "")
    monkeypatch.setenv("FLIGHTS_DUCKDB", str(tmp_path / "nothing.duckdb"))
    shown = run(command, "--format", "json")
    assert (shown.exit_code, "Run `dbt build` first" in shown.stderr, shown.stdout) == (2, True, "")


@pytest.mark.parametrize("command", ["status", "alerts"])
def test_health_is_read_while_a_build_writes(run: Callable[..., Result], own_flights: Host, command: str) -> None:
    held = subprocess.PIPE
    code = f"import duckdb; writer = duckdb.connect({str(own_flights.database)!r}); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=held, stdout=held, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        shown = run(command, "--format", "json")
        holder.communicate("\n")
    assert shown.exit_code in (0, 1)
    assert {row["model"] for row in json.loads(shown.stdout)} <= {"late_arrival", "arrival_delay"}


@pytest.fixture
def completed(flights: Host, own_flights: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Complete the last of some words, in the folder of the flights."""
    monkeypatch.setenv("FLIGHTS_DUCKDB", str(own_flights.database))
    monkeypatch.delenv("DBT_PROFILES_DIR", raising=False)
    monkeypatch.chdir(flights.path)

    def complete(*words: str) -> list[str]:
        environment = {"_MLBRIDGE_COMPLETE": "zsh_complete", "COMP_WORDS": "\n".join(["mlbridge", *words])}
        shown = CliRunner().invoke(
            main, prog_name="mlbridge", env={**environment, "COMP_CWORD": str(len(words))}, args=[]
        )
        return [value for value in shown.stdout.split("\n")[1::3] if value]

    return complete


def test_a_shell_completes_commands_and_models(
    completed: Callable[..., list[str]], flights: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completed("ver") == ["versions"]
    assert completed("status", "late") == ["late_arrival"]
    assert sorted(completed("explain", "")) == ["arrival_delay", "late_arrival"]
    monkeypatch.chdir(flights.path.parent)
    assert completed("status", "late") == []
    assert completed("status", "--project-dir", str(flights.path), "late") == ["late_arrival"]


def test_a_shell_completes_versions(completed: Callable[..., list[str]], flights: Host) -> None:
    versions = flights.rows("""
        select distinct version from ml_versions
        where model = 'late_arrival' and outcome in ('promoted', 'rejected') and not is_retired order by 1 desc
    """)
    assert completed("retire", "late_arrival", "") == [str(version) for (version,) in versions] != []
    assert completed("explain", "late_arrival", "key", "--version", "1") == ["1"]
    assert completed("compile", "late_arrival", "--version", "") == completed("retire", "late_arrival", "")
    assert completed("compile", "late_arrival", "--version", "7") == []
    assert completed("retire", "nothing_such", "") == []
    assert completed("retire", "--target", "nothing_such", "late_arrival", "") == []


def test_no_warehouse_yet(run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLIGHTS_DUCKDB", str(tmp_path / "nothing.duckdb"))
    shown = run("versions")
    assert shown.exit_code == 2
    assert "Run `dbt build` first" in shown.output


def test_doctor_is_content_with_the_example(run: Callable[..., Result]) -> None:
    shown = run("doctor")
    assert shown.exit_code == 0, shown.output
    assert "all is well" in shown.output


def test_doctor_outside_of_a_project(run: Callable[..., Result], tmp_path: Path) -> None:
    shown = run("doctor", project=tmp_path)
    assert shown.exit_code == 1
    assert "holds no dbt_project.yml" in shown.output


def test_doctor_finds_another_version_of_the_package(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlbridge.commands.doctor.__version__", "0.0.9")
    shown = run("doctor", "--format", "json")
    assert shown.exit_code == 1
    (found,) = (each for each in json.loads(shown.stdout) if each["fine"] != "ok")
    assert found["check"] == "package"
    assert "the Python package 0.0.9. Install the same of both." in found["finding"]


def test_doctor_finds_who_holds_the_lock(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = tmp_path / "held.duckdb"
    code = f"import duckdb; writer = duckdb.connect({str(held)!r}); print('held', flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        monkeypatch.setenv("FLIGHTS_DUCKDB", str(held))
        shown = run("doctor")
        holder.communicate("\n")
    assert shown.exit_code == 1
    assert "another process reads or writes the warehouse" in shown.output
    assert str(holder.pid) in shown.output


@pytest.mark.parametrize("command", sorted(main.commands))
def test_help_shows_an_example(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: mlbridge {command}" in shown.output


@pytest.mark.parametrize("model", ["late_arrival", "arrival_delay"])
def test_a_champion_as_sql_predicts_what_was_predicted(run: Callable[..., Result], flights: Host, model: str) -> None:
    shown = run("compile", model)
    assert shown.exit_code == 0
    value = "probability_true" if model == "late_arrival" else "prediction"
    known = "probability" if model == "late_arrival" else "prediction_value"
    ((rows, difference),) = flights.rows(
        f"select count(*), max(abs(s.{value} - p.{known})) from ({shown.stdout}\n) s join ml_predictions p "
        f"on p.model = '{model}' and p.entity = s.flight_id and p.time = s.predicted_at"
    )
    assert rows > 50_000
    assert difference == 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("late_arival",), "Did you mean 'late_arrival'?"),
        (("late_arrival", "--version", "9"), "no version 9"),
        (("late_arrival", "--dialect", "oracl"), "there is no dialect 'oracl'"),
    ],
)
def test_what_cannot_be_compiled_is_misuse(run: Callable[..., Result], args: tuple[str, ...], words: str) -> None:
    shown = run("compile", *args)
    assert shown.exit_code == 2
    assert words in shown.output


HOSTILE = [
    "",
    " ",
    "a'b",
    '"',
    "a;b",
    "x'; drop table ml_versions; --",
    "../../etc/passwd",
    "時間",
    "--",
    "\\",
    "a\nb",
    "a" * 300,
]
OUTSIDE = ["0", "-1", "65536", "99999999999999999999", "1e3", "nan", *HOSTILE]
MOMENTS = ["0001-01-01T00:00:00+14:00", "0000-01-01", "9999-12-31", "2013-02-30", "nan", "2013", *HOSTILE]
SOME_TIME = ["--from", "2013-07-01", "--to", "2013-08-01"]
# By the words before a wrong value: the values, of which each is refused.
WRONG = {
    ("versions",): HOSTILE,
    ("status",): HOSTILE,
    ("alerts",): HOSTILE,
    ("explain", "late_arrival"): HOSTILE,
    ("explain", "late_arrival", "2013-12-31-EV-4596-EWR", "--time"): MOMENTS,
    ("lineage",): [".", "late_arrival.", ".seats", "late_arrival.nothing", "nothing.seats", *HOSTILE],
    ("impact", "--state"): HOSTILE,
    ("audit",): HOSTILE,
    ("retire", "late_arrival"): ["9", "-1", "1.5", *HOSTILE],
    ("graft", "--from", "flights"): ["late_arrival", *HOSTILE],
    ("graft", "new", "--from"): ["flihgts", "", "a'b", "late_arrival_flights"],
    ("graft", "new", "--package"): ["../nowhere", "a'b", "時間"],
    ("ungraft",): HOSTILE,
    ("versions", "--format"): ["xml", *HOSTILE],
    ("doctor", "--format"): ["xml", *HOSTILE],
    ("publish", "--format"): ["xml", *HOSTILE],
    ("backtest", *SOME_TIME): HOSTILE,
    ("backtest", *SOME_TIME, "--step"): ["year", *HOSTILE],
    ("backtest", *SOME_TIME, "--format"): ["xml", *HOSTILE],
    ("backtest", "--to", "2013-08-01", "--from"): MOMENTS,
    ("backtest", "--from", "2013-07-01", "--to"): MOMENTS,
    ("assess",): ["nothing_like_it", *HOSTILE],
    ("assess", "flights", "--target"): HOSTILE[:3],
    ("assess", "flights", "--cadence"): ["year", *HOSTILE],
    ("compile",): HOSTILE,
    ("compile", "late_arrival", "--version"): OUTSIDE,
    ("compile", "late_arrival", "--dialect"): ["postgress", *HOSTILE],
    ("compile", "late_arrival", "--relation"): ["", "a'b", '"', "a;b", "x'; drop table ml_versions; --", "/*", "$$"],
    ("monitor", "--port"): OUTSIDE,
    ("monitor", "--address"): ["0.0.0.0", "256.1.1.1", "::", *HOSTILE],
    ("monitor", "--allow-remote", "--address"): ["256.1.1.1", "é" * 80, "a" * 300, "a'b", ".a", "時間"],
    **{(command, "--target"): ["nope", *filter(None, HOSTILE)] for command in ("versions", "status", "publish")},
    ("monitor", "--target"): ["nope", *filter(None, HOSTILE)],
    ("compile", "late_arrival", "--target"): ["nope"],
    **{(command, "--profiles-dir"): HOSTILE for command in ("versions", "doctor", "publish", "monitor")},
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_a_wrong_value_gets_a_sentence(
    run: Callable[..., Result], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The app would take the place of this process.
    monkeypatch.setattr("os.execve", lambda *line: pytest.fail(f"the monitor starts: {line}"))
    for value in WRONG[words]:
        shown = run(*words, value)
        assert isinstance(shown.exception, SystemExit), (value, shown.exception)
        assert shown.exit_code == 2, (value, shown.output)
        assert "Error: " in shown.output, value
        assert "Traceback" not in shown.output


@pytest.mark.parametrize("command", [["versions"], ["doctor"], ["publish"], ["monitor"], ["compile", "late_arrival"]])
@pytest.mark.parametrize("place", ["/nowhere/at/all", __file__, "", "a'b"])
def test_a_project_that_is_not_there_is_misuse(run: Callable[..., Result], command: list[str], place: str) -> None:
    shown = CliRunner().invoke(main, [*command, "--project-dir", place])
    assert isinstance(shown.exception, SystemExit)
    assert shown.exit_code == 2
    assert "Error: Invalid value for '--project-dir'" in shown.output


# --- the model card --------------------------------------------------------------------------------------------


def test_a_card_is_written_to_the_terminal_or_a_file(run: Callable[..., Result], tmp_path: Path) -> None:
    shown = run("card", "late_arrival")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("# Model card: late_arrival, version 1\n\n- **Status**: in use\n")
    for words in (
        "| hist_gradient_boosting | promoted | 0.",
        "| raw.flights | Flights that",
        "### Leaks that were looked for",
    ):
        assert words in shown.stdout, words
    file = tmp_path / "card.html"
    shown = run("card", "late_arrival", "--version", "1", "--format", "html", "--output", str(file))
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert file.read_text().startswith('<!doctype html>\n<html lang="en">')


def test_a_card_for_programs_has_the_figures_of_the_tables(run: Callable[..., Result], flights: Host) -> None:
    card = json.loads(run("card", "arrival_delay", "--format", "json").stdout)
    (figures,) = (part["parts"][0] for part in card["parts"] if part["title"] == "Quantitative analyses")
    rows = {(metric, split): row for metric, split, *row in figures["blocks"][0]["rows"]}
    (expected,) = flights.rows("""
        select value, low, high, baseline, n from ml_metrics natural join ml_champions
        where model = 'arrival_delay' and metric = 'rmse' and split = 'test' and slice = 'all'
    """)
    value, interval, baseline, n, _ = rows["rmse", "test"]
    assert (value, interval["low"], interval["high"], baseline, n) == expected


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["late_arival"], "there is no model 'late_arival'. Did you mean 'late_arrival'?"),
        (["late_arrival", "--version", "7"], "'late_arrival' has no version 7. Its versions: '1'."),
        (["late_arrival", "--version", "first"], "'first' is not a valid integer"),
        (["late_arrival", "--format", "pdf"], "'pdf' is not one of 'markdown', 'html', 'json'"),
        (
            ["late_arrival", "--output", "nowhere/card.md"],
            "'nowhere/card.md' cannot be written: No such file or directory.",
        ),
    ],
)
def test_a_card_that_cannot_be_written(run: Callable[..., Result], args: list[str], message: str) -> None:
    shown = run("card", *args)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert message in shown.stderr


def test_a_card_before_the_first_build(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLIGHTS_DUCKDB", str(tmp_path / "nothing.duckdb"))
    shown = run("card", "late_arrival")
    assert shown.exit_code == 2
    assert "no build has been published" in shown.stderr
