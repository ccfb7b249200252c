"""`python -m harness.engines`: runs every check on every model that is here, and shows or writes the tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from harness.engines.checks import CHECKS, FAILS, Outcome, outcome_of
from harness.engines.naming import ENGINES, NoEngine, adapter_of
from harness.engines.subjects import CHECKED_ON, bench_of
from harness.engines.table import FOLDER, markdown
from harness.models.checkpoints import NotAtHand
from harness.streams import replace_what_cannot_be_shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the engines named, print their tables, with --write keep them; 1 if a check fails."""
    replace_what_cannot_be_shown()
    parser = argparse.ArgumentParser(prog="python -m harness.engines", description=(__doc__ or "").partition(": ")[2])
    parser.add_argument("engines", nargs="*", metavar="NAME", help=f"{', '.join(ENGINES)} (default: all)")
    parser.add_argument("--write", action="store_true", help="keep NAME.md in reports/engines")
    options = parser.parse_args(arguments)
    names = options.engines or list(ENGINES)
    try:
        adapters = {name: adapter_of(name) for name in names}
    except NoEngine as error:
        parser.error(str(error))
    found: dict[str, dict[str, dict[str, Outcome]]] = {name: {} for name in names}
    missing: dict[str, str] = {}
    for model in CHECKED_ON:
        try:
            bench = bench_of(model)
        except NotAtHand as error:
            missing[model] = f"{error.reason} {error.command}"
            continue
        for name, adapter in adapters.items():
            found[name][model] = {check: outcome_of(check, adapter, bench) for check in CHECKS}
    for name in names:
        page = markdown(name, found[name], missing)
        print(page)
        if options.write:
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / f"{name}.md").write_text(page, encoding="utf-8")
    return int(any(one.word == FAILS for models in found.values() for each in models.values() for one in each.values()))


if __name__ == "__main__":
    raise SystemExit(main())
