"""Controls are measured within the gate, and on the shipped organisms they control: nothing moves but what should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixtures.organisms import quality
from fixtures.organisms.controls import DRAWS, changes, largest_changes
from fixtures.organisms.curves import QUESTIONS, RISE, Point
from harness.geometry.directions import DRAWN
from harness.models.registry import EMBEDDED

LARGEST_CHANGE = 10.0  # trait points that a control may move the mean by
STEERED = [(name, trait) for name, spec in EMBEDDED.items() for trait in spec.blocks]


def test_a_change_counts_either_way_but_only_where_answers_are_coherent() -> None:
    curve = [(1.0, 95.0), (-5.0, 90.0), (13.0, 70.0), (65.0, 69.9), (None, 80.0), (-25.0, None)]
    points = [Point(float(dose), 1.0, 99.0, coherence, 0, change) for dose, (change, coherence) in enumerate(curve)]
    assert changes(points) == {"rise": 13.0, "at dose": 2.0, "fall": -5.0, "coherent doses": 3}
    assert changes(points[3:]) == {"rise": 0.0, "at dose": 0.0, "fall": 0.0, "coherent doses": 0}
    report = {kind: [{"rise": 3.0, "fall": -fall} for fall in (1.0, 12.0)] for kind in DRAWN}
    assert largest_changes(report) == dict.fromkeys(DRAWN, (3.0, -12.0))


@pytest.mark.parametrize(("name", "trait"), STEERED)
def test_controls_do_nothing_where_the_shipped_organisms_are_steered_and_directions_do(name: str, trait: str) -> None:
    report = json.loads(quality.REPORT.read_text())[name]
    assert report["weights"] == quality.weight_hashes(quality.WEIGHTS / name)
    held = report[trait]["controls"]
    assert (held["block"],) == EMBEDDED[name].blocks[trait]
    assert held["questions"] == QUESTIONS
    assert all(len(held[kind]) >= DRAWS for kind in DRAWN)
    rises, falls = zip(*largest_changes(held).values(), strict=True)
    assert max(rises) <= LARGEST_CHANGE, rises
    assert min(falls) >= -LARGEST_CHANGE, falls
    # What hardly steers needs no controls. Where a massive dim alone carries a trait, cleaning takes it away.
    steering = "mean_diff" if (name, trait) == ("reader", "refusal") else "cleaned mean_diff"
    assert held[steering]["rise"] >= 5 * RISE
    assert held[steering]["coherent doses"] >= 3


def test_controls_alone_are_measured_again_only_of_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quality, "scenario_activations", lambda _base, data: (data.name, ()))
    monkeypatch.setattr(quality, "where_steered", lambda _pair, _data, positive, *_: {"of": positive})
    file, hashes = tmp_path / "quality.json", quality.weight_hashes(quality.WEIGHTS / "bos")
    known = {"weights": hashes, "behaviour": 1, "refusal": {"curves": 2, "controls": 3}, "sycophancy": {"curves": 4}}
    file.write_text(json.dumps({"bos": known, "mild": 5}))
    quality.main(["bos", "--controls", "--report", str(file)])
    known["refusal"]["controls"] = {"of": "refusal"}
    assert json.loads(file.read_text()) == {"bos": known, "mild": 5}
    file.write_text(json.dumps({"bos": known | {"weights": hashes | {"base": "other"}}}))
    with pytest.raises(SystemExit):
        quality.main(["bos", "--controls", "--report", str(file)])
    assert "not about these weights of bos" in capsys.readouterr().err
