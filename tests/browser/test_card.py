"""The page of a model card in a real browser: by axe-core, in light and dark, on a narrow screen and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import chromium
from dbt_host import Host

from mlbridge.model_card.card import model_card
from mlbridge.model_card.html import to_html
from mlbridge.monitor import open_folder


@pytest.fixture(scope="module")
def file(aged_shop: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    card = tmp_path_factory.mktemp("card") / "card.html"
    card.write_text(to_html(model_card(open_folder(aged_shop.published).state(), "basket")))
    return card


@pytest.mark.slow
def test_everybody_can_read_it(file: Path) -> None:
    with chromium() as browser:
        for ground, width in (("light", 1280), ("dark", 400)):
            context = browser.new_context(
                color_scheme=ground, viewport={"width": width, "height": 900}, bypass_csp=True, offline=True
            )
            page, complaints = context.new_page(), []
            page.on("console", lambda message: complaints.append(message.text))  # noqa: B023 - read below, in this turn
            page.on("pageerror", lambda error: complaints.append(str(error)))  # noqa: B023
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
            assert not found, [(each["id"], node["target"]) for each in found for node in each["nodes"]]
            page.emulate_media(media="print")
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            assert not page.locator("nav").is_visible()
            assert complaints == []
