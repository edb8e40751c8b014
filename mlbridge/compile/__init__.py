"""Scoring compiled to SQL: a fitted scikit-learn pipeline as one SELECT."""
