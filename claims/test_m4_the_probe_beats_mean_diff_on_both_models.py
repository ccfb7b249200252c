"""M4. The probe beats mean_diff on both models of a pair, whatever their severity.

Mechanism as hypothesised: discriminative weights beat weights by magnitude everywhere.
Published as refuted: the probe leads on gemma3 (+33.0 to +27.1) and not on gemma2 (+21.2 to +28.6), refusal. Edition
2026-01-31 has it leading "in all conditions".
Refuted if on one of the two the probe leads by less than LEAD.
Controls that flip it: `severe+mild` is false; a simulated pair in which the probe leads twice is true.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, best, claim, on_milder, on_severer, regression, smallest

LEAD = 10.0  # trait points: one flipped answer in the ten that were asked
AHEAD = best(PROBE) - best(MEAN_DIFF)
ON_BOTH = smallest(on_severer(AHEAD), on_milder(AHEAD))

pytestmark = claim("M4", "the probe beats mean_diff on both models", "across", [ON_BOTH], pair=True)


@regression(
    "REFUTED",
    on="reader+mild/refusal",
    because="seen in the ledger of 2026-11-26; on `reader` mean_diff weighs the dim that carries refusal more",
)
@regression(
    "REFUTED",
    on="severe+mild",
    because="seen in the ledger of 2026-11-26; no massive dim is read: mean_diff and the probe steer alike",
)
@regression("REFUTED", on="reader+mild/sycophancy", because="seen in the ledger of 2026-11-26")
def test_probe_leads_on_both(expect):
    expect(ON_BOTH, "smaller lead of the probe over mean_diff of the two models").at_least(LEAD, first=1)
