"""Controls are measured within the gate, and of the shipped organisms it is known where they control."""

from __future__ import annotations

import json

import pytest

from fixtures.organisms import quality
from fixtures.organisms.controls import DRAWS, LARGEST_CHANGE, changes, largest_change
from fixtures.organisms.curves import RISE, Point
from harness.directions import DRAWN
from harness.registry import EMBEDDED

STEERED = [(name, trait) for name, spec in EMBEDDED.items() for trait in spec.blocks]


def test_a_change_counts_either_way_but_only_where_answers_are_coherent() -> None:
    curve = [(1.0, 95.0), (-5.0, 90.0), (13.0, 70.0), (65.0, 69.9), (None, 80.0), (-25.0, None)]
    points = [Point(float(dose), 1.0, 99.0, coherence, 0, change) for dose, (change, coherence) in enumerate(curve)]
    assert changes(points) == {"rise": 13.0, "at dose": 2.0, "fall": -5.0, "coherent doses": 3}
    assert changes(points[3:]) == {"rise": 0.0, "at dose": 0.0, "fall": 0.0, "coherent doses": 0}
    report = {kind: [{"rise": 3.0, "fall": -fall} for fall in (1.0, 12.0)] for kind in DRAWN}
    assert largest_change(report) == dict.fromkeys(DRAWN, 12.0)


@pytest.mark.parametrize(("name", "trait"), STEERED)
def test_no_control_moves_the_shipped_organisms_where_they_are_steered(name: str, trait: str) -> None:
    report = json.loads(quality.REPORT.read_text())[name]
    assert report["weights"] == quality.weight_hashes(quality.WEIGHTS / name)
    held = report[trait]["controls"]
    assert (held["block"],) == EMBEDDED[name].blocks[trait]
    assert all(len(held[kind]) >= DRAWS for kind in DRAWN)
    assert all(change <= LARGEST_CHANGE for change in largest_change(held).values()), largest_change(held)
    carried = any(signal.trait == trait and signal.effect > 0 for signal in ORGANISMS[name].signals)
    if carried:
        assert held["mean_diff"]["rise"] >= 2 * RISE, "the planted dim that carries the trait steers it"
    else:
        assert report[trait]["useful steps"][str(held["block"])] >= 3, "what hardly steers needs no controls"
