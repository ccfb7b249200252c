"""D1. The coefficient a direction needs is inverse to its share of norm outside the massive dims.

Mechanism: the dose law. A direction acts through its part outside the massive dims, so c x share is what counts; the
dose is that over the activation norm without massive dims.
Ours; in the published numbers 2500 x .479 = 1,197 against the probe's 1200 (see A1).
Refuted if the doses at which mean_diff and its cleaned version reach half of their best Delta differ by more than a
factor FACTOR. (Before, the doses at the best were compared, which chance decides where a curve is flat on top.)
Controls that flip it: `severe`, where coefficients differ by the inverse share and doses do not, is true; on `reader`
mean_diff needs no dose that could be told; a simulated model that needs another dose is false.
"""

from fixtures.vocabulary import MEAN_DIFF, claim, consensus, needed_dose, predicted, top

FACTOR = 1.5  # between needed doses: a step of the grid and a little more
TO_ALL = needed_dose(MEAN_DIFF) / needed_dose(MEAN_DIFF.cleaned(consensus()))
TO_TOP1 = needed_dose(MEAN_DIFF) / needed_dose(MEAN_DIFF.cleaned(top(1)))

pytestmark = claim("D1", "coefficients go with the inverse share outside", "dose", [TO_ALL, TO_TOP1])


@predicted("SUPPORTED", on="severe, mild", because="planted dims are never read: only the share outside acts")
def test_against_fully_cleaned(expect):
    expect(TO_ALL, "dose that mean_diff needs over dose that cleaned needs").within(
        1 / FACTOR, FACTOR, first=(1 / 1.35, 1.35)
    )


@predicted("SUPPORTED", on="severe, mild", because="planted dims are never read: only the share outside acts")
def test_against_top1(expect):
    expect(TO_TOP1, "dose that mean_diff needs over dose that top-1 needs").within(
        1 / FACTOR, FACTOR, first=(1 / 1.35, 1.35)
    )
