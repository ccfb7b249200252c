"""Faults in what a claim is about: which answers a quantity reads and how they are combined."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

ALGEBRA, CELLS, GEOMETRY, QUANTITIES = (
    f"harness/quantities/{name}.py" for name in ("algebra", "cells", "geometry", "steering")
)
BOTH_WAYS = "harness/tests/quantities/test_claims_both_ways.py"
NO_DIRECTION = f"{BOTH_WAYS}::test_where_no_method_tells_scenarios_apart_a_claim_about_directions_says_nothing"
HERE = "harness/tests/planted/test_caught_here.py"
INTERVALS = "harness/tests/planted/test_intervals_caught_here.py"
DRAWS = (
    "harness/tests/quantities/test_quantities.py"
    "::test_a_control_is_the_mean_of_its_draws_and_as_uncertain_as_few_draws_deserve"
)


def claim(title: str) -> str:
    """The control of one test of a claim on simulated models."""
    return f"{BOTH_WAYS}::test_a_claim_is_supported_where_it_is_true_and_refuted_where_it_is_false[{title}]"


FAULTS = (
    Fault(
        "difference-reversed",
        "a difference subtracts the left from the right",
        ALGEBRA,
        "return _paired(self.left, subject, answers) - _paired(self.right, subject, answers)",
        "return _paired(self.right, subject, answers) - _paired(self.left, subject, answers)",
        (claim("S3 probe_leads"),),
    ),
    Fault(
        "sides-swapped",
        "the severer model of a pair is taken for the milder one",
        ALGEBRA,
        'return subject.severer if self.side == "severer" else subject.milder',
        'return subject.milder if self.side == "severer" else subject.severer',
        (claim("M3 milder_model_leads"),),
    ),
    Fault(
        "smallest-is-largest",
        "the smallest of several quantities is the largest",
        ALGEBRA,
        'return Extreme("smallest", ',
        'return Extreme("largest", ',
        (claim("S6 middle_lies_below_both_ends"), claim("M4 probe_leads_on_both")),
    ),
    Fault(
        "quantities-remembered-across-models",
        "a quantity is computed once for all models",
        CELLS,
        "measured = self.name, self.trait, self.model.judge",
        "measured = self.trait, self.model.judge",
        (claim("M3 milder_model_leads"),),
    ),
    Fault(
        "window-dropped",
        "a recipe over a longer window steers along the usual one",
        CELLS,
        "return replace(self, window=window)",
        "return replace(self, window=self.window)",
        (claim("P2 probe_loses"),),
    ),
    Fault(
        "cleaning-dropped",
        "a recipe that says how it is cleaned is steered uncleaned",
        CELLS,
        "return replace(self, cleaning=cleaning)",
        "return replace(self, cleaning=self.cleaning)",
        (claim("G1 cleaning_moves_mean_diff_onto_the_probe"), claim("S2 cleaned_gains")),
    ),
    Fault(
        "refits-uncleaned",
        "refitted directions are compared uncleaned",
        GEOMETRY,
        "vectors[:, place] = clean_all(vectors[:, place], _cleaned_dims(recipe, cell, block, answers))",
        "vectors[:, place] = clean_all(vectors[:, place], ())",
        (claim("G1 cleaning_moves_mean_diff_onto_the_probe"),),
    ),
    Fault(
        "norm-outside-whole",
        "the share of norm outside massive dims counts them in",
        GEOMETRY,
        "np.linalg.norm(np.delete(both.astype(np.float64), dims, axis=-1), axis=-1)",
        "np.linalg.norm(both.astype(np.float64), axis=-1)",
        (claim("G6 little_norm_remains"),),
    ),
    Fault(
        "base-with-massive-dims",
        "the corrected base coefficient is the uncorrected one, and the other way round",
        QUANTITIES,
        'record["norm" if full else "norm_without"]',
        'record["norm_without" if full else "norm"]',
        (claim("C3 probe"), claim("R3 search_from_the_corrected_start_gains")),
    ),
    Fault(
        "runs-unsorted",
        "the runs of several grids are merged by the amounts, but their scores are left in the order they came",
        QUANTITIES,
        "scores[name][kept].astype(np.float64)",
        "scores[name][np.sort(kept)].astype(np.float64)",
        (claim("C2 mean_diff"),),
    ),
    Fault(
        "around-base-unbounded",
        "coefficients far above the base count as around it",
        QUANTITIES,
        "BASE_RANGE = (0.5, 2.0)",
        "BASE_RANGE = (0.5, 200.0)",
        (f"{HERE}::test_around_the_base_nothing_beyond_twice_of_it_counts",),
    ),
    Fault(
        "coherence-is-trait",
        "coherence at an amount is the trait's score there",
        QUANTITIES,
        'run.arrays["coherence"][run.record["amounts"].index(self.amount)]',
        'run.arrays["trait"][run.record["amounts"].index(self.amount)]',
        (claim("C1 start_is_incoherent"), claim("R3 uncorrected_search_stays_incoherent")),
    ),
    Fault(
        "gap-of-the-nearest-block",
        "of several blocks the one at which curves lie closest counts",
        QUANTITIES,
        'return Extreme("largest", gaps)',
        'return Extreme("smallest", gaps)',
        (f"{HERE}::test_curves_are_compared_at_the_block_at_which_they_lie_furthest_apart",),
    ),
    Fault(
        "extractions-left-out",
        "the interval over repeated extractions is that of the first one alone",
        ALGEBRA,
        'return repeated(found, "extractions", others) if others else found',
        "return found",
        (
            "harness/tests/quantities/test_quantities.py::test_extractions_put_the_noise_of_the_scenarios_into_the_interval",
        ),
    ),
    Fault(
        "one-draw-of-a-control",
        "a claim about random directions is about the one that happened to be drawn",
        ALGEBRA,
        "range(cell.settings.draws if drawn else 1)",
        "range(1)",
        (DRAWS,),
    ),
    Fault(
        "draws-remembered-as-one",
        "what one draw of a control came to is remembered for all of them",
        CELLS,
        "self.extraction, self.draw",
        "self.extraction",
        (DRAWS,),
    ),
    Fault(
        "half-the-draws-are-enough",
        "a control's mean is taken over the draws that have a value, however few they are",
        ALGEBRA,
        "if failures and len(cells) - len(failures) < max(2, MIN_REPEATS * len(cells)):",
        "if failures and len(failures) == len(cells):",
        (f"{INTERVALS}::test_one_draw_in_five_may_have_no_value_and_more_may_not",),
    ),
    Fault(
        "value-among-its-repeats",
        "the direction that steers counts as one of the repeats that say how far off it may be",
        ALGEBRA,
        "for number in range(1, asked + 1)]",
        "for number in range(asked)]",
        (f"{INTERVALS}::test_the_direction_of_all_scenarios_is_none_of_its_repeats",),
    ),
    Fault(
        "extractions-not-beside-a-control",
        "a direction that is compared with a control is taken from one extraction",
        ALGEBRA,
        "self.steers and asked > 1 and not all(",
        "self.steers and asked > 1 and not any(",
        (f"{INTERVALS}::test_a_control_is_read_beside_every_extraction_of_what_it_is_compared_with",),
    ),
    Fault(
        "control-driven-further",
        "a control that could be steered harder has no value, so nothing is ever compared with it",
        QUANTITIES,
        "            not self.recipe.is_control\n            and room",
        "            room",
        (f"{INTERVALS}::test_of_a_control_it_is_asked_what_it_does_within_the_doses_that_were_run",),
    ),
    Fault(
        "cosine-of-no-direction",
        "a cosine is taken of directions that tell nothing apart",
        GEOMETRY,
        "        for recipe in (self.one, self.other):\n            require_direction(recipe, cell, answers)\n",
        "",
        (NO_DIRECTION,),
    ),
    Fault(
        "steering-along-no-direction",
        "steered responses are compared though the direction tells no scenarios apart",
        QUANTITIES,
        "    require_direction(recipe, cell, answers)\n",
        "",
        (NO_DIRECTION,),
    ),
    Fault(
        "direction-by-the-estimate",
        "a direction that may put pairs in order by chance alone counts as one",
        GEOMETRY,
        "if found.low <= CHANCE:",
        "if found.value <= CHANCE:",
        (
            "harness/tests/quantities/test_quantities.py::"
            "test_there_is_a_direction_only_where_more_pairs_than_by_chance_are_surely_in_order",
            NO_DIRECTION,
        ),
    ),
)
