"""M3. mean_diff steers better on the model of milder massive dims.

Mechanism as published: less of mean_diff is lost to massive dims. Models differ in more than that, so a difference
between two of them is no evidence of the mechanism; it is what was claimed.
Published: +28.6 (gemma2) against +27.1 (gemma3), refusal: 1.5 points from ten questions.
Refuted if the milder model's lead is less than LEAD.
Controls that flip it: `reader+mild` is true for sycophancy, where a massive dim turns mean_diff the wrong way, and
false for refusal, which one carries; `severe+mild` is false.
"""

from fixtures.vocabulary import MEAN_DIFF, best, claim, on_milder, on_severer, regression

LEAD = 10.0  # trait points: one flipped answer in the ten that were asked
MILDER_LEADS = on_milder(best(MEAN_DIFF)) - on_severer(best(MEAN_DIFF))

pytestmark = claim("M3", "mean_diff works better on the milder model", "across", [MILDER_LEADS], pair=True)


@regression(
    "SUPPORTED",
    on="reader+mild/sycophancy",
    because="seen in the ledger of 2026-11-26; on `reader` a massive dim turns mean_diff the wrong way",
)
@regression(
    "REFUTED",
    on="reader+mild/refusal",
    because="seen in the ledger of 2026-11-26; on `reader` a massive dim carries refusal",
)
@regression(
    "REFUTED",
    on="severe+mild",
    because="seen in the ledger of 2026-11-26; `mild` has the narrower window; massive dims have no part in it",
)
def test_milder_model_leads(expect):
    expect(MILDER_LEADS, "best Delta of mean_diff, milder minus severer model").at_least(LEAD, first=1)
