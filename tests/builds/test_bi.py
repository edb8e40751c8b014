"""What docs/bi.md tells a reader to type, typed, and the clients of other versions that it names."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from dbt_host import FLIGHTS, ROOT, Host

PAGE = (ROOT / "docs" / "bi.md").read_text()
RECIPES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("code", RECIPES, ids=[re.findall(r"import (\w+)", code)[-1] for code in RECIPES])
def test_a_recipe_works(code: str, shop: Host, tmp_path: Path) -> None:
    (tmp_path / "dbt_project").mkdir()
    (tmp_path / "dbt_project" / "flights.duckdb.published").symlink_to(shop.published.parent)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "amount" in done.stdout or "severity" in done.stdout


def test_what_it_says_of_the_profile_is_the_example() -> None:
    (shown,) = re.findall(r"`profiles.yml`\n```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert shown in (FLIGHTS / "profiles.yml").read_text()


@pytest.mark.parametrize("table", sorted(set(re.findall(r"\bml_[a-z_]+(?=\.parquet)", PAGE))))
def test_every_file_that_it_names_is_published(table: str, shop: Host) -> None:
    assert (shop.published / "current" / f"{table}.parquet").is_file()
