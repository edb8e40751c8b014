"""A server of Spark Connect of the tests' own: a Java process in a folder of its own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
PATIENCE = 120  # seconds that a start may take on a busy machine
SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "2g",
    "spark.connect.grpc.binding.address": "127.0.0.1",
    # Of few rows, planning costs more than running.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.maxPlanStringLength": "100",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
}


class Spark:
    """The server; a context manager. Its tables are Parquet files in its folder."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    def __enter__(self) -> Spark:
        self.folder = Path(tempfile.mkdtemp(prefix="mlbridge_spark_"))
        self.start()
        return self

    def start(self) -> None:
        """Start the server, and connect to it."""
        folders = {"spark.local.dir": "local", "spark.sql.warehouse.dir": "warehouse"}
        settings = {
            **SETTINGS,
            **{name: str(self.folder / each) for name, each in folders.items()},
            "spark.connect.grpc.binding.port": str(self.port),
        }
        home = Path(str(find_spec("pyspark").origin)).parent  # type: ignore[union-attr] # it is installed
        command = [home / "bin" / "spark-submit", "--master", "local[2]", "--class", SERVER]
        for name, value in settings.items():
            command += ["--conf", f"{name}={value}"]
        environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
        self.log = self.folder / "log"
        with self.log.open("a") as out:
            self.process = subprocess.Popen(
                [*command, "spark-internal"], cwd=self.folder, env=environment, stdout=out, stderr=out
            )
        for _ in range(PATIENCE * 10):
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.1)
        self.session = self._connected()

    def _connected(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pandas that is newer than the one it was made for
            from pyspark.sql.connect.session import SparkSession

            return SparkSession.builder.remote(self.remote).config("spark.sql.session.timeZone", "UTC").create()

    def stop(self) -> None:
        """End the server at once, whoever works with it."""
        self.process.kill()
        self.process.wait()
        self.session.release_session_on_close = False  # nobody would answer
        self.session.stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    @property
    def remote(self) -> str:
        """Its address."""
        return f"sc://127.0.0.1:{self.port}"

    def profile(self, schema: str) -> dict[str, Any]:
        """Give the server as a target of a dbt profile."""
        parameters = {"spark.remote": self.remote, "spark.sql.session.timeZone": "UTC"}
        return {
            "type": "spark",
            "method": "session",
            "host": "none",  # which dbt-spark asks for by every method
            "schema": schema,
            "threads": 2,
            "server_side_parameters": parameters,
        }

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Ask it; moments are in UTC."""
        session = self._connected()  # one that has read a table before does not see what others append to it
        found = session.sql(query).toArrow()
        session.stop()
        moment = pa.timestamp("us")
        fields = [each.with_type(moment) if pa.types.is_timestamp(each.type) else each for each in found.schema]
        rows: list[dict[str, Any]] = found.cast(pa.schema(fields)).to_pylist()
        return rows

    def load(self, schema: str, table: str, file: Path) -> None:
        """Make a table of a Parquet file."""
        self.session.sql(f"create schema if not exists {schema}")
        self.session.sql(f"create table {schema}.{table} using parquet as select * from parquet.`{file}`")
