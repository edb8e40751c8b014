"""Engines: found by the name of their dbt adapter, and what their files and profiles are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from mlbridge.engines import duckdb as python_engine
from mlbridge.engines import engine
from mlbridge.engines.adapters import ENGINES, PYTHON_ENGINE, engine_of
from mlbridge.engines.engine import Engine
from mlbridge.engines.opening import connect
from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import SetupError


def test_each_file_of_an_engine_is_a_row_of_the_table() -> None:
    others = {"__init__", "adapters", "engine", "opening", "reader", "records", "rights", "warehouse"}
    others |= {"session", "server_copy", "server_session", "spark_connect", "spark_session"}
    files = {path.stem for path in Path(engine.__file__).parent.glob("*.py")} - others
    assert files == set(ENGINES)


def test_an_adapter_that_is_not_known_is_a_server_that_can_be_read() -> None:
    found = engine_of("snowflake")
    assert type(found) is Engine
    assert (found.name, found.settings) == ("snowflake", ())
    assert found.file_of(SimpleNamespace(path="x")) is None
    assert found.path_of(SimpleNamespace(path="x"), "x") is None


def test_only_a_server_that_is_translated_for_is_read_by_commands() -> None:
    assert isinstance(connect(None, SimpleNamespace(type="postgres")), Warehouse)
    with pytest.raises(SetupError, match="reads 'duckdb' files and servers of 'postgres', 'spark' only so far"):
        connect(None, SimpleNamespace(type="snowflake"))
    with pytest.raises(SetupError, match="reads 'duckdb' files only so far"):
        connect(None)


def test_a_reader_of_postgres_gives_up_before_a_deadlock_is_looked_for() -> None:
    assert any("lock_timeout" in each for each in engine_of("postgres").settings)


@pytest.mark.parametrize(
    ("path", "database", "expected"),
    [
        ("a/shop.duckdb", "shop", "a/shop.duckdb"),
        ("a/shop.duckdb", "other", "b/other.duckdb"),
        ("a/shop.duckdb", "named", "b/third.duckdb"),
        ("a/shop.duckdb", "nowhere", "a/shop.duckdb"),
        (":memory:", "memory", None),
        ("md:shop", "shop", None),
        ("C:/shop.duckdb", "shop", "C:/shop.duckdb"),
    ],
)
def test_a_database_is_in_the_file_that_the_profile_gives_it(path: str, database: str, expected: str | None) -> None:
    other, named = (
        SimpleNamespace(path="b/other.duckdb", alias=None),
        SimpleNamespace(path="b/third.duckdb", alias="named"),
    )
    credentials = SimpleNamespace(
        path=path, attach=[other, named], path_derived_database_name=lambda path: Path(path).stem
    )
    assert PYTHON_ENGINE.path_of(credentials, database) == expected


def test_a_copy_of_a_target_writes_to_its_own_file_only() -> None:
    real = {"type": "duckdb", "path": "real.duckdb", "threads": 3, "attach": [{"path": "other.duckdb"}]}
    found = PYTHON_ENGINE.target(Path("copy.duckdb"), like=real)
    assert found["path"] == "copy.duckdb"
    assert found["threads"] == 3
    assert found["attach"] == [{"path": "other.duckdb", "read_only": True}]
    assert real["path"] == "real.duckdb"


@pytest.mark.parametrize(("free", "limit"), [(8 * 2**30, "2.0 GiB"), (2**20, "500.0 MiB")])
def test_a_copy_takes_a_quarter_of_the_free_memory(free: int, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_engine, "free_bytes", lambda: free)
    rows = pa.table({"x": [1]}).to_reader()
    with PYTHON_ENGINE.copied(rows, {"x": "BIGINT"}) as (session, _):
        assert session.execute("select current_setting('memory_limit')").fetchall() == [(limit,)]
