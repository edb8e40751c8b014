"""Builds and fits candidates; nothing here uses a connection to the warehouse."""
