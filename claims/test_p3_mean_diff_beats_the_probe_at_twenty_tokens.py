"""P3. Made from twenty response tokens, mean_diff steers better than the probe.

Mechanism as published: averaging over many tokens dilutes the massive dims that spoil mean_diff.
Published: +33.4 (mean_diff) against +20.8 (probe) at [:20], though their cosine there is .977 (gemma3, refusal).
Edition 2026-01-31 has 39.0 against 49.4.
Refuted if mean_diff leads by less than LEAD.
Controls that flip it: `severe` and `mild` are false; a simulated model with a lead of 20 points is true.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, best, claim

LEAD = 5.0  # trait points
MEAN_DIFF_LEADS = best(MEAN_DIFF.over(20)) - best(PROBE.over(20))

pytestmark = claim(
    "P3", "mean_diff beats the probe at twenty response tokens", "windows", [MEAN_DIFF_LEADS], traits=("refusal",)
)


def test_mean_diff_leads(expect):
    expect(MEAN_DIFF_LEADS, "best Delta of mean_diff minus the probe, both at [:20]").at_least(LEAD)
