"""The monitor: pages about the last published build. They draw the frames that `mlbridge.monitor` returns."""
