"""M3. mean_diff steers better on the model of milder massive dims.

Mechanism as published: less of mean_diff is lost to massive dims. Models differ in more than that, so a difference
between two of them is no evidence of the mechanism; it is what was claimed.
Published: +28.6 (gemma2) against +27.1 (gemma3), refusal: 1.5 points from ten questions.
Refuted if the milder model's lead is less than LEAD.
Controls that flip it: simulated pairs with and without a lead; of the organisms each pair says what it says.
"""

from fixtures.vocabulary import MEAN_DIFF, best, claim, on_milder, on_severer

LEAD = 10.0  # trait points: one flipped answer in the ten that were asked
MILDER_LEADS = on_milder(best(MEAN_DIFF)) - on_severer(best(MEAN_DIFF))

pytestmark = claim("M3", "mean_diff works better on the milder model", "across", [MILDER_LEADS], pair=True)


def test_milder_model_leads(expect):
    expect(MILDER_LEADS, "best Delta of mean_diff, milder minus severer model").at_least(LEAD)
