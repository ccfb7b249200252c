"""What the READMEs say is so: trees, commands, options, files, and the ledger excerpt."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from rich.console import Console

from harness.data.datasets import ROOT
from harness.ledger.rows import read_ledger
from harness.report import reading, terminal
from harness.report.closing import counts_in_words

READMES = {
    path: (ROOT / path).read_text(encoding="utf-8")
    for path in (
        "README.md",
        *(f"{folder}/README.md" for folder in ("claims", "harness", "fixtures/organisms", "datasets", "reports")),
    )
}
README = READMES["README.md"]
LEDGER = ROOT / "reports" / "baselines" / "organisms.jsonl"
ROOMS = sorted(path.parent for path in (ROOT / "harness").glob("*/__init__.py"))


def test_a_newcomer_reads_150_lines_and_is_sent_to_every_other_readme() -> None:
    assert len(README.splitlines()) <= 150
    assert [path for path in READMES if path not in README] == []


def test_the_tree_has_every_folder_and_nothing_else() -> None:
    tree = README.split("## The tree")[1].split("## ")[0]
    named = {name for line in tree.splitlines() for name in re.findall(r"([a-z]+)/", line[:28])}
    folders = {"claims", "harness", "fixtures", "organisms", "datasets", "reports", *(room.name for room in ROOMS)}
    assert named == folders


@pytest.mark.parametrize("room", [*ROOMS, ROOT / "harness"], ids=lambda room: room.name)
def test_every_module_is_named_beside_its_room(room: Path) -> None:
    text = READMES["harness/README.md"]
    if room.name in ("montecarlo", "bench", "tests"):
        assert f"{room.name}/`" in text
        return
    rows = text.split("|---|---|\n")[1].split("\n\n")[0].splitlines()
    first = 0 if room.name == "harness" else next(n for n, row in enumerate(rows) if f"**`{room.name}/`**" in row) + 1
    own = [row.split("|")[1] for row in rows[first:]]
    own = own[: next(n for n, cell in enumerate(own) if "**" in cell)]
    named = {name for cell in own for name in re.findall(r"`([a-z_]+)`", cell)}
    assert named == {path.stem for path in room.glob("[a-z]*.py")}


def test_every_plugin_is_named() -> None:
    assert not [
        path.stem
        for path in (ROOT / "fixtures").glob("[a-z]*.py")
        if f"`{path.stem}`" not in READMES["harness/README.md"]
    ]


def test_ci_can_find_exactly_the_two_commands() -> None:
    commands = re.findall(r"^    (pip install .*?) *(?:#.*)?$", README, flags=re.MULTILINE)
    assert commands == ["pip install -e . && pytest claims/", 'pip install -e ".[dev]" && pytest harness/']


@pytest.mark.parametrize("path", READMES)
def test_every_option_module_and_file_that_it_names_exists(path: str, pytestconfig: pytest.Config) -> None:
    text = READMES[path]
    of_pytest = "\n".join(line for line in text.splitlines() if "python -m" not in line)
    for option in set(re.findall(r"--[a-z][a-z-]+", of_pytest)) - {"--dist"}:
        assert pytestconfig.getoption(option, "absent") != "absent", option
    for module in set(re.findall(r"python -m ([a-z_.]+[a-z])", text)):
        assert importlib.util.find_spec(module) is not None, module
    for name in set(re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.[a-z]+)?)`", text)):
        below = [ROOT, (ROOT / path).parent, ROOT / "harness"]
        made_by_a_run = name.removeprefix("reports/").startswith(("latest", "runs"))
        assert made_by_a_run or any((folder / name).exists() for folder in below), name


@pytest.mark.parametrize(
    ("readme", "ledger", "counts"),
    [
        ("README.md", ROOT / "reports" / "smollm2" / "ledger.jsonl", (0,)),
        ("fixtures/organisms/README.md", LEDGER, (0, -1)),
    ],
)
def test_the_ledger_excerpt_is_a_part_of_the_ledger_in_the_reports(
    readme: str, ledger: Path, counts: tuple[int, ...]
) -> None:
    rows = read_ledger(ledger).rows
    holm = reading.holm_marks(rows)
    console = Console(width=118, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(terminal.overview(rows, holm, 118))
    printed = {line.rstrip() for line in captured.get().splitlines()}
    sentences = counts_in_words(rows, holm)
    excerpt = READMES[readme].split("```")[1].splitlines()[1:]
    shown = [line.rstrip() for line in excerpt if line.strip()]
    assert len(shown) >= 10
    assert [line for line in shown if line not in {*printed, *sentences}] == []
    assert {sentences[number] for number in counts} <= set(shown)
