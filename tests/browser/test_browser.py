"""The monitor of the flights in a real browser, as its owner uses it; the pictures are those of README and docs."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from browser import Visit, chromium, monitor, save
from dbt_host import ROOT, Host, copy_of_host
from playwright.sync_api import Browser

PAGES = ("overview", "performance", "drift", "versions", "predictions", "runs", "pipeline")
# What README and docs show.
PICTURES = ROOT / "docs" / "pictures"
SHOWN = {*(f"{name}.png" for name in PAGES), "drift_dark.png", "overview_narrow_dark.png"}
HIGHEST = 1_900  # pixels
KNOWLEDGE = re.compile(r"As of (\d+ \w+ \d+)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(aged_flights: Host) -> Iterator[str]:
    with monitor(aged_flights.path, env={"FLIGHTS_DUCKDB": str(aged_flights.database)}) as found:
        yield found


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("ground", "widths"), [("light", (1440, 400)), pytest.param("dark", (400, 1440), marks=pytest.mark.slow)]
)
def test_page(browser: Browser, address: str, name: str, ground: str, widths: tuple[int, int]) -> None:
    """Nothing is wrong on the page or in the console, nothing sticks out; also when the window is made narrow or wide.

    MLBRIDGE_PICTURES=1 renews docs/pictures.
    """
    with Visit.of(browser, address, widths[0], ground) as visit:
        visit.open("" if name == "overview" else f"{name}?model=late_arrival")
        for width in widths:
            visit.page.set_viewport_size({"width": width, "height": 900})
            visit.settled()
            visit.check()
            visit.check_access()
            assert "Nothing to show" not in visit.text()
            picture = f"{name}{'' if width == 1440 else '_narrow'}{'' if ground == 'light' else '_dark'}.png"
            assert len(visit.picture()) > 30_000
            visit.check()
            if os.environ.get("MLBRIDGE_PICTURES") and picture in SHOWN:
                save(visit.picture(height=HIGHEST), PICTURES / picture)


def test_a_cell_of_the_drift_map_opens(browser: Browser, address: str) -> None:
    with Visit.of(browser, address) as visit:
        visit.open("drift?model=late_arrival")
        chart = visit.page.locator("[data-testid=stVegaLiteChart] svg.marks").first
        box = chart.bounding_box()
        assert box
        for height in (0.5, 0.7):  # one of them is not the cell that the page begins with
            visit.page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * height)
            visit.page.wait_for_timeout(2_000)
        visit.page.wait_for_url("**feature=**")
        visit.settled()
        feature = re.search(r"feature=(\w+)", visit.page.url)
        assert feature
        visit.page.get_by_text(f"{feature[1]}: distribution").first.wait_for()
        visit.check()
        link = visit.page.url
    with Visit.of(browser, address) as other:
        other.open(link.removeprefix(f"{address}/"))
        assert f"{feature[1]}: distribution" in other.text()
        other.check()


def choose(visit: Visit, label: str, option: str) -> None:
    """Choose by keyboard alone: walk to the box, type, enter."""
    box = visit.page.get_by_role("combobox", name=re.compile(label))
    box.focus()
    box.fill(option)
    visit.page.keyboard.press("Enter")
    visit.settled()


def test_slice_version_and_threshold(browser: Browser, address: str) -> None:
    with Visit.of(browser, address) as visit:
        visit.open("performance?model=late_arrival")
        choose(visit, "Slice", "origin=JFK")
        visit.page.get_by_text("where origin=JFK").first.wait_for()
        visit.page.wait_for_url("**slice=origin**")
        choose(visit, "Version", "1")
        visit.page.wait_for_url("**version=1**")
        slider = visit.page.get_by_role("slider")
        slider.focus()
        for _ in range(20):
            visit.page.keyboard.press("ArrowLeft")
        visit.page.get_by_text("Confusion matrix at 0.400").first.wait_for()  # a slider waits a little before it tells
        visit.settled()
        assert "threshold=0.4" in visit.page.url
        visit.check()


@pytest.mark.parametrize(
    ("name", "tabs"),
    [
        ("performance", ("All thresholds", "ROC", "Precision and recall", "Gain and lift", "Costs")),
        ("drift", ("Every window", "Against the target", "Correlations")),
    ],
)
def test_every_tab(browser: Browser, address: str, name: str, tabs: tuple[str, ...]) -> None:
    """Its pictures are drawn when it is opened, and a link opens it again."""
    with Visit.of(browser, address) as visit:
        visit.open(f"{name}?model=late_arrival")
        for tab in tabs:
            visit.page.get_by_role("tab", name=tab).click()
            visit.settled()
            panel = visit.page.get_by_role("tabpanel", name=tab)
            panel.locator("[data-testid=stVegaLiteChart]").first.wait_for()
            visit.check()
        visit.check_access()
        link = visit.page.url
    with Visit.of(browser, address) as other:
        other.open(link.removeprefix(f"{address}/"))
        other.page.get_by_role("tab", name=tabs[-1], selected=True).wait_for()


def test_tab_leaves_a_table(browser: Browser, address: str) -> None:
    with Visit.of(browser, address) as visit:
        visit.open("runs")
        visit.page.locator("[data-testid=stDataFrame] canvas").first.focus()
        visit.page.keyboard.press("ArrowDown")
        inside = "document.activeElement.closest('[data-testid=stDataFrame]') !== null"
        assert visit.page.evaluate(inside)
        for _ in range(8):  # the table's own tools come first
            visit.page.keyboard.press("Tab")
            if not visit.page.evaluate(inside):
                return
        raise AssertionError("the key Tab does not leave the table")


def test_two_versions_are_compared(browser: Browser, address: str) -> None:
    with Visit.of(browser, address) as visit:
        visit.open("versions?model=late_arrival&before=1&after=2")
        assert re.search(r"What differs between the two trainings: .*\bdata \d", visit.text())
        assert "Importance in version 1 and 2" in visit.text()
        visit.check()


def test_the_figures_behind_a_chart(browser: Browser, address: str) -> None:
    with Visit.of(browser, address) as visit:
        visit.open("drift?model=late_arrival")
        assert visit.page.locator("[data-testid=stDataFrame]").count() == 0
        visit.page.get_by_text("Show the data as a table").first.click()
        visit.page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
        visit.check()


def test_predictions_are_downloaded(browser: Browser, address: str, aged_flights: Host) -> None:
    with Visit.of(browser, address) as visit:
        visit.open("predictions?model=late_arrival")
        with visit.page.expect_download() as waiting:
            visit.page.get_by_role("button", name="Download as CSV").click()
        rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text())))
        keys = {(row["entity"], row["version"]) for row in rows}
        assert len(rows) > 100
        assert len(keys) == len(rows)
        known = aged_flights.rows("select entity, version::varchar from ml_predictions where model = 'late_arrival'")
        assert keys <= set(known)
        visit.check()


def test_an_entity_is_looked_up(browser: Browser, address: str, aged_flights: Host) -> None:
    ((entity,),) = aged_flights.rows(
        "select entity from ml_predictions where model = 'late_arrival' and actual is not null order by all limit 1"
    )
    with Visit.of(browser, address) as visit:
        visit.open(f"predictions?model=late_arrival&entity={entity}")
        assert re.search(rf"n = \d+ predictions of {re.escape(entity)}, newest first", visit.text())
        visit.check()


def test_a_threshold_that_cannot_be_is_forgotten(browser: Browser, address: str) -> None:
    with Visit.of(browser, address) as visit:
        visit.open("performance?model=late_arrival&threshold=7")
        assert "Confusion matrix at" in visit.text()
        visit.check()


def test_a_link_to_a_model_that_does_not_exist_goes_on_with_one_that_does(browser: Browser, address: str) -> None:
    with Visit.of(browser, address) as visit:
        visit.open("performance?model=late_arival")
        visit.page.get_by_text("There is no model 'late_arival'").wait_for()
        assert "Did you mean 'late_arrival'?" in visit.text()
        choose(visit, "Model", "late_arrival")
        visit.page.get_by_text("What is behind it").first.wait_for()
        assert "model=late_arrival" in visit.page.url
        visit.check()


def test_a_link_keeps_what_is_the_default(browser: Browser, address: str) -> None:
    """And the way back leads out of the page."""
    with Visit.of(browser, address) as visit:
        visit.open()
        visit.open("drift?model=late_arrival")
        visit.page.wait_for_url("**window=2013-**")
        assert {"model", "version", "baseline", "metric", "sort", "feature", "window"} <= set(
            re.findall(r"[?&](\w+)=", visit.page.url)
        )
        for _ in range(2):
            visit.page.go_back()
            visit.settled()
        assert "drift" not in visit.page.url
        visit.check()


def test_a_chart_is_the_same_wherever_its_reader_is(browser: Browser, address: str) -> None:
    """Tokyo knows no daylight saving, of which an hour would be a fraction of a pixel."""

    def drawn(page: str, zone: str) -> list[str]:
        with Visit.of(browser, address, zone=zone) as visit:
            visit.open(page)
            charts = visit.page.locator("[data-testid=stVegaLiteChart] svg.marks")
            shapes = [re.sub(r'clip\d+|id="[^"]*"', "", each.evaluate("e => e.outerHTML")) for each in charts.all()]
            assert len(shapes) > 1
            return shapes

    for page in ("performance?model=late_arrival", "predictions?model=late_arrival"):
        assert drawn(page, "Asia/Tokyo") == drawn(page, "UTC")


@pytest.fixture
def own_shop(aged_shop: Host, tmp_path: Path) -> Host:
    """A copy of the second host, with what it has published."""
    return copy_of_host(aged_shop, tmp_path)


def test_an_open_page_finds_the_first_build(browser: Browser, own_shop: Host) -> None:
    published = own_shop.published
    aside = published.with_name("aside")
    published.rename(aside)
    with monitor(own_shop.path) as own, Visit.of(browser, own) as visit:
        visit.open()
        assert "Nothing to show yet" in visit.text()
        aside.rename(published)
        visit.page.get_by_text("2 models").wait_for()  # nobody has touched the page
        visit.check()


@pytest.mark.slow
def test_the_app_shows_the_last_build_while_the_next_one_runs(browser: Browser, own_shop: Host) -> None:
    """Pages are opened one after the other from before the build until after it: neither minds the other."""
    with monitor(own_shop.path) as own, Visit.of(browser, own) as visit:
        visit.open()
        before = KNOWLEDGE.findall(visit.page.inner_text("body"))
        values = json.dumps({"mlbridge_as_of": "2025-02-03", "mlbridge_retrain": "never"})
        line = ["build", "--exclude-resource-type", "test", "unit_test", "--vars", values]
        with subprocess.Popen(
            [Path(sys.executable).with_name("dbt"), *line],
            cwd=own_shop.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as build:
            during = 0
            while build.poll() is None:
                page = PAGES[during % len(PAGES)]
                visit.open("" if page == "overview" else page)
                visit.check()
                during += 1
            words, _ = build.communicate()
        assert build.returncode == 0, words
        assert during > 3
        visit.open()
        visit.check()
        assert before
        assert KNOWLEDGE.findall(visit.page.inner_text("body")) == ["3 Feb 2025"] != before


def test_pages_link_to_each_other(browser: Browser, address: str) -> None:
    with Visit.of(browser, address) as visit:
        visit.open()
        main = visit.page.locator("[data-testid=stMain]")
        main.get_by_role("link", name="Drift").first.click()
        visit.page.wait_for_url("**/drift*")
        visit.page.get_by_text("Drift map").first.wait_for()
        visit.settled()
        assert "model=" in visit.page.url or "arrival_delay" in visit.text()


PATHS = ("/", "/drift", "/_stcore/health", "/_stcore/host-config", "/_stcore/stream")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("host", "origin", "is_own"),
    [
        ("localhost:{port}", None, True),
        ("localhost:{port}", "http://localhost:{port}", True),
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}", True),
        ("[::1]:{port}", "http://[::1]:{port}", True),
        ("localhost", "http://localhost", True),  # as the proxy of docs/app.md asks
        ("evil.example", None, False),
        ("evil.example:{port}", "http://evil.example:{port}", False),
        ("localhost.evil.example:{port}", None, False),
        ("localhost:{port}", "http://evil.example", False),
        ("localhost:{port}", "http://localhost:1", False),
        ("localhost:{port}", "http://127.0.0.1:{port}", False),
        ("localhost:{port}", "null", False),
        ("[localhost", None, False),
    ],
)
def test_it_answers_to_its_own_pages_only(address: str, path: str, host: str, origin: str | None, is_own: bool) -> None:
    port = int(address.rsplit(":", 1)[1])
    headers = {"Host": host.format(port=port)} | ({} if origin is None else {"Origin": origin.format(port=port)})
    if path == "/_stcore/stream":
        headers |= {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}  # fmt: skip
    with closing(HTTPConnection("localhost", port, timeout=20)) as connection:
        connection.request("GET", path, headers=headers)
        status = connection.getresponse().status
    assert status == (403 if not is_own else 101 if path == "/_stcore/stream" else 200)
