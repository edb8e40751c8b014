"""What the README and the page of the example tell a new user to type, typed; what they say is printed, found."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import duckdb
import pytest
from dbt_host import ROOT, Host, clone
from guides import BLOCK, CUSTOMER_MONTHS, README, assert_shown, section, shell
from host_state import state
from terminal import COLUMNS, animated

pytestmark = pytest.mark.slow


def test_quickstart(flights: Host, tmp_path: Path) -> None:
    made = flights.path.parent
    copy = tmp_path / "mlbridge"
    shutil.copytree(made, copy, symlinks=True, ignore=shutil.ignore_patterns(".venv"))
    (copy / ".venv").symlink_to(made / ".venv")
    assert "```sh\nmake demo\n```" in section(README, "Quickstart")  # the fixture has run it
    page = (ROOT / "docs" / "example.md").read_text()
    commands = [found["text"] for found in BLOCK.finditer(page) if found["language"] == "sh"]
    shown = [shell(command, copy, copy / ".venv" / "bin") for command in commands]
    assert "outcome_state" in shown[0]
    assert "pending" in shown[0]
    assert "hist_gradient_boosting" in shown[1]
    assert "message" in shown[2]
    assert "training version 2: requested by mlbridge_retrain" in shown[3]
    assert "all is well" in shown[4]


def test_graft_guide(flights: Host, tmp_path: Path) -> None:
    clone(tmp_path / "mlbridge")
    shop, programs = tmp_path / "shop", flights.path.parent / ".venv" / "bin"
    (shop / "models" / "marts").mkdir(parents=True)
    (shop / "models" / "marts" / "customer_months.sql").write_text(CUSTOMER_MONTHS)
    (shop / "dbt_project.yml").write_text("name: shop\nversion: 1.0.0\nprofile: shop\n\n")
    (shop / "profiles.yml").write_text("shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n")
    (shop / ".gitignore").write_text("target/\n")
    shell("dbt build", shop, programs)
    before, printed = state(shop), ""
    for found in BLOCK.finditer(section(README, "Graft it onto your own project in ten minutes")):
        if found["language"] == "sh":
            printed = shell(found["text"], shop, programs)
        else:
            assert_shown(found["text"], printed)
    with duckdb.connect(str(shop / "shop.duckdb"), read_only=True) as warehouse:
        champions = warehouse.sql("select model, version from ml_champions").fetchall()
        ((scored,),) = warehouse.sql("select count(*) from ml_predictions_latest").fetchall()
    assert champions == [("churn", 1)]
    assert scored >= 300  # every customer of the last month, whose outcome is not known yet
    page = section((ROOT / "docs" / "removing.md").read_text(), "By the command")
    for found in BLOCK.finditer(page):
        shell(found["text"], shop, programs)
    shell("rm -r dbt_packages package-lock.yml target && dbt build", shop, programs)
    assert state(shop) == before


def test_picture_of_the_terminal(flights: Host) -> None:
    """The README's terminal, with what the commands printed. MLBRIDGE_PICTURES=1 renews it."""
    log = (flights.path / "logs" / "dbt.log").read_text().splitlines()
    pattern = re.compile(r"mlbridge adapter: (late_arrival_\w+: .*)|(Done\. PASS.*)")
    built = [found[1] or found[2] for line in log if (found := pattern.search(line))]
    status = "mlbridge status --project-dir dbt_project"
    wide = {"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1"}
    output = shell(f".venv/bin/{status} || true", flights.path.parent, flights.path.parent / ".venv" / "bin", **wide)
    printed = re.sub(r"\x1b\[[\d;]*m", "", output).rstrip().splitlines()
    picture = animated([("make demo", built), (status, printed)])
    assert "is promoted" in picture
    assert len(picture) < 20_000
    if os.environ.get("MLBRIDGE_PICTURES"):
        (ROOT / "docs" / "pictures" / "terminal.svg").write_text(picture)
