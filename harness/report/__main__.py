"""`python -m harness.report`: the reports of a ledger, made from its file alone; and what was said, from the store."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from harness.atomic import write_atomically
from harness.lab.packing import readable
from harness.lab.store import StoreError
from harness.ledger import baseline, rows
from harness.ledger.rows import LedgerError
from harness.report import reading, responses, terminal
from harness.report.export import FORMS, ExportError, export, write
from harness.report.markdown import markdown
from harness.report.page import page
from harness.report.summary import part
from harness.report.web.document import write_html
from harness.streams import replace_what_cannot_be_shown, shown

DEFAULT = Path("reports", "latest", "ledger.jsonl")
STORE = Path(".store")
WIDTH = 118  # of a log; a terminal has its own


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ledger; 0, or 1 if a baseline is contradicted, or 2 if a file cannot be read or written."""
    replace_what_cannot_be_shown()
    parser = argparse.ArgumentParser(prog="python -m harness.report", description=__doc__)
    parser.add_argument("ledger", nargs="?", type=Path, default=DEFAULT, help=f"ledger.jsonl (default: {DEFAULT})")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the Markdown document there, too")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page with everything, responses included")
    parser.add_argument("--against", type=Path, metavar="FILE", help="mark on that page what differs from this ledger")
    parser.add_argument("--detail", action="store_true", help="print every estimate, and the sources' tables")
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="print what changed since the baseline")
    parser.add_argument(
        "--claim", type=lambda text: [one.strip() for one in text.split(",")], default=[], metavar="ID[,ID]",
        help="only these claims",
    )  # fmt: skip
    parser.add_argument(
        "-m", dest="marks", default="", metavar="EXPRESSION", help="only these models, traits and families, as pytest's"
    )
    parser.add_argument("--schema", action="store_true", help="print what a ledger's lines mean, and stop")
    read = parser.add_argument_group("responses, from the store (--html shows those of --store, too)")
    read.add_argument("--responses", nargs=2, metavar=("MODEL", "TRAIT"), help="print what a model said, with scores")
    read.add_argument(
        "--store",
        type=Path,
        default=STORE,
        metavar="FOLDER",
        help=f"folder of measured answers, or what harness.lab.packing made of it (default: {STORE})",
    )
    read.add_argument(
        "--direction", action="append", default=[], metavar="NAME",
        help="only this: a method such as probe, or a title; again for more",
    )  # fmt: skip
    read.add_argument(
        "--dose", type=float, metavar="DOSE", help="the runs nearest to this dose (default: the best coherent one)"
    )
    read.add_argument(
        "--question", type=int, action="append", default=[], metavar="N", help="only this; again for more"
    )
    read.add_argument(
        "--export", nargs=2, metavar=("MODEL/TRAIT/DIRECTION", "FILE"),
        help=f"write a direction, with its best coefficient and how to use it ({', '.join(FORMS)})",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.schema:
        print(schema())
        return 0
    try:
        if options.export:
            return _export(options)
        return _responses(options) if options.responses else _report(options)
    except (LedgerError, StoreError, ExportError) as error:
        print(f"ERROR: {shown(error)}", file=sys.stderr)
    except BrokenPipeError:  # whoever read this has read enough
        sys.stderr.close()
        return 0
    except OSError as error:
        print(f"ERROR: {shown(error.filename)} could not be written ({error.strerror}).", file=sys.stderr)
    return 2


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file that could not be written, and not the unfinished one beside it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _report(options: argparse.Namespace) -> int:
    found = rows.read_ledger(options.ledger)
    if options.claim or options.marks:
        found = part(found, options.claim, options.marks)
    before = baseline.read_baseline(options.baseline) if options.baseline else None
    if options.markdown:
        with _naming(options.markdown):
            write_atomically(options.markdown, markdown(found).encode())
    if options.html:
        against = rows.read_ledger(options.against) if options.against else None
        with readable(options.store) as store, _naming(options.html):
            write_html(options.html, found, store, against, name=options.ledger.resolve().parent.name)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    holm = reading.marks_of(found)
    shown = terminal.in_full(found, holm, console.width) if options.detail else page(found, holm, console.width)
    console.print(shown)
    if before is None:
        return 0
    asked = {row.identity for row in found.rows} if options.claim or options.marks else None
    changes = baseline.compare(before, found, lambda row: asked is None or row.identity in asked)
    console.print()
    for text in (f"against the baseline {options.baseline}:", *baseline.described(changes)):
        console.print(reading.plain_indented(text), markup=False, soft_wrap=True)
    return int(any(change.kind.fails for change in changes))


def _responses(options: argparse.Namespace) -> int:
    model, trait = options.responses
    with readable(options.store) as store:
        found = responses.chosen(responses.runs_of(store, model, trait), options.direction, options.dose)
    unknown = [name for name in options.direction if not any(name in (run.direction, run.method) for run in found)]
    if found and unknown:
        with readable(options.store) as store:
            there = dict.fromkeys(run.method for run in responses.runs_of(store, model, trait))
        print(f"ERROR: no direction is called {', '.join(unknown)}; methods are {', '.join(there)}.", file=sys.stderr)
        return 2
    numbers = {one.number for run in found for one in run.said}
    if found and (absent := sorted({*options.question} - numbers)):
        print(f"ERROR: no question has the number {absent[0]}; there are {len(numbers)}.", file=sys.stderr)
        return 2
    if not found:
        print(
            f"ERROR: {options.store} has no judged responses of {model} on {trait}; pytest claims/ -m "
            f'"{model} and {trait}" makes them, and --store names another folder.',
            file=sys.stderr,
        )
        return 2
    if options.markdown:
        with _naming(options.markdown):
            write_atomically(options.markdown, responses.in_markdown(found, options.question).encode())
    for text in responses.in_lines(found, options.question):
        print(shown(text))
    return 0


def _export(options: argparse.Namespace) -> int:
    what, path = options.export[0].split("/", 2), Path(options.export[1])
    if len(what) != 3:
        raise ExportError(f"{options.export[0]!r}: write MODEL/TRAIT/DIRECTION, such as smollm2/refusal/probe.")
    with readable(options.store) as store:
        found = export(store, *what)
    with _naming(path):
        write(found, path)
    for name, text in found.stated().items():
        print(shown(f"{name}: {text}"))
    print(shown(f"\n{found.use(path)}"))
    return 0


def schema() -> str:
    """What the lines of a ledger mean: the documentation of `harness.ledger.rows` itself."""
    parts = [f"ledger.jsonl, schema {rows.SCHEMA}", inspect.getdoc(rows) or ""]
    for kind, cls in (("row", rows.Row), ("table", rows.Table)):
        parts += [f'kind "{kind}"', inspect.getdoc(cls) or ""]
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
