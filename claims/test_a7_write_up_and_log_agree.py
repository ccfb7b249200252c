"""A7. The write-up and the log of one experiment publish the same Deltas.

Arithmetic: DOC rounds to whole points, LOG to tenths, so the same number differs by .55 at most; MARGIN allows that.
DOC also prints the cleaned mean_diff twice, as best Delta and in its ablation.
Published (gemma3, refusal, response[:5], edition 2026-01-29): probe +33 in DOC, +33.0 in LOG step 12-13; mean_diff ~0
in DOC, -0.3 at coefficient 1200 (LOG step 5) and +27.1 at 2500 (LOG step 10-11); cleaned +9 and +25 in DOC.
Refuted, number by number, if the two differ by more than MARGIN. mean_diff's "best Delta" of ~0 is true of
coefficient 1200 and false of 2500, where the same log calls the run valid.
Control that flips it: a write-up that carries the log's best run.
"""

from fixtures.vocabulary import claim, predicted
from harness.sources.arithmetic import PublishedQuantity

MARGIN = 1.0  # trait points


def difference(one, other):
    return one - other


def between(one, other):
    return PublishedQuantity("trait points", (one, other), difference)


DOC_MEAN_DIFF = "doc.refusal.mean_diff.best_delta"
OF_PROBE = between("gemma3.refusal.probe.best_delta", "doc.refusal.probe.best_delta")
OF_MEAN_DIFF_AT_1200 = between("gemma3.refusal.mean_diff.c1200", DOC_MEAN_DIFF)
OF_MEAN_DIFF = between("gemma3.refusal.mean_diff.best_delta", DOC_MEAN_DIFF)
OF_CLEANED_IN_DOC = between("doc.refusal.ablation.cleaned", "doc.refusal.cleaned.best_delta")

pytestmark = claim(
    "A7", "write-up and log agree", "arithmetic", [OF_PROBE, OF_MEAN_DIFF_AT_1200, OF_MEAN_DIFF, OF_CLEANED_IN_DOC]
)


@predicted("SUPPORTED", on="published", because="33 is 33.0, rounded")
def test_on_the_probe(expect):
    expect(OF_PROBE, "best Delta of the probe, log minus write-up").within(-MARGIN, MARGIN)


@predicted("SUPPORTED", on="published", because="~0 is -0.3, rounded")
def test_on_mean_diff_at_the_probes_coefficient(expect):
    expect(OF_MEAN_DIFF_AT_1200, "Delta of mean_diff, log at 1200 minus write-up").within(-MARGIN, MARGIN)


@predicted("REFUTED", on="published", because="the log's own ablation has +27.1, at 2500")
def test_on_the_best_delta_of_mean_diff(expect):
    expect(OF_MEAN_DIFF, "best Delta of mean_diff, log minus write-up").within(-MARGIN, MARGIN)


@predicted("REFUTED", on="published", because="+9 was taken at 1200 and +25 at 1300, under one name")
def test_on_cleaned_mean_diff_within_the_write_up(expect):
    expect(OF_CLEANED_IN_DOC, "Delta of cleaned mean_diff, ablation minus steering results").within(-MARGIN, MARGIN)
