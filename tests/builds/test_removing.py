"""What docs/removing.md says of a branch that was written by hand, typed: nothing is left, the host is as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dbt_host import ROOT, clone
from guides import BLOCK, CUSTOMER_MONTHS, section, shell
from host_state import state, write
from warm import Warm

pytestmark = pytest.mark.slow

PAGE = section((ROOT / "docs" / "removing.md").read_text(), "By hand")
GRAFT = (ROOT / "docs" / "graft.md").read_text()
PROGRAMS = Path(sys.executable).parent
HOST = {
    "dbt_project.yml": "name: shop\nversion: 1.0.0\nprofile: shop\n\n",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
    "packages.yml": "packages:\n  - local: utils\n",
    "utils/dbt_project.yml": "name: utils\nversion: 1.0.0\n",
    "utils/models/days.sql": "select 1 as day\n",
    ".gitignore": "target/\n",
    "models/marts/customer_months.sql": CUSTOMER_MONTHS,
    "models/marts/_marts.yml": (
        "models: [{name: customer_months, columns: [{name: month_end, data_tests: [not_null]}]}]\n"
    ),
}


def test_nothing_is_left(warm: Warm, tmp_path: Path) -> None:
    clone(tmp_path / "mlbridge")
    host = tmp_path / "shop"
    for name, text in HOST.items():
        write(host / name, text)
    built(host, warm)
    before = state(host)
    for found in BLOCK.finditer(section(GRAFT, "By hand")):
        if found["file"] and found["file"] != "packages.yml":
            write(host / found["file"], found["text"])
    write(host / "packages.yml", "  - local: ../mlbridge\n")
    write(host / ".gitignore", "*.duckdb.published/\n")
    schema = "models: {mlbridge: {+schema: ml}}\n"
    write(host / "dbt_project.yml", schema)
    built(host, warm)
    grafted = state(host)
    assert len(grafted["rows"]) > len(before["rows"]) + 15
    assert ("main_ml",) in grafted["schemas"]

    pages = iter(BLOCK.finditer(PAGE))
    output = shell(next(pages)["text"], host, PROGRAMS)
    stages = ("features", "split", "training", "predictions")
    assert {line for line in output.split() if line.startswith("shop.")} == {
        *(f"shop.ml.churn.churn_{stage}" for stage in stages), "shop.ml.churn.ml_scores_churn"
    }  # fmt: skip
    output = shell(next(pages)["text"], host, PROGRAMS)
    gone = {f'"{schema}"."{name}"' for schema, name, _ in set(grafted["rows"]) - set(before["rows"])}
    for words in ("would drop", "dropped"):
        assert {
            line.split(f"{words} ")[1].split(".", 1)[1] for line in output.splitlines() if f'{words} "' in line
        } == gone
    for found in pages:
        if found["language"] == "diff":
            taken = "".join(line[1:] + "\n" for line in found["text"].splitlines())
            text = (host / found["file"]).read_text()
            assert taken in text
            (host / found["file"]).write_text(text.replace(taken, "").replace(schema, ""))
        elif "pip uninstall" in found["text"]:
            uninstalled(found["text"], tmp_path)
        else:
            without = tmp_path / "without" / "mlbridge.py"
            write(without, "raise ImportError")
            shell(found["text"], host, PROGRAMS, PYTHONPATH=str(without.parent))
    assert state(host) == before


def built(host: Path, warm: Warm) -> None:
    for command in ("deps", "build"):
        warm.dbt(host, command)


def uninstalled(commands: str, folder: Path) -> None:
    """Run the page's commands in an environment with the package, and see that nothing of it is left."""

    def files() -> list[Path]:
        found = sorted((folder / "venv").rglob("*"))
        return [path for path in found if not {"__pycache__", ".lock"} & set(path.parts)]  # Python's own, and uv's

    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    before = files()
    install = f"uv pip install --quiet --no-deps --python {folder}/venv/bin/python {folder}/mlbridge"
    shell(install, folder, PROGRAMS)
    assert (folder / "venv" / "bin" / "mlbridge").exists()
    output = shell(commands, folder, folder / "venv" / "bin")
    (needed,) = (line for line in output.splitlines() if line.startswith("Requires: "))
    assert {"altair", "click", "dbt-core"} <= set(needed.removeprefix("Requires: ").split(", "))
    assert files() == before
