"""Names of judges as a command line gives them, such as `reader:MODEL`, `api:MODEL` and `grammar`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from harness.judges.errors import JudgeError

JudgeKind: TypeAlias = Literal["reader", "local", "api", "lexical", "grammar"]
FORMS = "reader:MODEL, local:PATH_OR_ID[@REVISION], api:MODEL, lexical, grammar"
OF_A_MODEL = ("reader", "local", "api")


@dataclass(frozen=True)
class JudgeName:
    """Which kind of judge, and of which model: a folder or identifier with its revision, or a name that an API knows.

    `rest` is empty where the kind says it all.
    """

    kind: JudgeKind
    rest: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.rest}" if self.rest else self.kind


def parse_judge(text: str) -> JudgeName:
    """The judge that a name means. Raises JudgeError, which names the known forms."""
    kind, colon, rest = text.strip().partition(":")
    rest = rest.strip()
    if kind not in get_args(JudgeKind):
        raise JudgeError(f"{text!r} names no judge; known are {FORMS}.")
    if kind in OF_A_MODEL and not rest:
        raise JudgeError(f"{text!r} does not say which model judges; known forms are {FORMS}.")
    if kind not in OF_A_MODEL and colon:
        raise JudgeError(f"{text!r} names a model, but a judge of kind {kind} has none; known forms are {FORMS}.")
    return JudgeName(cast(JudgeKind, kind), rest)
