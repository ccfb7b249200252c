"""Writes the Markdown report beside a ledger, and adds it to the summary of a step of GitHub Actions."""

from __future__ import annotations

from pathlib import Path

from harness.atomic import write_atomically
from harness.ledger.rows import Ledger
from harness.report.escaping import escaped
from harness.report.markdown import markdown

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"  # names the file that GitHub shows as the summary of the step
SUMMARY_BYTES = 1024 * 1024  # GitHub refuses the summary of a step that is larger


def write_markdown(path: Path, ledger: Ledger) -> None:
    """Write the whole document atomically. Raises OSError when the disk refuses."""
    write_atomically(path, markdown(ledger).encode())


def add_step_summary(path: Path, ledger: Ledger, page: Path | None = None) -> None:
    """Append the document to a step's summary, shortened to what GitHub still takes, under a line that says where the
    HTML `page` is. Raises OSError."""
    taken = path.stat().st_size if path.exists() else 0
    where = f"The page with every response: {escaped(page)}\n\n" if page else ""
    text = where + markdown(ledger, limit=SUMMARY_BYTES - taken - 1 - len(where.encode()))
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" + text if taken else text)
