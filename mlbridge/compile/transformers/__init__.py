"""Transformers as SQL."""
