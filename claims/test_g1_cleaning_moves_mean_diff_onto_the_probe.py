"""G1. Cleaning moves mean_diff onto the probe.

Mechanism: mean_diff weights a dim by its magnitude, so massive dims whose size varies with the tokens dominate it; the
probe reads L2-normalised rows, which divides that variation out. Zeroing the massive dims of mean_diff leaves what
the probe finds too.
Published: cos(cleaned, probe) .934 against cos(mean_diff, probe) .681, mean over blocks (gemma3, refusal).
Refuted if cleaning brings mean_diff less than MARGIN nearer to the probe.
Control that flips it: `clean` has no massive dims, so there is nothing to clean.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, claim, consensus, known, mean_cosine

MARGIN = 0.1  # cosine
CLEANED = MEAN_DIFF.cleaned(consensus())
APPROACH = mean_cosine(CLEANED, PROBE) - mean_cosine(MEAN_DIFF, PROBE)

pytestmark = claim("G1", "cleaning moves mean_diff onto the probe", "geometry", [APPROACH])


@known(
    "SUPPORTED",
    on="severe",
    because="dims ~1000x vary by one common factor, which only the probe divides out",
)
@known(
    "SUPPORTED",
    on="mild",
    because="a 15 % factor on dims of 60x is about as large as the trait's own difference",
)
@known("REFUTED", on="clean", because="it has no massive dims, so cleaning zeroes ordinary ones")
def test_cleaning_moves_mean_diff_onto_the_probe(expect):
    expect(APPROACH, "cos(cleaned, probe) - cos(mean_diff, probe)").at_least(MARGIN)
