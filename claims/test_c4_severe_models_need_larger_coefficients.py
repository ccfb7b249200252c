"""C4. The model of milder massive dims needs far smaller coefficients.

Mechanism as published: smaller model, smaller activations, another architecture. By the dose law the coefficient goes
with the norm outside the massive dims over the direction's share outside, and with nothing else.
Published: useful from 50 to 120 on gemma2 and from 1,000 to 2,000 on gemma3, about 20 times less (refusal).
Refuted if the severer model needs less than TIMES the milder one's coefficient for half of its best Delta. (Before,
the coefficients at the best were compared, which chance decides where a curve is flat on top.)
Control that flips it: raw mean_diff on `severe` needs several times the coefficient, the probe on the same pair does
not; a simulated pair needs 20 times.
"""

from fixtures.vocabulary import (
    MEAN_DIFF,
    PROBE,
    claim,
    needed_coefficient,
    on_milder,
    on_severer,
    predicted,
    regression,
)

TIMES = 2.0  # of the milder model's coefficient
OF_PROBE = on_severer(needed_coefficient(PROBE)) / on_milder(needed_coefficient(PROBE))
OF_MEAN_DIFF = on_severer(needed_coefficient(MEAN_DIFF)) / on_milder(needed_coefficient(MEAN_DIFF))

pytestmark = claim("C4", "severe models need larger coefficients", "across", [OF_PROBE, OF_MEAN_DIFF], pair=True)


@regression(
    "REFUTED",
    on="reader+mild, severe+mild/sycophancy",
    because="seen in the ledger of 2026-11-26; outside the planted dims both models are of one size",
)
@predicted("REFUTED", on="severe+mild/refusal", because="outside the planted dims both models are of one size")
def test_probe(expect):
    expect(OF_PROBE, "probe: needed coefficient, severer over milder").at_least(TIMES)


@predicted("SUPPORTED", on="severe+mild", because="mean_diff of `severe` has a third of its norm outside planted dims")
def test_mean_diff(expect):
    expect(OF_MEAN_DIFF, "mean_diff: needed coefficient, severer over milder").at_least(TIMES)
