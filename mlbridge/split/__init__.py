"""Checks of the rows before a training (keys, labels, numbers of rows), and their division into blocks."""
