"""Frames of `mlbridge.monitor` as Altair charts, a module a page."""
