"""What generated SQL is made of: expressions, columns, the engines' dialects, and one SELECT of them all."""
