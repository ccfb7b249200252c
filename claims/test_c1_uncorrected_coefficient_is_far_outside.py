"""C1. A search that starts from the full activation norm starts where the text is gibberish.

Mechanism: the full norm is that of the massive dims. A coefficient of that size along a direction outside them adds
many times what the rest of the residual stream holds.
Published: base 25,984, start 0.7 x base = 18,189; the first runs, at 5,000 to 27,000, had coherence 10 to 18 (gemma3,
refusal, block 15).
Refuted if the probe's text at the start is still coherent on average.
Control that flips it: `clean`, whose full norm is its ordinary norm.
"""

from fixtures.vocabulary import GATE, PROBE, claim, coherence_at_uncorrected_start, predicted, regression

AT_START = coherence_at_uncorrected_start(PROBE)

pytestmark = claim("C1", "the uncorrected coefficient is far outside the useful range", "calibration", [AT_START])


@regression(
    "REFUTED",
    on="bos",
    because="seen in the ledger of 2026-11-26; the full norm is the ordinary one: nothing is corrected",
)
@regression(
    "SUPPORTED",
    on="reader, llama",
    because="seen in the ledger of 2026-11-26; the full norm is many times the ordinary one",
)
@predicted("SUPPORTED", on="severe, mild", because="the full norm is 60 or 4 times the ordinary one")
@predicted("REFUTED", on="clean", because="the full norm is the ordinary one: nothing is corrected")
def test_start_is_incoherent(expect):
    expect(AT_START, "coherence of the probe at 0.7 x the full norm").less_than(GATE)
