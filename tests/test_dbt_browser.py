"""The monitor of the flights in a real browser, as its owner uses it; the pictures are those of README and docs."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Visit, chromium, monitor
from conftest import ROOT, Host
from playwright.sync_api import Browser

PAGES = ("overview", "performance", "drift", "versions", "predictions", "runs", "pipeline")
# What README and docs show.
PICTURES = ROOT / "docs" / "pictures"
SHOWN = {*(f"{name}.png" for name in PAGES), "drift_dark.png", "overview_narrow_dark.png"}
HIGHEST = 1_900  # pixels


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(aged_flights: Host) -> Iterator[str]:
    with monitor(aged_flights.path, env={"FLIGHTS_DUCKDB": str(aged_flights.database)}) as found:
        yield found


@pytest.mark.parametrize("ground", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 400])
@pytest.mark.parametrize("name", PAGES)
def test_page(browser: Browser, address: str, tmp_path: Path, name: str, width: int, ground: str) -> None:
    """Nothing is wrong on the page or in the console, nothing sticks out. MLBRIDGE_PICTURES=1 renews docs/pictures."""
    with Visit.of(browser, address, width, ground) as visit:
        visit.open("" if name == "overview" else f"{name}?model=late_arrival")
        visit.check()
        assert "Nothing to show" not in visit.text()
        picture = f"{name}{'' if width == 1440 else '_narrow'}{'' if ground == 'light' else '_dark'}.png"
        visit.picture(tmp_path / picture)
        visit.check()
        assert (tmp_path / picture).stat().st_size > 10_000
        if os.environ.get("MLBRIDGE_PICTURES") and picture in SHOWN:
            visit.picture(PICTURES / picture, height=HIGHEST)


def test_a_cell_of_the_drift_map_opens(browser: Browser, address: str) -> None:
    with Visit.of(browser, address) as visit:
        visit.open("drift?model=late_arrival")
        chart = visit.page.locator("[data-testid=stVegaLiteChart] svg.marks").first
        box = chart.bounding_box()
        assert box
        for height in (0.5, 0.7):  # one of them is not the cell that the page begins with
            visit.page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * height)
            visit.page.wait_for_timeout(2_000)
        visit.settled()
        feature = re.search(r"feature=(\w+)", visit.page.url)
        assert feature
        assert f"{feature[1]}: distribution" in visit.text()
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
        assert "where origin=JFK" in visit.text()
        assert "slice=origin" in visit.page.url
        choose(visit, "Version", "1")
        assert "version=1" in visit.page.url
        slider = visit.page.get_by_role("slider")
        slider.focus()
        for _ in range(20):
            visit.page.keyboard.press("ArrowLeft")
        visit.settled()
        assert "Confusion matrix at 0.400" in visit.text()
        assert "threshold=0.4" in visit.page.url
        visit.check()


def test_two_versions_are_compared(browser: Browser, address: str) -> None:
    with Visit.of(browser, address) as visit:
        visit.open("versions?model=late_arrival&before=1&after=2")
        assert "data" in visit.text()
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
        assert entity in visit.text() or visit.page.get_by_role("textbox").first.input_value() == entity
        visit.check()


def test_pages_link_to_each_other(browser: Browser, address: str) -> None:
    with Visit.of(browser, address) as visit:
        visit.open()
        main = visit.page.locator("[data-testid=stMain]")
        main.get_by_role("link", name="Drift").first.click()
        visit.page.wait_for_url("**/drift*")
        visit.settled()
        assert "Drift map" in visit.text()
        assert "model=" in visit.page.url or "arrival_delay" in visit.text()
