"""Start the app as a process: `python -m mlbridge.app`, with the options of `streamlit run` behind it."""

from __future__ import annotations

import sys
from pathlib import Path

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

import mlbridge.app.charts.performance  # noqa: F401 - pandas and Altair take seconds: before anyone waits for a page

# The app declares its pages with st.navigation. Until app.py has run once, Streamlit would treat the folder pages/ as
# its older kind of multipage app, in which a link to a page runs that page alone.
PagesManager.uses_pages_directory = False
sys.argv = ["streamlit", "run", str(Path(__file__).with_name("own_pages.py")), *sys.argv[1:]]
cli.main()
