"""Lets a terminal that knows few characters show what it can: the others become question marks, never a traceback."""

from __future__ import annotations

import io
import sys
from typing import Any


def replace_what_cannot_be_shown(*others: Any) -> None:
    """From now on, replace characters that the encoding of standard output and error, or of others, does not have."""
    for stream in {sys.stdout, sys.stderr, *others}:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
