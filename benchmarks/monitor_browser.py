"""Seconds until the monitor's pages stand in a real browser, and the app's memory, over 10 million predictions.

Two classes: what the flights have published (`make demo`), with the predictions of `late_arrival` written many times
over, each time for other entities. Twenty classes and numbers: builds made by hand (`monitor_tables.py`), with 200
features. Ours: one process of `mlbridge monitor`'s app; every page is opened in Chromium, first with nothing answered
yet, then again in a new window. By hand: a Streamlit page of three charts (how much was predicted, how the
probabilities are distributed, calibration) over one pandas frame that it keeps. A page stands when its script has ended
and every chart is drawn. Memory is the highest resident memory of the process.
Run: .venv/bin/python benchmarks/monitor_browser.py [millions of predictions] [binary many number]
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import duckdb
from monitor_tables import MODEL as BIG
from monitor_tables import write_build
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
FLIGHTS = ROOT / "dbt_project" / "flights.duckdb.published" / "dev"
MODEL = "late_arrival"
TABS = {
    "performance": ("analysis", ("All thresholds", "ROC", "Precision and recall", "Gain and lift", "Costs")),
    "drift": ("more", ("Every metric", "Every window", "Against the target", "Correlations")),
}
KINDS = ("binary", "many", "number")
STANDS = """() => document.querySelector('h1')
    && document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]')
    && !document.querySelector('[data-testid=stSkeleton]')
    && [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].every(e => e.querySelector('.marks'))"""
BY_HAND = """
import pandas as pd
import streamlit as st

@st.cache_data
def predictions():
    return pd.read_parquet({file!r})

st.title("By hand")
frame = predictions()
frame = frame[frame["model"] == {model!r}]
st.bar_chart(frame.groupby(frame["time"].dt.to_period("M").astype(str)).size())
st.bar_chart((frame["probability"] * 20).astype(int).value_counts())
known = frame[frame["actual_value"].notna()]
step = (known["probability"] * 10).astype(int)
st.line_chart(known.groupby(step)[["probability", "actual_value"]].mean(), x="probability", y="actual_value")
"""


def grow(folder: Path, rows: int) -> None:
    """Copy what the flights have published, the predictions of one model as often as that gives `rows`."""
    shutil.copytree(FLIGHTS, folder, symlinks=True)
    file = folder / "current" / "ml_predictions.parquet"
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"create table old as from '{file}'")
        own = f"from old where model = '{MODEL}'"
        (there,) = connection.execute(f"select count(*) {own}").fetchone() or (0,)
        connection.execute(f"""
            copy (
                select o.* replace (o.entity || '-' || i as entity)
                from range({-(-rows // there)}) as t(i), (select * {own}) as o
                union all by name
                select * from old where model <> '{MODEL}'
            ) to '{file}' (format parquet, use_tmp_file true)
        """)


@contextmanager
def served(command: list[str], **environment: str) -> Iterator[tuple[str, int]]:
    """Run an app; gives its address and the process's number."""
    with socket.create_server(("localhost", 0)) as found:
        port = found.getsockname()[1]
    line = [sys.executable, "-m", *command, "--server.port", str(port), "--server.headless", "true"]
    with subprocess.Popen(
        line, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            while True:
                try:
                    with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1):
                        break
                except OSError:
                    time.sleep(0.1)
                    if process.poll() is not None:
                        raise SystemExit(f"{' '.join(line)} has ended") from None
            yield f"http://localhost:{port}", process.pid
        finally:
            process.terminate()


def opened(browser: Browser, url: str) -> float:
    """Open a page in a new window; gives the seconds until it stands."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    started = time.perf_counter()
    page.goto(url)
    page.wait_for_function(STANDS, timeout=300_000)
    taken = time.perf_counter() - started
    wrong = page.locator("[data-testid=stException]").all_inner_texts()
    context.close()
    if wrong:
        raise SystemExit(f"{url.rpartition('/')[2] or 'overview'} says: {wrong[0]}")
    return taken


def peak(pid: int) -> float:
    """Give a process's highest resident memory in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(browser: Browser, pages: list[str], address: str, pid: int) -> dict[str, Any]:
    """Open every page twice; the process's first page is opened before, and stated apart."""
    start = opened(browser, f"{address}/{pages[0]}")
    first, again = ([opened(browser, f"{address}/{page}") for page in pages] for _ in range(2))
    return {"start": start, "first": first, "again": again, "peak": peak(pid)}


def pages(model: str, tabs: dict[str, tuple[str, tuple[str, ...]]]) -> list[str]:
    """List the pages of a model. A tab that is open is the page with it: what is not open is not computed."""
    own = [f"{name}?model={model}" for name in ("performance", "drift", "versions", "predictions")]
    opened = [f"{name}?model={model}&{key}={quote(tab)}" for name, (key, each) in tabs.items() for tab in each]
    return ["", *own, *opened, "runs", "pipeline"]


def named(page: str) -> str:
    """Name a page, and the tab that is open."""
    name, _, query = page.partition("?")
    return " ".join([name or "overview", *(unquote(each.partition("=")[2]) for each in query.split("&")[1:])])


def report(browser: Browser, asked: list[str], folder: Path) -> None:
    """Open the pages over a published folder, and print."""
    with served(["mlbridge.app"], MLBRIDGE_PUBLISHED=str(folder)) as (address, pid):
        found = measure(browser, asked, address, pid)
    print(f"{'page':44}{'first time, s':>15}{'again, s':>12}")
    print(f"{'(process start)':44}{found['start']:15.2f}")
    for page, first, again in zip(asked, found["first"], found["again"], strict=True):
        print(f"{named(page):44}{first:15.2f}{again:12.2f}")
    print(f"peak memory: {found['peak']:,.0f} MiB", flush=True)


def by_hand(browser: Browser, folder: Path) -> None:
    """Open a page made by hand over the same predictions, and print."""
    script = folder.with_name("by_hand.py")
    script.write_text(BY_HAND.format(file=str(folder / "current" / "ml_predictions.parquet"), model=MODEL))
    with served(["streamlit", "run", str(script)]) as (address, pid):
        found = measure(browser, [""], address, pid)
    print(f"{'by hand':44}{found['start']:15.2f}{found['again'][0]:12.2f}\npeak memory: {found['peak']:,.0f} MiB")


def main() -> None:
    """Make the predictions, open the pages, print."""
    rows = int(float(sys.argv[1] if len(sys.argv) > 1 else 10) * 1_000_000)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for kind in sys.argv[2:] or KINDS:
            folder = Path(place) / kind / "published"
            print(
                f"\n{kind}: {platform.machine()}, Python {platform.python_version()}, {rows:,} predictions", flush=True
            )
            if kind == "binary":
                grow(folder, rows)
                report(browser, pages(MODEL, TABS), folder)
                by_hand(browser, folder)
            else:
                write_build(folder, kind, rows)
                report(browser, pages(BIG, {"drift": TABS["drift"]}), folder)
        browser.close()


if __name__ == "__main__":
    main()
