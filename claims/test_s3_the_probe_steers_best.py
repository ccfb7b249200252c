"""S3. The probe steers better than mean_diff, cleaned or not.

Mechanism as published: the probe weighs dims by what they tell, mean_diff by their size. By the dose law both steer
alike once each has its own best coefficient, unless massive dims are read and the two weigh them differently.
Published: +33.0 (probe), +9.2 (cleaned) and -0.3 (raw) at c1200; +33.0, +24.8, +27.1 each at its best (gemma3,
refusal).
The write-up advises the gradient method beside the probe.
Refuted if the probe's (or the gradient method's) best Delta leads the better of the two by less than LEAD.
Controls that flip it: no organism has a method that leads, only simulated models do.
"""

from fixtures.vocabulary import GRADIENT, MEAN_DIFF, PROBE, best, claim, consensus, predicted, regression, smallest

LEAD = 10.0  # trait points: one flipped answer in the ten that were asked
MEAN_DIFFS = (best(MEAN_DIFF), best(MEAN_DIFF.cleaned(consensus())))
PROBE_LEADS, GRADIENT_LEADS = (
    smallest(*(best(method) - other for other in MEAN_DIFFS)) for method in (PROBE, GRADIENT)
)

pytestmark = claim("S3", "the probe steers best", "steering", [PROBE_LEADS, GRADIENT_LEADS])


@regression(
    "REFUTED",
    on="clean, bos, llama",
    because="seen in the ledger of 2026-11-26; planted dims are never read: equal dose, equal steering",
)
@regression(
    "REFUTED",
    on="reader",
    because="seen in the ledger of 2026-11-26; "
    "mean_diff weighs the dim for refusal more; cleaned, it loses the one that steers sycophancy the wrong way",
)
@predicted("REFUTED", on="severe, mild", because="planted dims are never read: equal dose, equal steering")
def test_probe_leads(expect):
    expect(PROBE_LEADS, "smaller lead of the probe over mean_diff and its cleaned version").at_least(LEAD, first=5)


@regression(
    "REFUTED",
    on="severe, mild, clean, reader, bos, llama",
    because="seen in the ledger of 2026-11-26; a sign for every dim is no better weighting",
)
def test_gradient_leads(expect):
    expect(GRADIENT_LEADS, "smaller lead of the gradient method over those two").at_least(LEAD)
