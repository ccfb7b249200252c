"""D3. At the dose that is best for the cleaned direction, raw mean_diff steers as well.

Mechanism: the dose law. "mean_diff fails" was seen at an equal coefficient, which for mean_diff is a smaller dose.
Ours; published at equal coefficient: -0.3 against +9.2 and +33.0 (gemma3, refusal, c1200).
Refuted if mean_diff differs by more than MARGIN at that dose, either way.
Controls that flip it: `severe`, sycophancy, where at equal coefficient it fails (S1), is true; `reader`, whose
massive dims are read, is false both ways; so is a random direction.
"""

from fixtures.vocabulary import MEAN_DIFF, RANDOM, best, claim, consensus, effect_at_best_dose_of, predicted, regression

MARGIN = 10.0  # trait points: one flipped answer in ten
CLEANED = MEAN_DIFF.cleaned(consensus())
SHORT = effect_at_best_dose_of(CLEANED, MEAN_DIFF) - best(CLEANED)
SHORT_OF_RANDOM = effect_at_best_dose_of(CLEANED, RANDOM) - best(CLEANED)

pytestmark = claim("D3", "at equal dose mean_diff does not fail", "dose", [SHORT, SHORT_OF_RANDOM])


@regression(
    "REFUTED",
    on="reader",
    because="seen in a ledger of 2026-11-22; "
    "massive dims that mean_diff pushes are read: one way for refusal, the other for sycophancy",
)
@predicted("SUPPORTED", on="severe, mild", because="planted dims are never read: equal dose, equal steering")
def test_mean_diff(expect):
    expect(SHORT, "Delta of mean_diff at the best dose of cleaned, minus best Delta of cleaned").within(
        -MARGIN, MARGIN, first=(-MARGIN, None)
    )


@regression(
    "REFUTED",
    on="severe, mild, clean/sycophancy, reader/sycophancy, llama",
    because="seen in a ledger of 2026-11-22; control: it knows nothing of the trait",
)
@predicted("REFUTED", on="real models", because="control: it knows nothing of the trait")
def test_random_direction(expect):
    expect(SHORT_OF_RANDOM, "Delta of a random direction there, minus best Delta of cleaned").within(
        -MARGIN, MARGIN, first=(-MARGIN, None)
    )
