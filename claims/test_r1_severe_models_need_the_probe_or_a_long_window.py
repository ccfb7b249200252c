"""R1. Above a severity of 100, use the probe, or mean_diff made from twenty tokens.

Mechanism as published: both avoid the massive dims that spoil mean_diff at five tokens. Good advice must gain
something over what it replaces.
Published as a recommendation, from +33.0 and +33.4 against +27.1 (gemma3, refusal).
Refuted if the better of the two gains less than GAIN over mean_diff at five tokens, each at its own best coefficient.
Controls that flip it: every organism is false, since the part outside the planted dims steers as well; simulated models
are both.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, best, claim, largest, regression

GAIN = 10.0  # trait points: one flipped answer in the ten that were asked
GAINED = largest(*(best(advised) - best(MEAN_DIFF) for advised in (PROBE, MEAN_DIFF.over(20))))

pytestmark = claim(
    "R1", "severe models need the probe or a long window", "advice", [GAINED], traits=("refusal",), above=100.0
)


@regression(
    "REFUTED",
    on="severe, reader, llama",
    because="seen in the ledger of 2026-11-26; at its own coefficient mean_diff of five tokens steers fully",
)
def test_advice_gains(expect):
    expect(GAINED, "larger gain over mean_diff [:5], of the probe or of mean_diff [:20]").at_least(GAIN, first=5)
