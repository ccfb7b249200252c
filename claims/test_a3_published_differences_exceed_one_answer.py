"""A3. The published differences between methods are larger than one flipped answer.

Arithmetic: with n questions one answer that flips from 0 to 100 moves a mean by 100 / n: ten points on refusal, five
on sycophancy. A difference of two means is therefore difference x n / 100 answers. The largest one is also counted in
half 95 % intervals of two means of ten all-or-nothing answers, 1.96 x sqrt of the summed p (1 - p) / n.
Published without any interval (edition 2026-01-29): probe over mean_diff +5.9, top-1 over all +4.0, gemma2 mean_diff
over probe +7.4, sycophancy probe over cleaned +1.4, probe over cleaned probe +24.4 (LOG steps 7-13 and 18).
Refuted, difference by difference, if it comes to less than one answer, or less than one half interval.
Control that flips it: a table with 120 questions.
"""

from fixtures.vocabulary import claim, predicted
from harness.sources.arithmetic import PublishedQuantity, answers

HALF_INTERVAL = 1.96  # standard errors


def in_answers(one, other, questions):
    return answers(one - other, questions)


def in_half_intervals(one, other, baseline, questions):
    first, second = (one + baseline) / 100, (other + baseline) / 100
    variance = (first * (1 - first) + second * (1 - second)) / questions
    return (one - other) / (100 * HALF_INTERVAL * variance.root())


def between(one, other):
    return PublishedQuantity("answers", (f"{one}.best_delta", f"{other}.best_delta", f"{one}.best_delta.n"), in_answers)


PROBE, CLEANED_PROBE = "gemma3.refusal.probe", "gemma3.refusal.probe_cleaned"
PROBE_OVER_MEAN_DIFF = between(PROBE, "gemma3.refusal.mean_diff")
TOP1_OVER_ALL = between("gemma3.refusal.top1", "gemma3.refusal.cleaned")
MILD_MEAN_DIFF_OVER_PROBE = between("gemma2.refusal.mean_diff", "gemma2.refusal.probe")
SYCOPHANCY_PROBE_OVER_CLEANED = between("gemma3.sycophancy.probe", "gemma3.sycophancy.cleaned")
COST_OF_CLEANING = between(PROBE, CLEANED_PROBE)
COST_IN_HALF_INTERVALS = PublishedQuantity(
    "half intervals",
    (f"{PROBE}.best_delta", f"{CLEANED_PROBE}.best_delta", "gemma3.refusal.baseline", f"{PROBE}.best_delta.n"),
    in_half_intervals,
)

pytestmark = claim(
    "A3",
    "published differences exceed one answer",
    "arithmetic",
    [
        PROBE_OVER_MEAN_DIFF,
        TOP1_OVER_ALL,
        MILD_MEAN_DIFF_OVER_PROBE,
        SYCOPHANCY_PROBE_OVER_CLEANED,
        COST_OF_CLEANING,
        COST_IN_HALF_INTERVALS,
    ],
)


@predicted("REFUTED", on="published", because="5.9 points are .6 answers of ten")
def test_probe_over_mean_diff(expect):
    expect(PROBE_OVER_MEAN_DIFF, "probe minus mean_diff, in answers").at_least(1)


@predicted("REFUTED", on="published", because="4.0 points are .4 answers of ten")
def test_top1_over_all(expect):
    expect(TOP1_OVER_ALL, "mean_diff top-1 minus all, in answers").at_least(1)


@predicted("REFUTED", on="published", because="7.4 points are .7 answers of ten")
def test_mean_diff_over_probe_on_the_mild_model(expect):
    expect(MILD_MEAN_DIFF_OVER_PROBE, "gemma2: mean_diff minus probe, in answers").at_least(1)


@predicted("REFUTED", on="published", because="1.4 points are .3 answers of twenty")
def test_probe_over_cleaned_on_sycophancy(expect):
    expect(SYCOPHANCY_PROBE_OVER_CLEANED, "sycophancy: probe minus cleaned, in answers").at_least(1)


@predicted("SUPPORTED", on="published", because="24.4 points are 2.4 answers of ten")
def test_cost_of_cleaning_the_probe(expect):
    expect(COST_OF_CLEANING, "probe minus cleaned probe, in answers").at_least(1)


@predicted("REFUTED", on="published", because="even 24.4 points are less than the 34 that ten answers leave open")
def test_cost_of_cleaning_the_probe_exceeds_its_interval(expect):
    expect(COST_IN_HALF_INTERVALS, "probe minus cleaned probe, in half intervals of ten questions").at_least(1)
