"""C2. The activation norm without massive dims is within a factor of two of a useful coefficient.

Mechanism: steering must compete with the part of the residual stream that the next blocks read; its norm leaves the
massive dims out. That holds for a direction that lies outside the massive dims. One that lies mostly inside needs more
by the inverse of its share outside (the dose law).
Published: 1,120, between the first useful run of the sweep (1,037) and the last (1,192); full norm 25,984 (gemma3,
refusal). Useful: Delta >= 10 at coherence >= 70.
Refuted if no coefficient from half to twice the corrected base reaches EFFECT at coherence >= 70; the published search
reaches that far (from 0.7 x base, at most four steps of x1.3).
Control that flips it: raw mean_diff on `severe`, which lies mostly inside the massive dims.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, best_around_base, claim, known

EFFECT = 10.0  # trait points: one flipped answer in ten
OF_PROBE, OF_MEAN_DIFF = best_around_base(PROBE), best_around_base(MEAN_DIFF)

pytestmark = claim(
    "C2", "the corrected coefficient lands near the useful range", "calibration", [OF_PROBE, OF_MEAN_DIFF]
)


@known("SUPPORTED", on="severe, mild, clean", because="the probe lies outside the massive dims, or there are none")
def test_probe(expect):
    expect(OF_PROBE, "probe: best Delta from half to twice the base").at_least(EFFECT)


@known("REFUTED", on="reader/sycophancy", because="mean_diff pushes a dim that steers the wrong way")
@known("REFUTED", on="severe", because="mean_diff lies mostly inside the planted dims, and only the rest steers")
@known("SUPPORTED", on="mild", because="nearly all of mean_diff lies outside dims of 60x")
@known("SUPPORTED", on="clean", because="there are no massive dims to lie in")
def test_mean_diff(expect):
    expect(OF_MEAN_DIFF, "mean_diff: best Delta from half to twice the base").at_least(EFFECT)
