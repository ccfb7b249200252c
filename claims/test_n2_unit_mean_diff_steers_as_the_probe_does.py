"""N2. The mean difference of L2-normalised rows steers as the probe does.

Mechanism: the two are nearly one direction (N1), so at the dose that is best for either nearly the same is added. What
the probe gains over mean_diff is then no learning, but the division by the norm of a row.
Published: nothing of this kind; the probe (+33.0) was set beside mean_diff (-0.3, and +27.1 at its own best) alone.
Refuted if the best Deltas of the two lie further apart than ANSWER.
Control that flips it: a simulated model that reads what the fit adds; no organism reads it.
"""

from fixtures.vocabulary import PROBE, UNIT_MEAN_DIFF, best, claim, predicted

ANSWER = 10.0  # trait points: one flipped answer in the ten that were asked
DIFFERENCE = best(UNIT_MEAN_DIFF) - best(PROBE)

pytestmark = claim("N2", "unit_mean_diff steers as the probe does", "steering", [DIFFERENCE])


@predicted("SUPPORTED", on="severe, reader, llama", because="the two are one direction but for a few degrees")
@predicted("SUPPORTED", on="mild, clean, bos", because="planted dims are never read: equal dose, equal steering")
def test_difference(expect):
    expect(DIFFERENCE, "best Delta of unit_mean_diff minus that of the probe").within(-ANSWER, ANSWER)
