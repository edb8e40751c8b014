"""The entry point of the app: its pages and its style."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

PAGES = {
    "overview": ("Overview", ":material/home:"),
    "performance": ("Performance", ":material/monitoring:"),
    "drift": ("Drift", ":material/grid_on:"),
    "versions": ("Versions", ":material/history:"),
    "predictions": ("Predictions", ":material/target:"),
    "runs": ("Runs", ":material/timer:"),
    "pipeline": ("Pipeline", ":material/account_tree:"),
}
FOLDER = Path(__file__).parent / "pages"

# Links show the keyboard focus; a chart that is wider than its container can be scrolled.
STYLE = """<style>
a:focus-visible {outline: 2px solid currentColor; outline-offset: 2px}
[data-testid=stVegaLiteChart] {overflow-x: auto}
</style>"""

st.set_page_config(page_title="mlbridge", page_icon=str(FOLDER.parent / "icon.svg"), layout="wide")
chosen = st.navigation(
    [
        st.Page(FOLDER / f"{name}.py", title=title, icon=icon, url_path=name, default=name == "overview")
        for name, (title, icon) in PAGES.items()
    ]
)
st.html(STYLE)
chosen.run()
