"""The life cycle of a model: when it is retrained, which candidate is chosen, and whether it is promoted."""
