"""G7. mean_diff separates scenarios it was not made from, massive dims or not.

Mechanism: the class means differ along it by construction, and one threshold between them carries over to new
scenarios.
Published: validation accuracy 100 %, d = 3.49, on 20 scenarios of which the split held out the last tenth (gemma3,
refusal, block 15). Their threshold came from the validation data; here the training part sets it.
Refuted if it puts fewer than MOST of the held-out scenarios on their side, or their means less than FAR apart.
Controls that flip it: a random direction without massive dims, tested beside it on every model. (One with massive
dims may separate: it reads little but the dominant dim, whose size can go with the trait. It was
the first control, another quantity, so its rule cannot be applied.)
"""

from fixtures.vocabulary import MEAN_DIFF, RANDOM, accuracy, claim, consensus, effect_size, predicted, regression

MOST = 0.7  # share of held-out scenarios
FAR = 1.0  # pooled standard deviations
ACCURACY, EFFECT = accuracy(MEAN_DIFF), effect_size(MEAN_DIFF)
RANDOM_EFFECT = effect_size(RANDOM.cleaned(consensus()))

pytestmark = claim("G7", "mean_diff separates held-out scenarios", "geometry", [ACCURACY, EFFECT, RANDOM_EFFECT])


def test_accuracy(expect):
    expect(ACCURACY, "validation accuracy of mean_diff").at_least(MOST)


def test_effect_size(expect):
    expect(EFFECT, "validation effect size of mean_diff").at_least(FAR)


@regression(
    "REFUTED",
    on="severe, mild/sycophancy, clean, reader",
    because="seen in a ledger of 2026-11-22; control: it knows nothing of the trait",
)
@predicted("REFUTED", on="real models", because="control: it knows nothing of the trait")
def test_random_direction(expect):
    expect(RANDOM_EFFECT, "validation effect size of a cleaned random direction").at_least(FAR)
