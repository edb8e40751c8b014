"""The ready boards over what a build published, drawn by the client itself and opened in a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from browser import chromium, save
from dbt_host import ROOT, Host

BOARDS, PICTURES = ROOT / "boards", ROOT / "docs" / "pictures"
HIGHEST = 1_900  # pixels
NEWEST_DAY = """
    select entity from ml_predictions as rows semi join ml_champions using (model, version)
    where probability > 0 and time > (select max(time) from ml_predictions where model = rows.model) - interval 1 day
"""


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest) -> Host:
    """A host with alerts. MLBRIDGE_PICTURES=1 takes the flights, and renews the pictures in the docs."""
    found: Host = request.getfixturevalue("aged_flights" if "MLBRIDGE_PICTURES" in os.environ else "aged_shop")
    return found


def opened(page: Path, picture: str) -> str:
    """Open a page in a browser, and give its words without the breaks between lines."""
    complaints: list[str] = []
    with chromium() as browser:
        view = browser.new_page(viewport={"width": 1280, "height": 900})
        view.on("console", lambda message: complaints.append(message.text))
        view.on("pageerror", lambda error: complaints.append(str(error)))
        view.goto(page.as_uri())
        view.locator("svg").first.wait_for()
        if "MLBRIDGE_PICTURES" in os.environ:
            height = min(HIGHEST, view.evaluate("document.documentElement.scrollHeight"))
            view.set_viewport_size({"width": 1280, "height": height})
            save(view.screenshot(), PICTURES / picture)
        words = "".join(view.locator("svg text").all_text_contents())
    assert not complaints
    return "".join(words.split())


@pytest.fixture(scope="module")
def ask(host: Host) -> Callable[[str], list[str]]:
    """Ask the published tables for texts, without the blanks in them."""

    def texts(sql: str) -> list[str]:
        with duckdb.connect(str(host.published / "bi.duckdb"), read_only=True) as published:
            return ["".join(str(value).split()) for row in published.sql(sql).fetchall() for value in row]

    return texts


@pytest.mark.slow
def test_dbt_charts(host: Host, ask: Callable[[str], list[str]], tmp_path: Path) -> None:
    board, own = tmp_path / "board", tmp_path / "venv"
    shutil.copytree(BOARDS / "dbt_charts", board, ignore=shutil.ignore_patterns("published", "renders"))
    (board / "published").symlink_to(host.published)
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, own], check=True)
    needed = ["--python", own / "bin" / "python", "--requirement", board / "requirements.txt"]
    subprocess.run([uv, "pip", "install", "--quiet", *needed], check=True)
    line = [own / "bin" / "dct", "render", "charts/models.yml", "--no-cache", "--format", "html", "--output", "it.html"]
    quiet = {**os.environ, "DO_NOT_TRACK": "1"}
    done = subprocess.run(line, cwd=board, env=quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    words = opened(board / "it.html", "board_dbt_charts.png")
    expected = [
        *ask("select verdict, reason, model || ': ' || metric from ml_health"),
        *ask("select distinct message from ml_alerts where is_current and severity <> 'note'"),
        *ask(f"{NEWEST_DAY} order by probability desc limit 1"),
    ]
    assert len(expected) > 7
    assert [each for each in expected if each not in words] == []
