"""What each command of the command line does; `cli` parses and shows."""
