"""What is said where Spark is not there, or a profile is not read; tests/builds/test_portable.py has the server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlbridge.engines.opening import opened
from mlbridge.errors import SetupError

UTC = {"spark.sql.session.timeZone": "UTC"}
NO_JAVA = """
from types import SimpleNamespace
from mlbridge.engines.opening import opened
profile = {"method": "session", "server_side_parameters": {"spark.sql.session.timeZone": "UTC"}}
with opened(SimpleNamespace(type="spark", **profile)) as warehouse:
    warehouse.every_column()
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def credentials(method: str, **parameters: str) -> SimpleNamespace:
    return SimpleNamespace(type="spark", method=method, server_side_parameters={**UTC, **parameters})


def refused(method: str, **parameters: str) -> str:
    """What is said of a profile at the first query."""
    with pytest.raises(SetupError) as found, opened(credentials(method, **parameters)) as warehouse:
        warehouse.columns_of("", "there", "orders")
    return str(found.value)


def test_a_server_that_does_not_listen_is_named_at_once() -> None:
    address = f"127.0.0.1:{free_port()}"
    message = refused("session", **{"spark.remote": f"sc://{address}/;token=secret"})
    assert message.startswith(f"no server of Spark Connect answers at '{address}' (Connection refused). Start")
    assert "secret" not in message


@pytest.mark.parametrize("remote", ["local[*]", "sc://secret:port", "https://secret", "sc://"])
def test_what_is_no_address_of_a_server_is_refused_and_not_shown(remote: str) -> None:
    message = refused("session", **{"spark.remote": remote})
    assert "is not the address of a server of Spark Connect, such as 'sc://host:15002'" in message
    assert "secret" not in message


@pytest.mark.parametrize("zone", ["Europe/Berlin", ""])
def test_a_session_that_is_not_in_utc_is_refused(zone: str) -> None:
    message = refused("session", **{"spark.sql.session.timeZone": zone})
    assert message.startswith(f"the profile's session is in the time zone {zone or 'of the server'}, and moments are")


def test_another_method_is_refused() -> None:
    assert refused("thrift").startswith("the profile's method is 'thrift'; mlbridge reads Spark by 'session'")


def test_a_client_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    assert refused("session").endswith("`pip install 'mlbridge[spark]'`.")


@pytest.mark.slow
def test_no_java(tmp_path: Path) -> None:
    for tool in (each for folder in ("/usr/bin", "/bin") for each in Path(folder).iterdir()):
        link = tmp_path / tool.name
        if tool.name not in ("java", "jshell") and not link.exists() and not link.is_symlink():
            link.symlink_to(tool)
    # A client of Spark, such as other tests have in this process, leaves variables behind.
    hidden = {name: value for name, value in os.environ.items() if name != "JAVA_HOME" and "SPARK" not in name}
    environment = {**hidden, "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NO_JAVA],
        env=environment, capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert "JAVA_HOME is not set" in done.stderr
    assert "SetupError: Spark did not start: [JAVA_GATEWAY_EXITED]" in done.stderr
    assert "In this process it needs Java 17 or later" in done.stderr
