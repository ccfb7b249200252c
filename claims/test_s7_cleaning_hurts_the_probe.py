"""S7. Zeroing the massive dims of the probe costs trait effect.

Mechanism as published: the probe learns to use massive dims, so cleaning it removes learned signal.
Published: +33.0 (probe) against +8.6 (13 dims zeroed), gemma3, refusal, coherence >= 70.
Refuted if cleaning costs less than MARGIN.
Control that flips it: none yet. It takes a model whose blocks read a massive dim that carries the trait.
"""

from fixtures.vocabulary import PROBE, best, claim, consensus, known

MARGIN = 5.0  # trait points
CLEANED = PROBE.cleaned(consensus())
COST = best(PROBE) - best(CLEANED)

pytestmark = claim("S7", "cleaning hurts the probe", "steering", [COST])


@known("REFUTED", on="severe, mild", because="planted dims are never read: cleaning only changes the dose")
@known("REFUTED", on="clean", because="nothing to clean: a few ordinary dims hold little of the probe")
def test_cleaning_costs_the_probe_trait_effect(expect):
    expect(COST, "best Delta of the probe minus best Delta of the cleaned probe").at_least(MARGIN)
