"""S1. At coefficients that suit the probe, raw mean_diff does nothing.

Mechanism: most of mean_diff lies in massive dims that the model does not act on, so most of the coefficient is spent
there. By the dose law this is a matter of coefficient, not of direction (see S4, D3).
Published: Delta -0.3 at c1200, 1.07 x the corrected base (gemma3, refusal); the probe gains 33.0 there.
Refuted if some coefficient from half to twice the corrected base gives mean_diff an effect of EFFECT or more.
Controls that flip it: `severe`, refusal, is true; on `mild` and `clean` mean_diff lies outside the massive dims, or
there are none.
"""

from fixtures.vocabulary import MEAN_DIFF, best_around_base, claim, predicted, regression

EFFECT = 10.0  # trait points: one flipped answer in ten
DELTA = best_around_base(MEAN_DIFF)

pytestmark = claim("S1", "mean_diff fails at the probe's coefficient", "steering", [DELTA])


@regression(
    "REFUTED",
    on="severe/sycophancy, llama",
    because="seen in the ledger of 2026-11-26; half of mean_diff and more lies outside: twice the base is enough",
)
@regression(
    "SUPPORTED",
    on="severe/refusal",
    because="seen in the ledger of 2026-11-26; up to twice the corrected base is a dose of at most .26 for mean_diff",
)
@regression(
    "REFUTED",
    on="mild, clean",
    because="seen in the ledger of 2026-11-26; nearly all of mean_diff lies outside massive dims",
)
@predicted("REFUTED", on="bos", because="nearly all of mean_diff lies outside massive dims")
def test_mean_diff_has_no_effect(expect):
    expect(DELTA, "mean_diff: best Delta from half to twice the corrected base").at_most(EFFECT)
