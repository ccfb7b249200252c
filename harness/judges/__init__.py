"""Judges of free text: a decoder on this machine, a model behind an API, and a word list for a quick look."""

from harness.judges.api import ApiJudge
from harness.judges.errors import JudgeError, JudgeUnavailable
from harness.judges.lexical import LexicalJudge
from harness.judges.local import LocalJudge
from harness.judges.naming import JudgeName, parse_judge

__all__ = ["ApiJudge", "JudgeError", "JudgeName", "JudgeUnavailable", "LexicalJudge", "LocalJudge", "parse_judge"]
