"""Faults in who judges and what a judge decides: the gate, answers that are kept, caps, the block."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

STEERING, GATE, GRADING = "harness/quantities/steering.py", "harness/judges/gate.py", "harness/lab/grading.py"
CELLS = "harness/quantities/cells.py"
GENERATION, KEYS = "harness/decoding/generation.py", "harness/lab/keys.py"
TABLES, GRADED, GATED = (
    f"harness/tests/{name}.py" for name in ("report/test_judge_tables", "lab/test_grading", "judges/test_gate")
)
LOST = f"{GRADED}::test_what_was_judged_before_the_judge_was_lost_is_kept_and_not_asked_again"

FAULTS = (
    Fault(
        "judge-without-gate",
        "a judge that failed on gold responses decides all the same",
        STEERING,
        "if reason := why_not_trusted(answers(cell.judge_check).record):",
        "if (reason := why_not_trusted(answers(cell.judge_check).record)) is None:",
        (f"{TABLES}::test_no_steering_quantity_has_a_value_when_its_judge_is_not_trusted",),
    ),
    Fault(
        "gate-by-the-estimate",
        "a judge passes by what its figures are, whatever their intervals",
        GATE,
        "self.low <= figure.low and figure.high <= self.high",
        "self.low <= figure.value <= self.high",
        (f"{GATED}::test_the_gate_asks_for_the_end_of_an_interval_and_not_for_the_value",),
    ),
    Fault(
        "silence-passes-the-gate",
        "a judge may miss any share of the gold responses",
        GATE,
        "high=0.20)",
        "high=1.0)",
        (f"{GATED}::test_a_judge_that_is_often_silent_does_not_pass",),
    ),
    Fault(
        "lost-batch-forgotten",
        "what a judge had scored of a batch before it was lost is thrown away",
        GRADING,
        'for place, one in getattr(error, "judged", {}).items()}',
        "for place, one in {}.items()}",
        (LOST,),
    ),
    Fault(
        "cap-on-both-sides",
        "the relevance cap is compared with itself",
        CELLS,
        "judge = self.model.judge.removesuffix(RELEVANCE_CAP) + RELEVANCE_CAP",
        "judge = self.model.judge.removesuffix(RELEVANCE_CAP)",
        (f"{TABLES}::test_the_cap_changes_the_judge_of_the_responses_and_the_one_that_is_checked",),
    ),
    Fault(
        "words-after-the-end",
        "what a row says after its stop token stays in its response while nobody looks",
        GENERATION,
        "if finished[row]:",
        "if row < 0:",
        (
            "harness/tests/decoding/test_generation.py::test_how_rarely_finished_rows_are_looked_for_never_changes_a_result",
        ),
    ),
    Fault(
        "rubric-not-in-the-key",
        "scores by an older rubric are recalled",
        KEYS,
        'found["judge"] = self._judge_identity(judge, spec.language)\n                found["rubric"] = self._hash('
        'spec.trait_folder(str(trait)) / "definition.yaml")\n            case JudgeCheck',
        'found["judge"] = self._judge_identity(judge, spec.language)\n            case JudgeCheck',
        ("harness/tests/lab/test_keys.py::test_a_changed_file_changes_the_keys_of_what_is_made_from_it_and_no_others",),
    ),
)
