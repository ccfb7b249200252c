"""D1. The coefficient a direction needs is inverse to its share of norm outside the massive dims.

Mechanism: the dose law. A direction acts through its part outside the massive dims, so c x share is what counts; the
dose is that over the activation norm without massive dims.
Ours; in the published numbers 2500 x .479 = 1,197 against the probe's 1200 (see A1).
Refuted if the best doses of mean_diff and of its cleaned version differ by more than a factor FACTOR.
Controls that flip it: `severe`, where coefficients differ by the inverse share and doses do not, is true; on `reader`
mean_diff has no best dose of its own; a simulated model, best at another dose, is false.
"""

from fixtures.vocabulary import MEAN_DIFF, best_dose, claim, consensus, predicted, top

FACTOR = 1.5  # between best doses: a step of the grid and a little more
TO_ALL = best_dose(MEAN_DIFF) / best_dose(MEAN_DIFF.cleaned(consensus()))
TO_TOP1 = best_dose(MEAN_DIFF) / best_dose(MEAN_DIFF.cleaned(top(1)))

pytestmark = claim("D1", "coefficients go with the inverse share outside", "dose", [TO_ALL, TO_TOP1])


@predicted("SUPPORTED", on="severe, mild", because="planted dims are never read: only the share outside acts")
def test_against_fully_cleaned(expect):
    expect(TO_ALL, "best dose of mean_diff over best dose of cleaned").within(
        1 / FACTOR, FACTOR, first=(1 / 1.35, 1.35)
    )


@predicted("SUPPORTED", on="severe, mild", because="planted dims are never read: only the share outside acts")
def test_against_top1(expect):
    expect(TO_TOP1, "best dose of mean_diff over best dose of top-1").within(1 / FACTOR, FACTOR, first=(1 / 1.35, 1.35))
