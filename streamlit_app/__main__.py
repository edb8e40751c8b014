"""Start the app as a process: `python -m mlbridge.app`, with the options of `streamlit run` behind it."""

from __future__ import annotations

import sys
from pathlib import Path

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

import mlbridge.app.charts.performance  # noqa: F401 - pandas and Altair take seconds: before anyone waits for a page

# The app names its pages itself. Streamlit learns that only when app.py has run once, and until then takes the folder
# pages/ for what it was in its first version: a link into a page would run that page alone.
PagesManager.uses_pages_directory = False
sys.argv = ["streamlit", "run", str(Path(__file__).with_name("app.py")), *sys.argv[1:]]
cli.main()
