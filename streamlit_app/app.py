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

# Links show the keyboard focus; a chart that is wider than its container can be scrolled; the headings of figures are
# small. A table's own download would write formulas as such: `page.show_table` offers another one.
STYLE = """<style>
a:focus-visible {outline: 2px solid currentColor; outline-offset: 2px}
[data-testid=stVegaLiteChart] {overflow-x: auto}
[class*=st-key-figure_] :is(h2, h3) {font-size: 1.05rem; padding: 0.25rem 0}
[data-testid=stDataFrame] button[aria-label^="Download as CSV"] {display: none}
</style>"""
# The key Tab leaves a table, in which the arrows move; else it would lead through each of its cells.
TAB = """<script>
if (!window.mlbridgeTab) {
    window.mlbridgeTab = true;
    document.addEventListener("keydown", (event) => {
        if (event.key === "Tab" && event.target.closest("[data-testid=stDataFrame]")) event.stopPropagation();
    }, true);
}
</script>"""

st.set_page_config(page_title="mlbridge", page_icon=str(FOLDER.parent / "icon.svg"), layout="wide")
chosen = st.navigation(
    [
        st.Page(FOLDER / f"{name}.py", title=title, icon=icon, url_path=name, default=name == "overview")
        for name, (title, icon) in PAGES.items()
    ]
)
st.html(STYLE)
st.html(TAB, unsafe_allow_javascript=True)
chosen.run()
