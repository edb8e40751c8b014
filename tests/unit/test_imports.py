"""Folders are the architecture: a file imports its own folder and the layers below it, and nothing goes round."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest

import mlbridge

PACKAGE = Path(mlbridge.__file__).parent
# The lowest layer first: a folder may import those of earlier rows, and none of its own row.
LAYERS = (
    ("errors", "log", "memory", "progress", "typing", "version"),
    ("catalogue", "listening"),
    ("evaluation", "spec", "engines"),
    ("publication",),
    ("features", "reference", "project", "compile"),
    ("split", "training", "lineage"),
    ("registry",),
    ("scoring",),
    ("leaks", "serving"),
    ("lifecycle",),
    ("nodes", "backtesting", "monitor"),
    ("readiness", "model_card", "auditing"),
    ("grafting",),
    ("commands", "display"),
    ("cli",),
)
# The same within a folder that has folders.
COMPILE = (
    ("sql",),
    ("formulas",),
    ("trees", "checks", "outputs", "reasons"),
    ("transformers", "estimators"),
    ("catalogue",),
    ("select",),
    ("arrays",),
)
# The modules behind each page of the monitor: none imports those behind another.
PAGES = (
    ("incidents", "overview"), ("performance", "outcomes", "curves", "clues"), ("predictions",),
    ("drift", "distribution"),
    ("versions", "version_changes"), ("runs",), ("pipeline", "column_lineage"),
)  # fmt: skip
# What only the engines' folder may know, beside the table of what `compile` writes SQL for.
OF_ENGINES = ("duckdb", "attach", ".wal", "bool_or", "double[]")
ENGINES_NAMED = ("engines/", "compile/sql/dialects")
FILES = sorted(path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))
MODULES = [file for file in FILES if file != "__init__"]


def imported(file: str) -> set[str]:
    """Name the modules of the package that one imports, by their paths, types and imports inside functions included."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{file}.py").read_text())):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{each.name}" for each in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "mlbridge":
                found.add(_file(parts[1:]))
    return found


def _file(parts: list[str]) -> str:
    """Give the file that a dotted name is of: the longest part of it that is one."""
    for end in range(len(parts), 0, -1):
        for path in ("/".join(parts[:end]), "/".join([*parts[:end], "__init__"])):
            if path in FILES:
                return path
    return "__init__"


def layer(layers: tuple[tuple[str, ...], ...], folder: str) -> int:
    """Give the number of a folder's layer."""
    numbers = [number for number, folders in enumerate(layers) if folder in folders]
    assert len(numbers) == 1, f"say in one row of the table where '{folder}' stands"
    return numbers[0]


def check(layers: tuple[tuple[str, ...], ...], file: str, below: str) -> None:
    """Refuse what a file imports of its own layer, its own folder left out, and of those above."""
    mine = file.removeprefix(below).split("/")[0]
    for other in imported(file):
        if other.startswith(below) and other not in ("__init__", f"{below}__init__"):
            theirs = other.removeprefix(below).split("/")[0]
            allowed = theirs == mine or layer(layers, theirs) < layer(layers, mine)
            assert allowed, f"{file} imports {other}, which stands beside it or above"


@pytest.mark.parametrize("file", MODULES)
def test_a_file_imports_its_own_folder_and_lower_layers(file: str) -> None:
    assert "__init__" not in imported(file), f"{file} imports the package itself: name the module"
    check(LAYERS, file, "")


@pytest.mark.parametrize("file", [file for file in MODULES if file.startswith("compile/")])
def test_the_folders_of_compile_are_layers_too(file: str) -> None:
    if file != "compile/__init__":
        check(COMPILE, file, "compile/")


def test_every_layer_is_there() -> None:
    there = {file.split("/")[0] for file in MODULES}
    assert set(chain.from_iterable(LAYERS)) == there
    contributing = (PACKAGE.parent / "CONTRIBUTING.md").read_text()
    documented = {folder for folder in there if any(f"`{folder}{end}`" in contributing for end in ("/", ".py"))}
    assert documented == there


def test_no_imports_go_round() -> None:
    graph = {file: imported(file) - {file} for file in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("page", PAGES)
def test_pages_do_not_import_each_other(page: tuple[str, ...]) -> None:
    others = {f"monitor/{module}" for each in PAGES for module in each if each != page}
    for module in page:
        assert imported(f"monitor/{module}").isdisjoint(others)


def test_nothing_below_the_app_knows_it() -> None:
    for file in FILES:
        text = (PACKAGE / f"{file}.py").read_text()
        assert "import streamlit" not in text
        assert "mlbridge.app import" not in text


def test_import_is_light() -> None:
    code = "import sys, mlbridge; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "pandas", "pyarrow", "sklearn", "duckdb", "sqlglot", "dbt"}.isdisjoint(loaded)


def test_no_module_takes_the_place_of_a_verb() -> None:
    code = (
        "import mlbridge, mlbridge.nodes.predictions, mlbridge.nodes.training, mlbridge.training.fitting; "
        "print(*(type(getattr(mlbridge, each)).__name__ for each in ('train', 'predict', 'to_sql')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["function"] * 3
    assert {"train", "predict", "to_sql"}.isdisjoint(chain.from_iterable(LAYERS))


def test_each_command_is_a_module() -> None:
    from mlbridge.cli import main

    assert {f"commands/{name}" for name in main.commands} == {
        file for file in FILES if file.startswith("commands/")
    } - {"commands/__init__"}


@pytest.mark.parametrize("engine_word", OF_ENGINES)
def test_what_differs_by_engine_stands_with_the_engines(engine_word: str) -> None:
    named = [file for file in FILES if engine_word in (PACKAGE / f"{file}.py").read_text().lower()]
    assert any(file.startswith(ENGINES_NAMED) for file in named) or engine_word in ("bool_or", "double[]")
    assert not [file for file in named if not file.startswith(ENGINES_NAMED)]


def test_every_folder_is_installed() -> None:
    root = PACKAGE.parent
    listed = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {".".join(path.relative_to(root).parent.parts) for path in PACKAGE.rglob("__init__.py")}
    assert {each for each in listed if not each.startswith("mlbridge.app")} == folders


def test_a_node_with_nothing_to_do_imports_no_model() -> None:
    code = (
        "import sys, mlbridge.nodes.training, mlbridge.nodes.predictions; "
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"pandas", "pyarrow", "scipy", "sklearn", "joblib", "skops"}.isdisjoint(loaded)


def test_a_build_that_only_publishes_imports_no_arrays(tmp_path: Path) -> None:
    code = """
import sys, duckdb
from mlbridge.publication.publish import publish
session = duckdb.connect(sys.argv[1])
session.execute("create table ml_runs as select 1 as one")
assert publish(session, {"ml_runs": ("small", "main", "ml_runs")}, "dev", "1", "2024-07-02 00:00:00", "0.9.0")
print(*sorted({name.split('.')[0] for name in sys.modules}))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "small.duckdb")]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "pandas", "pyarrow"}.isdisjoint(loaded)
