"""What the monitor's pages show, as frames: each function takes the state of a published build first."""

from mlbridge.errors import MonitorError
from mlbridge.monitor.source import Build, Nothing, Republished, Source, State, open_folder, open_source

__all__ = [
    "Build",
    "MonitorError",
    "Nothing",
    "Republished",
    "Source",
    "State",
    "open_folder",
    "open_source",
]
