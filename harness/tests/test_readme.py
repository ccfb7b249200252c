"""What the README says is so: its tree, its commands, its options, its ledger excerpt."""

from __future__ import annotations

import importlib.util
import re

import pytest
from rich.console import Console

from harness.data.datasets import ROOT
from harness.ledger.rows import read_ledger
from harness.report import reading, terminal
from harness.report.closing import counts_in_words

README = (ROOT / "README.md").read_text(encoding="utf-8")
LEDGER = ROOT / "reports" / "baselines" / "organisms.jsonl"


def tree() -> list[str]:
    return README.split("## The tree")[1].split("\n\n")[1].splitlines()


def test_every_module_of_the_instrument_and_every_plugin_is_in_the_tree() -> None:
    text = " ".join(tree())
    modules = [path.stem for folder in ("harness", "fixtures") for path in (ROOT / folder).glob("[a-z]*.py")]
    missing = [name for name in modules if not re.search(rf"\b{name}\b", text)]
    assert not missing


def test_everything_in_the_tree_exists() -> None:
    harness = " ".join(tree()).partition("harness/")[2].partition("fixtures/")[0]
    named = re.findall(r"(?:^|  )([a-z_]+(?:, [a-z_]+)*),?  ", harness)
    names = [name for group in named for name in group.split(", ")]
    assert len(names) > 20
    for name in names:
        assert (ROOT / "harness" / f"{name}.py").is_file(), name
    for line in tree():
        for entry in re.findall(r"^    ([a-z_/.]+(?:, [a-z.]+)*)", line):
            for one in entry.split(", "):
                assert (ROOT / one).exists(), one


def test_ci_can_find_exactly_the_two_commands() -> None:
    commands = re.findall(r"^    (pip install .*?) *(?:#.*)?$", README, flags=re.MULTILINE)
    assert commands == ["pip install -e . && pytest claims/", 'pip install -e ".[dev]" && pytest harness/']


def test_every_option_and_module_that_it_names_exists(pytestconfig: pytest.Config) -> None:
    of_pytest = "\n".join(line for line in README.splitlines() if "python -m" not in line)
    for option in set(re.findall(r"--[a-z][a-z-]+", of_pytest)) - {"--dist"}:
        assert pytestconfig.getoption(option.removeprefix("--").replace("-", "_"), "absent") != "absent", option
    for module in set(re.findall(r"python -m ([a-z_.]+[a-z])", README)):
        assert importlib.util.find_spec(module) is not None, module


def test_the_ledger_excerpt_is_a_part_of_the_ledger_in_the_reports() -> None:
    rows = read_ledger(LEDGER).rows
    holm = reading.holm_marks(rows)
    console = Console(width=118, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(terminal.overview(rows, holm, 118))
    printed = {line.rstrip() for line in captured.get().splitlines()}
    sentences = counts_in_words(rows, holm)
    excerpt = README.split("## Two commands")[0].split("```")[1].splitlines()[1:]
    shown = [line.rstrip() for line in excerpt if line.strip()]
    assert len(shown) >= 10
    assert [line for line in shown if line not in {*printed, *sentences}] == []
    assert set(sentences) <= set(shown)
