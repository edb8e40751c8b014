"""Scores rows with a version, in Python or as SQL, and checks that a stored version scores as it was evaluated."""
