"""The sources' own tables, row by row: which published values stand in each, and which quantities of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.lab.measurements import Cleaning
from harness.quantities import BestAmount, BestDelta, Cosine, GridBest, Quantity, Recipe, ShareInside
from harness.quantities.tabulated import CoherenceAtBest, CurveAt, NormOf, Severity

MEAN_DIFF, PROBE, RANDOM, SHUFFLED = (Recipe(method) for method in ("mean_diff", "probe", "random", "shuffled probe"))
ALL = Cleaning("consensus")


def top(recipe: Recipe, k: int) -> Recipe:
    """A recipe without the block's `k` most massive dims."""
    return recipe.cleaned(Cleaning("top", k))


@dataclass(frozen=True)
class Line:
    """One row: its label, what we measure in each column, and the ids of what was published there."""

    label: str
    measured: Mapping[str, Quantity]
    published: Mapping[str, str]


@dataclass(frozen=True)
class SourceTable:
    """One table of a source: where it stands, the published model and trait it is about, its edition and rows."""

    key: str
    title: str
    source: str
    model: str
    trait: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    edition: str = "2026-01-29"
    note: str = ""


BEST = ("best Delta", "by the grid rule", "coefficient", "dose", "coherence there")
BEST_NOTE = (
    "Best Delta at coherence >= 70: interpolated along the curves, and by the published rule (largest run of the "
    "grid). Coefficients are in each model's own unit; doses compare."
)


def steered(label: str, recipe: Recipe, published: str = "", **more: str) -> Line:
    """A row of a steering table: the best of one direction; `published` is the id of its best Delta."""
    ids = {"best Delta": published} if published else {}
    measured: dict[str, Quantity] = {
        "best Delta": BestDelta(recipe),
        "by the grid rule": GridBest(recipe),
        "coefficient": BestAmount(recipe, "coefficient"),
        "dose": BestAmount(recipe),
        "coherence there": CoherenceAtBest(recipe),
    }
    return Line(label, measured, ids | {name.replace("_", " "): identity for name, identity in more.items()})


def controls() -> tuple[Line, ...]:
    """The rows that know nothing, which belong below every steering table."""
    return (steered("random direction (control)", RANDOM), steered("probe, shuffled labels (control)", SHUFFLED))


def coefficients(key: str, model: str, source: str) -> SourceTable:
    """How far coefficients are useful on a model, and what its severity was said to be."""
    return SourceTable(
        key,
        f"Coefficients and severity, {model}",
        source,
        model,
        "refusal",
        ("value",),
        (
            Line(
                "largest useful coefficient of the probe",
                {"value": BestAmount(PROBE, "coefficient")},
                {"value": f"{model}.useful.high"},
            ),
            Line("severity, times the median dim", {"value": Severity()}, {"value": f"{model}.severity"}),
        ),
        note="Ours: the coefficient that is best at coherence >= 70, and the median severity over blocks.",
    )


def cosine_line(label: str, one: Recipe, other: Recipe, mean: str) -> Line:
    """A row of the table of mean cosines."""
    return Line(label, {"mean": Cosine(one, other, "all blocks")}, {"mean": mean})


def _at(label: str, recipe: Recipe, multiple: float, published: str) -> Line:
    """A row at one multiple of the corrected base coefficient."""
    parts = ("trait", "coherence", "Delta")
    ids = {"Delta": published} if published else {}
    # The controls were steered on the grid of doses alone.
    grids = ("doses",) if recipe in (RANDOM, SHUFFLED) else ("doses", "around base")
    return Line(label, {part: CurveAt(recipe, multiple, part, grids) for part in parts}, ids)


