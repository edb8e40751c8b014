"""Everything that differs by engine, and how queries are run; all other code builds sqlglot expressions."""
