"""Verdicts and the ledger of them: rows on disk, comparison with what was published and with a baseline."""
