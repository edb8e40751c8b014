"""What the reference is made from says all: arguments of public macros, vars, and the range of each page."""

from __future__ import annotations

import re

import pytest
import yaml
from dbt_host import ROOT

MACROS = yaml.safe_load((ROOT / "macros" / "_macros.yml").read_text())["macros"]
SQL = "\n".join(path.read_text() for path in sorted((ROOT / "macros").rglob("*.sql")))


@pytest.mark.parametrize("macro", MACROS, ids=lambda macro: macro["name"])
def test_a_public_macro_says_its_arguments(macro: dict) -> None:
    name = macro["name"].removeprefix("test_")
    (found,) = re.findall(rf"\{{% (?:macro|test) {name}\(([^)]*)\)", SQL)
    assert [each["name"] for each in macro["arguments"]] == re.findall(r"(\w+)(?:=[^,]*)?(?:, |$)", found)


def test_the_docs_name_every_var() -> None:
    page = (ROOT / "docs" / "reference" / "spec.md").read_text().split("## Vars")[1]
    said = re.findall(r"^\| `(mlbridge_\w+)`", page, re.MULTILINE)
    assert set(said) == set(re.findall(r"\bvar\('(mlbridge_\w+)'", SQL))
