"""Pieces of formulas that more than one estimator or transformer needs."""
