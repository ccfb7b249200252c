"""The tables of windows, and those of the later editions, which disagree with the first."""

from __future__ import annotations

from harness.lab.measurements import Cleaning
from harness.quantities import BestDelta, Recipe
from harness.report.source_tables import (
    ALL,
    BEST,
    BEST_NOTE,
    MEAN_DIFF,
    PROBE,
    RANDOM,
    SHUFFLED,
    Line,
    SourceTable,
    steered,
    top,
)

LATER = "ewernn/trait-interp, edition "
OF_31, OF_04 = "2026-01-31", "2026-02-04"
REFUSAL = "gemma3.refusal"


def windows(key: str, model: str, edition: str, source: str, lengths: tuple[int, ...]) -> SourceTable:
    """The table of windows of one edition; the controls are those of five tokens."""
    suffix = "" if edition == "2026-01-29" else f"@{edition}"

    def line(window: int) -> Line:
        stem = f"{model}.refusal." + ("" if window == 5 else f"w{window}.")
        return Line(
            f"response[:{window}]",
            {"mean_diff": BestDelta(MEAN_DIFF.over(window)), "probe": BestDelta(PROBE.over(window))},
            {"mean_diff": f"{stem}mean_diff.best_delta{suffix}", "probe": f"{stem}probe.best_delta{suffix}"},
        )

    control = Line(
        "random direction; shuffled probe (controls)",
        {"mean_diff": BestDelta(RANDOM), "probe": BestDelta(SHUFFLED)},
        {},
    )
    lines = (*(line(window) for window in lengths), control)
    title = f"Windows, {model}, edition {edition}"
    return SourceTable(key, title, source, model, "refusal", ("mean_diff", "probe"), lines, edition)


def _at_three(name: str, recipe: Recipe) -> Line:
    """A row of the edition that used three response tokens."""
    published = {"best Delta": f"{REFUSAL}.{name}.best_delta@{OF_04}"}
    return Line(f"{name}, response[:3]", {"best Delta": BestDelta(recipe.over(3))}, published)


LATER_TABLES: tuple[SourceTable, ...] = (
    windows("12a", "gemma3", "2026-01-29", "LOG step 25-26", (5, 10, 20, 30)),
    windows("12b", "gemma3", "2026-01-30", f"{LATER}2026-01-30", (5, 10, 20)),
    windows("12c", "gemma3", OF_31, f"{LATER}{OF_31}", (5, 10, 20)),
    windows("13a", "gemma2", "2026-01-29", f"{LATER}2026-01-29", (5, 10, 20)),
    windows("13b", "gemma2", "2026-01-30", f"{LATER}2026-01-30", (5, 10, 20)),
    windows("13c", "gemma2", OF_31, f"{LATER}{OF_31}", (5, 10, 20)),
    SourceTable(
        "16",
        "Cleaning, edition 2026-01-31",
        f"{LATER}{OF_31}",
        "gemma3",
        "refusal",
        BEST,
        (
            steered("mean_diff_top1", top(MEAN_DIFF, 1), f"{REFUSAL}.top1.best_delta@{OF_31}"),
            steered("mean_diff_top2", top(MEAN_DIFF, 2), f"{REFUSAL}.top2.best_delta@{OF_31}"),
            steered("mean_diff_top5", top(MEAN_DIFF, 5), f"{REFUSAL}.top5.best_delta@{OF_31}"),
            steered("mean_diff_cleaned", MEAN_DIFF.cleaned(ALL), f"{REFUSAL}.cleaned.best_delta@{OF_31}"),
            steered(
                "probe, precleaned",
                PROBE.cleaned(Cleaning("consensus", before=True)),
                f"{REFUSAL}.probe_precleaned.best_delta@{OF_31}",
            ),
            steered("probe, postcleaned", PROBE.cleaned(ALL), f"{REFUSAL}.probe_cleaned.best_delta@{OF_31}"),
            steered("random direction (control)", RANDOM),
            steered("probe, shuffled labels (control)", SHUFFLED),
        ),
        OF_31,
        f"{BEST_NOTE} This edition's gate was 68.",
    ),
    SourceTable(
        "17",
        "Best methods, edition 2026-02-04",
        f"{LATER}{OF_04}",
        "gemma3",
        "refusal",
        ("best Delta",),
        (
            _at_three("probe", PROBE),
            _at_three("mean_diff", MEAN_DIFF),
            Line(
                "probe, precleaned top-2",
                {"best Delta": BestDelta(PROBE.cleaned(Cleaning("top", 2, before=True)))},
                {"best Delta": f"{REFUSAL}.probe_precleaned_top2.best_delta@{OF_04}"},
            ),
            Line("random direction (control)", {"best Delta": BestDelta(RANDOM)}, {}),
        ),
        OF_04,
        "The precleaned probe is ours at response[:5].",
    ),
)
