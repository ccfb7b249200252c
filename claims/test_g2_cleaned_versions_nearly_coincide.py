"""G2. Cleaned of massive dims, mean_diff and the probe are nearly one direction.

Mechanism: outside the massive dims both methods weigh the same class differences; what kept them apart was inside.
Published: cos(mean_diff cleaned, probe cleaned) .998 at block 15 (gemma3, refusal).
Refuted if the cosine stays below NEARLY_ONE.
Controls that flip it: every organism is true; a direction that knows nothing (random) does not coincide with anything
by being cleaned.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, RANDOM, claim, consensus, cosine, predicted, regression

NEARLY_ONE = 0.9  # cosine: 81 % of the squared length in common
COSINE = cosine(MEAN_DIFF.cleaned(consensus()), PROBE.cleaned(consensus()))
WITH_RANDOM = cosine(RANDOM.cleaned(consensus()), PROBE.cleaned(consensus()))

pytestmark = claim("G2", "cleaned versions nearly coincide", "geometry", [COSINE, WITH_RANDOM])


@regression(
    "SUPPORTED",
    on="severe, mild",
    because="measured before, in the organisms' quality report; "
    "all that the planted dims do to mean_diff is removed with them",
)
@predicted("SUPPORTED", on="clean, bos", because="without massive dims the two methods nearly coincide anyway")
def test_cleaned_versions(expect):
    expect(COSINE, "cos(mean_diff cleaned, probe cleaned)").at_least(NEARLY_ONE)


@predicted(
    "REFUTED",
    on="severe, mild, clean, bos, reader, llama, real models",
    because="control: a random direction knows nothing",
)
def test_random_direction(expect):
    expect(WITH_RANDOM, "cos(random cleaned, probe cleaned)").at_least(NEARLY_ONE)
