"""C2. The activation norm without massive dims is within a factor of two of a useful coefficient.

Mechanism: steering must compete with the part of the residual stream that the next blocks read; its norm leaves the
massive dims out. That holds for a direction that lies outside the massive dims. One that lies mostly inside needs more
by the inverse of its share outside (the dose law).
Published: 1,120, between the first useful run of the sweep (1,037) and the last (1,192); full norm 25,984 (gemma3,
refusal). Useful: Delta >= 10 at coherence >= 70.
Refuted if no coefficient from half to twice the corrected base reaches EFFECT at coherence >= 70; the published search
reaches that far (from 0.7 x base, at most four steps of x1.3).
The first rule was about another quantity, the best coefficient over the base, and cannot be applied.
Control that flips it: raw mean_diff on `severe`, refusal, which lies mostly inside the massive dims.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, best_around_base, claim, regression

EFFECT = 10.0  # trait points: one flipped answer in ten
OF_PROBE, OF_MEAN_DIFF = best_around_base(PROBE), best_around_base(MEAN_DIFF)

pytestmark = claim(
    "C2", "the corrected coefficient lands near the useful range", "calibration", [OF_PROBE, OF_MEAN_DIFF]
)


@regression(
    "SUPPORTED",
    on="severe, mild, clean",
    because="seen in the ledger of 2026-11-26; the probe lies outside the massive dims, or there are none",
)
def test_probe(expect):
    expect(OF_PROBE, "probe: best Delta from half to twice the base").at_least(EFFECT)


@regression(
    "REFUTED",
    on="reader",
    because="seen in the ledger of 2026-11-26; massive dims take most of mean_diff, and one steers the wrong way",
)
@regression(
    "REFUTED",
    on="severe/refusal",
    because="seen in the ledger of 2026-11-26; only the quarter of mean_diff outside planted dims steers",
)
@regression(
    "SUPPORTED", on="mild", because="seen in the ledger of 2026-11-26; nearly all of mean_diff lies outside dims of 60x"
)
@regression("SUPPORTED", on="clean", because="seen in the ledger of 2026-11-26; there are no massive dims to lie in")
def test_mean_diff(expect):
    expect(OF_MEAN_DIFF, "mean_diff: best Delta from half to twice the base").at_least(EFFECT)
