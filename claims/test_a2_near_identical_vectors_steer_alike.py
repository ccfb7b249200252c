"""A2. Directions that nearly coincide have nearly the same best Delta.

Arithmetic: cos(mean_diff top-1, probe) = .996 leaves the probe at most .09 on dim 443, so the probe and its top-1
cleaning have cosine .9955 or more. At response[:20] mean_diff and probe have cosine .977 themselves. Best Deltas are
taken over all coefficients, so no difference of length or dose is left either: two such vectors should differ by less
than the ten points that one flipped answer of ten moves a mean.
Published: probe +33.0, its top-1 cleaning +20.7 (LOG step 12-13); at [:20] mean_diff +33.4, probe +20.8 (LOG step
25-26; gemma3, refusal, edition 2026-01-29).
Refuted if the best Deltas differ by ANSWER or more while the cosines reach NEAR. What is left is the measurement's
noise.
Control that flips it: a table with equal Deltas, or one in which the vectors do not coincide.
"""

from fixtures.vocabulary import claim, predicted
from harness.sources.arithmetic import PublishedQuantity, cosine_with_own_cleaning
from harness.sources.intervals import exactly

NEAR = 0.97  # cosine: an angle of 14 degrees
ANSWER = 10.0  # trait points: one flipped answer in ten


def difference(one, other):
    return abs(one - other)


COSINE_OF_PROBES = PublishedQuantity("cosine", ("gemma3.refusal.cos.top1.probe",), cosine_with_own_cleaning)
COSINE_AT_20 = PublishedQuantity("cosine", ("gemma3.refusal.w20.cos.mean_diff.probe",), exactly)
SPREAD_OF_PROBES = PublishedQuantity(
    "trait points", ("gemma3.refusal.probe.best_delta", "gemma3.refusal.probe_top1.best_delta"), difference
)
SPREAD_AT_20 = PublishedQuantity(
    "trait points", ("gemma3.refusal.w20.mean_diff.best_delta", "gemma3.refusal.w20.probe.best_delta"), difference
)

pytestmark = claim(
    "A2",
    "near-identical vectors steer alike",
    "arithmetic",
    [COSINE_OF_PROBES, COSINE_AT_20, SPREAD_OF_PROBES, SPREAD_AT_20],
)


@predicted("SUPPORTED", on="published", because="the probe holds at most .09 of its norm in dim 443")
def test_the_probe_and_its_top1_cleaning_nearly_coincide(expect):
    expect(COSINE_OF_PROBES, "cos(probe, probe top-1), from cos(mean_diff top-1, probe)").at_least(NEAR)


@predicted(
    "REFUTED", on="published", because="ten questions, and the best of several runs, spread by more than an answer"
)
def test_the_probe_and_its_top1_cleaning_steer_alike(expect):
    expect(SPREAD_OF_PROBES, "difference of best Delta between probe and probe top-1").at_most(ANSWER)


@predicted("SUPPORTED", on="published", because="the published cosine at [:20] says so")
def test_mean_diff_and_probe_nearly_coincide_at_20(expect):
    expect(COSINE_AT_20, "cos(mean_diff, probe) at [:20]").at_least(NEAR)


@predicted(
    "REFUTED", on="published", because="ten questions, and the best of several runs, spread by more than an answer"
)
def test_mean_diff_and_probe_steer_alike_at_20(expect):
    expect(SPREAD_AT_20, "difference of best Delta between mean_diff and probe at [:20]").at_most(ANSWER)
