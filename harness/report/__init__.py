"""Reports made from ledger.jsonl alone: the terminal's table, the Markdown document; `python -m harness.report`."""
