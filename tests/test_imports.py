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
    "errors", "log", "run", "checks", "spec", "reader", "warehouse",  # what every stage stands on
    "sample", "blocks",  # rows, and which belong together
    "features", "split", "shortage", "frame", "large",  # features, split
    "metrics", "ranges", "baselines", "influence", "intervals", "gain", "comparison", "evaluate",  # how good
    "recalibration", "strength",  # in words
    "profile", "partners", "reference", "estimation", "train", "importances",  # train
    "artifacts", "registry", "versions", "unscored", "resampling", "incumbent", "retrain",  # register
    "leaks", "alone", "traces", "scene", "repeats", "suspects",  # what looks like a leak
    "trial", "promotion", "challenge",  # who is promoted
    "compile", "score", "parity", "gate",
    "nodes",  # composes the stages for dbt
    "project", "leaderboard", "doctor", "invoke", "publish", "export",  # the command line
    "sandbox", "replay", "hindsight", "backtest",
    "monitor",  # monitor, what the app shows
    "progress", "cli", "__main__",
)  # fmt: skip


# The same within a package.
LINES = {
    "compile": (
        "expressions", "columns",  # what translators build
        "links", "winners", "steps", "remainders", "tabulate", "normal", "singles",  # pieces of formulas
        "trees", "walks", "categories", "medians",  # pieces of trees
        "composed", "combining",  # estimators made of others
        "preprocessing", "imputing", "encoders", "expanding", "splines",  # transformers
        "linear", "simple", "forests", "boosting", "voted", "light", "xgb",  # predictors
        "covered",  # the table of them all
        "dialects", "assemble", "select",  # from nodes to SQL
    ),
    "monitor": (
        "source",
        "models", "plain", "histogram", "markdown", "labels",  # what more than one page stands on
        "alerts", "overview", "performance", "outcomes", "predictions", "drift", "distribution", "versions", "changes",
        "cardtables", "card", "runs", "pipeline",
        "launch",
    ),
}  # fmt: skip
# The modules behind each page of the app: none imports those behind another.
PAGES = (
    ("alerts", "overview"), ("performance", "outcomes"), ("predictions",), ("drift", "distribution"),
    ("versions", "changes", "cardtables", "card"), ("runs",), ("pipeline",),
)  # fmt: skip
FILES = sorted(path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))


def imported(module: str, below: str = "mlbridge") -> set[str]:
    """Name what a module imports of a package, by the first name below the package."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == below:
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{below}."):
            found.add(str(node.module).removeprefix(f"{below}.").split(".")[0])
        elif isinstance(node, ast.Import):
            names = [name.name for name in node.names if name.name.startswith(f"{below}.")]
            found |= {name.removeprefix(f"{below}.").split(".")[0] for name in names}
    return found


@pytest.mark.parametrize("module", [file for file in FILES if file != "__init__"])
def test_imports_point_up_the_line(module: str) -> None:
    place = module.split("/")[0]
    assert place in LINE, f"say in LINE where {place} stands"
    above = {*LINE[: LINE.index(place)], *([place] if "/" in module else [])}
    assert imported(module) & set(LINE) <= above


@pytest.mark.parametrize("package", LINES)
def test_every_module_of_a_package_stands_in_its_line(package: str) -> None:
    there = {path.stem for path in (PACKAGE / package).glob("*.py")} - {"__init__"}
    assert there == set(LINES[package])


@pytest.mark.parametrize(("package", "module"), [(package, each) for package in LINES for each in LINES[package]])
def test_imports_point_up_the_line_of_the_package(package: str, module: str) -> None:
    line = LINES[package]
    assert imported(f"{package}/{module}", f"mlbridge.{package}") <= set(line[: line.index(module)])


@pytest.mark.parametrize("page", PAGES)
def test_pages_do_not_import_each_other(page: tuple[str, ...]) -> None:
    others = {module for each in PAGES for module in each} - set(page)
    for module in page:
        assert imported(f"monitor/{module}", "mlbridge.monitor").isdisjoint(others)


def test_nothing_below_the_app_knows_it() -> None:
    for module in FILES:
        text = (PACKAGE / f"{module}.py").read_text()
        assert "import streamlit" not in text
        assert "app" not in imported(module)


def test_import_is_light() -> None:
    code = "import sys, mlbridge; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "pandas", "pyarrow", "sklearn", "duckdb", "sqlglot", "dbt"}.isdisjoint(loaded)


def test_no_engine_is_named_outside_the_warehouse() -> None:
    # `compile` writes SQL for engines that mlbridge need not run on: their names stand in one table.
    allowed = ("warehouse", "doctor", "compile/dialects")
    named = [name for name in FILES if "duckdb" in (PACKAGE / f"{name}.py").read_text().lower() and name not in allowed]
    assert not named
