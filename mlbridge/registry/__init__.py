"""The logbook of a model, its artifacts, and versions read back from it."""
