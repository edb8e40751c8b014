"""What the README tells a new user to type, typed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import duckdb
from conftest import ROOT, Host, clone

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"(?:^`(?P<file>[^`]+)`\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
CUSTOMER_MONTHS = """
select
    'c' || customer as customer_id,
    timestamp '2024-01-31' + interval (month) month as month_end,
    case customer % 3 when 0 then 'NL' when 1 then 'DE' end as country,
    case when customer % 5 = 0 then 'free' else 'paid' end as plan,
    cast(hash(customer, month) % 9 as integer) as orders,
    (hash(customer, month, 1) % 10000) / 100.0 as revenue,
    cast(hash(customer, month, 2) % 4 as integer) as support_tickets,
    case when month < 17 then hash(customer, month) % 9 + hash(customer, month, 3) % 12 < 6 end as left_next_month
from range(300) as c(customer), range(18) as m(month)
"""


def section(title: str) -> str:
    """Give the text below a heading, up to the next heading of its level."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def shell(command: str, folder: Path, programs: Path) -> str:
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "DO_NOT_TRACK": "1"}
    environment.pop("DBT_PROFILES_DIR", None)
    done = subprocess.run(
        ["bash", "-euc", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return done.stdout


def test_quickstart(flights: Host, tmp_path: Path) -> None:
    made = flights.path.parent
    copy = tmp_path / "mlbridge"
    shutil.copytree(made, copy, symlinks=True, ignore=shutil.ignore_patterns(".venv"))
    (copy / ".venv").symlink_to(made / ".venv")
    commands = [found["text"] for found in BLOCK.finditer(section("Quickstart")) if found["language"] == "sh"]
    assert commands.pop(0).strip() == "make demo"  # the fixture has run it
    shown = [shell(command, copy, copy / ".venv" / "bin") for command in commands]
    assert "arrival_delay" in shown[0]
    assert "late_arrival" in shown[0]
    assert "hist_gradient_boosting" in shown[1]
    assert "message" in shown[2]
    assert "training version 2: asked for by mlbridge_retrain" in shown[3]
    assert "all is well" in shown[4]


def test_graft_guide(flights: Host, tmp_path: Path) -> None:
    clone(tmp_path / "mlbridge")
    shop, programs = tmp_path / "shop", flights.path.parent / ".venv" / "bin"
    (shop / "models" / "marts").mkdir(parents=True)
    (shop / "models" / "marts" / "customer_months.sql").write_text(CUSTOMER_MONTHS)
    (shop / "dbt_project.yml").write_text("name: shop\nversion: 1.0.0\nprofile: shop\n\n")
    (shop / "profiles.yml").write_text("shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n")
    for found in BLOCK.finditer(section("Graft it onto your own project in ten minutes")):
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
