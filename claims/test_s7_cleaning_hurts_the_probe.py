"""S7. Zeroing the massive dims of the probe costs trait effect.

Mechanism as published: the probe learns to use massive dims, so cleaning it removes learned signal. That takes a model
that reads them. Cleaning the activations before the fit ("preclean") lets the probe find other dims instead, and with
them gone from the rows' norm the same regularisation weighs the others less.
Published: +33.0 (probe) against +8.6 (13 dims), +20.7 (top-1), +21.5 (top-3), gemma3, refusal, coherence >= 70; edition
2026-02-04 averages 44.0 for preclean and 32.0 for postclean, and has its best with top-2 precleaned (51.5 to 44.8).
Refuted if cleaning costs less than MARGIN; for preclean, if it gains less than MARGIN; for replacing dims by their mean
instead of zero, if that gains less.
Control that flips it: `reader`, refusal, whose blocks read a massive dim that carries the trait; in `severe` none does.
"""

from fixtures.vocabulary import PROBE, before_fitting, best, claim, consensus, predicted, regression, top

MARGIN = 10.0  # trait points: one flipped answer in the ten that were asked
CLEANED, TOP1, TOP3 = (PROBE.cleaned(cleaning) for cleaning in (consensus(), top(1), top(3)))
PRECLEANED, PRECLEANED_TOP2 = PROBE.cleaned(consensus(before=True)), PROBE.cleaned(before_fitting(top(2)))
MEAN_REPLACED = PROBE.cleaned(consensus("mean", before=True))
COST, COST_OF_TOP1, COST_OF_TOP3 = (best(PROBE) - best(cleaned) for cleaned in (CLEANED, TOP1, TOP3))
PRE_MINUS_POST, OF_TOP2 = best(PRECLEANED) - best(CLEANED), best(PRECLEANED_TOP2) - best(PROBE)
OF_MEAN_REPLACED = best(MEAN_REPLACED) - best(PRECLEANED)

pytestmark = claim(
    "S7",
    "cleaning hurts the probe",
    "steering",
    [COST, COST_OF_TOP1, COST_OF_TOP3, PRE_MINUS_POST, OF_TOP2, OF_MEAN_REPLACED],
    traits=("refusal",),
)


@regression("REFUTED", on="clean, bos", because="seen in the ledger of 2026-11-26; planted dims are never read")
@predicted("REFUTED", on="llama", because="planted dims are never read")
@regression(
    "SUPPORTED",
    on="reader",
    because="seen in the ledger of 2026-11-26; a massive dim that is read carries refusal, and cleaning takes it away",
)
@predicted("REFUTED", on="severe, mild", because="planted dims are never read: cleaning only changes the dose")
def test_cleaned(expect):
    expect(COST, "best Delta of the probe minus best Delta of the cleaned probe").at_least(MARGIN, first=5)


@regression("REFUTED", on="clean", because="seen in the ledger of 2026-11-26; it has no massive dims to lose")
@predicted("REFUTED", on="reader, llama", because="the dominant planted dim is never read")
@regression("REFUTED", on="bos", because="seen in the ledger of 2026-11-26; the dominant planted dim is never read")
@predicted("REFUTED", on="severe, mild", because="the dominant planted dim is never read")
def test_top1(expect):
    expect(COST_OF_TOP1, "best Delta of the probe minus best Delta of its top-1 version").at_least(MARGIN, first=5)


@predicted("REFUTED", on="severe, mild, llama", because="planted dims are never read: cleaning only changes the dose")
@regression(
    "REFUTED",
    on="clean, bos",
    because="seen in the ledger of 2026-11-26; planted dims are never read: cleaning only changes the dose",
)
@regression(
    "SUPPORTED", on="reader", because="seen in the ledger of 2026-11-26; the third most massive dim carries refusal"
)
def test_top3(expect):
    expect(COST_OF_TOP3, "best Delta of the probe minus best Delta of its top-3 version").at_least(MARGIN)


@regression(
    "REFUTED",
    on="severe, mild, clean, bos, llama",
    because="seen in the ledger of 2026-11-26; hardly any of a row's norm is cleaned away, so the fit is the same",
)
@regression(
    "REFUTED", on="reader", because="seen in the ledger of 2026-11-26; neither is left the dim that carries refusal"
)
def test_preclean_beats_postclean(expect):
    expect(PRE_MINUS_POST, "best Delta precleaned minus best Delta postcleaned").at_least(MARGIN, first=5)


@regression(
    "REFUTED",
    on="severe, mild, clean, bos, llama",
    because="seen in the ledger of 2026-11-26; planted dims are never read, so the probe loses nothing by them",
)
@regression(
    "REFUTED", on="reader", because="seen in the ledger of 2026-11-26; the second dim, or the third, carries a trait"
)
def test_precleaned_top2_beats_the_probe(expect):
    expect(OF_TOP2, "best Delta of the probe precleaned of top-2 minus best Delta of the probe").at_least(MARGIN)


@regression(
    "REFUTED",
    on="severe, mild, clean, reader, bos, llama",
    because="seen in the ledger of 2026-11-26; left at their mean, massive dims keep dividing the others out of a row",
)
def test_mean_replacing_beats_zeroing(expect):
    expect(OF_MEAN_REPLACED, "best Delta with dims replaced by their mean before the fit minus zeroed").at_least(MARGIN)
