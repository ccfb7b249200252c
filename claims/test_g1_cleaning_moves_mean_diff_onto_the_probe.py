"""G1. Cleaning moves mean_diff onto the probe.

Mechanism: mean_diff weights a dim by its magnitude, so massive dims whose size varies with the tokens dominate it; the
probe reads L2-normalised rows, which divides that variation out. Zeroing the massive dims of mean_diff leaves what
the probe finds too.
Published: cos(cleaned, probe) .934 against cos(mean_diff, probe) .681, mean over blocks (gemma3, refusal).
Refuted if cleaning brings mean_diff less than MARGIN nearer to the probe.
Controls that flip it: `severe` is true; `clean` has no massive dims, those of `mild` are too small, and in `llama`,
where each varies by itself, they stay in the probe.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, claim, consensus, mean_cosine, predicted, regression

MARGIN = 0.1  # cosine
CLEANED = MEAN_DIFF.cleaned(consensus())
APPROACH = mean_cosine(CLEANED, PROBE) - mean_cosine(MEAN_DIFF, PROBE)

pytestmark = claim("G1", "cleaning moves mean_diff onto the probe", "geometry", [APPROACH])


@regression(
    "REFUTED",
    on="llama",
    because="seen in the ledger of 2026-11-26; "
    "dims that vary each by itself stay in the probe, so cleaning mean_diff alone parts the two",
)
@predicted("SUPPORTED", on="severe", because="dims ~1000x vary by one common factor, which only the probe divides out")
@regression(
    "REFUTED",
    on="mild",
    because="seen in the ledger of 2026-11-26; "
    "at 60x the planted dims hold a fifth of mean_diff, which is near the probe",
)
@predicted(
    "REFUTED", on="clean, bos", because="no dim of the response tokens is massive, so cleaning zeroes ordinary ones"
)
def test_cleaning_moves_mean_diff_onto_the_probe(expect):
    expect(APPROACH, "cos(cleaned, probe) - cos(mean_diff, probe)").at_least(MARGIN)
