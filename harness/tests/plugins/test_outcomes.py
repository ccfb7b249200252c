"""What JUnit XML says of a claim is what the ledger says, serially and under xdist."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.ledger.rows import Row, read_ledger

Project = Callable[..., pytest.Pytester]

CLAIM = """
    Q = MadeUp({value})
    pytestmark = claim("{identity}", "it gains", "steering", [Q])
    @predicted("{known}", on="severe", because="built so")
    def test_it(expect):
        expect(Q, "gain").at_least(0)
"""


def cases(run: pytest.Pytester, name: str) -> dict[tuple[str, str, str], ElementTree.Element]:
    found = {}
    for case in ElementTree.parse(Path(run.path, name)).getroot().iter("testcase"):
        told = properties(case)
        found[told["claim"], told["model"], told["trait"]] = case
    return found


def properties(case: ElementTree.Element) -> dict[str, str]:
    return {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}


def test_junit_has_the_claim_s_properties_and_pytest_s_outcomes(project: Project) -> None:
    run = project(
        test_a=CLAIM.format(value="-3.0", identity="T5", known="REFUTED"),
        test_b=CLAIM.format(value="3.0", identity="T6", known="REFUTED"),
        test_c=CLAIM.format(value='float("nan")', identity="T7", known="REFUTED"),
        test_d=CLAIM.format(value='float("inf")', identity="T8", known="REFUTED"),
    )
    run.runpytest("--junitxml", "serial.xml", "--ledger", "serial")
    run.runpytest_subprocess("--junitxml", "parallel.xml", "--ledger", "parallel", "-n", "1")
    found = cases(run, "serial.xml")
    parallel = cases(run, "parallel.xml")
    assert len(found) == 16
    assert {key: properties(case) for key, case in found.items()} == {
        key: properties(case) for key, case in parallel.items()
    }
    rows = {(row.claim, row.model, row.trait): row for row in read_ledger(Path(run.path, "serial/ledger.jsonl")).rows}
    for key, case in found.items():
        assert len(list(case.iter("property"))) == len(properties(case))  # each is told once
        check(properties(case), rows[key])
    tags = {key[:2]: [one.tag for one in case if one.tag != "properties"] for key, case in found.items()}
    assert tags["T5", "severe"] == ["skipped"]
    assert found["T5", "severe", "refusal"].find("skipped").attrib == {"type": "pytest.xfail", "message": "built so"}  # type: ignore[union-attr]
    assert tags["T5", "clean"] == tags["T6", "severe"] == ["failure"]
    assert tags["T6", "clean"] == []
    assert tags["T7", "clean"] == ["skipped"]
    assert tags["T8", "clean"] in (["failure"], ["error"])


def check(told: dict[str, str], row: Row) -> None:
    """Properties that are there agree with the row; numbers only where there is an estimate."""
    assert (told["verdict"], told["model"], told["trait"]) == (row.verdict, row.model, row.trait)
    assert (told.get("expected"), told.get("basis", "")) == (row.expected, row.basis)
    if row.verdict in ("INCONCLUSIVE", "BROKEN"):
        assert not {"estimate", "low", "high", "n", "unit"} & set(told)
        return
    estimate = row.estimates[0]["estimate"]
    assert [float(told[name]) for name in ("estimate", "low", "high", "n")] == [
        estimate[name] for name in ("value", "low", "high", "n")
    ]
    assert (told["unit"], told["rule"]) == ("trait points", "gain at least 0 trait points")
    assert Row.from_json(json.loads(told["claim_row"])) == row
