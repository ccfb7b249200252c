"""S5. Zeroing only the most massive dim of mean_diff steers at least as well as zeroing all of them.

Mechanism: dims that nothing reads can be left in or taken out; what steers is the part outside them, and the dose grid
gives both versions the same amount of it.
Published: +28.8 (top-1) against +24.8 (13 dims), gemma3, refusal, coherence >= 70.
Refuted if top-1 steers worse by more than MARGIN.
Control that flips it: none yet. It takes a model whose minor massive dims disturb steering when they are left in.
"""

from fixtures.vocabulary import MEAN_DIFF, best, claim, consensus, known, top

MARGIN = 5.0  # trait points
TOP1, ALL = MEAN_DIFF.cleaned(top(1)), MEAN_DIFF.cleaned(consensus())
GAIN = best(TOP1) - best(ALL)

pytestmark = claim("S5", "top-1 cleaning steers as well as full cleaning", "steering", [GAIN])


@known("SUPPORTED", on="severe, mild", because="planted dims are never read: equal dose, equal steering")
@known("SUPPORTED", on="clean", because="zeroing a few ordinary dims of 128 barely turns the direction")
def test_top1_steers_as_well_as_all(expect):
    expect(GAIN, "best Delta of top-1 minus best Delta of all").at_least(-MARGIN)
