"""Shows text of others as a terminal can: unknown characters become question marks, and control characters go."""

from __future__ import annotations

import io
import re
import sys
from typing import Any

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])?")  # colours, titles, cursors


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
