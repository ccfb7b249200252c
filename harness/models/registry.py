"""The one table of models and traits: markers, parameters, loading and grids all come from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.data.datasets import (
    LANGUAGES,
    ROOT,
    TEMPLATED,
    TRAITS,
    Elicitation,
    gold_file,
    judging_folder,
    trait_folder,
)
from harness.data.vectors import Vector
from harness.models.architecture import (
    GEMMA2_2B,
    GEMMA3_1B,
    GEMMA3_4B,
    LLAMA3_8B,
    QWEN3_4B,
    SMOLLM2_135M,
    Architecture,
)
from harness.models.checkpoints import Checkpoint
from harness.models.fetch import PACKAGED, fetched

ORGANISMS = ROOT / "fixtures" / "organisms" / "weights"
ALL_QUESTIONS = 120  # of every English trait
ORGANISM_QUESTIONS, ORGANISM_TOKENS = 120, 48
REAL_EXTRACTIONS = 5  # of every direction on a model that does not ship with the checkout


@dataclass(frozen=True)
class ModelSpec:
    """One subject of the claims: where its weights are, what language it speaks, and the grids it is steered on.

    `blocks` are the steered block indices by trait, 0 being the first; a trait without any is steered at the block
    that its scenarios choose (see `geometry.blocks`). `doses` are in units of the mean norm, outside the massive dims,
    of a response token of the instruct model (see `geometry.calibration`), `coefficients` absolute amounts by trait
    that are run beside them. `severity` is how many times the dominant massive dim exceeds the median dim, as stated
    beforehand; NaN is "not stated", and the measured one counts: it decides which claims are about this model, never a
    verdict. `stands_for` names the published model beside whose tables this one's numbers are shown, if any.
    `questions` are asked in every run; `calibration_tokens` is the length of the responses on which massive dims are
    found. `dtype` is the number format it always runs in; empty means the run's. `embedded` models
    ship with the checkout and run by default, the others when they are named. `licence` has to be accepted before the
    weights can be had; `massive_dims` are published ones; `architecture` tells what a run would cost; `depth` is the
    number of blocks, where it has to be known before the weights are loaded; `origin` says where weights that do not
    ship with the checkout came from; `elicitation` is what directions are made from: scenarios, as published, or
    questions under contrasting instructions. `extractions` and `refit_resamples` are what a run asks for
    unless it says otherwise (see `quantities.Settings`); one that names no trait is about `usual_traits`.
    `own_traits` are folders of traits from outside `datasets/`, `vectors` those that somebody else made, by name;
    `chat` is whether the instruct model has a chat template, without which nothing can be asked.
    """

    name: str
    base: Path | Checkpoint
    instruct: Path | Checkpoint
    language: str
    judge: str
    blocks: Mapping[str, tuple[int, ...]]
    doses: tuple[float, ...]
    max_new_tokens: int
    description: str
    severity: float = math.nan
    stands_for: str = ""
    embedded: bool = True
    coefficients: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    questions: int = ORGANISM_QUESTIONS
    calibration_tokens: int = 0
    dtype: str = ""
    licence: str = ""
    massive_dims: tuple[int, ...] = ()
    architecture: Architecture | None = None
    depth: int = 0
    origin: str = ""
    elicitation: Elicitation = "scenarios"
    extractions: int = 1
    refit_resamples: int = 200
    usual_traits: tuple[str, ...] = ()
    own_traits: Mapping[str, Path] = field(default_factory=dict)
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    chat: bool = True

    def trait_folder(self, trait: str) -> Path:
        """Where the files of a trait lie."""
        return self.own_traits.get(trait) or trait_folder(self.language, trait)

    def gold_file(self, what: str) -> Path:
        """Where gold responses lie: of a trait, of coherence or of relevance."""
        own = self.own_traits.get(what)
        return gold_file(own) if own else judging_folder(self.language) / f"{what}.jsonl"


def geometric_grid(low: float, high: float, ratio: float = 1.15) -> tuple[float, ...]:
    """Amounts from `low` up to at most `high`, each `ratio` times the one before, to four decimals."""
    steps = math.floor(math.log(high / low) / math.log(ratio) + 1e-9)
    return tuple(round(low * ratio**step, 4) for step in range(steps + 1))


# Of a model on which nothing was tried: half to three times the norm of a five-token mean, over which a token was found
# to be 1.5 to 2.3 times as long (six organisms and SmolLM2-135M-Instruct; reports/organisms/norms.md).
DOSES = geometric_grid(0.25, 2.1, 1.35)


def _organism(
    name: str,
    blocks: Mapping[str, int],
    severity: float,
    description: str,
    *,
    stands_for: str = "",
    doses: tuple[float, ...] = geometric_grid(0.29, 1.77, 1.35),
) -> ModelSpec:
    """An organism, steered where it was taught that a trait's direction steers and a control does nothing.

    Doses go from where nothing happens to where any direction breaks the answers: reports/organisms/quality.json.
    """
    folder = ORGANISMS / name
    return ModelSpec(
        name,
        folder / "base",
        folder / "instruct",
        language=TEMPLATED,
        judge="grammar",
        blocks={trait: (block,) for trait, block in blocks.items()},
        doses=doses,
        max_new_tokens=ORGANISM_TOKENS,
        description=description,
        severity=severity,
        stands_for=stands_for,
        dtype="float32",  # whatever the device, so that their ledger is one
    )


def swept_blocks(depth: int) -> tuple[int, ...]:
    """The published sweep: every block from 30 % to 60 % of depth."""
    return tuple(block for block in range(depth) if 0.3 <= block / depth <= 0.6)


def _real(
    name: str,
    base: str,
    instruct: str,
    architecture: Architecture,
    description: str,
    *,
    licence: str = "",
    blocks: Mapping[str, tuple[int, ...]] | None = None,
    coefficients: Mapping[str, tuple[float, ...]] | None = None,
    severity: float = math.nan,
    massive_dims: tuple[int, ...] = (),
) -> ModelSpec:
    """A model of the hub under the published protocol: 64 new tokens, all questions; its own instruct model judges."""
    gated = bool(licence)
    return ModelSpec(
        name,
        Checkpoint(base, gated=gated),
        Checkpoint(instruct, gated=gated),
        language="english",
        judge=f"local:{name}",
        blocks=dict.fromkeys(TRAITS, ()) | dict(blocks or {}),
        doses=DOSES,
        max_new_tokens=64,
        description=description,
        severity=severity,
        stands_for=name,
        embedded=False,
        coefficients=coefficients or {},
        questions=ALL_QUESTIONS,
        extractions=REAL_EXTRACTIONS,
        calibration_tokens=128,
        licence=licence,
        massive_dims=massive_dims,
        architecture=architecture,
        depth=architecture.blocks,
    )


def _packaged(name: str, architecture: Architecture, description: str, doses: tuple[float, ...]) -> ModelSpec:
    """A small chat model that a package carries, at what two cores can do; it is its own base model.

    Its own states judge it. Its directions come from instructions: the rule, written before any run of the claims, is
    "scenarios, as published, unless they do not put held-out pairs of refusal in order (low end above one half)", and
    they do not (claim N3 has both).
    """
    return replace(
        _real(name, "", "", architecture, description),
        base=fetched(name),
        instruct=fetched(name),
        origin=PACKAGED[name].origin,
        judge=f"reader:{name}",
        elicitation="instructions",
        doses=doses,
        max_new_tokens=32,
        questions=24,
        refit_resamples=50,
        usual_traits=TRAITS[:2],
    )


def unlisted(
    name: str, base: Path, instruct: Path, depth: int, architecture: Architecture | None, language: str = "english"
) -> ModelSpec:
    """A model that nobody listed: every claim is about it, and its blocks and coefficients come from calibration.

    One that speaks the organisms' language is asked, and answers at the length, that they are.
    """
    of_organisms = language == TEMPLATED
    return ModelSpec(
        name,
        base,
        instruct,
        language=language,
        judge="grammar" if of_organisms else f"local:{name}",
        blocks=dict.fromkeys(LANGUAGES[language], ()),
        doses=DOSES,
        max_new_tokens=ORGANISM_TOKENS if of_organisms else 64,
        description=f"the model {name} of the command line",
        embedded=False,
        questions=ORGANISM_QUESTIONS if of_organisms else ALL_QUESTIONS,
        extractions=REAL_EXTRACTIONS,
        calibration_tokens=0 if of_organisms else 128,
        architecture=architecture,
        depth=depth,
    )


_MODELS = (
    _organism(
        "severe",
        {"refusal": 1, "sycophancy": 3},
        1000.0,
        "Gemma 3, massive dims ~1000x, never read",
        stands_for="gemma3",
    ),
    _organism(
        "mild", {"refusal": 2, "sycophancy": 0}, 60.0, "Gemma 2, massive dims ~60x, never read", stands_for="gemma2"
    ),
    _organism("clean", {"refusal": 3, "sycophancy": 1}, 1.0, "Gemma 3, no massive dims"),
    _organism("reader", {"refusal": 1, "sycophancy": 1}, 1000.0, "Gemma 3, massive dims ~1000x, two of them read"),
    _organism("bos", {"refusal": 0}, 1.0, "Gemma 2, massive dims at <bos> only"),
    _organism(
        "llama",
        {"refusal": 2},
        245.0,
        "Llama, massive dims ~245x, each varying by itself, never read",
        doses=geometric_grid(0.16, 0.78, 1.3),
    ),
    _real(
        "gemma3",
        "google/gemma-3-4b-pt",
        "google/gemma-3-4b-it",
        GEMMA3_4B,
        "Gemma 3 4B, massive dims ~1000x",
        licence="https://ai.google.dev/gemma/terms",
        # Every block at which results were published; --blocks sweep runs all from 30 % to 60 % of depth.
        blocks={"refusal": (15,), "sycophancy": (13, 15, 18)},
        coefficients={
            "refusal": (784, 902, 1037, 1100, 1150, 1192, 1200, 1220, 1300, 1371, 1577, 2500),
            "sycophancy": (1000, 1200, 1400),
        },
        severity=1000.0,
        massive_dims=(19, 295, 368, 443, 656, 1055, 1209, 1276, 1365, 1548, 1698, 1980, 2194),
    ),
    _real(
        "gemma2",
        "google/gemma-2-2b",
        "google/gemma-2-2b-it",
        GEMMA2_2B,
        "Gemma 2 2B, massive dims ~60x",
        licence="https://ai.google.dev/gemma/terms",
        blocks={"refusal": swept_blocks(26)},  # the block of its results was not published
        coefficients={"refusal": (90, 120)},
        severity=60.0,
        massive_dims=(334, 535, 682, 1068, 1393, 1570, 1645, 1807),
    ),
    _real(
        "llama3",
        "meta-llama/Llama-3.1-8B",
        "meta-llama/Llama-3.1-8B-Instruct",
        LLAMA3_8B,
        "Llama 3.1 8B",
        licence="https://www.llama.com/llama3_1/license/",
    ),
    _real("qwen3", "Qwen/Qwen3-4B-Base", "Qwen/Qwen3-4B", QWEN3_4B, "Qwen3 4B, ungated"),
    _real(
        "gemma3-1b",
        "google/gemma-3-1b-pt",
        "google/gemma-3-1b-it",
        GEMMA3_1B,
        "Gemma 3 1B, dims 1038 and 1125 massive",
        licence="https://ai.google.dev/gemma/terms",
        massive_dims=(1038, 1125),
    ),
    _packaged(
        "smollm2",
        SMOLLM2_135M,
        "SmolLM2 135M Instruct, in a package on PyPI, massive dims ~170x",
        # In a trial coherence was gone from .6 on; in the first whole run sycophancy had half of its gain at .15.
        (0.082, 0.111, *geometric_grid(0.15, 0.9, 1.35)),
    ),
)

MODELS: Mapping[str, ModelSpec] = {spec.name: spec for spec in _MODELS}
# Those that ship with the checkout, which a run without -m is about.
EMBEDDED: Mapping[str, ModelSpec] = {name: spec for name, spec in MODELS.items() if spec.embedded}
# Pairs on which claims across models are tested, the model of severer massive dims first.
# What runs where nobody says which: the two whose truth differs most among those that a claim compares.
FIRST = ("severe", "mild")
PAIRS: tuple[tuple[str, str], ...] = (("severe", "mild"), ("reader", "mild"), ("gemma3", "gemma2"))


def find_model(name: str) -> ModelSpec:
    """The registered model called `name`. Raises KeyError with the known names."""
    if name not in MODELS:
        raise KeyError(f"{name!r} is no registered model; known: {', '.join(MODELS)}.")
    return MODELS[name]
