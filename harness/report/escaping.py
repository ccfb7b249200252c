"""Text of claims, models and data made harmless in GitHub's Markdown, and the anchors that GitHub gives headings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from harness.report.reading import plain, plain_lines

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
_SPECIAL = re.compile(r"([\\`*_\[\]~$!#{}])|([&<>|])")
_OPENS_A_BLOCK = re.compile(r"^([-+=:]|\d+[.)])")


def escaped(text: object) -> str:
    """Text on one line that Markdown and HTML show as it is, also inside a table's cell or a heading."""

    def mask(match: re.Match[str]) -> str:
        return f"\\{match[1]}" if match[1] else _ENTITIES[match[2]]

    return _SPECIAL.sub(mask, plain(text)).replace("://", "&#58;//")


def fenced(text: str) -> str:
    """Text as a block of code, in a fence longer than any that it holds."""
    body = "\n".join(plain_lines(text))
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{body}\n{fence}"


def prose(text: str) -> str:
    """Paragraphs of a docstring: lines that were wrapped run on, one that ended a sentence stays a line's end."""
    paragraphs: list[list[str]] = [[]]
    for line in plain_lines(text):
        if line:
            paragraphs[-1].append(_harmless_start(escaped(line)))
        elif paragraphs[-1]:
            paragraphs.append([])
    return "\n\n".join(_joined(lines) for lines in paragraphs if lines)


def _harmless_start(line: str) -> str:
    found = _OPENS_A_BLOCK.match(line)
    return f"{found[1][:-1]}\\{found[1][-1]}{line[found.end() :]}" if found else line


def _joined(lines: Sequence[str]) -> str:
    text = lines[0]
    for previous, line in pairwise(lines):
        text += ("  \n" if previous.endswith((".", ":", "?", "!")) else "\n") + line
    return text


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A Markdown table of cells that are escaped already; the columns in `numbers` are set to the right."""
    rule = ["---:" if count in numbers else "---" for count in range(len(titles))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, rule, *rows))


class Anchors:
    """Gives headings and their anchors, as GitHub makes them: a repeated one gets -1, -2 and so on."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, heading: str) -> str:
        """The anchor of the next heading in the document; `heading` is its text before escaping."""
        slug = re.sub(r"[^\w\- ]", "", plain(heading).lower()).replace(" ", "-")
        anchor, count = slug, 0
        while anchor in self._taken:
            count += 1
            anchor = f"{slug}-{count}"
        self._taken.add(anchor)
        return anchor
