"""Faults in what counts as evidence: verdicts, their words and what stands beside them, keys and stored answers."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

VERDICTS, OUTCOMES = "fixtures/verdicts.py", "fixtures/outcomes.py"
KEYS, STORE, MEASUREMENTS, LAB = (f"harness/lab/{name}.py" for name in ("keys", "store", "measurements", "lab"))
WORDS = "harness/tests/plugins/test_verdicts.py"
SURPRISE = f"{WORDS}::test_agreement_with_what_was_known_is_green_and_a_surprise_red"
HERE = "harness/tests/planted/test_caught_here.py"
FIELDS = f"{HERE}::test_whatever_a_sweep_is_made_of_is_in_its_key"
FILES = "harness/tests/lab/test_keys.py::test_a_changed_file_changes_the_keys_of_what_is_made_from_it_and_no_others"

FAULTS = (
    Fault(
        "inconclusive-passes",
        "an INCONCLUSIVE claim counts as a pass",
        VERDICTS,
        "raise pytest.skip.Exception(story, _use_item_location=True)",
        "return",
        (f"{WORDS}::test_an_inconclusive_claim_is_a_skip_with_its_own_word",),
    ),
    Fault(
        "no-valid-run-is-zero",
        "a sweep without a coherent run is a Delta of 0",
        VERDICTS,
        "return Expectation(self._item, name, None, str(error))",
        'return Expectation(self._item, name, Estimate(0.0, 0.0, 0.0, 2, "trait points"), str(error))',
        (f"{WORDS}::test_no_valid_run_is_inconclusive_and_never_a_delta_of_zero",),
    ),
    Fault(
        "surprise-is-green",
        "a verdict against what was known beforehand is shown green",
        OUTCOMES,
        '    elif row.surprise:\n        report.outcome = "failed"',
        '    elif row.surprise:\n        report.outcome = "passed"',
        (SURPRISE,),
    ),
    Fault(
        "expected-elsewhere",
        "what is known of one model is taken for known of all",
        VERDICTS,
        'if names & set(mark.kwargs["cells"]):',
        'if set(mark.kwargs["cells"]):',
        (f"{WORDS}::test_what_is_known_of_one_cell_says_nothing_of_another",),
    ),
    Fault(
        "broken-is-refuted",
        "an error of the instrument counts as a refutation, which may even be the expected one",
        OUTCOMES,
        'decided, error = Verdict.BROKEN, f"{call.excinfo.typename}: {call.excinfo.value}"',
        "decided = Verdict.REFUTED",
        (f"{WORDS}::test_an_error_is_broken_and_no_evidence",),
    ),
    Fault(
        "regression-is-evidence",
        "what was seen before and comes out again counts as evidence about the instrument",
        "harness/report/closing.py",
        "row.basis == PREDICTED and row.verdict == row.expected",
        "row.verdict == row.expected",
        ("harness/tests/report/test_closing.py::test_only_what_was_predicted_is_evidence_about_the_instrument",),
    ),
    Fault(
        "key-without-amounts",
        "the key of a sweep does not hold its amounts",
        MEASUREMENTS,
        "for field in fields(value)}",
        'for field in fields(value) if field.name != "amounts"}',
        (FIELDS,),
    ),
    Fault(
        "key-without-model",
        "the key of a sweep holds the model's name and not its weights",
        KEYS,
        "case Baseline() | Sweep():\n"
        '                found["instruct model"] = self._weights_hash(folder_of(spec.instruct))',
        'case Baseline() | Sweep():\n                found["instruct model"] = spec.name',
        (FILES,),
    ),
    Fault(
        "key-without-requirements",
        "the key of an answer leaves out what it is made from",
        KEYS,
        "            found.update(self._sources(needed))",
        "            self._sources(needed)",
        (FILES,),
    ),
    Fault(
        "damaged-arrays-accepted",
        "arrays of a stored answer are believed whatever their checksum",
        STORE,
        "if hashlib.sha256(content).hexdigest() != raw:",
        "if not raw:",
        (f"{HERE}::test_a_flipped_bit_in_any_byte_of_stored_arrays_is_found",),
    ),
    Fault(
        "damaged-rows-accepted",
        "a row of the store is believed whatever its checksum",
        STORE,
        "return bool(_checksum(row[:-1]) == row[-1])",
        "return True",
        ("harness/tests/lab/test_lab_faults.py::test_a_row_that_was_tampered_with_is_measured_again_and_no_other",),
    ),
    Fault(
        "damage-not-told",
        "a damaged entry is measured again without a word",
        LAB,
        'self._progress.warn(f"{error}; {type(measurement).__name__} is measured again.")',
        "del error",
        (f"{HERE}::test_a_damaged_answer_is_measured_again_and_said_so",),
    ),
    Fault(
        "interrupted-rows-misplaced",
        "rows kept from an interrupted run are filed one place on",
        LAB,
        "for index, key in enumerate(keys) if key in made",
        "for index, key in enumerate(keys, 1) if key in made",
        ("harness/tests/lab/test_lab_faults.py::test_an_interrupted_sweep_goes_on_where_it_stopped",),
    ),
    Fault(
        "third-arm-not-shown",
        "what sets the probe against mean_diff is shown without its third arm",
        VERDICTS,
        "found = found if arm is None else found.beside(arm, title)",
        "return found",
        (f"{WORDS}::test_what_sets_the_probe_against_mean_diff_has_its_third_arm_beside",),
    ),
    Fault(
        "third-arm-not-measured",
        "a claim that sets the probe against mean_diff does not list its third arm, so nobody measures it",
        "fixtures/vocabulary.py",
        "arms = (third_arm(quantity) for quantity in quantities if isinstance(quantity, Quantity))",
        "arms = (None for quantity in quantities if isinstance(quantity, Quantity))",
        (f"{WORDS}::test_what_sets_the_probe_against_mean_diff_has_its_third_arm_beside",),
    ),
    Fault(
        "third-arm-is-the-probe",
        "the third arm keeps the probe",
        "harness/quantities/third_arm.py",
        "return replace(value, method=other) if value.method == method else value",
        "return value",
        (
            "harness/tests/quantities/test_third_arm.py::test_the_probe_is_replaced_wherever_it_stands_and_nothing_else_is",
        ),
    ),
)
