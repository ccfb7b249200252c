"""What a steered model said is found in the store, beside what it said unsteered, and shown without harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.lab.measurements import Scores
from harness.report.__main__ import main
from harness.report.responses import UNSTEERED, Run, Said, chosen, in_markdown, runs_of
from harness.tests.lab.tiny_lab import WANTED, Bench, answers


def made_up(dose: float, trait: float, coherence: float, direction: str = "probe", text: str = "No.") -> Run:
    said = (Said(1, "Why?", text, True, trait, coherence),)
    block = None if direction == UNSTEERED else 3
    return Run("m", "refusal", "j", direction, direction, block, 0, dose, dose, said)


def test_every_run_of_a_store_is_read_with_its_own_scores(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    answers(lab)
    found = runs_of(lab.store, "tiny", "refusal")
    made = "response[:3], by scenarios"
    assert [run.direction for run in found] == [
        UNSTEERED, *[f"mean_diff, {made}"] * 2, *[f"mean_diff, top-1 zeroed, {made}"] * 2
    ]  # fmt: skip
    expected = {}  # what the lab answers, run by run
    for one in (WANTED[0], WANTED[1], WANTED[3]):  # those of refusal
        assert isinstance(one, Scores)
        scored, said = lab.answer(one), lab.answer(one.of)
        for number, coefficient in enumerate(said.record["coefficients"]):
            texts = tuple(response["text"] for response in said.record["responses"][number])
            expected[texts, coefficient] = scored.arrays["trait"][number], scored.arrays["coherence"][number]
    for run in found:
        trait, coherence = expected[tuple(one.text for one in run.said), run.coefficient]
        assert [one.trait for one in run.said] == [None if np.isnan(value) else value for value in trait]
        assert [one.coherence for one in run.said] == [None if np.isnan(value) else value for value in coherence]
    questions = lab._data.trait("tiny", "refusal").questions
    assert [(one.number, one.question) for one in found[-1].said] == [
        (number, question.text) for number, question in enumerate(questions, start=1)
    ]


def test_shown_are_the_best_coherent_dose_of_a_direction_or_the_nearest_to_one_that_is_named() -> None:
    plain, low, best, broken = (
        made_up(0, 5, 90, UNSTEERED), made_up(0.2, 30, 85), made_up(0.4, 60, 70), made_up(0.8, 95, 20),
    )  # fmt: skip
    lost = made_up(0.4, 90, 60, "mean_diff"), made_up(0.8, 90, 30, "mean_diff")
    runs = [plain, low, best, broken, *lost]
    assert chosen(runs) == [plain, best, lost[0]]
    assert chosen(runs, dose=0.75) == [plain, broken, lost[1]]
    assert chosen(runs, ["probe"]) == [plain, best]


def test_the_command_prints_and_writes_them_and_tells_what_is_missing(
    bench: Callable[..., Bench], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = bench().lab
    answers(lab)
    asked = ["--responses", "tiny", "refusal", "--store", str(lab.store.root)]
    assert main([*asked, "--question", "2", "--markdown", str(tmp_path / "said.md")]) == 0
    lines = capsys.readouterr().out.splitlines()
    questions = lab._data.trait("tiny", "refusal").questions
    assert f"2. {questions[1].text}" in lines
    assert questions[0].text not in " ".join(lines)
    assert (tmp_path / "said.md").read_text().count("## ") == 1
    assert main(["--responses", "tiny", "pride", "--store", str(lab.store.root)]) == 2
    assert 'pytest claims/ -m "tiny and pride" makes them' in capsys.readouterr().err


def test_what_a_model_says_is_data() -> None:
    hostile = "</td>| `x` <script>alert(1)</script>\n# heading\x1b[2J"
    text = in_markdown([made_up(0, 0, 0, UNSTEERED), made_up(0.4, 60, 70, text=hostile)])
    assert "<script>" not in text
    assert "\x1b" not in text
    assert "\n# heading" not in text
    assert len({line.count(" | ") for line in text.splitlines() if line.startswith(("| unsteered", "| probe"))}) == 2
