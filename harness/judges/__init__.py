"""Judges of free text: the protocol, those that score, and whether gold responses let them be trusted."""
