"""The page of a ledger: whole without a script, small, and harmless whatever a model said."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.data.datasets import ROOT
from harness.lab.store import Store
from harness.ledger.rows import Ledger, Table, header, read_ledger
from harness.ledger.verdict import at_most
from harness.report.__main__ import main
from harness.report.responses import UNSTEERED, Run, Said, runs_of
from harness.report.web import cells, document, said
from harness.report.web.document import html, packed
from harness.tests.lab.tiny_lab import Bench, answers
from harness.tests.ledger.made_up_ledger import made_up_ledger, made_up_row

HOSTILE = (
    "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">\x00\x1b[2J\u202e"
)


def data_of(page: str) -> Any:
    """What a page holds for its script."""
    found = re.search(r'<script id="data"[^>]*>([^<]*)</script>', page)
    assert found
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


def ledger_of(*rows: Any, **head: Any) -> Ledger:
    return Ledger(header({"dtype": "float32", "device": "cpu", "libraries": {}, "key_version": 2, **head}), [*rows], [])


def test_every_cell_of_a_ledger_is_on_the_map_and_linked_to_its_estimate() -> None:
    ledger = made_up_ledger()
    page = html(ledger)
    links = re.findall(r'class="mark [\w ]+" href="#([^"]+)"', page.split('<section id="claims"')[0])
    assert sorted(links) == sorted(cells.anchor_of(row) for row in ledger.rows)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(links) <= set(ids)
    assert len(page.encode()) < 3_000_000  # no store: no charts, and so no library for them


def test_a_cell_says_why_it_came_out_so_and_what_would_flip_it() -> None:
    rows = [
        made_up_row("S1", value=3.0, half=4.0),  # [-1, 7], at least -5
        made_up_row("S2", value=-30.0, half=4.0, verdict="REFUTED"),
        made_up_row("S3", value=-3.0, half=4.0, verdict="INCONCLUSIVE"),
        made_up_row("S4", value=3.0, half=4.0, rule=at_most(10.0)),
        replace(made_up_row("S6", verdict="BROKEN"), estimates=[], error="KeyError: 'mean_diff'"),
    ]
    (one, two, three, four, broken) = (claim.tests[0].cells[0] for claim in cells.claims(ledger_of(*rows), {}))
    assert one.why == "Even the worst end of the interval is at least -5 trait points."
    assert one.flip == "It could no longer be told if the interval reached 4 trait points further, to -5."
    assert two.why == "Even the best end of the interval is not at least -5 trait points."
    assert "21 trait points further, to -5" in two.flip
    assert three.flip == "About 981 questions would tell in 80 % of samples, were this the truth."
    assert "3 trait points further, to 10" in four.flip
    assert broken.why == "KeyError: 'mean_diff'"


def test_a_claim_is_summed_up_without_its_controls() -> None:
    control = replace(
        made_up_row(verdict="REFUTED", expected="REFUTED", test="test_random"), because="control: it knows nothing"
    )
    holds, mixed, untold = (
        cells.claims(ledger_of(*rows, control), {})[0].outcome
        for rows in (
            [made_up_row()],
            [made_up_row(), made_up_row(trait="sycophancy", verdict="REFUTED")],
            [made_up_row(verdict="INCONCLUSIVE")],
        )
    )
    assert (holds, mixed, untold) == ("holds", "both", "cannot be told")


def test_what_a_store_holds_is_on_the_page_with_its_scores(bench: Callable[..., Bench], tmp_path: Path) -> None:
    lab = bench().lab
    answers(lab)
    ledger = ledger_of(
        made_up_row(model="tiny"),
        models={"tiny": {"language": "templated", "judge": "j", "questions": 3, "elicitation": "e"}},
    )
    data = data_of(html(ledger, lab.store))
    (group,) = data["runs"]["groups"]
    for run, one in zip(group["runs"], runs_of(lab.store, "tiny", "refusal"), strict=True):
        assert (run["direction"], run["dose"]) == (one.direction, pytest.approx(one.dose, abs=1e-4))
        texts = data["runs"]["texts"]
        assert [texts[text] for _, text, *_ in run["said"]] == [answer.text for answer in one.said]
        scores = [score for _, _, _, *both in run["said"] for score in both]
        assert scores == pytest.approx(
            [score for answer in one.said for score in (answer.trait, answer.coherence)], abs=0.06
        )
    assert data["geometry"][0]["cosines"][0]["values"][0][0] == pytest.approx(1.0)
    assert [one["model"] for one in data["geometry"]] == ["tiny"]


def test_of_many_responses_a_sample_is_kept_and_curves_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(direction: str, dose: float) -> Run:
        block = None if direction == UNSTEERED else 3
        answers = tuple(
            Said(n, f"q{n}", f"{direction} {dose} {n}", True, float(n % 2 * 100), 90.0) for n in range(1, 101)
        )
        return Run("m", "refusal", "j", direction, direction, block, 0, dose, dose, answers)

    runs = [run(UNSTEERED, 0.0), *(run("probe", dose) for dose in (0.1, 0.2, 0.3))]
    monkeypatch.setattr(said, "runs_of", lambda *_, **__: runs)
    found = said.runs(Store(Path("/nowhere")), [("m", "refusal")], most=80)
    assert (found["total"], found["shown"]) == (400, 80)
    assert [len(one["said"]) for one in found["groups"][0]["runs"]] == [20] * 4
    assert [one["trait"][0] for one in found["groups"][0]["runs"]] == [50.0] * 4  # of all hundred
    assert found["groups"][0]["questions"][6] == [7, found["texts"].index("q7")]


def test_what_differs_from_another_ledger_is_marked() -> None:
    before, now = ledger_of(made_up_row()), ledger_of(made_up_row(value=-30.0, verdict="REFUTED"))
    page = html(now, against=before)
    assert '<strong class="change">verdict flipped: ' in page
    assert "What changed" in page
    assert "What changed" not in html(now)


def test_text_of_models_and_data_is_never_markup() -> None:
    ledger = ledger_of(
        replace(made_up_row(model="m"), sentence=HOSTILE, statement=HOSTILE, error=HOSTILE, trait=HOSTILE)
    )
    page = html(ledger)
    assert "<img" not in page
    assert page.count("<script") == 1
    assert "\x00" not in page
    assert "\u202e" not in page
    text = packed({"text": HOSTILE})
    assert re.fullmatch(r"[A-Za-z0-9+/=]*", text)
    assert json.loads(zlib.decompress(base64.b64decode(text))) == {"text": HOSTILE}


def test_the_command_writes_the_page_of_the_real_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = ROOT / "reports" / "smollm2" / "ledger.jsonl"
    assert main([str(ledger), "--html", str(tmp_path / "a" / "page.html"), "--store", str(tmp_path)]) == 0
    page = (tmp_path / "a" / "page.html").read_text()
    assert "Zeroing only the most massive dim of mean_diff" in page
    assert str(len(read_ledger(ledger).rows)) in capsys.readouterr().out


def test_published_runs_stand_on_the_curves_of_the_model_that_was_steered(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = bench().lab
    answers(lab)
    published = {"columns": ["", "best Delta", "coefficient"], "rows": [["probe", 33.0, 1200.0], ["none", None, 9.0]]}
    table = Table("06", "t", "s", "tiny", "refusal", ["", "best Delta"], [], {**published, "edition": "2026-01-29"})
    ledger = ledger_of(made_up_row(model="tiny"))._replace(tables=[table])
    assert data_of(html(ledger, lab.store))["runs"]["groups"][0]["published"] == []  # another model's coefficients
    monkeypatch.setattr(document, "PUBLISHED", ("tiny",))
    assert data_of(html(ledger, lab.store))["runs"]["groups"][0]["published"] == [
        {"title": "probe, 2026-01-29", "coefficient": 1200.0, "delta": 33.0}
    ]
