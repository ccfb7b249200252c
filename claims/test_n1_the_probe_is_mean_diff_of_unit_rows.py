"""N1. The probe is the mean difference of L2-normalised rows: what parts it from mean_diff is the division by the norm.

Mechanism: where its loss has no slope, the probe's weights are C times the sum of its rows, each times its residual,
and the residuals of either class have one sum. Unit rows lie so near to each other that at C = 1 no scenario is told
apart surely: the residuals stay near one half, and their sum is the difference of the class means of unit rows, a
third arm between mean_diff and probe that learns nothing.
Published: nothing of this kind; the probe is said to learn which dims matter (gemma3, refusal).
Refuted if the third arm lies more than 18 degrees from the probe (cosine .95: nine tenths of the squared length in
common, so that less is lost between the two than a tenth of the effect that a difference of gains must have to count);
for the division by the norm, if the third arm is no more than MARGIN nearer to the probe than mean_diff is.
Controls that flip it: a probe that is hardly regularised (C = 1,000,000) weighs the few scenarios near its boundary,
and is another direction; a sweep of C shows where it leaves. Rows of one length (`clean`, `bos`) have nothing that a
norm could divide out.
"""

from fixtures.vocabulary import (
    MEAN_DIFF,
    PROBE,
    PROBE_C100,
    PROBE_C10000,
    PROBE_C1000000,
    UNIT_MEAN_DIFF,
    claim,
    cosine,
    predicted,
    regression,
)

NEARLY_ONE = 0.95  # cosine: an angle below 18 degrees
MARGIN = 0.1  # cosine
COSINE = cosine(UNIT_MEAN_DIFF, PROBE)
AT_C100, AT_C10000, AT_C1000000 = (cosine(UNIT_MEAN_DIFF, each) for each in (PROBE_C100, PROBE_C10000, PROBE_C1000000))
NEARER = cosine(UNIT_MEAN_DIFF, PROBE) - cosine(MEAN_DIFF, PROBE)

pytestmark = claim(
    "N1", "the probe is mean_diff of unit rows", "geometry", [COSINE, AT_C100, AT_C10000, AT_C1000000, NEARER]
)


@regression(
    "SUPPORTED",
    on="severe, mild, reader, llama",
    because="measured before this claim was written; beside massive dims, and at a fifth of the norm, what tells the "
    "classes apart is a small share of a unit row, so that the loss stays near its start",
)
def test_probe(expect):
    expect(COSINE, "cos(unit_mean_diff, probe)").at_least(NEARLY_ONE)


@predicted("SUPPORTED", on="severe", because="a hundred times nearly nothing is told apart no more surely")
@regression("REFUTED", on="bos/refusal", because="seen in the ledger of 2026-12-01; nothing massive varies there")
@regression(
    "REFUTED", on="clean/refusal", because="of ordinary size, the trait is told apart surely, and residuals part"
)
def test_probe_of_c_100(expect):
    expect(AT_C100, "cos(unit_mean_diff, probe of C = 100)").at_least(NEARLY_ONE)


@regression(
    "REFUTED",
    on="severe/sycophancy, mild/sycophancy, clean/refusal, bos, llama",
    because="on the others the third arm is still within a hair of the bound, or refits differ too much to tell",
)
def test_probe_of_c_10000(expect):
    expect(AT_C10000, "cos(unit_mean_diff, probe of C = 10,000)").at_least(NEARLY_ONE)


@predicted(
    "REFUTED",
    on="severe, mild, clean, reader, bos, llama",
    because="control: nearly the widest margin, whose direction the few scenarios near the boundary carry",
)
def test_probe_of_c_1000000(expect):
    expect(AT_C1000000, "cos(unit_mean_diff, probe of C = 1,000,000)").at_least(NEARLY_ONE)


@predicted("SUPPORTED", on="severe", because="one common factor varies the planted dims, and the norm divides it out")
@predicted("REFUTED", on="clean, bos", because="without massive dims rows have nearly one length")
@predicted("REFUTED", on="mild", because="at 60x the planted dims turn mean_diff too little")
def test_division_by_the_norm_parts_the_probe_from_mean_diff(expect):
    expect(NEARER, "cos(unit_mean_diff, probe) - cos(mean_diff, probe)").at_least(MARGIN)
