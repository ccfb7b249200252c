"""D3. At the dose that the cleaned direction needs, raw mean_diff steers as well.

Mechanism: the dose law. "mean_diff fails" was seen at an equal coefficient, which for mean_diff is a smaller dose.
Ours; published at equal coefficient: -0.3 against +9.2 and +33.0 (gemma3, refusal, c1200).
Refuted if the gains differ by more than MARGIN, either way, at the dose at which the cleaned direction reaches half of
its best Delta. (Before, at its best dose, which chance decides where a curve is flat on top.)
Controls that flip it: `severe`, refusal, where at equal coefficient it fails (S1), is true; a random direction is
false, and so is `reader`, sycophancy, where a massive dim turns raw mean_diff the wrong way.
"""

from fixtures.vocabulary import MEAN_DIFF, RANDOM, claim, consensus, gain_where_needed, predicted, regression

MARGIN = 10.0  # trait points: one flipped answer in ten
CLEANED = MEAN_DIFF.cleaned(consensus())
SHORT = gain_where_needed(CLEANED, MEAN_DIFF)
SHORT_OF_RANDOM = gain_where_needed(CLEANED, RANDOM)

pytestmark = claim("D3", "at equal dose mean_diff does not fail", "dose", [SHORT, SHORT_OF_RANDOM])


@predicted("SUPPORTED", on="severe, mild", because="planted dims are never read: equal dose, equal steering")
@regression(
    "REFUTED",
    on="reader/sycophancy",
    because="seen in the ledger of 2026-11-26; a massive dim that raw mean_diff pushes steers the wrong way",
)
def test_mean_diff(expect):
    expect(SHORT, "gain of mean_diff minus that of cleaned, at the dose cleaned needs").within(
        -MARGIN, MARGIN, first=(-MARGIN, None)
    )


@regression(
    "REFUTED",
    on="severe, mild, clean, reader/sycophancy, bos, llama",
    because="seen in the ledger of 2026-11-26; control: it knows nothing of the trait",
)
@predicted("REFUTED", on="real models", because="control: it knows nothing of the trait")
def test_random_direction(expect):
    expect(SHORT_OF_RANDOM, "gain of a random direction minus that of cleaned, at that dose").within(
        -MARGIN, MARGIN, first=(-MARGIN, None)
    )
