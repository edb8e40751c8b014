"""`mlbridge retire`: a version taken out by a change of one line of YAML, foreseen as builds then decide it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from dbt_host import Host, copy_of_host, specify
from warm import Warm

from mlbridge.cli import main

CHAMPION = "select version from main_insight.ml_champions where model = '{}'"


@pytest.fixture
def host(aged_shop: Host, tmp_path: Path) -> Host:
    """Two versions a model: the first promoted, the second rejected and pinned."""
    return copy_of_host(aged_shop, tmp_path)


def retire(host: Host, *args: str) -> Result:
    return CliRunner().invoke(main, ["retire", *args, "--project-dir", str(host.path)])


def spec(host: Host, model: str) -> str:
    return (host.path / "models" / "ml" / model / f"{model}.yml").read_text()


def test_the_change_is_shown_before_it_is_made(host: Host) -> None:
    before = spec(host, "basket")
    shown = retire(host, "basket", "1")
    assert shown.exit_code == 0
    assert re.search(r"^\+ +retire: \[1\]$", shown.output, re.MULTILINE)
    assert "models/ml/basket/basket.yml, line " in shown.output
    assert "Version 2 stays the champion. Nothing is changed yet: add --write." in shown.output
    assert spec(host, "basket") == before
    result = json.loads(retire(host, "basket", "1", "--write", "--format", "json").stdout)
    changed = spec(host, "basket").splitlines()
    assert changed[result["line"] - 1].strip() == "retire: [1]"
    assert [line for line in changed if "retire" not in line] == before.splitlines()
    assert (result["champion"], result["next_champion"], result["written"]) == (2, 2, True)
    assert "is retired already" in retire(host, "basket", "1").output


def test_the_champion_that_is_foreseen_is_that_of_the_next_build(host: Host, warm: Warm) -> None:
    specify(host, "amount", pin=None)
    result = json.loads(retire(host, "amount", "2", "--format", "json").stdout)
    assert (result["champion"], result["next_champion"]) == (1, 1)
    shown = retire(host, "amount", "1", "--write")
    assert "No version is in use after the next build, so it trains 'amount'. The file is changed." in shown.output
    selected = ("amount_split", "amount_training", "ml_versions", "ml_champions")
    warm.dbt(host.path, "run", "--select", *selected)
    assert host.rows(CHAMPION.format("amount")) in ([], [(3,)])
    assert host.rows("select max(version) from main_lab.amount_training") == [(3,)]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("baskt", "1"), "Did you mean 'basket'?"),
        (("basket", "3"), "'basket' has no version 3. Versions: '1', '2'."),
        (("basket", "2"), "version 2 of 'basket' is pinned. Remove `pin: 2` from 'models/ml/basket/basket.yml'"),
    ],
)
def test_what_cannot_be_retired_is_misuse(args: tuple[str, ...], words: str, aged_shop: Host) -> None:
    shown = retire(aged_shop, *args, "--write")
    assert (shown.exit_code, words in shown.output) == (2, True), shown.output


def test_a_spec_that_stands_elsewhere(host: Host) -> None:
    path = host.path / "models" / "ml" / "basket" / "basket.yml"
    declared = yaml.safe_load(path.read_text())
    for each in declared["models"]:
        each.pop("config", None)
    path.write_text(yaml.safe_dump(declared))
    shown = retire(host, "basket", "1")
    assert shown.exit_code == 2
    assert "has no `config.meta.mlbridge` for 'basket_training'" in shown.output
