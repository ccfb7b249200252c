"""P4. The more response tokens they are made from, the nearer mean_diff comes to the probe.

Mechanism: massive dims whose size varies from token to token average out over a longer window, so they turn mean_diff
less.
Published: cos(mean_diff, probe) .479, .637, .977 at [:5], [:10], [:20] (gemma3, refusal, block 15).
Refuted if the cosine rises by less than RISE from [:5] to [:20].
Controls that flip it: a simulated model is true, and on `reader` the cosine rises, too little to tell; `mild`, `clean`
and `bos` are false, since nothing massive varies there.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, claim, cosine, predicted, regression

RISE = 0.1  # cosine
ROSE = cosine(MEAN_DIFF.over(20), PROBE.over(20)) - cosine(MEAN_DIFF, PROBE)

pytestmark = claim("P4", "mean_diff and the probe converge with the window", "windows", [ROSE], traits=("refusal",))


@regression(
    "REFUTED",
    on="mild, clean",
    because="measured before, in the organisms' quality report; the two are near each other at [:5] already",
)
@predicted("REFUTED", on="bos", because="the two are near each other at [:5] already")
def test_cosine_rises(expect):
    expect(ROSE, "cos(mean_diff, probe) at [:20] minus at [:5]").at_least(RISE)
