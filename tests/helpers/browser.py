"""A real browser on the monitor's pages: what stands there, what it looks like, and what the console says."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
FAR_AWAY = "America/Los_Angeles"  # no page may depend on where its reader is
# A part of the page whose code is still on its way has a skeleton in its place.
DRAWN = """!document.querySelector('[data-testid=stSkeleton]')
    && [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].every(e => e.querySelector('.marks'))"""
WAIT = 60_000  # milliseconds that a busy machine may need


def free_port() -> int:
    """Ask the system for a port that nobody listens on."""
    with socket.create_server(("localhost", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def monitor(project: Path, *args: str, env: dict[str, str] | None = None) -> Iterator[str]:
    """Run `mlbridge monitor` over a project as a user does; gives its address."""
    port = free_port()
    command = [Path(sys.executable).with_name("mlbridge"), "monitor", "--headless", "--port", str(port), *args]
    log_file = project / "monitor.log"
    with log_file.open("w") as log:
        process = subprocess.Popen(
            command, cwd=project, stdout=log, stderr=log, env={**os.environ, **(env or {})}, start_new_session=True
        )
        try:
            address = f"http://localhost:{port}"
            for _ in range(120):
                if process.poll() is not None:
                    raise AssertionError(log_file.read_text())
                try:
                    with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):
                        break
                except OSError:
                    time.sleep(0.5)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium, without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page in a window of a width and a ground; `complaints` is what the browser's console said against it."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def of(
        cls, browser: Browser, address: str, width: int = 1440, ground: Any = "light", zone: str = FAR_AWAY
    ) -> Iterator[Visit]:
        """Open a window; nothing is in it yet."""
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=ground, timezone_id=zone, accept_downloads=True
        )
        context.set_default_timeout(WAIT)
        visit = cls(context.new_page(), address)
        visit.page.on("console", visit._heard)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        try:
            yield visit
        finally:
            context.close()

    def _heard(self, message: Any) -> None:
        # What Streamlit itself says: it looks for its server below a link's page first, and draws graphs unhurriedly.
        own = "/_stcore/" in message.location.get("url", "") or 'tag of type "javascript/worker"' in message.text
        if message.type in ("error", "warning") and not own:
            self.complaints.append(f"{message.type}: {message.text}")

    def open(self, path: str = "") -> None:
        """Go to a page of the app and wait until it is drawn."""
        self.page.goto(f"{self.address}/{path}")
        self.settled()

    def settled(self) -> None:
        """Wait until the app has stopped running and every chart is there."""
        self.page.locator("h1").first.wait_for()
        self.page.wait_for_timeout(300)
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        self.page.wait_for_function(DRAWN)
        self.page.wait_for_timeout(300)

    def text(self) -> str:
        """Give all words on the page."""
        return self.page.locator("[data-testid=stMain]").inner_text()

    def check(self) -> None:
        """Refuse errors and warnings, on the page and in the console, and a page wider than its window."""
        assert self.page.locator("[data-testid=stException]").count() == 0, self.text()
        assert self.page.locator("[data-testid=stAlertContentError]").count() == 0, self.text()
        assert not self.complaints, self.complaints
        # The parameters of an estimator, on its card, may well be None.
        card = self.page.locator(".st-key-card_text")
        text = self.text().replace(card.inner_text() if card.count() else "", "")
        assert not re.search(r"\b(nan|NaN|NaT|None|undefined|<NA>)\b", text), text
        main = self.page.locator("[data-testid=stMain]")
        for _ in range(20):  # a chart that has just been drawn may not have been fitted in yet
            wide, seen = main.evaluate("e => [e.scrollWidth, e.clientWidth]")
            if wide <= seen:
                return
            self.page.wait_for_timeout(250)
        raise AssertionError(f"{wide} pixels of page in a window of {seen}")

    def check_access(self) -> None:
        """Refuse what axe-core finds against the page: whoever cannot see it, or has no mouse, could not use it."""
        # The frame is Streamlit's, and what a canvas of a table holds stands in a table behind it.
        found = Axe().run(self.page, options={"resultTypes": ["violations"]}).response["violations"]
        assert not found, [
            (each["id"], node["target"], node["failureSummary"]) for each in found for node in each["nodes"]
        ]

    def picture(self, height: int = 8_000) -> bytes:
        """Give the page as a picture, as long as it is but no higher than that."""
        main = self.page.locator("[data-testid=stMain]")
        size = self.page.viewport_size or {"width": 1440, "height": 900}
        whole = min(height, main.evaluate("e => e.scrollHeight"))
        self.page.set_viewport_size({"width": size["width"], "height": whole})
        self.settled()
        found = self.page.screenshot()
        self.page.set_viewport_size(size)
        return found


def save(picture: bytes, file: Path) -> None:
    """Save a picture in as few colours as it needs."""
    # The median cut, which is Pillow's own choice, turns the few lines of a colour into its neighbour's.
    few = Image.open(io.BytesIO(picture)).convert("RGB").quantize(128, method=Image.Quantize.MAXCOVERAGE, kmeans=1)
    few.save(file, optimize=True)
