"""`mlbridge serve`: the versions in use over HTTP, from what builds publish."""
