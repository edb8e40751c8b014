"""The names that a spec can use, as literal tables: metrics, drift metrics and stock candidates."""
