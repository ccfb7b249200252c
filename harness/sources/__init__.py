"""What was published: its table, expressions of its values, and the arithmetic that needs no model."""
