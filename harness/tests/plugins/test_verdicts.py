"""Every verdict has its word, its category, its exit code and its story."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Project = Callable[..., pytest.Pytester]


def claim_file(value: float | str, known: str = "", spread: float = 0.1) -> str:
    """A claim that its made-up quantity is at least 0."""
    return f"""
        Q = MadeUp({value if isinstance(value, str) else repr(value)}, {spread})
        pytestmark = claim("S5", "top-1 steers as well", "steering", [Q])
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
            "*S5 REFUTED on model=severe trait=refusal: top-1 steers as well*",
            "*gain=-3 [[]-3.*] trait points, but should be at least 0 trait points [[]n=50 questions, 95% interval[]]*",
            "*published: best Delta of mean_diff top-1 = 28.8*LOG step 10-11*",
            '*again: pytest "test_a.py::test_it[[]severe-refusal[]]"*',
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
    result.stdout.fnmatch_lines(["*S5 INCONCLUSIVE on model=severe*"])
    result.assert_outcomes(failed=1)
    assert result.ret == 1


def test_no_valid_run_is_inconclusive_and_never_a_delta_of_zero(project: Project) -> None:
    run = project(test_a=claim_file('float("nan")'))
    run.runpytest(*SELECT).assert_outcomes(skipped=1)
    row = rows(run)[0]
    assert row["verdict"] == "INCONCLUSIVE"
    assert row["estimates"][0]["estimate"] is None  # type: ignore[index]


def test_an_error_is_broken_and_no_evidence(project: Project) -> None:
    run = project(test_a=claim_file('float("inf")', '@known("REFUTED", on="severe", because="built so")'))
    result = run.runpytest(*SELECT, "-v")
    result.stdout.fnmatch_lines(["*test_it?severe-refusal? BROKEN*", "*MemoryError*planted*"])
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    assert rows(run)[0]["verdict"] == "BROKEN"


def test_a_claim_that_records_no_estimate_is_broken(project: Project) -> None:
    run = project(
        test_a="""
        pytestmark = claim("S5", "nothing", "steering", [])
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
        pytestmark = claim("S5", "nothing", "steering", [MadeUp(1.0)])
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
        ("below=100.0", 169.0, "S5 is about models of a severity below 100; that of severe was measured at 169.0."),
        ("below=100.0", 60.0, ""),
        ("above=100.0", 60.0, "S5 is about models of a severity of 100 or more; that of severe was measured at 60.0."),
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
        from harness.store import Answer

        class Measuring(FakeLab):
            def prepare(self, needs):
                self.planned = needs

            def answer(self, measurement):
                assert measurement in self.planned
                return Answer({{}}, {{"overall_severity": {severity}}})

        FakeLab.prepare, FakeLab.answer = Measuring.prepare, Measuring.answer
        Q = MadeUp(3.0)
        pytestmark = claim("S5", "top-1 steers as well", "steering", [Q], {bounds})

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


REFUTED = '@known("REFUTED", on="severe", because="it was built so")'
SUPPORTED = '@known("SUPPORTED", on="severe/refusal", because="it was built so")'


@pytest.mark.parametrize(
    ("value", "known", "outcome", "word", "code"),
    [
        (-3.0, REFUTED, {"xfailed": 1}, "REFUTED as expected", 0),
        (3.0, REFUTED, {"failed": 1}, "SUPPORTED against expectation", 1),
        (3.0, SUPPORTED, {"passed": 1}, "SUPPORTED", 0),
        (-3.0, SUPPORTED, {"failed": 1}, "REFUTED against expectation", 1),
        (0.05, REFUTED, {"skipped": 1}, "INCONCLUSIVE", 0),
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
    assert rows(run)[0]["because"] == "it was built so"
    if code:
        result.stdout.fnmatch_lines(["*known beforehand:*, because it was built so*"])


def test_what_is_known_of_one_cell_says_nothing_of_another(project: Project) -> None:
    run = project(test_a=claim_file(-3.0, '@known("REFUTED", on="severe/refusal", because="built so")'))
    result = run.runpytest("-v")
    result.assert_outcomes(xfailed=1, failed=3)
