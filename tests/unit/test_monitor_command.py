"""How the app is started: on which address, for whom, and over what."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from browser import free_port

from mlbridge.commands.monitor import command
from mlbridge.errors import SetupError


def project(**more: Any) -> Any:
    """Stand in for a project with a file for a warehouse."""
    facts = {"published_folder": Path("here"), "path": Path("p"), "profiles": Path("q"), "target": None}
    return SimpleNamespace(**{**facts, **more})


def options(line: list[str], name: str) -> list[str]:
    """Give every value that an option of the command line has."""
    return [value for option, value in itertools.pairwise(line) if option == f"--{name}"]


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1"])
def test_on_this_machine_it_answers_to_no_other_name(address: str) -> None:
    line, _ = command(project(), address, free_port(), headless=True)
    assert options(line, "server.address") == [address]
    assert options(line, "server.allowedHosts") == ["localhost", "127.0.0.1", "::1"]
    assert options(line, "server.headless") == ["true"]


def test_for_others_it_answers_to_any_name() -> None:
    line, _ = command(project(), "0.0.0.0", free_port(), headless=False, allow_remote=True)
    assert options(line, "server.allowedHosts") == []


def test_it_is_told_where_the_builds_are() -> None:
    _, folder = command(project(), "localhost", free_port(), headless=True)
    assert folder["MLBRIDGE_PUBLISHED"] == "here"
    _, server = command(project(published_folder=None, target="prod"), "localhost", free_port(), headless=True)
    assert "MLBRIDGE_PUBLISHED" not in server
    environment = {name: server[name] for name in ("MLBRIDGE_PROJECT_DIR", "DBT_PROFILES_DIR", "MLBRIDGE_TARGET")}
    assert environment == {"MLBRIDGE_PROJECT_DIR": "p", "DBT_PROFILES_DIR": "q", "MLBRIDGE_TARGET": "prod"}


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "", "192.168.1.4", "monitor.example", "no.such.invalid"])
def test_others_may_connect_only_where_that_is_asked_for(address: str) -> None:
    with pytest.raises(SetupError, match="Add --allow-remote if that is meant"):
        command(project(), address, free_port(), headless=True)


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.0.0.2", "::1"])
def test_this_machine_may_always_connect(address: str) -> None:
    line, _ = command(project(), address, free_port(), headless=True)
    assert options(line, "server.address") == [address]


def test_an_address_that_is_none() -> None:
    with pytest.raises(SetupError, match="another --address"):
        command(project(), "no.such.invalid", free_port(), headless=True, allow_remote=True)


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("localhost", 0)) as taken, pytest.raises(SetupError, match="Choose another --port"):
        command(project(), "localhost", taken.getsockname()[1], headless=True)
