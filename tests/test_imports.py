"""The layout is the architecture: data walks one line, and imports point up it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mlbridge

PACKAGE = Path(mlbridge.__file__).parent
# Each module may import those before it and none after it.
LINE = (
    "errors", "log", "run", "checks", "spec", "warehouse",  # what every stage stands on
    "features", "split", "frame",  # features, split
    "sample", "metrics", "evaluate", "profile", "partners", "reference", "estimation", "train", "importances",  # train
    "artifacts", "registry", "versions", "incumbent", "retrain", "challenge",  # register
    "score",
    "nodes",  # composes the stages for dbt
    "project", "leaderboard", "doctor",  # the command line
    "sandbox", "replay", "hindsight", "backtest",
    "progress", "cli", "__main__",
)  # fmt: skip


def imported(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "mlbridge":
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlbridge."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("mlbridge.")}
    return found & set(LINE)


@pytest.mark.parametrize("module", sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"))
def test_imports_point_up_the_line(module: str) -> None:
    assert module in LINE, f"say in LINE where {module} stands"
    above = set(LINE[: LINE.index(module)])
    assert imported(PACKAGE / f"{module}.py") <= above


def test_import_is_light() -> None:
    code = "import sys, mlbridge; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "pandas", "pyarrow", "sklearn", "duckdb", "sqlglot", "dbt"}.isdisjoint(loaded)


def test_no_engine_is_named_outside_the_warehouse() -> None:
    named = [
        path.name
        for path in PACKAGE.glob("*.py")
        if "duckdb" in path.read_text().lower() and path.stem not in ("warehouse", "doctor")
    ]
    assert not named
