"""What so many questions decide, said before any data: the smallest effects, from a table that was simulated."""

import functools
import json
import math
from pathlib import Path
from typing import Literal, get_args

import numpy as np

Kind = Literal["delta", "alike", "unlike"]  # a best over a baseline of 0; two bests' difference, of like answers or not
KINDS: tuple[Kind, ...] = get_args(Kind)
SIZES = (12, 24, 60, 120, 240)  # questions, as simulated
TABLE = Path(__file__).with_name("power.json")  # `python -m harness.montecarlo.power` writes it


def smallest_effect(questions: int, kind: Kind) -> float | None:
    """The smallest effect, in points, that is decided in 80 % of samples of so many questions; None where none is.

    See `harness.montecarlo.power` for what is simulated. Between its sizes effects go straight in logarithms, and
    beyond the largest with one over the root of the number.
    """
    known = {size: effect for size, effect in _table()[kind].items() if effect is not None}
    if not known or questions < min(known):
        return None
    root = math.sqrt(max(questions / max(known), 1.0))
    return float(np.exp(np.interp(math.log(questions), np.log([*known]), np.log([*known.values()])))) / root


def words(questions: int) -> str:
    """What so many questions decide in 80 % of samples, in words."""
    delta, *differences = (smallest_effect(questions, kind) for kind in KINDS)
    if delta is None:
        return f"{questions} questions decide no Delta in 80 % of samples; ask {SIZES[1]} or more"
    alike, unlike = (f"one of {one:.0f}" if one is not None else "none" for one in differences)
    return (
        f"{questions} questions decide in 80 % of samples a best Delta of {delta:.0f} points over a baseline of 0, and "
        f"of the differences of two bests {alike} if both directions are answered alike, {unlike} if not; they decide "
        "less often where coherence stays near the gate over several runs"
    )


@functools.cache
def _table() -> dict[Kind, dict[int, float | None]]:
    read = json.loads(TABLE.read_text(encoding="utf-8"))
    return {kind: {int(size): effect for size, effect in read[kind].items()} for kind in KINDS}
