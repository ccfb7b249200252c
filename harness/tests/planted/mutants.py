"""Random faults of the numeric modules: one operator, bound or number changed, wherever chance points."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from pathlib import Path

from harness.tests.planted.fault import Fault

# Where mutants are planted, and the tests that are to notice them.
TESTS = {
    "stats": ("harness/tests/stats", "harness/tests/planted/test_intervals_caught_here.py"),
    "geometry": ("harness/tests/geometry", "harness/tests/planted/test_caught_here.py"),
    "ledger": ("harness/tests/ledger",),
    "judges/quality.py": ("harness/tests/judges/test_quality.py", "harness/tests/judges/test_gate.py"),
}
COMPARISONS = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="}
OPERATORS = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*"}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum"}


def changes(text: str) -> Iterator[tuple[ast.expr, str]]:
    """Every expression of a module that could be another one, and what it would be instead.

    Default values, annotations and texts are left alone: no verdict depends on them, or another test is for them.
    """
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef):
            for node in (inner for statement in function.body for inner in ast.walk(statement)):
                match node:
                    case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in COMPARISONS:
                        yield node, f"({ast.unparse(left)}) {COMPARISONS[type(operator)]} ({ast.unparse(right)})"
                    case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
                        yield node, f"(({ast.unparse(left)}) {OPERATORS[type(operator)]} ({ast.unparse(right)}))"
                    case ast.Attribute(value=value, attr=name) if name in NAMES:
                        yield node, f"{ast.unparse(value)}.{NAMES[name]}"
                    case ast.Name(id=name) if name in NAMES:
                        yield node, NAMES[name]
                    case ast.Constant(value=bool() as value):
                        yield node, str(not value)
                    case ast.Constant(value=int() as value):
                        yield node, str(value + 1)
                    case ast.Constant(value=float() as value):
                        yield node, str(2.0 * value + 1.0)
                    case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                        yield node, f"({ast.unparse(operand)})"
                    case _:
                        pass


def mutants(root: Path, number: int, seed: int) -> tuple[Fault, ...]:
    """`number` random faults of the checkout under `root`; the same seed and code give the same."""
    found: list[Fault] = []
    for place, tests in TESTS.items():
        folder = root / "harness" / place
        for path in sorted(folder.glob("*.py")) if folder.is_dir() else (folder,):
            text, name = path.read_text(encoding="utf-8"), str(path.relative_to(root))
            for node, new in changes(text):
                old = ast.get_source_segment(text, node)
                if old is not None and "\n" not in old:
                    lines = text.splitlines(keepends=True)
                    line, start, end = lines[node.lineno - 1].encode(), node.col_offset, node.end_col_offset
                    lines[node.lineno - 1] = (line[:start] + new.encode() + line[end:]).decode()
                    what = f"line {node.lineno}: {old} becomes {new}"
                    found.append(Fault(f"{path.stem}-{len(found)}", what, name, text, "".join(lines), tests))
    return tuple(random.Random(seed).sample(found, number))
