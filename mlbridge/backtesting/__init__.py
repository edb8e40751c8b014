"""History replayed on copies of the warehouse."""
