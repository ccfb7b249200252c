"""S8. On sycophancy raw mean_diff works, and the order probe > cleaned > mean_diff holds.

Mechanism as published: this trait is less confounded with massive dims than refusal. By the dose law the order of
best Deltas is no property of the trait but of the coefficients that were tried.
Published: baseline 56.1; +11.2 (mean_diff, block 18, c1200), +19.9 (cleaned, 15, c1400), +21.3 (probe, 13, c1000),
gemma3.
Refuted if mean_diff reaches less than EFFECT, or a step of the order is smaller than STEP.
Controls that flip them: on `severe` the order is false, since planted dims are not read; `reader`, where a massive
dim steers the wrong way, has the second step; simulated models have each.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, best, claim, consensus, predicted, regression

EFFECT, STEP = 10.0, 10.0  # trait points
CLEANED = MEAN_DIFF.cleaned(consensus())
DELTA, FIRST, SECOND = best(MEAN_DIFF), best(PROBE) - best(CLEANED), best(CLEANED) - best(MEAN_DIFF)

pytestmark = claim(
    "S8", "sycophancy keeps the order of methods", "steering", [DELTA, FIRST, SECOND], traits=("sycophancy",)
)


@regression(
    "REFUTED",
    on="reader",
    because="seen in the ledger of 2026-11-26; a massive dim that it pushes steers the wrong way",
)
@predicted("SUPPORTED", on="severe", because="raw mean_diff steers at its own coefficient")
@regression(
    "SUPPORTED",
    on="mild, clean",
    because="seen in the ledger of 2026-11-26; raw mean_diff steers at its own coefficient",
)
def test_mean_diff_works(expect):
    expect(DELTA, "best Delta of mean_diff").at_least(EFFECT)


@regression(
    "REFUTED",
    on="mild",
    because="seen in the ledger of 2026-11-26; planted dims are never read: equal dose, equal steering",
)
@regression(
    "REFUTED",
    on="severe, clean",
    because="seen in the ledger of 2026-11-26; planted dims are never read: equal dose, equal steering",
)
@regression(
    "REFUTED",
    on="reader",
    because="seen in the ledger of 2026-11-26; the probe keeps some of the dim that steers the wrong way",
)
def test_probe_beats_cleaned(expect):
    expect(FIRST, "best Delta of the probe minus best Delta of cleaned mean_diff").at_least(STEP, first=1)


@predicted("REFUTED", on="severe, mild", because="planted dims are never read: equal dose, equal steering")
@regression(
    "REFUTED",
    on="clean",
    because="seen in the ledger of 2026-11-26; planted dims are never read: equal dose, equal steering",
)
@regression(
    "SUPPORTED",
    on="reader",
    because="seen in the ledger of 2026-11-26; the dim that steers the wrong way is cleaned away",
)
def test_cleaned_beats_mean_diff(expect):
    expect(SECOND, "best Delta of cleaned mean_diff minus best Delta of mean_diff").at_least(STEP, first=1)
