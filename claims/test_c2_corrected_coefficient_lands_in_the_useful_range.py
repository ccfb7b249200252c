"""C2. The activation norm without massive dims is a coefficient in the useful range.

Mechanism: steering must compete with the part of the residual stream that the next blocks read; its norm leaves the
massive dims out. That holds for a direction that lies outside the massive dims. One that lies mostly inside needs more
by the inverse of its share outside (the dose law).
Published: 1,120, between the first useful run of the sweep (1,037) and the last (1,192); full norm 25,984 (gemma3,
refusal). Useful: Delta >= 10 at coherence >= 70.
Refuted if the nearest useful coefficient is more than FACTOR away either way, which is the reach of the published
search (from 0.7 x base, at most four steps of x1.3).
Control that flips it: raw mean_diff on `severe`, which lies mostly inside the massive dims.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, claim, known, useful_over_base

FACTOR = 2.0
OF_PROBE, OF_MEAN_DIFF = useful_over_base(PROBE), useful_over_base(MEAN_DIFF)

pytestmark = claim("C2", "the corrected coefficient lands in the useful range", "calibration", [OF_PROBE, OF_MEAN_DIFF])


@known(
    "SUPPORTED",
    on="severe, mild, clean",
    because="the probe lies outside the massive dims, or there are none",
)
def test_probe(expect):
    expect(OF_PROBE, "probe: nearest useful coefficient over base").within(1 / FACTOR, FACTOR)


@known("REFUTED", on="severe", because="mean_diff lies mostly inside the planted dims, and only the rest steers")
@known(
    "SUPPORTED",
    on="mild",
    because="about half of mean_diff lies outside dims of 60x, so it needs less than twice as much",
)
@known("SUPPORTED", on="clean", because="there are no massive dims to lie in")
def test_mean_diff(expect):
    expect(OF_MEAN_DIFF, "mean_diff: nearest useful coefficient over base").within(1 / FACTOR, FACTOR)
