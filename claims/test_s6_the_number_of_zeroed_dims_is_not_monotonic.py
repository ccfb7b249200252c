"""S6. Zeroing some massive dims steers worse than zeroing one or all of them.

Mechanism as published: some of the minor massive dims carry signal, others contamination. By the dose law the number
of zeroed dims makes no difference where they are not read.
Published: +28.8 (top-1), +20.7 (top-3), +14.2 (top-5), +14.4 (top-10), +24.8 (13 dims), gemma3, refusal; edition
2026-01-31 has +20.5, +72.1 (top-2), +13.9 (top-5).
Refuted if the best middle version falls short of the worse end by less than DIP; for the later edition, if top-2
exceeds the better end by less.
Controls that flip it: every organism is false; a simulated model with a dip of 20 points is true, and one whose top-2
stands out.
"""

from fixtures.vocabulary import MEAN_DIFF, best, claim, consensus, predicted, regression, smallest, top

DIP = 10.0  # trait points: one flipped answer in the ten that were asked
ENDS = [best(MEAN_DIFF.cleaned(how)) for how in (top(1), consensus())]
MIDDLE = [best(MEAN_DIFF.cleaned(top(k))) for k in (3, 5, 10)]
BELOW = smallest(*(end - middle for end in ENDS for middle in MIDDLE))
ABOVE = smallest(*(best(MEAN_DIFF.cleaned(top(2))) - end for end in ENDS))

pytestmark = claim("S6", "the number of zeroed dims is not monotonic", "steering", [BELOW, ABOVE], traits=("refusal",))


@regression(
    "REFUTED",
    on="clean, reader, bos, llama",
    because="seen in the ledger of 2026-11-26; no number of dims between one and all is planted to be worse than both",
)
@predicted("REFUTED", on="severe, mild", because="planted dims are never read, so their number makes no difference")
def test_middle_lies_below_both_ends(expect):
    expect(BELOW, "smallest lead of top-1 or all over top-3, 5 or 10").at_least(DIP, first=5)


@regression(
    "REFUTED",
    on="clean, reader, bos, llama",
    because="seen in the ledger of 2026-11-26; no number of dims between one and all is planted to be better than both",
)
@predicted("REFUTED", on="severe, mild", because="planted dims are never read, so their number makes no difference")
def test_top2_lies_above_both_ends(expect):
    expect(ABOVE, "smaller lead of top-2, over top-1 and over all").at_least(DIP)
