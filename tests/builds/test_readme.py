"""What the README tells a new user to type, typed."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from dbt_host import Host, clone
from guides import BLOCK, CUSTOMER_MONTHS, README, section, shell

pytestmark = pytest.mark.slow


def test_quickstart(flights: Host, tmp_path: Path) -> None:
    made = flights.path.parent
    copy = tmp_path / "mlbridge"
    shutil.copytree(made, copy, symlinks=True, ignore=shutil.ignore_patterns(".venv"))
    (copy / ".venv").symlink_to(made / ".venv")
    commands = [found["text"] for found in BLOCK.finditer(section(README, "Quickstart")) if found["language"] == "sh"]
    assert commands.pop(0).strip() == "make demo"  # the fixture has run it
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
    for found in BLOCK.finditer(section(README, "Graft it onto your own project in ten minutes")):
        if found["language"] == "sh":
            shell(found["text"], shop, programs)
        else:
            target = shop / found["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("a") as file:
                file.write(found["text"])
    with duckdb.connect(str(shop / "shop.duckdb"), read_only=True) as warehouse:
        champions = warehouse.sql("select model, version from ml_champions").fetchall()
        ((scored,),) = warehouse.sql("select count(*) from ml_predictions_latest").fetchall()
    assert champions == [("churn", 1)]
    assert scored >= 300  # every customer of the last month, whose outcome is not known yet
