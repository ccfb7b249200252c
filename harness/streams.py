"""Shows text on a terminal that may know few characters, and lets no text of others control it."""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from typing import Any

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])?")  # colours, titles, cursors
TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # text around, from right to left


def controls(character: str) -> bool:
    """Whether a character moves a cursor, opens a terminal's command, turns text around or is half of another."""
    return unicodedata.category(character) in ("Cc", "Cs") or character in TURNING


def shown(text: object) -> str:
    """Text with its control characters spelled out, such as `\\x1b`; its lines stay."""
    return "".join(one.encode("unicode_escape").decode() if controls(one) and one != "\n" else one for one in str(text))


def replace_what_cannot_be_shown(*others: Any) -> None:
    """From now on, replace characters that the encoding of standard output and error, or of others, does not have."""
    for stream in {sys.stdout, sys.stderr, *others}:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def plain(text: str) -> str:
    """A text without escape sequences, its other control characters as spaces."""
    return "".join(one if one.isprintable() else " " for one in ESCAPES.sub("", text))


def first_line(error: BaseException) -> str:
    """What an error says, without the lines that explain it; a line that ends in a colon has only announced it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    said = f"{lines[0]} {lines[1].strip()}" if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    return plain(said).rstrip(" :")
