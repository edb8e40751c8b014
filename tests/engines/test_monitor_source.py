"""Where the monitor reads: one build at a time, whatever is published meanwhile, and nothing else."""

from __future__ import annotations

import json
import shutil
import threading
import time
from datetime import datetime
from pathlib import Path

import duckdb
import handmade
import numpy as np
import pandas as pd
import pytest

from mlbridge.engines.opening import read_files
from mlbridge.engines.reader import ReadError
from mlbridge.monitor import Build, Nothing, Republished, open_folder
from mlbridge.monitor.source import NEEDED
from mlbridge.publication.folder import Facts, file_of, new_build

ROWS = 10_000
ENOUGH, SECONDS = 10, 60
EACH = "select cast(min(version) as text) as least, cast(max(version) as text) as most, count(*) as n from {table}"
# Three tables in one question, one of them twice.
TOGETHER = " union all ".join(
    EACH.format(table=table) for table in ("ml_versions", "ml_champions", "ml_versions as again", "ml_decisions")
)


def publish(folder: Path, build: int) -> None:
    """Publish a build as the package's macro does: all rows hold its number; odd builds have one row more."""
    with duckdb.connect() as connection, new_build(folder, Path(__file__)) as staging:
        for name in sorted(NEEDED):
            rows = f"select {build}::integer as version, i from range({ROWS + build % 2}) as t(i)"
            connection.execute(f"copy ({rows}) to '{file_of(staging, name)}' (format parquet, row_group_size 2048)")
        Facts(str(build), "2024-07-02 03:04:05", "2024-07-02 00:00:00", "0.3.0", tuple(sorted(NEEDED))).write(staging)


def say(folder: Path, **changes: object) -> None:
    """Change what the newest build says of itself."""
    facts = folder / "current" / "build.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), **changes}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with build 1."""
    publish(tmp_path / "dev", 1)
    return tmp_path / "dev"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> handmade.State:
    """A build made by hand: two runs, else empty."""
    runs = [
        {"invocation_id": "one", "node": "n", "started_at": datetime(2024, 1, 1), "seconds": 1.5, "rows": None},
        {"invocation_id": "two", "node": "it's :x %s", "started_at": None, "seconds": None, "rows": None},
    ]
    return handmade.published(tmp_path_factory.mktemp("made"), ml_runs=runs)


# --- one build at a time ----------------------------------------------------------------------------------------


def test_an_answer_is_of_one_build_while_others_are_published(folder: Path) -> None:
    """A writer that never rests against three readers, until they have met enough: two share a source."""
    done = threading.Event()
    wrong: list[object] = []
    answers: list[str] = []
    again: list[str] = []
    shared = open_folder(folder)

    def read(source: object) -> None:
        try:
            while not done.is_set():
                state = source.state()  # type: ignore[attr-defined]
                build = int(state.build.id)
                try:
                    found = state.ask(TOGETHER)
                except Republished:
                    again.append(state.build.id)
                    continue
                expected = [(str(build), str(build), ROWS + build % 2)] * 4
                if list(found.itertuples(index=False, name=None)) != expected:
                    wrong.append((build, found))
                answers.append(state.build.id)
        except Exception as error:
            wrong.append(error)

    readers = [threading.Thread(target=read, args=(each,)) for each in (shared, shared, open_folder(folder))]
    for reader in readers:
        reader.start()
    build, until = 1, time.monotonic() + SECONDS
    while min(len(set(answers)), len(again)) < ENOUGH and not wrong and time.monotonic() < until:
        build += 1
        publish(folder, build)
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert len(set(answers)) >= ENOUGH
    assert len(again) >= ENOUGH
    assert shared.state().build.id == str(build)


def test_what_is_read_of_an_old_build_is_refused(folder: Path) -> None:
    old = open_folder(folder).state()
    assert old.ask("select max(version) as version from ml_runs")["version"].tolist() == [1]
    publish(folder, 2)
    with pytest.raises(Republished):
        old.ask("select max(version) as version from ml_runs")
    publish(folder, 3)
    with pytest.raises(Republished):
        old.ask("select max(version) as version from ml_runs")


