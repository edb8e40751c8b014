"""Predictors, and estimators made of others, as SQL."""
