"""`python -m harness.montecarlo [--write] [--quick] [--new]` measures how often verdicts on known truths are false."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from harness.montecarlo.rates import measure
from harness.montecarlo.report import markdown
from harness.streams import replace_what_cannot_be_shown

REPORTS = Path(__file__).parents[2] / "reports" / "statistics"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the report, and with --write keep it in reports/statistics."""
    replace_what_cannot_be_shown()
    parser = argparse.ArgumentParser(prog="python -m harness.montecarlo", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the report in reports/statistics")
    parser.add_argument("--quick", action="store_true", help="few data sets, in a minute; for a look only")
    parser.add_argument("--new", action="store_true", help="measure only the cases that the kept report does not have")
    options = parser.parse_args(arguments)
    kept = json.loads((REPORTS / "false_verdicts.json").read_text(encoding="utf-8")) if options.new else None
    found = measure(options.quick, kept=kept)
    text = markdown(found)
    print(text)
    if options.write:
        REPORTS.mkdir(parents=True, exist_ok=True)
        (REPORTS / "false_verdicts.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (REPORTS / "false_verdicts.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
