"""What is said where Spark is not there, and of types that models do not know."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from spark import Spark

from mlbridge.engines.reader import ReadError
from mlbridge.engines.warehouse import opened
from mlbridge.errors import FeatureError, SetupError
from mlbridge.features.columns import features_of
from mlbridge.spec.reading import read_spec

NO_JAVA = """
from types import SimpleNamespace
from mlbridge.engines.warehouse import opened
with opened(SimpleNamespace(type="spark", method="session", server_side_parameters={})) as warehouse:
    warehouse.every_column()
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def credentials(method: str, **parameters: str) -> SimpleNamespace:
    return SimpleNamespace(type="spark", method=method, server_side_parameters=parameters)


def test_a_server_that_does_not_listen_is_named_at_once() -> None:
    remote = f"sc://127.0.0.1:{free_port()}"
    with (
        pytest.raises(
            SetupError, match=rf"^no server of Spark Connect answers at '{remote}' \(Connection refused\)\. Start"
        ),
        opened(credentials("session", **{"spark.remote": remote})) as warehouse,
    ):
        warehouse.columns_of("", "there", "orders")


def test_another_method_is_refused() -> None:
    with (
        pytest.raises(SetupError, match=r"^the profile's method is 'thrift'; mlbridge reads Spark by 'session'"),
        opened(credentials("thrift")) as warehouse,
    ):
        warehouse.columns_of("", "there", "orders")


@pytest.mark.slow
def test_no_java(tmp_path: Path) -> None:
    hidden = {name: value for name, value in os.environ.items() if name not in ("JAVA_HOME", "SPARK_REMOTE")}
    environment = {**hidden, "PATH": "/bin" if not Path("/bin/java").exists() else str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NO_JAVA],
        env=environment, capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert "SetupError: Spark did not start: [JAVA_GATEWAY_EXITED]" in done.stderr
    assert "In this process it needs Java 17 or later" in done.stderr


@pytest.mark.slow
def test_types_that_no_model_takes_are_named_and_a_schema_may_be_missing(cluster: Spark) -> None:
    cluster.session.sql("create schema if not exists odd")
    cluster.session.sql(
        "create table odd.types as "
        "select 1 as id, date '2024-01-01' as day, array(1) as many, map('a', 1) as pairs, "
        "cast('1' as decimal(9, 2)) as price"
    )
    with opened(SimpleNamespace(**cluster.profile("odd"))) as warehouse:
        types = warehouse.columns_of("", "odd", "types")
        assert types == {
            "id": "INTEGER",
            "day": "DATE",
            "many": "INT[]",
            "pairs": "MAP(TEXT, INT)",
            "price": "DECIMAL(9, 2)",
        }
        rows = warehouse.relation(("", "odd", "types")).to_arrow_reader(10).read_all().to_pylist()
        assert rows == [{"id": 1, "day": datetime(2024, 1, 1), "many": "[1]", "pairs": "{a -> 1}", "price": 1.0}]
        spec = read_spec("m_training", {"task": "regression", "target": "price", "entity": "id", "time": "day"})
        with pytest.raises(FeatureError, match=r"'many' is a INT\[\]"):
            features_of("m_training", types, spec)
        with pytest.raises(SetupError, match=r"^the warehouse has no table 'nowhere.t'. Run `dbt build` first.$"):
            warehouse.relation(("", "nowhere", "t"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*RETRIES_EXCEEDED")  # the client says it as well
def test_a_cluster_that_is_gone_is_not_waited_for_long(cluster: Spark) -> None:
    with opened(SimpleNamespace(**cluster.profile("odd"))) as warehouse:
        assert warehouse.columns_of("", "default", "nothing") == {}
        cluster.stop()
        with pytest.raises(ReadError):
            warehouse.columns_of("", "default", "nothing")
    cluster.start()
