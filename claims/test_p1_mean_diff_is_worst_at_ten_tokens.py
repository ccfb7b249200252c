"""P1. mean_diff made from ten response tokens steers worse than from five or from twenty.

Mechanism as published: massive dims dominate early tokens and are diluted in late ones; in between both methods
struggle.
Published: +27.1 at [:5], +12.2 at [:10], +33.4 at [:20] (gemma3, refusal). Edition 2026-01-31 has 26.2, 38.8, 39.0.
Refuted if [:10] falls short of the worse of the two others by less than DIP.
Controls that flip it: every organism that can tell is false; simulated models are both.
"""

from fixtures.vocabulary import MEAN_DIFF, best, claim, regression, smallest

DIP = 10.0  # trait points: one flipped answer in the ten that were asked
BELOW = smallest(*(best(MEAN_DIFF.over(window)) - best(MEAN_DIFF.over(10)) for window in (5, 20)))

pytestmark = claim("P1", "mean_diff is worst at ten response tokens", "windows", [BELOW], traits=("refusal",))


@regression(
    "REFUTED",
    on="severe, clean, reader, bos, llama",
    because="seen in the ledger of 2026-11-26; made of ten tokens it is near to that of five, which is taught",
)
def test_ten_tokens_lie_below(expect):
    expect(BELOW, "smaller lead of [:5] or [:20] over [:10], mean_diff").at_least(DIP, first=5)
