"""What can go wrong with a judge: it cannot be used at all, or its server is lost halfway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from harness.judges.protocol import Exchange, Judge, Judgement

if TYPE_CHECKING:  # it imports torch, and mistakes of a command line are told before
    from harness.decoding.generation import BadActivations


class JudgeError(RuntimeError):
    """A judge cannot be used; the message says which, why and what to do, and never holds a key."""


class JudgeWarning(UserWarning):
    """A judge's server refused to judge some texts, whose scores are missing."""


class JudgeUnavailable(JudgeError):
    """A judge's server was lost; `judged` holds, by the exchange's index, the judgements complete until then."""

    def __init__(self, message: str, judged: Mapping[int, Judgement]) -> None:
        super().__init__(message)
        self.judged: dict[int, Judgement] = dict(judged)


class JudgeOverflow(JudgeUnavailable):
    """Some exchanges give a judge's decoder NaN or infinite numbers; all others are `judged`."""


def raise_overflow(
    judge: Judge, definition: Mapping[str, str], exchanges: Sequence[Exchange], bad: BadActivations
) -> NoReturn:
    """Raise JudgeOverflow for the rows of `bad`, with what the judge makes of the other exchanges."""
    rest = [place for place in range(len(exchanges)) if place not in bad.rows]
    try:
        judged = dict(enumerate(judge.judge(definition, [exchanges[place] for place in rest])))
    except JudgeOverflow as further:
        judged = further.judged
    raise JudgeOverflow(str(bad), {rest[place]: one for place, one in judged.items()}) from bad
