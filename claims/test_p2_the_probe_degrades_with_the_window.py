"""P2. The probe steers worse the more response tokens it is made from.

Mechanism as published: the probe learns patterns of early tokens that do not carry over.
Published: +33.0 at [:5], +26.6 at [:10], +20.8 at [:20] (gemma3, refusal); the hypothesis there was that it is stable.
Edition 2026-01-31 has 33.2, 93.2, 49.4.
Refuted if the probe loses less than LOSS from [:5] to [:20].
Controls that flip it: a simulated model that loses 20 points is true, one that loses none is false.
"""

from fixtures.vocabulary import PROBE, best, claim

LOSS = 5.0  # trait points
LOST = best(PROBE) - best(PROBE.over(20))

pytestmark = claim("P2", "the probe degrades with the window", "windows", [LOST], traits=("refusal",))


def test_probe_loses(expect):
    expect(LOST, "best Delta of the probe at [:5] minus at [:20]").at_least(LOSS)