def test_a_file_that_breaks_under_the_reader_means_another_build(folder: Path) -> None:
    old, was = open_folder(folder).state(), (folder / "current").resolve()
    publish(folder, 2)
    for file in was.glob("*.parquet"):
        file.write_bytes(b"PAR1 torn")
    with pytest.raises(Republished):
        old.ask("select max(version) as version from ml_runs")


def test_the_same_build_published_again_is_read_again(folder: Path) -> None:
    source = open_folder(folder)
    first = source.state()
    assert source.state() is first
    publish(folder, 1)
    with pytest.raises(Republished):
        first.ask("select 1 as one")
    assert source.state() is not first
    assert source.state().ask("select 1 as one")["one"].tolist() == [1]


def test_a_build_that_dies_while_it_publishes_is_not_seen(folder: Path) -> None:
    source = open_folder(folder)
    state = source.state()
    half = folder / "builds" / "99991231T000000000000_died"
    shutil.copytree(folder / "current", half)
    (half / "ml_runs.parquet").write_bytes(b"half")
    (folder / "current.99991231T000000000000_died").symlink_to(half)
    assert source.state() is state
    assert state.ask("select max(version) as version from ml_runs")["version"].tolist() == [1]
    publish(folder, 2)
    assert source.state().build.id == "2"
    assert len(list((folder / "builds").iterdir())) == 2
    assert {each.name for each in folder.iterdir()} == {"builds", "current", "lock"}


def test_the_build_says_what_it_is(folder: Path) -> None:
    state = open_folder(folder).state()
    assert state.build == Build("1", datetime(2024, 7, 2, 3, 4, 5), datetime(2024, 7, 2), "0.3.0")
    assert state.tables == NEEDED


def test_a_moment_with_a_zone_is_given_in_utc(folder: Path) -> None:
    say(folder, published_at="2024-07-02T03:04:05+02:00")
    assert open_folder(folder).state().build.published_at == datetime(2024, 7, 2, 1, 4, 5)


# --- nothing to read --------------------------------------------------------------------------------------------


def test_no_folder(tmp_path: Path) -> None:
    source = open_folder(tmp_path / "not there")
    with pytest.raises(Nothing, match=r"no build has been published to '.*not there' yet\. Run `dbt build`"):
        source.state()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", '{"format": 2, "build": "x"}', '{"format": 2, "tables": 3}']
)
def test_a_damaged_document(folder: Path, text: str) -> None:
    (folder / "current" / "build.json").write_text(text)
    with pytest.raises(Nothing, match=r"(build\.json|format None).*build"):
        open_folder(folder).state()


def test_a_moment_that_is_none(folder: Path) -> None:
    say(folder, as_of="yesterday")
    with pytest.raises(Nothing, match="yesterday"):
        open_folder(folder).state()


def test_another_format(folder: Path) -> None:
    say(folder, format=3)
    with pytest.raises(Nothing, match="format 3, and this mlbridge reads format 2"):
        open_folder(folder).state()


@pytest.mark.parametrize("table", sorted(NEEDED))
def test_a_build_without_a_table(folder: Path, table: str) -> None:
    say(folder, tables=sorted(NEEDED - {table}))
    with pytest.raises(Nothing, match=f"lacks {table}. Run `dbt build`"):
        open_folder(folder).state()


@pytest.mark.parametrize("harm", ["missing", "torn"])
def test_a_damaged_table(folder: Path, harm: str) -> None:
    file = folder / "current" / "ml_runs.parquet"
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(b"PAR1 torn")
    with pytest.raises(Nothing, match=r"damaged.*Run `dbt build`"):
        open_folder(folder).state()


@pytest.mark.parametrize("sql", ["select seconds from ml_runs", "select version from ml_alerts"])
def test_tables_of_an_older_build(folder: Path, sql: str) -> None:
    with pytest.raises(Nothing, match=r"do not answer.*Run `dbt build`"):
        open_folder(folder).state().ask(sql)


