"""Which dbt runs: the library of dbt 1, or the program that dbt 2 is."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from dbt_host import SHOP

from mlbridge.errors import SetupError
from mlbridge.project.dbt_commands import Dbt2, dbt_2, run
from mlbridge.project.project import Project


def test_a_script_of_python_is_dbt_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert shutil.which("dbt") is not None
    assert dbt_2() is None


@pytest.mark.parametrize("program", [None, "echo"])
def test_without_dbt_and_with_another_program_of_its_name_the_library_runs(
    program: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program is not None:
        (tmp_path / "dbt").symlink_to(str(shutil.which(program)))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dbt_2() is None


def test_a_dbt_2_that_ends_without_results_is_an_error(tmp_path: Path) -> None:
    shutil.copytree(SHOP, tmp_path / "shop")
    (tmp_path / "shop" / "target").mkdir()
    earlier = tmp_path / "shop" / "target" / "run_results.json"
    earlier.write_text('{"results": []}')
    project = Project.at(tmp_path / "shop", None, None)
    program = Dbt2(str(shutil.which("false")), "2.0.0")
    with pytest.raises(SetupError, match="dbt ended with exit code 1"):
        run(project, ["build"], [], program, None)
    assert not earlier.exists()
