"""G7. mean_diff separates scenarios it was not made from, massive dims or not.

Mechanism: the class means differ along it by construction, and one threshold between them carries over to new
scenarios.
Published: validation accuracy 100 %, d = 3.49, on 20 scenarios of which the split held out the last tenth (gemma3,
refusal, block 15). Their threshold came from the validation data. Here every scenario is held out once, with all
others of its topic, and direction and threshold are made from the rest.
Refuted if it puts fewer than MOST of the held-out scenarios on their side, or their means less than FAR apart.
Controls that flip it: random directions without massive dims, drawn anew for every tenth that is held out, on every
model. (A single one may separate by luck; one with massive dims reads little but the dominant dim, whose size can go
with the trait.)
The first control was one direction with its massive dims, another quantity, so its rule cannot be applied.
"""

from fixtures.vocabulary import MEAN_DIFF, RANDOM, accuracy, claim, consensus, effect_size, predicted

MOST = 0.7  # share of held-out scenarios
FAR = 1.0  # pooled standard deviations
ACCURACY, EFFECT = accuracy(MEAN_DIFF), effect_size(MEAN_DIFF)
RANDOM_EFFECT = effect_size(RANDOM.cleaned(consensus()))

pytestmark = claim("G7", "mean_diff separates held-out scenarios", "geometry", [ACCURACY, EFFECT, RANDOM_EFFECT])


def test_accuracy(expect):
    expect(ACCURACY, "accuracy of mean_diff on held-out scenarios").at_least(MOST)


def test_effect_size(expect):
    expect(EFFECT, "effect size of mean_diff on held-out scenarios").at_least(FAR)


@predicted(
    "REFUTED",
    on="severe, mild, clean, reader, bos, llama, real models",
    because="control: ten draws know nothing of the trait",
)
def test_random_direction(expect):
    expect(RANDOM_EFFECT, "effect size of cleaned random directions on held-out scenarios").at_least(FAR)
