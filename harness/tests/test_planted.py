"""The table of planted faults is up to date, and whoever plants them tells a fault that no test notices."""

from __future__ import annotations

import ast
import functools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.data.datasets import ROOT
from harness.tests.planted import forked
from harness.tests.planted.__main__ import chosen
from harness.tests.planted.fault import Fault, Outcome, Stale
from harness.tests.planted.faults import FAULTS
from harness.tests.planted.mutants import mutants
from harness.tests.planted.table import markdown, rows
from harness.tests.planted.workshop import Workshop, WrongCopy, copy_checkout


@functools.cache
def names_of_tests(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_fault_has_a_name_of_its_own() -> None:
    names = [fault.id for fault in FAULTS]
    assert sorted(names) == sorted(set(names))
    assert len({(fault.file, fault.old, fault.new) for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_a_fault_can_be_planted_and_its_tests_exist(fault: Fault) -> None:
    text = (ROOT / fault.file).read_text(encoding="utf-8")
    planted = fault.planted(text)  # raises Stale where the old text is not there exactly once
    assert planted != text
    compile(planted, fault.file, "exec")
    assert fault.caught_by
    for test in fault.caught_by:
        file, _, name = test.partition("::")
        assert name.split("[")[0] in ({""} | names_of_tests(file)), test


def test_random_faults_are_small_can_be_planted_and_are_the_same_for_one_seed() -> None:
    found = mutants(ROOT, 20, 3)
    assert found == mutants(ROOT, 20, 3) != mutants(ROOT, 20, 4)
    for fault in found:
        compile(fault.planted((ROOT / fault.file).read_text(encoding="utf-8")), fault.file, "exec")
        before, after = fault.old.splitlines(), fault.new.splitlines()
        assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


TEST = """
from pathlib import Path

import pytest

import harness
from harness.sums import double


def test_doubling():
    assert double(3) == 6, "twice three"


def test_nothing():
    pass


def test_red():
    assert harness is None


def test_the_copy_is_imported():
    assert Path(harness.__file__).parent == Path(__file__).parent / "harness"


def test_of_one():
    assert double(1) == 2
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A workshop of a project of one function."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "harness").mkdir()
    (folder / "harness" / "__init__.py").write_text("")
    (folder / "harness" / "sums.py").write_text("def double(number):\n    return number + number\n")
    (folder / "test_sums.py").write_text(TEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    with Workshop(folder, libraries=()) as opened:
        yield opened


def fault(test: str, new: str = "number * number", old: str = "number + number") -> Fault:
    return Fault("sum", "doubling squares", "harness/sums.py", old, new, (f"test_sums.py::{test}",))


def test_a_fault_that_a_test_notices_is_caught_and_taken_out_again(workshop: Workshop) -> None:
    found = workshop.judge(fault("test_doubling"))
    assert (found.word, found.test) == ("caught", "test_sums.py::test_doubling")
    assert "twice three" in found.said
    assert "number + number" in (workshop.folder / "harness" / "sums.py").read_text()
    assert workshop.judge(fault("test_the_copy_is_imported")).word == "survived"


def test_a_fault_that_no_test_notices_is_told_as_a_survivor(workshop: Workshop) -> None:
    assert workshop.judge(fault("test_doubling", "2 * number")).word == "survived"
    assert workshop.judge(fault("test_nothing")).word == "survived"


def test_faults_of_equal_length_are_told_apart_though_bytecode_is_kept(workshop: Workshop) -> None:
    words = [
        workshop.judge(fault("test_of_one", new)).word
        for new in ("number - number", "number | number", "number + 1 * 1 ")
    ]
    assert words == ["caught", "caught", "survived"]


def test_a_fault_whose_text_is_gone_or_stands_more_than_once_is_stale(workshop: Workshop) -> None:
    assert workshop.judge(fault("test_doubling", old="no such text")).word == "stale"
    often = workshop.judge(fault("test_doubling", old="number"))
    assert often.word == "stale"
    assert often.said == "fault sum is stale: its old text stands 3 times in harness/sums.py, not once."
    with pytest.raises(Stale, match="changes nothing"):
        fault("test_doubling", "number + number").planted("number + number")


@pytest.mark.parametrize("test", ["test_red", "test_that_is_not_there"])
def test_a_test_that_is_not_green_beforehand_catches_nothing(workshop: Workshop, test: str) -> None:
    found = workshop.judge(fault(test))
    assert found.word == "unclear"
    assert found.said.startswith("not green without the fault")


def test_all_tests_can_be_checked_at_once_before_anything_is_planted(workshop: Workshop) -> None:
    workshop.check_unfaulted([fault("test_nothing"), fault("test_the_copy_is_imported")])
    workshop.check_unfaulted([fault("test_nothing"), fault("test_red")])  # one red test leaves the others to judge
    assert workshop.judge(fault("test_red")).word == "unclear"


def test_a_folder_without_the_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongCopy, match="would be tested and not the copy"), Workshop(tmp_path):
        pass


def test_a_run_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "LIMIT", 0.3)
    monkeypatch.setattr(forked, "run", lambda _arguments, _failure: time.sleep(60))
    with (tmp_path / "output").open("w+") as output:
        assert forked.in_a_fork([], output, output) == forked.KILLED


def test_a_checkout_is_copied_with_what_is_new_and_without_what_is_ignored_or_deleted(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    for name in ("kept/a.py", "gone.py", "new.py", "ignored.log"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / ".gitignore").write_text("*.log\n")
    git = shutil.which("git")
    assert git is not None
    subprocess.run([git, "init", "-q"], cwd=source, check=True)
    subprocess.run([git, "add", "kept/a.py", "gone.py", ".gitignore"], cwd=source, check=True)
    (source / "gone.py").unlink()
    copy.mkdir()
    copy_checkout(source, copy)
    assert sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()) == [
        ".gitignore", "kept/a.py", "new.py",
    ]  # fmt: skip


def test_what_a_test_said_is_one_line_and_begins_with_what_went_wrong() -> None:
    assert forked.words("AssertionError: \nNot equal to tolerance\n\n  1 / 2\n more") == "Not equal to tolerance 1 / 2"
    assert forked.words("AssertionError: assert 1000 == 2000\n +  where 1000 = f()") == "assert 1000 == 2000"
    assert forked.words("assert False\n +  where False = <f at 0x7f3b>()") == "assert False + where False = <f>()"
    assert forked.words("") == ""


def test_the_report_names_every_fault_and_counts_what_was_not_caught() -> None:
    one, other = chosen("steer-sign,double-bos")
    outcomes = [
        Outcome(one, "caught", "harness/tests/test_a.py::test_it_is|so[x]", "assert `a` | b", 1.0),
        Outcome(other, "survived", said="all pass"),
    ]
    text = markdown(outcomes, ROOT)
    assert "2 faults, 1 caught, 1 not." in text
    assert "it is\\|so[x] | `assert 'a' \\| b` |" in text
    assert all(line.count(" | ") == 5 for line in text.splitlines() if line.startswith("| ") and "\\|" not in line)
    told = json.loads(rows(outcomes, ROOT))
    assert [row["came_out_as"] for row in told] == ["caught", "survived"]
    assert told[0]["where"].startswith(f"{one.file}:")
    with pytest.raises(SystemExit, match="no fault nonsense"):
        chosen("nonsense")
