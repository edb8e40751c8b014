"""The functions that the two Python models of a branch call; they compose the stages."""
