"""A6. mean_diff steers the same whether its dims are zeroed before averaging or afterwards.

Arithmetic: zeroing fixed dims is linear, so it commutes with averaging over tokens and scenarios and with taking a
difference; after normalising, both orders give one and the same vector, and greedy decoding one and the same text.
Published: +19.2 (before) and +28.3 (after) for the same 13 dims, gemma3, refusal, response[:5], told as "the order
matters" (ewernn/trait-interp, edition 2026-01-31).
Refuted if the two differ by more than MARGIN: then the runs differ in something else, here at least in their
coefficients, 1200 and 800, and their coherence.
Control that flips it: a table in which the two agree.
"""

from fixtures.vocabulary import claim, predicted
from harness.sources.arithmetic import PublishedQuantity

MARGIN = 1.0  # trait points: for a judge that does not repeat itself exactly
BEFORE = "gemma3.refusal.precleaned.best_delta@2026-01-31"
AFTER = "gemma3.refusal.cleaned.best_delta@2026-01-31"


def difference(one, other):
    return one - other


EFFECT = PublishedQuantity("trait points", (AFTER, BEFORE), difference)

pytestmark = claim("A6", "cleaning mean_diff before or after is the same", "arithmetic", [EFFECT])


@predicted("REFUTED", on="published", because="9.1 points apart: the two were not compared at one coefficient")
def test_both_orders_steer_the_same(expect):
    expect(EFFECT, "mean_diff: cleaned after averaging minus before").within(-MARGIN, MARGIN)
