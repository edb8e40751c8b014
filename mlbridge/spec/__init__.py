"""The spec of a model, as users write it in YAML, and the facts about a build that a node receives."""
