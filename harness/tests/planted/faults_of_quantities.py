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
ALONG = "harness/tests/quantities/test_quantities.py"
DRAWS = f"{ALONG}::test_every_question_has_a_draw_of_a_control_so_that_rare_ones_are_in_its_mean"


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
        "the interval over several extractions is that of one",
        CELLS,
        "if settings.extractions > 1 else ()",
        "if settings.extractions > 99 else ()",
        (f"{ALONG}::test_the_noise_of_extraction_is_in_the_interval_as_far_as_five_clusters_tell",),
    ),
    Fault(
        "one-draw-of-a-control",
        "a claim about random directions is about the one that happened to be drawn",
        CELLS,
        "settings.questions if self.is_control",
        "1 if self.is_control",
        (DRAWS,),
    ),
    Fault(
        "controls-in-clusters",
        "a control whose every question has a draw of its own is as uncertain as five clusters",
        ALGEBRA,
        "return replace(found, clustered=False)",
        "return found",
        (DRAWS,),
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
