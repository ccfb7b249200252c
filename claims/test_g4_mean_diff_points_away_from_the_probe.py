"""G4. On a model with massive dims, mean_diff and the probe are different directions.

Mechanism: mean_diff points mostly into massive dims whose size varies from scenario to scenario; the probe does not.
Published: cos(mean_diff, probe) .477 at block 15 (gemma3, refusal).
Refuted if the two lie nearer than APART.
Controls that flip it: `severe` is true; `mild` and `clean` have no dim large enough to turn mean_diff, and in `llama`
the probe turns with it.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, claim, cosine, predicted, regression

APART = 0.7  # cosine: half of the squared length in common
COSINE = cosine(MEAN_DIFF, PROBE)

pytestmark = claim("G4", "mean_diff points away from the probe", "geometry", [COSINE])


@regression(
    "REFUTED",
    on="llama",
    because="seen in the ledger of 2026-11-26; dims that vary each by itself stay in the probe, too",
)
@regression(
    "SUPPORTED",
    on="severe",
    because="measured before, in the organisms' quality report; "
    "most of mean_diff lies in planted dims, and little of the probe",
)
@regression(
    "REFUTED",
    on="mild",
    because="measured before, in the organisms' quality report; "
    "at 60x the planted dims hold a quarter of mean_diff at most",
)
@regression(
    "REFUTED",
    on="clean",
    because="measured before, in the organisms' quality report; the response tokens have no massive dims",
)
@predicted("REFUTED", on="bos", because="the response tokens have no massive dims")
def test_mean_diff_and_probe(expect):
    expect(COSINE, "cos(mean_diff, probe)").at_most(APART)
