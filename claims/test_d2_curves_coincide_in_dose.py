"""D2. Drawn against dose, the curves of mean_diff and of its cleaned versions are one curve, in trait and in coherence.

Mechanism: the dose law. At the same dose the same vector is added outside the massive dims; what is added inside acts
on nothing.
Ours: on trial organisms the versions needed coefficients 144, 40 and 12.7 for one effect.
Refuted if two curves lie further apart than SLACK on average over the doses. With few questions neither is shown.
Controls that flip it: `severe` and `mild` are true; `reader`, whose massive dims are read, is false; so is a random
direction against mean_diff, wherever steering works.
"""

from fixtures.vocabulary import MEAN_DIFF, RANDOM, claim, consensus, curve_gap, predicted, regression, top

SLACK = 5.0  # points: half of one flipped answer in ten
ALL, TOP1 = MEAN_DIFF.cleaned(consensus()), MEAN_DIFF.cleaned(top(1))
TRAIT, COHERENCE = curve_gap(MEAN_DIFF, ALL, "trait"), curve_gap(MEAN_DIFF, ALL, "coherence")
TRAIT_OF_TOP1 = curve_gap(MEAN_DIFF, TOP1, "trait")
TRAIT_OF_RANDOM = curve_gap(MEAN_DIFF, RANDOM, "trait")

pytestmark = claim("D2", "curves coincide in dose", "dose", [TRAIT, COHERENCE, TRAIT_OF_TOP1, TRAIT_OF_RANDOM])


@regression(
    "REFUTED",
    on="reader",
    because="seen in the ledger of 2026-11-26; two massive dims are read, so cleaning changes more than the dose",
)
@predicted("SUPPORTED", on="severe, mild", because="planted dims are never read")
def test_trait(expect):
    expect(TRAIT, "trait curves of mean_diff and cleaned: how far apart").at_most(SLACK)


@predicted("SUPPORTED", on="severe, mild", because="planted dims are never read")
def test_coherence(expect):
    expect(COHERENCE, "coherence curves of mean_diff and cleaned: how far apart").at_most(SLACK)


@predicted("SUPPORTED", on="severe, mild", because="planted dims are never read")
def test_trait_of_top1(expect):
    expect(TRAIT_OF_TOP1, "trait curves of mean_diff and top-1: how far apart").at_most(SLACK)


@regression(
    "REFUTED",
    on="reader/refusal",
    because="seen in the ledger of 2026-12-01, with a draw a question; control: it knows nothing of the trait",
)
@regression(
    "REFUTED",
    on="severe, mild, clean, reader/sycophancy, bos, llama",
    because="seen in the ledger of 2026-11-26; control: it knows nothing of the trait",
)
@predicted("REFUTED", on="real models", because="control: it knows nothing of the trait")
def test_random_direction(expect):
    expect(TRAIT_OF_RANDOM, "trait curves of mean_diff and a random direction: how far apart").at_most(SLACK)
