"""Hooks of mkdocs: what a strict build does not see, and a reader of the site would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

# What a browser loads by itself; a link that a reader follows is none of it.
LOADED = re.compile(
    r"<(?:script|img|iframe|source|embed|video|audio|object)\b[^>]*?\b(?:src|srcset|data)=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b[^>]*?\bhref=[\"']?(?:https?:)?//[^>]*>"
    r"|url\([\"']?(?:https?:)?//[^)]*\)|@import\s+[\"'](?:https?:)?//"
)
GIT_HOST = MarkdownIt("gfm-like", {"linkify": False})


def on_page_content(html: str, page: Page, **_: Any) -> None:
    """Refuse a page in which the site shows other lists, tables or blocks of code than a git host does."""
    expected = GIT_HOST.render(page.markdown or "")
    for tag in ("ul", "ol", "li", "table", "tr", "pre"):
        here, there = (len(re.findall(rf"<{tag}\b", text)) for text in (html, expected))
        if here != there:
            raise PluginError(
                f"{page.file.src_uri}: {here} <{tag}>, on a git host {there}. A list begins after an empty line, and "
                "what belongs to an item is indented by four spaces."
            )


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a page or a style sheet that loads a file from another host, which would learn who reads it."""
    for path in sorted(Path(config.site_dir).rglob("*")):
        if path.suffix in (".html", ".css") and (found := LOADED.search(path.read_text())):
            raise PluginError(f"{path.relative_to(config.site_dir)} loads a file from another host: {found[0]}")
