"""What a command that takes long says on standard error while it works."""

from __future__ import annotations

import io
import sys
import time
from contextlib import suppress

import pytest

from mlbridge import progress
from mlbridge.progress import announced


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.05)


def test_nothing_is_said_of_what_is_quick(capfd: pytest.CaptureFixture[str]) -> None:
    with announced("reading"):
        pass
    time.sleep(0.1)
    assert capfd.readouterr() == ("", "")


def test_a_line_is_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    with announced("reading [red]"):
        time.sleep(0.2)
    assert capsys.readouterr() == ("", "reading [red] ...\n")


def test_a_terminal_shows_it_for_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with suppress(ValueError), announced("reading [red]"):
        time.sleep(0.3)
        raise ValueError
    assert "reading [red] ..." in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is erased
