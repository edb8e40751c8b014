"""Whether features used the future: rows rebuilt from what was known at their moment."""
