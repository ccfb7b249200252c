"""The instrument: from a named measurement to a number, one straight line of modules (see README)."""
