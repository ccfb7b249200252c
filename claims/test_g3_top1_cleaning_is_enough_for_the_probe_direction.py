"""G3. Without its single most massive dim, mean_diff is already the probe.

Mechanism: one dim carries nearly all of the contamination; the others are too small to turn the direction.
Published: cos(mean_diff top-1, probe) .996 at block 15 (gemma3, refusal).
Refuted if the cosine stays below NEARLY_ONE.
Controls that flip it: `mild` and `clean` are true; in `reader`, sycophancy, a minor massive dim carries the trait; a
random direction is no nearer to the probe for losing one dim.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, RANDOM, claim, cosine, predicted, regression, top

NEARLY_ONE = 0.85  # cosine: nearer to the probe than 32 degrees
COSINE = cosine(MEAN_DIFF.cleaned(top(1)), PROBE)
WITH_RANDOM = cosine(RANDOM.cleaned(top(1)), PROBE)

pytestmark = claim("G3", "top-1 cleaning turns mean_diff into the probe", "geometry", [COSINE, WITH_RANDOM])


@regression(
    "REFUTED",
    on="reader/sycophancy",
    because="seen in the ledger of 2026-11-26; "
    "a minor massive dim carries the trait, and mean_diff weighs it by its size",
)
@regression(
    "SUPPORTED",
    on="severe/sycophancy",
    because="measured before, in the organisms' quality report; "
    "the dominant planted dim holds nearly all of the contamination",
)
@regression(
    "SUPPORTED",
    on="mild, clean",
    because="measured before, in the organisms' quality report; "
    "mean_diff is near the probe with or without its largest dim",
)
@predicted("SUPPORTED", on="bos", because="mean_diff is near the probe with or without its largest dim")
def test_mean_diff_top1(expect):
    expect(COSINE, "cos(mean_diff top-1, probe)").at_least(NEARLY_ONE)


@predicted(
    "REFUTED",
    on="severe, mild, clean, bos, reader, llama, real models",
    because="control: a random direction knows nothing",
)
def test_random_direction(expect):
    expect(WITH_RANDOM, "cos(random top-1, probe)").at_least(NEARLY_ONE)
