"""The ready boards over what a build published, drawn by the client itself and opened in a browser.

Superset and Evidence take minutes to install and to draw: `make boards` tries them, the suite does not.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from browser import chromium, free_port, save
from dbt_host import ROOT, Host
from playwright.sync_api import Page

BOARDS, PICTURES = ROOT / "boards", ROOT / "docs" / "pictures"
HIGHEST = 1_900  # pixels
PATIENCE = 180_000  # milliseconds
ON_REQUEST = pytest.mark.skipif("MLBRIDGE_BOARDS" not in os.environ, reason="`make boards` tries it")
# Without statistics that a client would send; PYTHONWARNINGS is that of the tests, not of a client.
QUIET = {**os.environ, "DO_NOT_TRACK": "1", "SEND_ANONYMOUS_USAGE_STATS": "no", "PYTHONWARNINGS": "ignore"}
SUPERSET_CONFIG = """SECRET_KEY = "of a test, and of nothing else: it is thrown away"
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db"
TALISMAN_ENABLED = False
"""


@pytest.fixture(scope="module")
def ask(aged_flights: Host) -> Callable[[str], list[str]]:
    """Ask the published tables for texts, without the blanks in them."""

    def texts(sql: str) -> list[str]:
        with duckdb.connect(str(aged_flights.published / "bi.duckdb"), read_only=True) as published:
            return [squeezed(str(value)) for row in published.sql(sql).fetchall() for value in row]

    return texts


@pytest.fixture(scope="module")
def expected(ask: Callable[[str], list[str]]) -> list[str]:
    """What each board says: the verdicts, what is wrong, and the row of the newest day that is at the highest risk."""
    found = [
        *ask("select verdict, reason, model, metric from ml_health"),
        *ask("select message from ml_incidents where severity <> 'note'"),
        *ask("""
            select flight_id from ml_scores_late_arrival
            where local_date = (select max(local_date) from ml_scores_late_arrival where probability > 0)
            order by probability desc limit 1
        """),
    ]
    assert len(found) >= 10
    return found


def squeezed(text: str) -> str:
    """Give a text without blanks: a client breaks lines where it likes."""
    return "".join(text.split())


@contextmanager
def page() -> Iterator[Page]:
    """Open a window in which a client has minutes to draw."""
    with chromium() as browser:
        view = browser.new_page(viewport={"width": 1280, "height": 900})
        view.set_default_timeout(PATIENCE)
        yield view


def keep(view: Page, picture: str, height: int) -> None:
    """Renew the picture in the docs where MLBRIDGE_PICTURES asks for it."""
    if "MLBRIDGE_PICTURES" in os.environ:
        view.set_viewport_size({"width": 1280, "height": min(HIGHEST, height)})
        view.wait_for_timeout(3_000)
        save(view.screenshot(), PICTURES / picture)


def run(board: Path, *line: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a command of a client in a folder; gives its output."""
    done = subprocess.run(
        line, cwd=board, env={**QUIET, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def installed(board: Path, own: Path) -> Path:
    """Install what a board names in an environment of its own; gives the folder of its programs."""
    uv = Path(sys.executable).with_name("uv")
    run(board, uv, "venv", "--quiet", "--python", sys.executable, own)
    run(board, uv, "pip", "install", "--quiet", "--python", own / "bin" / "python", "--requirement", "requirements.txt")
    return own / "bin"


def copied(name: str, folder: Path, host: Host) -> Path:
    """Copy a board, with the link to what is published that its recipe asks for."""
    left_out = shutil.ignore_patterns("published", "renders", "node_modules", ".evidence", "build")
    shutil.copytree(BOARDS / name, folder, ignore=left_out)
    (folder / "published").symlink_to(host.published)
    return folder


@pytest.mark.slow
def test_dbt_charts(aged_flights: Host, expected: list[str], tmp_path: Path) -> None:
    board = copied("dbt_charts", tmp_path / "board", aged_flights)
    dct = installed(board, tmp_path / "venv") / "dct"
    run(board, dct, "render", "charts/models.yml", "--no-cache", "--format", "html", "--output", "it.html")
    complaints: list[str] = []
    with page() as view:
        view.on("console", lambda message: complaints.append(message.text))
        view.on("pageerror", lambda error: complaints.append(str(error)))
        view.goto((board / "it.html").as_uri())
        view.locator("svg").first.wait_for()
        keep(view, "board_dbt_charts.png", view.evaluate("document.documentElement.scrollHeight"))
        words = squeezed("".join(view.locator("svg text").all_text_contents()))
    assert not complaints
    assert [each for each in expected if each not in words] == []


@ON_REQUEST
@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_evidence(aged_flights: Host, expected: list[str], tmp_path: Path) -> None:
    board = copied("evidence", tmp_path / "board", aged_flights)
    run(board, "npm", "install", "--no-audit", "--no-fund")
    assert "✖" not in run(board, "npm", "run", "sources")  # it ends with 0 after an error too
    run(board, "npm", "run", "build")
    with served(board / "build") as address, page() as view:
        errors: list[str] = []
        view.on("pageerror", lambda error: errors.append(str(error)))
        view.goto(address)
        view.locator("canvas").first.wait_for()
        view.get_by_text(expected[-1]).locator("visible=true").first.wait_for()  # a table has a hidden copy
        keep(view, "board_evidence.png", HIGHEST)
        words = squeezed(view.locator("body").inner_text())
    assert not errors
    assert [each for each in expected if each not in words] == []


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; gives the address."""
    handler = functools.partial(Quiet, directory=str(folder))
    with socketserver.ThreadingTCPServer(("localhost", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, *_: object) -> None:
        """Leave it out."""


@ON_REQUEST
@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_superset(aged_flights: Host, expected: list[str], tmp_path: Path) -> None:
    board = tmp_path / "board"
    shutil.copytree(BOARDS / "superset", board)
    programs = installed(board, tmp_path / "venv")
    database = board / "databases" / "mlbridge.yaml"
    example = "/absolute/path/to/flights.duckdb.published/dev"
    assert example in database.read_text()
    database.write_text(database.read_text().replace(example, str(aged_flights.published)))
    (tmp_path / "superset_config.py").write_text(SUPERSET_CONFIG.format(folder=tmp_path))
    env = {"SUPERSET_CONFIG_PATH": str(tmp_path / "superset_config.py"), "FLASK_APP": "superset"}
    person = ("--username", "admin", "--firstname", "A", "--lastname", "B", "--email", "a@localhost")
    run(tmp_path, sys.executable, "-m", "zipfile", "-c", "board.zip", "board")
    for line in (
        ("db", "upgrade"), ("init",), ("fab", "create-admin", *person, "--password", "admin"),
        ("import-dashboards", "--path", "board.zip", "--username", "admin"),
    ):  # fmt: skip
        run(tmp_path, programs / "superset", *line, env=env)
    with superset(programs, tmp_path, env) as address, page() as view:
        view.goto(f"{address}/login/")
        view.locator("#username").fill("admin")
        view.locator("#password").fill("admin")
        view.keyboard.press("Enter")
        view.wait_for_url("**/welcome/**")
        view.set_viewport_size({"width": 1280, "height": HIGHEST})  # a chart below the window is not drawn
        view.goto(f"{address}/superset/dashboard/mlbridge/?standalone=2")
        view.locator("canvas").first.wait_for()
        view.get_by_text(expected[-1]).first.wait_for()
        keep(view, "board_superset.png", 1_540)
        words = squeezed(view.locator("body").inner_text())
        assert "Unexpectederror" not in words
    assert [each for each in expected if each not in words] == []


@contextmanager
def superset(programs: Path, folder: Path, env: dict[str, str]) -> Iterator[str]:
    """Run Superset's own server; gives its address once it answers."""
    port = free_port()
    line = [programs / "superset", "run", "--port", str(port)]
    with (folder / "superset.log").open("w") as log:
        process = subprocess.Popen(line, cwd=folder, env={**QUIET, **env}, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(180):
                try:
                    with urllib.request.urlopen(f"{address}/health", timeout=2):
                        break
                except OSError:
                    time.sleep(1)
            yield address
        finally:
            process.terminate()
            process.wait(20)
