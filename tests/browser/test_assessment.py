"""The page of an assessment in a real browser: by axe-core, in light and dark, also on a narrow screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from assessed import assessed, orders
from axe_playwright_python.sync_playwright import Axe
from browser import chromium

from mlbridge.readiness.page import html_page


@pytest.mark.slow
def test_everybody_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "assessment.html"
    file.write_text(html_page(assessed(tmp_path, orders(is_late="case when hash(order_id) % 9 > 0 then is_late end"))))
    with chromium() as browser:
        for ground, width in (("light", 1280), ("dark", 400)):
            context = browser.new_context(
                color_scheme=ground, viewport={"width": width, "height": 900}, bypass_csp=True, offline=True
            )
            page = context.new_page()
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
            assert not found, [(each["id"], node["target"]) for each in found for node in each["nodes"]]
