"""A file that cannot be written is refused before a command does anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mlbridge.cli import main


@pytest.mark.parametrize(
    "command", [["assess", "orders", "--html"], ["card", "late_arrival", "--output"]], ids=lambda each: each[0]
)
def test_a_file_that_cannot_be_written_is_refused_at_once(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no project here, which would be the next thing to say."""
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(main, [*command, "nowhere/page.html"])
    assert shown.exit_code == 2
    assert "'nowhere/page.html' cannot be written: No such file or directory. Name another file." in shown.stderr
    shown = CliRunner().invoke(main, [*command, "page.html"])
    assert "cannot be written" not in shown.stderr
    assert list(tmp_path.iterdir()) == []
