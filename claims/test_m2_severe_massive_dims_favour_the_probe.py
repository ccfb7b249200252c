"""M2. On a model of severe massive dims, the probe steers better than mean_diff.

Mechanism as published: mean_diff captures the noise of massive dims, the probe filters it. By the dose law the noise
costs coefficient and nothing else, unless the model reads those dims.
Published: +33.0 (probe) against +27.1 (mean_diff), gemma3, refusal; 26.4 against 26.5 a day later.
Refuted if the probe leads by less than LEAD on the severer model of the pair.
Controls that flip it: `severe+mild`, whose massive dims are not read, is false; `reader+mild` reads them.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, best, claim, on_severer, predicted, regression

LEAD = 10.0  # trait points: one flipped answer in the ten that were asked
PROBE_LEADS = on_severer(best(PROBE) - best(MEAN_DIFF))

pytestmark = claim("M2", "severe massive dims favour the probe", "across", [PROBE_LEADS], pair=True)


@regression(
    "SUPPORTED",
    on="reader+mild/sycophancy",
    because="seen in the ledger of 2026-11-26; mean_diff weighs a dim that steers the wrong way by its size",
)
@regression(
    "REFUTED",
    on="reader+mild/refusal",
    because="seen in the ledger of 2026-11-26; mean_diff weighs the dim that carries refusal by its size",
)
@predicted("REFUTED", on="severe+mild", because="planted dims are never read: equal dose, equal steering")
def test_probe_leads_on_the_severer_model(expect):
    expect(PROBE_LEADS, "severer model: best Delta of the probe minus best Delta of mean_diff").at_least(LEAD, first=5)
