"""S7. Zeroing the massive dims of the probe costs trait effect.

Mechanism as published: the probe learns to use massive dims, so cleaning it removes learned signal. That takes a model
that reads them. Cleaning the activations before the fit ("preclean") lets the probe find other dims instead.
Published: +33.0 (probe) against +8.6 (13 dims), +20.7 (top-1), +21.5 (top-3), gemma3, refusal, coherence >= 70; edition
2026-02-04 averages 44.0 for preclean and 32.0 for postclean.
Refuted if cleaning costs less than MARGIN; for preclean, if it beats postclean by less than MARGIN.
Control that flips it: `reader`, refusal, whose blocks read a massive dim that carries the trait; in `severe` none does.
"""

from fixtures.vocabulary import PROBE, before_fitting, best, claim, consensus, known, top

MARGIN = 5.0  # trait points
CLEANED, TOP1 = PROBE.cleaned(consensus()), PROBE.cleaned(top(1))
PRECLEANED = PROBE.cleaned(before_fitting(consensus()))
COST, COST_OF_TOP1, PRE_MINUS_POST = (
    best(PROBE) - best(CLEANED),
    best(PROBE) - best(TOP1),
    best(PRECLEANED) - best(CLEANED),
)

pytestmark = claim("S7", "cleaning hurts the probe", "steering", [COST, COST_OF_TOP1, PRE_MINUS_POST])


@known("REFUTED", on="severe, mild", because="planted dims are never read: cleaning only changes the dose")
def test_cleaned(expect):
    expect(COST, "best Delta of the probe minus best Delta of the cleaned probe").at_least(MARGIN)


@known("REFUTED", on="severe, mild", because="the dominant planted dim is never read")
def test_top1(expect):
    expect(COST_OF_TOP1, "best Delta of the probe minus best Delta of its top-1 version").at_least(MARGIN)


@known("REFUTED", on="severe, mild", because="before or after the fit, what is left is the same direction")
def test_preclean_beats_postclean(expect):
    expect(PRE_MINUS_POST, "best Delta precleaned minus best Delta postcleaned").at_least(MARGIN)
