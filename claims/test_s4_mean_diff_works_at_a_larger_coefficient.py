"""S4. Raw mean_diff steers after all, at a larger coefficient than its cleaned version.

Mechanism: the dose law. What steers is the part of mean_diff outside the massive dims; a larger coefficient brings that
part to the same dose.
Published: +27.1 at c2500, where top-1 needs c1220 (gemma3, refusal).
Refuted if mean_diff reaches less than EFFECT at any coefficient, or needs less than TIMES the coefficient of top-1
for half of its best Delta. (Before, the coefficients at the best were compared.)
Controls that flip them: raw mean_diff on `reader`, sycophancy, never works; `clean` needs no larger coefficient.
Directions that know nothing (random, a probe on shuffled labels) show how much of an effect says nothing of the
trait: none on the organisms, which were taught it.
"""

from fixtures.vocabulary import (
    MEAN_DIFF,
    RANDOM,
    SHUFFLED_PROBE,
    best,
    claim,
    needed_coefficient,
    predicted,
    regression,
    top,
)

EFFECT = 10.0  # trait points
TIMES = 1.5  # of the coefficient of top-1
DELTA, OF_RANDOM, OF_SHUFFLED = best(MEAN_DIFF), best(RANDOM), best(SHUFFLED_PROBE)
RATIO = needed_coefficient(MEAN_DIFF) / needed_coefficient(MEAN_DIFF.cleaned(top(1)))

pytestmark = claim("S4", "mean_diff works at a larger coefficient", "steering", [DELTA, OF_RANDOM, OF_SHUFFLED, RATIO])


@regression(
    "REFUTED",
    on="reader/sycophancy",
    because="seen in the ledger of 2026-11-26; a massive dim that it pushes steers the wrong way",
)
@predicted("SUPPORTED", on="severe", because="nothing but its coefficient keeps mean_diff from steering")
@regression(
    "SUPPORTED",
    on="mild",
    because="seen in the ledger of 2026-11-26; nothing but its coefficient keeps mean_diff from steering",
)
def test_mean_diff_works(expect):
    expect(DELTA, "best Delta of mean_diff").at_least(EFFECT)


@regression(
    "REFUTED",
    on="severe, mild, clean, reader, bos, llama",
    because="seen in the ledger of 2026-11-26; control: it knows nothing of the trait",
)
@predicted("REFUTED", on="real models", because="control: it knows nothing of the trait")
def test_random_direction(expect):
    expect(OF_RANDOM, "best Delta of a random direction").at_least(EFFECT)


@regression(
    "REFUTED",
    on="severe, mild, clean, reader, bos, llama",
    because="seen in the ledger of 2026-11-26; control: it knows nothing of the trait",
)
@predicted("REFUTED", on="real models", because="control: it knows nothing of the trait")
def test_shuffled_probe(expect):
    expect(OF_SHUFFLED, "best Delta of a probe fitted on shuffled labels").at_least(EFFECT)


@regression(
    "REFUTED", on="reader/refusal", because="seen in the ledger of 2026-11-26; the dims that steer are left in by top-1"
)
@regression(
    "REFUTED",
    on="llama",
    because="seen in the ledger of 2026-11-26; the other planted dims are nearly as large, and top-1 leaves them in",
)
@predicted("SUPPORTED", on="severe", because="two thirds of mean_diff and more lie in the dominant dim")
@predicted("REFUTED", on="mild, clean, bos", because="top-1 cleaning hardly changes what lies outside")
def test_at_a_larger_coefficient(expect):
    expect(RATIO, "coefficient that mean_diff needs over that of top-1").at_least(TIMES)
