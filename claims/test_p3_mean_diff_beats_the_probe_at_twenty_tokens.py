"""P3. Made from twenty response tokens, mean_diff steers better than the probe.

Mechanism as published: averaging over many tokens dilutes the massive dims that spoil mean_diff.
Published: +33.4 (mean_diff) against +20.8 (probe) at [:20], though their cosine there is .977 (gemma3, refusal).
Edition 2026-01-31 has 39.0 against 49.4.
At [:30] 32.4 against 19.1; at [:3], edition 2026-02-04, the probe leads, 44.8 against 34.4.
Refuted if mean_diff leads by less than LEAD, or at three tokens the probe does.
Controls that flip it: every organism that can tell is false; simulated models are both, at every window.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, best, claim, regression

LEAD = 10.0  # trait points: one flipped answer in the ten that were asked
AT_20, AT_30 = (best(MEAN_DIFF.over(window)) - best(PROBE.over(window)) for window in (20, 30))
AT_3 = best(PROBE.over(3)) - best(MEAN_DIFF.over(3))

pytestmark = claim(
    "P3", "mean_diff beats the probe at twenty response tokens", "windows", [AT_20, AT_30, AT_3], traits=("refusal",)
)


@regression(
    "REFUTED",
    on="severe, reader, bos, llama",
    because="seen in the ledger of 2026-11-26; both methods leave what steers with the window, at one pace",
)
def test_at_twenty(expect):
    expect(AT_20, "best Delta of mean_diff minus the probe, both at [:20]").at_least(LEAD, first=5)


@regression(
    "REFUTED",
    on="severe, mild, clean, reader, bos",
    because="seen in the ledger of 2026-11-26; both methods leave what steers with the window, at one pace",
)
def test_at_thirty(expect):
    expect(AT_30, "best Delta of mean_diff minus the probe, both at [:30]").at_least(LEAD)


@regression(
    "REFUTED",
    on="severe, mild, clean, reader, bos, llama",
    because="seen in the ledger of 2026-11-26; both methods leave what steers with the window, at one pace",
)
def test_probe_leads_at_three(expect):
    expect(AT_3, "best Delta of the probe minus mean_diff, both at [:3]").at_least(LEAD)
