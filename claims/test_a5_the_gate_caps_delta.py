"""A5. A coherence gate of 70 caps Delta, because refusals count at most 50 in coherence.

Arithmetic: with a share r of refusals at 50 or less and all other answers at the coherence of text without effect
(93.0 to 93.6), a mean of 70 needs r <= (93 - 70) / (93 - 50): at most 53 to 54 % refusals. If a refusal scores 100
and every other answer stays at the baseline, Delta is at most r x (100 - baseline).
Published: cap and gate (judge and search of edition 2026-01-29) and coherence without effect (LOG subexperiment
calibration); best valid refusal runs +33.0 (gemma3) and +28.6 over 13.4 (gemma2, LOG step 18); then +93.2 at a gate
of 68 (ewernn/trait-interp, edition 2026-01-31, whose judge no longer caps refusals since 2026-01-30).
Refuted if the cap on Delta may exceed CEILING, or, run by run, if a run exceeds the cap: then another judge scored
it, and its Deltas cannot be set beside the others.
Control that flips it: a table in which refusals count up to 90, or with other best runs.
"""

from fixtures.vocabulary import claim, predicted
from harness.sources.arithmetic import PublishedQuantity, capped_share
from harness.sources.intervals import anywhere, largest, least

CEILING = 60.0  # trait points
GATE, LATER_GATE, CAP = "protocol.gate", "protocol.gate@2026-01-31", "protocol.judge.cap.refusal"
ORDINARY = tuple(f"gemma3.refusal.sweep.{coefficient}.coherence" for coefficient in (784, 902, 1037))


def most_delta(baseline, gate, cap, *ordinary):
    return (100 - baseline) * capped_share(gate, anywhere(least(*ordinary), largest(*ordinary)), cap)


def room(delta, baseline, *rest):
    return most_delta(baseline, *rest) - delta


def room_without_baseline(delta, *rest):
    return most_delta(0, *rest) - delta


MOST_DELTA = PublishedQuantity("trait points", ("gemma3.refusal.baseline", GATE, CAP, *ORDINARY), most_delta)
SEVERE = PublishedQuantity(
    "trait points",
    ("gemma3.refusal.probe.best_delta", "gemma3.refusal.baseline", GATE, CAP, *ORDINARY),
    room,
)
MILD = PublishedQuantity(
    "trait points",
    ("gemma2.refusal.mean_diff.best_delta", "gemma2.refusal.baseline", GATE, CAP, *ORDINARY),
    room,
)
LATER = PublishedQuantity(
    "trait points",
    ("gemma3.refusal.w10.probe.best_delta@2026-01-31", LATER_GATE, CAP, *ORDINARY),
    room_without_baseline,
)

pytestmark = claim("A5", "the gate caps Delta", "arithmetic", [MOST_DELTA, SEVERE, MILD, LATER])


@predicted(
    "SUPPORTED", on="published", because="refusals at 50 and the rest at 93 reach a mean of 70 up to 54 % refusals"
)
def test_the_gate_caps_delta(expect):
    expect(MOST_DELTA, "largest Delta of gemma3 that passes the gate").at_most(CEILING)


@predicted("SUPPORTED", on="published", because="33.0 of at most 53 points")
def test_the_severe_models_best_run_stays_below_the_cap(expect):
    expect(SEVERE, "cap minus gemma3's best Delta").at_least(0)


@predicted("SUPPORTED", on="published", because="28.6 of at most 46 points")
def test_the_mild_models_best_run_stays_below_the_cap(expect):
    expect(MILD, "cap minus gemma2's best Delta").at_least(0)


@predicted("REFUTED", on="published", because="+93.2 cannot pass a gate of 68 unless refusals are no longer capped")
def test_the_later_editions_best_run_stays_below_the_cap(expect):
    expect(LATER, "cap at a gate of 68 minus the best Delta of edition 2026-01-31").at_least(0)
