"""R2. Below a severity of 100, mean_diff is enough.

Mechanism as published: massive dims are too small to spoil a difference of means.
Published as a recommendation, from +28.6 (mean_diff) against +21.2 (probe), gemma2, refusal.
Refuted if the best of probe, gradient and cleaned mean_diff leads plain mean_diff by more than MARGIN.
Controls that flip it: `mild` is true; a simulated model in which the probe leads by 30 points is false.
"""

from fixtures.vocabulary import GRADIENT, MEAN_DIFF, PROBE, best, claim, consensus, smallest

MARGIN = 15.0  # trait points
OTHERS = (PROBE, GRADIENT, MEAN_DIFF.cleaned(consensus()))
ENOUGH = smallest(*(best(MEAN_DIFF) - best(other) for other in OTHERS))

pytestmark = claim("R2", "mild models need only mean_diff", "advice", [ENOUGH], traits=("refusal",), below=100.0)


def test_nothing_beats_mean_diff(expect):
    expect(ENOUGH, "smallest lead of mean_diff, over probe, gradient and cleaned").at_least(-MARGIN)
