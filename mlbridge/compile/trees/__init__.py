"""Decision trees as SQL."""
