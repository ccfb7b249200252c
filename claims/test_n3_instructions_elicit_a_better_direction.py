"""N3. Contrasting instructions elicit a better direction of a trait than narrative scenarios do.

Mechanism: an instruction says what to do, and the answer's own tokens carry it; a scenario only makes one continuation
likelier, which a small model may not take up.
Published: nothing that compares them. The sources use scenarios on a base model; persona vectors use system prompts on
the instruct model. Here a held-out question has a phrasing of the instructions that no other question has, and
directions are compared at one block, the one that the model's own elicitation chooses.
Refuted if instructions put no more than BETTER more of the held-out pairs in order than scenarios do; if they
steer no more than ANSWER further; that both find one direction, if the angle is above 60 degrees (cosine .5).
Control that flips it: a simulated model in which scenarios carry the trait as well as instructions do.
"""

from fixtures.vocabulary import MEAN_DIFF, best, claim, cosine, right_order, unpaired

BETTER = 0.1  # share of held-out pairs
MOST = 0.7  # share of held-out pairs: as many as of held-out scenarios in G7
ANSWER = 10.0  # trait points: one flipped answer in ten
ONE_DIRECTION = 0.5  # cosine: an angle of 60 degrees
INSTRUCTED, NARRATED = MEAN_DIFF.elicited_by("instructions"), MEAN_DIFF.elicited_by("scenarios")
OF_INSTRUCTIONS, OF_SCENARIOS = right_order(INSTRUCTED), right_order(NARRATED)
SEPARATES = unpaired(OF_INSTRUCTIONS, OF_SCENARIOS)
STEERS = best(INSTRUCTED) - best(NARRATED)
COINCIDE = cosine(INSTRUCTED, NARRATED)

pytestmark = claim(
    "N3",
    "instructions elicit a better direction than scenarios",
    "elicitation",
    [OF_INSTRUCTIONS, OF_SCENARIOS, SEPARATES, STEERS, COINCIDE],
    language="english",
)


def test_instructions_separate(expect):
    expect(OF_INSTRUCTIONS, "pairs in the right order, by instructions").at_least(MOST)


def test_scenarios_separate(expect):
    expect(OF_SCENARIOS, "pairs in the right order, by scenarios").at_least(MOST)


def test_instructions_separate_better(expect):
    expect(SEPARATES, "pairs in the right order, by instructions less by scenarios").at_least(BETTER)


def test_instructions_steer_better(expect):
    expect(STEERS, "best Delta by instructions minus best Delta by scenarios").at_least(ANSWER)


def test_both_find_one_direction(expect):
    expect(COINCIDE, "cos(mean_diff by instructions, mean_diff by scenarios)").at_least(ONE_DIRECTION)
