"""S2. At coefficients around the corrected base, cleaning makes mean_diff work.

Mechanism: zeroing massive dims and re-normalising moves the coefficient from dims that do not steer to those that do.
Published: Delta +9.2 (cleaned) against -0.3 (raw), both at c1200 (gemma3, refusal).
Refuted if cleaning gains less than GAIN at these coefficients.
Controls that flip it: `severe` is true; on `clean` and `bos` there is nothing to recover from, and on `reader`,
refusal, cleaning takes away what steers.
"""

from fixtures.vocabulary import MEAN_DIFF, best_around_base, claim, consensus, predicted, regression

GAIN = 10.0  # trait points: one flipped answer in the ten that were asked
RECOVERED = best_around_base(MEAN_DIFF.cleaned(consensus())) - best_around_base(MEAN_DIFF)

pytestmark = claim("S2", "cleaning recovers mean_diff", "steering", [RECOVERED])


@regression(
    "REFUTED",
    on="reader/refusal",
    because="seen in the ledger of 2026-11-26; the dim that carries refusal is cleaned away",
)
@regression(
    "REFUTED",
    on="llama",
    because="seen in the ledger of 2026-11-26; two thirds of mean_diff lie outside: twice the base is enough",
)
@regression(
    "SUPPORTED",
    on="reader/sycophancy",
    because="seen in the ledger of 2026-11-26; the dim that steers the wrong way is cleaned away",
)
@predicted("SUPPORTED", on="severe", because="the cleaned direction gets its full dose, the raw one a third of it")
@predicted("REFUTED", on="mild, clean, bos", because="mean_diff has its full dose without cleaning")
def test_cleaned_gains(expect):
    expect(RECOVERED, "cleaned minus raw mean_diff, from half to twice the corrected base").at_least(GAIN, first=5)
