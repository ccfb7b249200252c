"""A1. Where mean_diff fails and where it works differ by the dose it gives outside the dominant massive dim.

Arithmetic: a coefficient c on mean_diff puts c x share on everything outside dim 443. The share is cos(mean_diff,
mean_diff top-1), which cos(mean_diff, probe) = .477 and cos(mean_diff top-1, probe) = .996 bound by the triangle
inequality of angles: .40 to .55, .479 for a probe without dim 443. So 2500 acts like 990 to 1390 and 1200 like 470 to
670. "mean_diff fails at 1200" and "it needs twice the coefficient" are then one fact.
Published: the probe is best at 1200, mean_diff top-1 at 1220, mean_diff at 2500; at 902 the sweep has no effect yet
(LOG step 10-13 and subexperiment calibration, gemma3, refusal, edition 2026-01-29).
Refuted if the dose of mean_diff's best run lies more than one step of the published search away from the best
coefficient of the probe or of top-1, or if 1200 on mean_diff gives a dose at which the sweep has an effect.
Control that flips it: a table in which mean_diff lies nearer to the probe, hence less in dim 443.
"""

from fixtures.vocabulary import claim, predicted
from harness.sources.arithmetic import PublishedQuantity, share_left

STEP = 1.3  # ratio: the published search's step up; it tells no coefficients closer than that apart
COSINES = ("gemma3.refusal.cos.mean_diff.probe", "gemma3.refusal.cos.top1.probe")
BEST, FAILING = "gemma3.refusal.mean_diff.best_delta.coefficient", "gemma3.refusal.mean_diff.c1200.coefficient"


def dose_over(coefficient, direct, cleaned, other):
    return coefficient * share_left(direct, cleaned) / other


OVER_PROBE = PublishedQuantity("ratio", (BEST, *COSINES, "gemma3.refusal.probe.best_delta.coefficient"), dose_over)
OVER_TOP1 = PublishedQuantity("ratio", (BEST, *COSINES, "gemma3.refusal.top1.best_delta.coefficient"), dose_over)
OVER_NO_EFFECT = PublishedQuantity("ratio", (FAILING, *COSINES, "gemma3.refusal.sweep.902.coefficient"), dose_over)

pytestmark = claim(
    "A1", "twice the coefficient is the same dose", "arithmetic", [OVER_PROBE, OVER_TOP1, OVER_NO_EFFECT]
)


@predicted("SUPPORTED", on="published", because="nearly half of mean_diff's norm lies outside dim 443")
def test_best_run_of_mean_diff_has_the_probes_dose(expect):
    expect(OVER_PROBE, "dose of mean_diff's best run over the probe's best coefficient").within(1 / STEP, STEP)


@predicted("SUPPORTED", on="published", because="nearly half of mean_diff's norm lies outside dim 443")
def test_best_run_of_mean_diff_has_the_dose_of_top1(expect):
    expect(OVER_TOP1, "dose of mean_diff's best run over top-1's best coefficient").within(1 / STEP, STEP)


@predicted("SUPPORTED", on="published", because="1200 on mean_diff is a dose of 470 to 670")
def test_failing_run_of_mean_diff_has_a_dose_without_effect(expect):
    expect(OVER_NO_EFFECT, "dose of mean_diff at 1200 over a coefficient without effect").at_most(1)