# --- asking -----------------------------------------------------------------------------------------------------


def test_values_are_bound(state: handmade.State) -> None:
    sql = "select node from ml_runs where node = :node and (:since is null or started_at >= :since)"
    assert state.ask(sql, node="it's :x %s", since=None)["node"].tolist() == ["it's :x %s"]
    assert state.ask(sql, node="' or 1 = 1 --", since=None).empty
    assert state.ask(sql, node="n", since=datetime(2024, 1, 2)).empty


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(7), 7), (np.float64(0.5), 0.5), (np.str_("x"), "x"), (None, None), (pd.NA, None), (pd.NaT, None),
        (float("nan"), None), (True, True), (np.bool_(False), False),
        (pd.Timestamp(2024, 1, 2), pd.Timestamp(2024, 1, 2)),
        (np.datetime64("2024-01-02", "ns"), pd.Timestamp(2024, 1, 2)),
    ],
)  # fmt: skip
def test_values_of_numpy_and_pandas_are_bound(state: handmade.State, value: object, expected: object) -> None:
    (found,) = state.ask("select :value as value", value=value)["value"]
    assert found == expected or (expected is None and pd.isna(found))


def test_types(state: handmade.State) -> None:
    sql = """
    select
        cast(1 as integer) as small, sum(cast(2 as bigint)) as large, cast(1.5 as decimal(8, 2)) as exact,
        cast(0.25 as double) as number, true as flag, cast(null as boolean) as unknown,
        cast(null as integer) as none, 'x' as word, cast(null as text) as silent,
        cast('2024-01-01' as timestamp) as moment, cast('2024-01-01' as date) as day
    """
    expected = {
        "small": "int64", "large": "int64", "exact": "float64", "number": "float64", "flag": "bool",
        "unknown": "object", "none": "float64", "word": "str", "silent": "str", "moment": "datetime64[us]",
        "day": "datetime64[us]",
    }  # fmt: skip
    for limit in (1, 0):
        found = state.ask(f"{sql} limit {limit}")
        kinds = {name: str(type_) for name, type_ in found.dtypes.items()}
        empty = {"unknown": "bool", "none": "int64"} if limit == 0 else {}
        assert kinds == {**expected, **empty}


@pytest.mark.parametrize(
    "sql", ["create table t as select 1 as a", "drop view ml_runs", "copy ml_runs to 'x.csv'", "set threads = 1"]
)
def test_nothing_can_be_written(state: handmade.State, sql: str) -> None:
    with pytest.raises(ReadError):
        state.ask(sql)


def test_nothing_else_can_be_opened(folder: Path) -> None:
    other = folder / "other.csv"
    other.write_text("a\n1\n")
    state = open_folder(folder).state()
    for source in (str(other), "/etc/passwd"):
        with pytest.raises(ReadError):
            state.ask(f"select * from read_csv('{source}')")
    with pytest.raises(ReadError):
        state.ask("select * from read_parquet('*')")


def test_other_errors_stay_errors(state: handmade.State) -> None:
    with pytest.raises(ReadError, match="Conversion"):
        state.ask("select cast(node as integer) as n from ml_runs")


def test_what_is_too_large_is_refused_and_no_more(folder: Path) -> None:
    reader = read_files({"ml_runs": folder / "current" / "ml_runs.parquet"}, memory="60MB")
    tables = {"ml_runs": ("", "ml_runs")}
    with pytest.raises(ReadError, match="Memory"):
        reader.frame("select a.i, string_agg(b.i, ',') as s from ml_runs as a, ml_runs as b group by a.i", {}, tables)
    assert reader.frame("select count(*) as n from ml_runs", {}, tables)["n"].tolist() == [ROWS + 1]


def test_names_with_anything_in_them(folder: Path) -> None:
    copy = shutil.copytree(folder, folder.parent / 'it\'s [a] *; drop "x" {1} é', symlinks=True)
    assert open_folder(copy).state().ask("select max(version) as version from ml_runs")["version"].tolist() == [1]
