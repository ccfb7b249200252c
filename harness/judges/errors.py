"""What can go wrong with a judge: it cannot be used at all, or its server is lost halfway."""

from __future__ import annotations

from collections.abc import Mapping

from harness.judges.protocol import Judgement


class JudgeError(RuntimeError):
    """A judge cannot be used; the message says which, why and what to do, and never holds a key."""


class JudgeWarning(UserWarning):
    """A judge's server refused to judge some texts, whose scores are missing."""


class JudgeUnavailable(JudgeError):
    """A judge's server was lost; `judged` holds, by the exchange's index, the judgements complete until then."""

    def __init__(self, message: str, judged: Mapping[int, Judgement]) -> None:
        super().__init__(message)
        self.judged: dict[int, Judgement] = dict(judged)
