"""What came of every check of an engine as a page of Markdown, and the scripts that lie beside it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from inspect import cleandoc

from harness.data.datasets import ROOT
from harness.engines.checks import AGREES, CHECKS, FAILS, Outcome
from harness.engines.naming import ENGINES, versions

FOLDER = ROOT / "reports" / "engines"


def scripts(name: str) -> list[str]:
    """The scripts that show what an engine fails: those in the folder of tables whose names open with the engine's."""
    return sorted(path.name for path in FOLDER.glob(f"{name.replace('-', '_')}_*.py"))


def markdown(name: str, found: Mapping[str, Mapping[str, Outcome]], missing: Mapping[str, str]) -> str:
    """The page of an engine: outcomes by model and check, and why some models are `missing`."""
    adapter = ENGINES[name].adapter
    about = (sys.modules[adapter.__module__].__doc__ or "").strip()
    lines = [
        f"# The engine {name}",
        "",
        about,
        "",
        *cleandoc(adapter.__doc__ or "").splitlines(),
        "",
        ", ".join(f"{package} {version}" for package, version in versions(name).items())
        + f", on a CPU; written by `python -m harness.engines {name} --write`.",
        "",
        f"| check | what is required | {' | '.join(found)} |",
        f"|---|---|{'---|' * len(found)}",
    ]
    for check, run in CHECKS.items():
        words = [outcomes[check].word for outcomes in found.values()]
        marked = [f"**{word}**" if word == FAILS else word for word in words]
        lines.append(f"| {check} | {cleandoc(run.__doc__ or '')} | {' | '.join(marked)} |")
    told: dict[str, list[tuple[str, str]]] = {}
    for model, outcomes in found.items():
        for check, outcome in outcomes.items():
            if outcome.word != AGREES:
                told.setdefault(f"{outcome.word}: {outcome.sentence}", []).append((check, model))
    lines += [""] if told else []
    for sentence, where in told.items():
        checks, models = (", ".join(dict.fromkeys(names)) for names in zip(*where, strict=True))
        lines.append(f"- {checks} ({models}): {sentence}")
    if any(outcome.word == FAILS for outcomes in found.values() for outcome in outcomes.values()):
        lines += ["", *(f"`{script}` is the smallest script that shows it." for script in scripts(name))]
    lines += [f"\nNot checked on {model}: {reason}" for model, reason in missing.items()]
    return "\n".join(lines) + "\n"
