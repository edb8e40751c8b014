"""Seconds until the monitor's pages stand in a real browser, with 50 models watched for three years of days.

The build is that of the flights (`make demo`), grown by `monitor_grown.py`; two of its models have 500 features. Every
page is opened in Chromium as `monitor_browser.py` does, with one of the two. `--pictures` leaves a picture of each page
instead, wide and narrow, light and dark, and says what is wrong on it.
Run: .venv/bin/python benchmarks/monitor_wide.py [--published FOLDER] [--grown FOLDER] [--pictures FOLDER]
"""

from __future__ import annotations

import argparse
import itertools
import platform
import sys
import tempfile
from pathlib import Path

from monitor_browser import FLIGHTS, TABS, named, pages, report, served
from monitor_grown import COUNTRIES, THINGS, grow
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
from browser import CHROMIUM, FLAGS, Visit


def pictures(browser: Browser, address: str, asked: list[str], folder: Path) -> None:
    """Leave a picture of each page; say what is wrong on it."""
    folder.mkdir(parents=True, exist_ok=True)
    for ground, width in itertools.product(("light", "dark"), (1440, 400)):
        for each in asked:
            name = f"{named(each).replace(' ', '_')}_{width}_{ground}"
            with Visit.of(browser, address, width, ground) as visit:
                visit.open(each)
                (folder / f"{name}.png").write_bytes(visit.picture(height=4_000))
                try:
                    visit.check()
                except AssertionError as error:
                    print(f"{name}: {str(error)[:300]}", flush=True)


def main() -> None:
    """Grow the build, open the pages, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--published", type=Path, default=FLIGHTS)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--days", type=int, default=1095)
    parser.add_argument("--grown", type=Path, help="where the grown build is, or is to be; else it is thrown away")
    args = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, {args.days} days")
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = args.grown or Path(place) / "grown"
        if not (folder / "current").exists():
            grow(args.published, folder, args.days)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        asked = pages(f"{THINGS[0]}_{COUNTRIES[0]}", TABS)
        if args.pictures:
            with served(["mlbridge.app"], MLBRIDGE_PUBLISHED=str(folder)) as (address, _):
                pictures(browser, address, asked, args.pictures)
        else:
            report(browser, asked, folder)
        browser.close()


if __name__ == "__main__":
    main()
