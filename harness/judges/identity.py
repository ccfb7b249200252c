"""Short hashes of what a judge's scores depend on: its definitions and its code."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping

from harness.hashes import HARNESS, code_hash


def definitions_hash(*definitions: Mapping[str, str] | None) -> str:
    """Sixteen hexadecimal digits that change with any part of any of the definitions."""
    return _short([None if definition is None else dict(definition) for definition in definitions])


@functools.cache
def code_of(*modules: str) -> str:
    """Sixteen hexadecimal digits that change with what these modules do, named from the harness such as judges/api."""
    return _short({module: code_hash(HARNESS / f"{module}.py") for module in modules})


def _short(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
