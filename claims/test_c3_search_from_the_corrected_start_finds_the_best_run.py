"""C3. The published search, started from the corrected coefficient, ends near the best there is.

Mechanism: five steps of x1.3 from 0.7 x the corrected base reach twice the base, which holds the useful range of a
direction that lies outside the massive dims. One that lies mostly inside has its useful range further up.
Published: a search would end at 1,192, the best valid run of the sweep (gemma3, refusal); it was not run.
Refuted if the search falls short of the best Delta by more than SHORT. At first the best was that of the doses alone, a
quantity that this claim no longer has.
Controls that flip it: `severe`, whose useful coefficients for mean_diff lie beyond the search's reach, is false for it
and true for the probe; simulated models are both.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, best_of_every_run, claim, found_by_search, predicted, regression

SHORT = 10.0  # trait points
OF_PROBE = best_of_every_run(PROBE) - found_by_search(PROBE, corrected=True)
OF_MEAN_DIFF = best_of_every_run(MEAN_DIFF) - found_by_search(MEAN_DIFF, corrected=True)

pytestmark = claim(
    "C3", "a search from the corrected start finds the best run", "calibration", [OF_PROBE, OF_MEAN_DIFF]
)


@regression(
    "REFUTED",
    on="reader/refusal",
    because="seen in the ledger of 2026-11-26; its useful range goes on beyond what five steps reach",
)
def test_probe(expect):
    expect(OF_PROBE, "probe: best Delta minus the search's").at_most(SHORT)


@regression(
    "REFUTED",
    on="reader/refusal",
    because="seen in the ledger of 2026-11-26; "
    "it works through a massive dim, at coefficients beyond what five steps reach",
)
@predicted("REFUTED", on="severe", because="mean_diff's useful coefficients lie at four times the base and more")
def test_mean_diff(expect):
    expect(OF_MEAN_DIFF, "mean_diff: best Delta minus the search's").at_most(SHORT)
