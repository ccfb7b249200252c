"""S5. Zeroing only the most massive dim of mean_diff steers at least as well as zeroing all of them.

Mechanism: dims that nothing reads can be left in or taken out; what steers is the part outside them, and each version
has its own best dose. Per-block lists and one consensus list then do the same, too.
Published: +28.8 (top-1) against +24.8 (13 dims), gemma3, refusal, coherence >= 70. Edition 2026-02-04: per-block lists
have 32.2, one consensus list 27.3.
Refuted if top-1 (or the per-block list, or clipping the dims instead of zeroing them) steers worse by more than
MARGIN.
Control that flips it: `reader`, sycophancy, where a minor massive dim steers the wrong way while it is left in.
"""

from fixtures.vocabulary import MEAN_DIFF, best, claim, consensus, per_block, predicted, regression, top

MARGIN = 10.0  # trait points: one flipped answer in ten
TOP1, ALL, OWN = (MEAN_DIFF.cleaned(cleaning) for cleaning in (top(1), consensus(), per_block()))
WINSORISED = MEAN_DIFF.cleaned(consensus(how="winsorise"))
GAIN, GAIN_OF_OWN = best(TOP1) - best(ALL), best(OWN) - best(ALL)
GAIN_OF_WINSORISED = best(WINSORISED) - best(ALL)

pytestmark = claim(
    "S5", "top-1 cleaning steers as well as full cleaning", "steering", [GAIN, GAIN_OF_OWN, GAIN_OF_WINSORISED]
)


@regression(
    "REFUTED",
    on="reader/sycophancy",
    because="seen in the ledger of 2026-11-26; top-1 leaves in the dim that steers the wrong way",
)
@regression(
    "SUPPORTED",
    on="reader/refusal",
    because="seen in the ledger of 2026-11-26; top-1 leaves in the dim that carries refusal",
)
@predicted("SUPPORTED", on="severe, mild", because="planted dims are never read: equal dose, equal steering")
def test_top1(expect):
    expect(GAIN, "best Delta of top-1 minus best Delta of all").at_least(-MARGIN, first=-5)


@predicted(
    "SUPPORTED", on="severe, mild", because="every block's top five are the planted dims, which is the consensus"
)
def test_per_block_lists(expect):
    expect(GAIN_OF_OWN, "best Delta with per-block lists minus best Delta with the consensus").at_least(-MARGIN)


@predicted("SUPPORTED", on="severe, mild", because="planted dims are never read, whatever is left of them")
def test_winsorised(expect):
    expect(GAIN_OF_WINSORISED, "best Delta with massive dims clipped minus best Delta with them zeroed").at_least(
        -MARGIN
    )
