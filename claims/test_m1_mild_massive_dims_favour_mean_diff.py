"""M1. On a model of mild massive dims, mean_diff steers at least as well as the probe.

Mechanism: below 100 times the median, massive dims are too small to turn mean_diff, and a difference of means uses
every scenario.
Published: +28.6 (mean_diff) against +21.2 (probe), gemma2, refusal; editions 2026-01-31 and later have it the other
way.
Refuted if the milder model of the pair gives the probe a lead of more than MARGIN.
Controls that flip it: `severe+mild`, refusal, is true; a simulated pair in which the probe leads by 20 points is false.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, best, claim, on_milder, predicted

MARGIN = 10.0  # trait points: one flipped answer in ten
LEAD = on_milder(best(MEAN_DIFF) - best(PROBE))

pytestmark = claim("M1", "mild massive dims favour mean_diff", "across", [LEAD], pair=True)


@predicted("SUPPORTED", on="severe+mild", because="on `mild` mean_diff and the probe are nearly one direction")
def test_mean_diff_keeps_up_on_the_milder_model(expect):
    expect(LEAD, "milder model: best Delta of mean_diff minus best Delta of the probe").at_least(-MARGIN)
