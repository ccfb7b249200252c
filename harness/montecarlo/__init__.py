"""Measures on data of known truth how often verdicts are false: `python -m harness.montecarlo`. May import the ledger's
procedures (quantities, stats, judge_quality); nothing that decides a claim imports it."""