REFUSAL = "gemma3.refusal"
TABLES: tuple[SourceTable, ...] = (
    SourceTable(
        "01",
        "Cosines, mean over blocks",
        "LOG step 4",
        "gemma3",
        "refusal",
        ("mean",),
        (
            cosine_line("mean_diff and probe", MEAN_DIFF, PROBE, f"{REFUSAL}.mean_cos.mean_diff.probe"),
            cosine_line(
                "mean_diff and cleaned", MEAN_DIFF, MEAN_DIFF.cleaned(ALL), f"{REFUSAL}.mean_cos.mean_diff.cleaned"
            ),
            cosine_line("cleaned and probe", MEAN_DIFF.cleaned(ALL), PROBE, f"{REFUSAL}.mean_cos.cleaned.probe"),
        ),
    ),
    SourceTable(
        "02",
        "All at one coefficient",
        "LOG step 5; DOC steering results",
        "gemma3",
        "refusal",
        ("trait", "coherence", "Delta"),
        (
            _at("mean_diff", MEAN_DIFF, 1.07, f"{REFUSAL}.mean_diff.c1200"),
            _at("mean_diff_cleaned", MEAN_DIFF.cleaned(ALL), 1.07, f"{REFUSAL}.cleaned.c1200"),
            _at("probe", PROBE, 1.07, f"{REFUSAL}.probe.best_delta"),
            _at("random direction (control)", RANDOM, 1.07, ""),
            _at("probe, shuffled labels (control)", SHUFFLED, 1.07, ""),
        ),
        note="Published at c1200, which is 1.07 x the corrected base; ours at the same multiple of our own base.",
    ),
    SourceTable(
        "03",
        "Activation norms",
        "LOG calibration",
        "gemma3",
        "refusal",
        ("norm",),
        (
            Line("full activation norm", {"norm": NormOf("full")}, {"norm": "gemma3.norm"}),
            Line("without massive dims", {"norm": NormOf("outside")}, {"norm": "gemma3.norm.outside"}),
            Line("massive dims only", {"norm": NormOf("inside")}, {"norm": "gemma3.norm.massive"}),
        ),
    ),
    SourceTable(
        "04",
        "Where the search starts",
        "LOG calibration",
        "gemma3",
        "refusal",
        ("base", "start"),
        (
            Line(
                "full norm",
                {"base": NormOf("full"), "start": NormOf("full", 0.7)},
                {"base": "gemma3.norm", "start": "gemma3.start.full"},
            ),
            Line(
                "norm without massive dims",
                {"base": NormOf("outside"), "start": NormOf("outside", 0.7)},
                {"base": "gemma3.norm.outside", "start": "gemma3.start.outside"},
            ),
        ),
    ),
    SourceTable(
        "05",
        "Probe around the corrected base",
        "LOG calibration, verification run",
        "gemma3",
        "refusal",
        ("trait", "coherence"),
        tuple(
            Line(
                f"{published / 1120:.2f} x base",
                {part: CurveAt(PROBE, published / 1120, part) for part in ("trait", "coherence")},
                {"trait": f"{REFUSAL}.sweep.{published}"},
            )
            for published in (784, 902, 1037, 1192, 1371, 1577)
        ),
        note="Published coefficients over the published base of 1,120; ours at the same multiples, interpolated.",
    ),
    SourceTable(
        "06",
        "Cleaning ablation",
        "LOG subexperiment 2 and step 10-11; DOC cleaning ablation",
        "gemma3",
        "refusal",
        BEST,
        (
            steered("mean_diff", MEAN_DIFF, f"{REFUSAL}.mean_diff.best_delta"),
            steered("mean_diff_top1", top(MEAN_DIFF, 1), f"{REFUSAL}.top1.best_delta"),
            steered("mean_diff_top2", top(MEAN_DIFF, 2)),
            steered("mean_diff_top3", top(MEAN_DIFF, 3), f"{REFUSAL}.top3.best_delta"),
            steered("mean_diff_top5", top(MEAN_DIFF, 5), f"{REFUSAL}.top5.best_delta"),
            steered("mean_diff_top10", top(MEAN_DIFF, 10), f"{REFUSAL}.top10.best_delta"),
            steered("mean_diff_cleaned", MEAN_DIFF.cleaned(ALL), f"{REFUSAL}.cleaned.best_delta"),
            steered("mean_diff_cleaned, per-block lists", MEAN_DIFF.cleaned(Cleaning("per_block"))),
            steered("mean_diff, winsorised", MEAN_DIFF.cleaned(Cleaning("consensus", how="winsorise"))),
            steered("gradient", Recipe("gradient")),
            *controls(),
        ),
        note=BEST_NOTE,
    ),
    SourceTable(
        "07",
        "Probe causality",
        "LOG subexperiment 2 and step 12-13; DOC cleaning ablation",
        "gemma3",
        "refusal",
        BEST,
        (
            steered("probe", PROBE, f"{REFUSAL}.probe.best_delta"),
            steered("probe_top1", top(PROBE, 1), f"{REFUSAL}.probe_top1.best_delta"),
            steered("probe_top3", top(PROBE, 3), f"{REFUSAL}.probe_top3.best_delta"),
            steered("probe_cleaned", PROBE.cleaned(ALL), f"{REFUSAL}.probe_cleaned.best_delta"),
            steered("probe, precleaned", PROBE.cleaned(Cleaning("consensus", before=True))),
            steered("probe, precleaned top-2", PROBE.cleaned(Cleaning("top", 2, before=True))),
            steered(
                "probe, mean-replaced before the fit", PROBE.cleaned(Cleaning("consensus", how="mean", before=True))
            ),
            *controls(),
        ),
        note=BEST_NOTE,
    ),
    SourceTable(
        "08",
        "Share of the norm in massive dims",
        "LOG subexperiment 2",
        "gemma3",
        "refusal",
        ("share",),
        (
            Line(
                "mean_diff, top five dims",
                {"share": ShareInside(MEAN_DIFF, "top five")},
                {"share": f"{REFUSAL}.mean_diff.norm_in_top5"},
            ),
            Line(
                "probe, consensus dims",
                {"share": ShareInside(PROBE, "consensus")},
                {"share": f"{REFUSAL}.probe.norm_in_consensus"},
            ),
        ),
    ),
    SourceTable(
        "09",
        "Cosines at the steered block",
        "LOG subexperiment 2; DOC opposite effects",
        "gemma3",
        "refusal",
        ("cosine",),
        (
            Line(
                "mean_diff and probe",
                {"cosine": Cosine(MEAN_DIFF, PROBE)},
                {"cosine": f"{REFUSAL}.cos.mean_diff.probe"},
            ),
            Line(
                "mean_diff_cleaned and probe_cleaned",
                {"cosine": Cosine(MEAN_DIFF.cleaned(ALL), PROBE.cleaned(ALL))},
                {"cosine": f"{REFUSAL}.cos.cleaned.cleaned"},
            ),
            Line(
                "mean_diff_top1 and probe",
                {"cosine": Cosine(top(MEAN_DIFF, 1), PROBE)},
                {"cosine": f"{REFUSAL}.cos.top1.probe"},
            ),
        ),
    ),
    SourceTable(
        "10",
        "Sycophancy",
        "LOG step 7-9; DOC trait differences",
        "gemma3",
        "sycophancy",
        BEST,
        (
            steered("mean_diff", MEAN_DIFF, "gemma3.sycophancy.mean_diff.best_delta"),
            steered("mean_diff_cleaned", MEAN_DIFF.cleaned(ALL), "gemma3.sycophancy.cleaned.best_delta"),
            steered("probe", PROBE, "gemma3.sycophancy.probe.best_delta"),
            *controls(),
        ),
        note=BEST_NOTE,
    ),
    SourceTable(
        "11",
        "The milder model",
        "LOG step 18",
        "gemma2",
        "refusal",
        BEST,
        (
            steered("mean_diff", MEAN_DIFF, "gemma2.refusal.mean_diff.best_delta"),
            steered("mean_diff_cleaned", MEAN_DIFF.cleaned(ALL), "gemma2.refusal.cleaned.best_delta"),
            steered("mean_diff_top1", top(MEAN_DIFF, 1), "gemma2.refusal.top1.best_delta"),
            steered("probe", PROBE, "gemma2.refusal.probe.best_delta"),
            *controls(),
        ),
        note=BEST_NOTE,
    ),
    coefficients("14", "gemma3", "LOG step 18; DOC model severity"),
    coefficients("15", "gemma2", "LOG step 18; DOC model severity"),
)
