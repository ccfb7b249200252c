"""Names content by its hash: of a description, and of what a module does."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path
from typing import Any

HARNESS = Path(__file__).parent


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; NaN and infinity are refused (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def key_of(description: Any) -> str:
    """sha256 of the canonical JSON of a description."""
    return hashlib.sha256(canonical(description).encode()).hexdigest()


def code_hash(path: Path) -> str:
    """sha256 of what a module does: its syntax tree without docstrings; comments and layout do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
