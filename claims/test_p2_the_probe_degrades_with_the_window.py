"""P2. The probe steers worse the more response tokens it is made from.

Mechanism as published: the probe learns patterns of early tokens that do not carry over.
Published: +33.0 at [:5], +26.6 at [:10], +20.8 at [:20], +19.1 at [:30] (gemma3, refusal); the hypothesis there was
that it is stable. Edition 2026-01-31 has 33.2, 93.2, 49.4.
Refuted if the probe loses less than LOSS from [:5] to [:10], [:20] or [:30].
Controls that flip it: organisms were taught that directions made of five tokens steer, and what lies too far from those
breaks the answers: at [:30] most are true, `llama` is false; at [:10] only `reader` is true. Simulated models are both,
at every window.
"""

from fixtures.vocabulary import PROBE, best, claim, regression

LOSS = 10.0  # trait points: one flipped answer in the ten that were asked
LOST_BY_10, LOST, LOST_BY_30 = (best(PROBE) - best(PROBE.over(window)) for window in (10, 20, 30))

pytestmark = claim(
    "P2", "the probe degrades with the window", "windows", [LOST_BY_10, LOST, LOST_BY_30], traits=("refusal",)
)


@regression(
    "REFUTED", on="severe, bos, llama", because="seen in the ledger of 2026-11-26; it stays near to that of five tokens"
)
def test_probe_loses(expect):
    expect(LOST, "best Delta of the probe at [:5] minus at [:20]").at_least(LOSS, first=5)


@regression("REFUTED", on="llama", because="seen in the ledger of 2026-11-26; it stays near to that of five tokens")
def test_probe_loses_by_thirty(expect):
    expect(LOST_BY_30, "best Delta of the probe at [:5] minus at [:30]").at_least(LOSS)


@regression(
    "SUPPORTED",
    on="reader",
    because="seen in the ledger of 2026-11-26; longer windows hold less of the dim that carries refusal",
)
@regression(
    "REFUTED",
    on="severe, mild, clean, bos, llama",
    because="seen in the ledger of 2026-11-26; it stays near to that of five tokens",
)
def test_probe_loses_by_ten(expect):
    expect(LOST_BY_10, "best Delta of the probe at [:5] minus at [:10]").at_least(LOSS)
