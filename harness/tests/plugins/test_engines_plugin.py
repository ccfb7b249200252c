"""The conformance tests run when they are asked for, leave no ledger, and say what an engine does otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.data.datasets import ROOT
from harness.engines.checks import CHECKS
from harness.engines.subjects import CHECKED_ON
from harness.tests.plugins import CONFTEST
from harness.tests.plugins.test_subjects import CLAIMS

PLANTED = """
from harness.engines.naming import ENGINES, Known
from harness.engines.plain_hooks import HooksEngine
from harness.tests.engines.planted_engines import OF_ANY_ADAPTER

ENGINES["planted"] = Known(OF_ANY_ADAPTER["blocks are counted from 1"][0](HooksEngine))
"""
ALL = len(CHECKS) * len(CHECKED_ON)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with one claim, the conformance tests, and an engine that counts blocks from 1."""
    pytester.makeconftest(CONFTEST + PLANTED)
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    folder = pytester.mkdir("claims")
    (folder / "test_claim.py").write_text(CLAIMS, encoding="utf-8")
    shutil.copytree(ROOT / "claims" / "conformance", folder / "conformance")
    return pytester


@pytest.mark.parametrize(
    ("arguments", "ending"),
    [
        ((), "4 tests collected"),
        (("-m", "conformance"), f"{ALL}/{ALL + 4} tests collected (4 deselected)"),
        (("--engine", "hooks", "--engine", "planted"), f"{2 * ALL}/{2 * ALL + 4} tests collected (4 deselected)"),
        (("-m", "conformance and bos"), f"{len(CHECKS)}/"),
        (("--engine", "hooks", "-k", "llama and stop"), "1/"),
    ],
)
def test_they_are_collected_when_asked_for_and_no_claims_with_them(
    project: pytest.Pytester, arguments: tuple[str, ...], ending: str
) -> None:
    found = project.runpytest_subprocess("claims", "--collect-only", "-q", *arguments)
    assert found.outlines[-1].startswith(ending)


def test_a_failure_names_engine_model_and_check_and_no_ledger_is_written(project: pytest.Pytester) -> None:
    found = project.runpytest_subprocess(
        "claims", "-m", "conformance and llama", "--engine", "planted", "-k", "offset or unsteered or zero"
    )
    found.assert_outcomes(passed=2, failed=1)
    found.stdout.re_match_lines([r"planted on llama, offset: with coefficient .* was expected, a logit .* higher\."])
    assert not Path(project.path, "reports").exists()


def test_an_engine_that_nobody_knows_is_told_in_one_sentence(project: pytest.Pytester) -> None:
    found = project.runpytest_subprocess("claims", "--engine", "rep")
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines(["ERROR: --engine: 'rep' names no engine; known are ours, hooks, *"])
