"""Every verdict has its word, its category, its exit code and its story."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.quantities.third_arm import NAME as THIRD_ARM

Project = Callable[..., pytest.Pytester]


def claim_file(value: float | str, known: str = "", spread: float = 0.1) -> str:
    """A claim that its made-up quantity is at least 0."""
    return f"""
        Q = MadeUp({value if isinstance(value, str) else repr(value)}, {spread})
        pytestmark = claim("T5", "top-1 steers as well", "steering", [Q])
        {known}
        def test_it(expect):
            expect(Q, "gain").at_least(0)
    """


def rows(pytester: pytest.Pytester) -> list[dict[str, object]]:
    lines = Path(pytester.path, "reports/latest/ledger.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[1:]]


SELECT = ("-m", "severe and refusal")


def test_a_supported_claim_passes_with_its_word(project: Project) -> None:
    run = project(test_a=claim_file(3.0))
    result = run.runpytest(*SELECT, "-v")
    result.stdout.fnmatch_lines(["*test_it?severe-refusal? SUPPORTED*"])
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    assert rows(run)[0]["verdict"] == "SUPPORTED"


def test_a_refuted_claim_fails_and_tells_its_story(project: Project) -> None:
    run = project(test_a=claim_file(-3.0))
    result = run.runpytest(*SELECT, "-v")
    result.stdout.fnmatch_lines(
        [
            "*test_it?severe-refusal? REFUTED*",
            "*T5 REFUTED on model=severe trait=refusal: top-1 steers as well*",
            "*gain=-3 [[]-3.*] trait points, but should be at least 0 trait points [[]n=50 questions, 95% interval[]]*",
            "*published: nothing on this cell*",
            "*again: cd * && pytest 'test_a.py::test_it[[]severe-refusal[]]'*",
        ]
    )
    result.assert_outcomes(failed=1)
    assert result.ret == 1


def test_an_inconclusive_claim_is_a_skip_with_its_own_word(project: Project) -> None:
    run = project(test_a=claim_file(0.05))
    result = run.runpytest(*SELECT, "-v", "-rs")
    result.stdout.fnmatch_lines(["*test_it?severe-refusal? INCONCLUSIVE*", "*smallest effect it would have seen*"])
    result.assert_outcomes(skipped=1)
    assert result.ret == 0


def test_an_inconclusive_claim_fails_under_strict_evidence(project: Project) -> None:
    result = project(test_a=claim_file(0.05)).runpytest(*SELECT, "--strict-evidence")
    result.stdout.fnmatch_lines(["*T5 INCONCLUSIVE on model=severe*"])
    result.assert_outcomes(failed=1)
    assert result.ret == 1


def test_no_valid_run_is_inconclusive_and_never_a_delta_of_zero(project: Project) -> None:
    run = project(test_a=claim_file('float("nan")'))
    run.runpytest(*SELECT).assert_outcomes(skipped=1)
    row = rows(run)[0]
    assert row["verdict"] == "INCONCLUSIVE"
    assert row["estimates"][0]["estimate"] is None  # type: ignore[index]


def test_an_error_is_broken_and_no_evidence(project: Project) -> None:
    run = project(test_a=claim_file('float("inf")', '@predicted("REFUTED", on="severe", because="built so")'))
    result = run.runpytest(*SELECT, "-v")
    result.stdout.fnmatch_lines(["*test_it?severe-refusal? BROKEN*", "*MemoryError*planted*"])
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    assert rows(run)[0]["verdict"] == "BROKEN"


def test_a_claim_that_records_no_estimate_is_broken(project: Project) -> None:
    run = project(
        test_a="""
        pytestmark = claim("T5", "nothing", "steering", [])
        def test_it(expect):
            pass
        """
    )
    result = run.runpytest(*SELECT)
    result.assert_outcomes(errors=1)
    assert result.ret == 1


def test_a_quantity_that_the_plan_does_not_know_is_refused(project: Project) -> None:
    run = project(
        test_a="""
        pytestmark = claim("T5", "nothing", "steering", [MadeUp(1.0)])
        def test_it(expect):
            expect(MadeUp(2.0), "another").at_least(0)
        """
    )
    result = run.runpytest(*SELECT)
    result.stdout.fnmatch_lines(["*claim() does not list*"])
    assert result.ret == 1


@pytest.mark.parametrize(
    ("bounds", "severity", "why_not"),
    [
        ("below=100.0", 169.0, "T5 is about models of a severity below 100; that of severe was measured at 169.0."),
        ("below=100.0", 60.0, ""),
        ("above=100.0", 60.0, "T5 is about models of a severity of 100 or more; that of severe was measured at 60.0."),
        ("above=100.0", 169.0, ""),
        ("above=100.0", 100.0, ""),
        ("above=50.0, below=100.0", 100.0, "of 50 or more and below 100; that of severe was measured at 100.0."),
    ],
)
def test_where_nobody_stated_the_severity_the_measured_one_decides_what_a_claim_is_about(
    project: Project, bounds: str, severity: float, why_not: str
) -> None:
    run = project(
        test_a=f"""
        from conftest import FakeLab
        from harness.lab.store import Answer

        class Measuring(FakeLab):
            def prepare(self, needs):
                self.planned = needs

            def answer(self, measurement):
                assert measurement in self.planned
                return Answer({{}}, {{"overall_severity": {severity}}})

        FakeLab.prepare, FakeLab.answer = Measuring.prepare, Measuring.answer
        Q = MadeUp(3.0)
        pytestmark = claim("T5", "top-1 steers as well", "steering", [Q], {bounds})

        def test_it(expect):
            expect(Q, "gain").at_least(0)
        """
    )
    run.runpytest(*SELECT)
    (row,) = rows(run)
    told = row["estimates"][0]  # type: ignore[index]
    assert row["verdict"] == ("INCONCLUSIVE" if why_not else "SUPPORTED")
    assert why_not in told["story"]
    assert (told["estimate"] is None) == bool(why_not)


REFUTED = '@predicted("REFUTED", on="severe", because="it was built so")'
SUPPORTED = '@predicted("SUPPORTED", on="severe/refusal", because="it was built so")'
SEEN = '@regression("REFUTED", on="severe", because="it was built so")'


@pytest.mark.parametrize(
    ("value", "known", "outcome", "word", "code"),
    [
        (-3.0, REFUTED, {"xfailed": 1}, "REFUTED as predicted", 0),
        (-3.0, SEEN, {"xfailed": 1}, "REFUTED as seen before", 0),
        (3.0, REFUTED, {"failed": 1}, "SUPPORTED against prediction", 1),
        (3.0, SEEN, {"failed": 1}, "SUPPORTED against what was seen before", 1),
        (3.0, SUPPORTED, {"passed": 1}, "SUPPORTED as predicted", 0),
        (-3.0, SUPPORTED, {"failed": 1}, "REFUTED against prediction", 1),
        (0.05, REFUTED, {"skipped": 1}, "INCONCLUSIVE, blind", 0),
    ],
)
def test_agreement_with_what_was_known_is_green_and_a_surprise_red(
    project: Project, value: float, known: str, outcome: dict[str, int], word: str, code: int
) -> None:
    run = project(test_a=claim_file(value, known))
    result = run.runpytest(*SELECT, "-v")
    result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines([f"*test_it?severe-refusal? {word}*"])
    assert result.ret == code
    row = rows(run)[0]
    assert (row["because"], row["basis"]) == ("it was built so", "regression" if known is SEEN else "predicted")
    if code:
        result.stdout.fnmatch_lines([f"*known beforehand ({row['basis']}):*, because it was built so*"])


def two_quantities(rule: str, value: str = "-3.0", beside: str = "2.0") -> str:
    """A claim about one made-up quantity, with another beside it."""
    return f"""
        Q, OTHER = MadeUp({value}), MadeUp({beside})
        pytestmark = claim("T5", "top-1 steers as well", "steering", [Q, OTHER])
        def test_it(expect):
            expect(Q, "gain").beside(OTHER, "third arm: gain of nothing").{rule}
    """


def test_what_stands_beside_is_told_and_decides_nothing(project: Project) -> None:
    run = project(test_a=two_quantities("at_least(0)"))
    run.runpytest(*SELECT, "--ledger-detail").stdout.fnmatch_lines(
        [
            "  gain=-3 *but should be at least 0*",
            "  beside: third arm: gain of nothing=2 [[]1.*] trait points",
            "    severe  refusal  REFUTED*",
            "        beside: third arm: gain of nothing=2 [[]1.*] trait points*",
        ]
    )
    (row,) = rows(run)
    (entry,) = row["estimates"]  # type: ignore[misc]
    (beside,) = entry["beside"]
    assert (row["verdict"], beside["name"], beside["estimate"]["value"], beside["why"]) == (
        "REFUTED", "third arm: gain of nothing", 2.0, ""
    )  # fmt: skip
    document = Path(run.path, "reports/latest/ledger.md").read_text()
    assert "| severe | refusal | third arm: gain of nothing | 2 " in document


def test_what_stands_beside_without_a_value_says_why(project: Project) -> None:
    run = project(test_a=two_quantities("at_least(0)", "3.0", 'float("nan")'))
    run.runpytest(*SELECT).assert_outcomes(passed=1)
    (beside,) = rows(run)[0]["estimates"][0]["beside"]  # type: ignore[index]
    assert (beside["estimate"], beside["why"]) == (None, "None of 3 runs is valid.")
    run = project(test_a=two_quantities("at_least(0)", 'float("nan")'))
    run.runpytest(*SELECT, "--strict-evidence").stdout.fnmatch_lines(
        ["*gain has no value: None of 3 runs is valid.", "  beside: third arm: gain of nothing=2 *"]
    )


def test_what_sets_the_probe_against_mean_diff_has_its_third_arm_beside(project: Project) -> None:
    """Nobody names the arm: it is measured and shown because of what the claim compares."""
    of_methods = """
        from dataclasses import dataclass
        from harness.quantities import Quantity, Recipe

        @dataclass(frozen=True)
        class Of(Quantity):
            recipe: Recipe

            def needs(self, cell):
                return ()

            def evaluate(self, cell, answers):
                values = {"probe": 3.0, "mean_diff": 1.0, "unit_mean_diff": 2.0}
                return MadeUp(values[self.recipe.method]).evaluate(cell, answers)

        LEAD = Of(Recipe("probe")) - Of(Recipe("mean_diff"))
        pytestmark = claim("T3", "the probe leads", "steering", [LEAD])
        def test_it(expect):
            expect(LEAD, "lead").at_least(1)
    """
    run = project(test_a=of_methods)
    run.runpytest(*SELECT).assert_outcomes(passed=1)
    (entry,) = rows(run)[0]["estimates"]  # type: ignore[misc]
    (beside,) = entry["beside"]
    assert (entry["estimate"]["value"], beside["name"], beside["estimate"]["value"]) == (2.0, THIRD_ARM, 1.0)


def test_what_stands_beside_is_in_the_claim_too(project: Project) -> None:
    run = project(test_a=two_quantities("at_least(0)").replace("[Q, OTHER]", "[Q]"))
    result = run.runpytest(*SELECT)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*claim() does not list*"])


@pytest.mark.parametrize(
    ("rule", "value", "first_rule", "verdicts"),
    [
        ("at_least(-10, first=-2)", -3.0, {"kind": "at_least", "bounds": [-2]}, ["SUPPORTED", "REFUTED"]),
        ("at_most(1, first=3)", 3.0, {"kind": "at_most", "bounds": [3]}, ["REFUTED", "INCONCLUSIVE"]),
        ("more_than(1, first=9)", 3.0, {"kind": "more_than", "bounds": [9]}, ["SUPPORTED", "REFUTED"]),
        ("less_than(9, first=1)", 3.0, {"kind": "less_than", "bounds": [1]}, ["SUPPORTED", "REFUTED"]),
        ("within(-1, 1, first=(2, 4))", 3.0, {"kind": "within", "bounds": [2, 4]}, ["REFUTED", "SUPPORTED"]),
        ("within(-1, 1, first=(-1, None))", 3.0, {"kind": "at_least", "bounds": [-1]}, ["REFUTED", "SUPPORTED"]),
        ("within(-1, 1, first=(None, 1))", 0.0, {"kind": "at_most", "bounds": [1]}, ["SUPPORTED", "SUPPORTED"]),
        ("at_least(-10, first=-2)", "float('nan')", {"kind": "at_least", "bounds": [-2]}, ["INCONCLUSIVE"] * 2),
    ],
)
def test_a_rule_that_was_changed_keeps_the_first_one_and_what_it_comes_to(
    project: Project, rule: str, value: float | str, first_rule: dict[str, object], verdicts: list[str]
) -> None:
    run = project(test_a=two_quantities(rule, str(value)))
    run.runpytest(*SELECT)
    (entry,) = rows(run)[0]["estimates"]  # type: ignore[misc]
    assert entry["first_rule"] == first_rule
    assert [entry["verdict"], entry["first_verdict"]] == verdicts
    assert rows(run)[0]["verdict"] == verdicts[0]


def test_what_is_known_of_one_cell_says_nothing_of_another(project: Project) -> None:
    run = project(test_a=claim_file(-3.0, '@predicted("REFUTED", on="severe/refusal", because="built so")'))
    result = run.runpytest("-v")
    result.assert_outcomes(xfailed=1, failed=3)
