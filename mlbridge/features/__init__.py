"""Which columns are features, and the rows as a model sees them."""
