"""A fused sweep against the same sweep one coefficient at a time, and how far a batch changes the numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from harness.data.datasets import load_trait, trait_folder
from harness.decoding.generation import Generated, left_pad, position_ids
from harness.decoding.steering import Row, steer
from harness.lab.keys import folder_of
from harness.models.decoder import Decoder, load_decoder
from harness.models.registry import find_model

COEFFICIENTS = tuple(float(coefficient) for coefficient in range(10))
QUESTIONS = 60
NEW_TOKENS = 48
BATCH_ROWS = 512


@dataclass(frozen=True)
class Comparison:
    """Rows a second fused and one coefficient at a time (medians), their ratio pair by pair, and differing rows."""

    rows: int
    tokens: int
    fused_rows_per_second: float
    apart_rows_per_second: float
    ratios: tuple[float, ...]
    differing_rows: int


def rows_of(decoder: Decoder, language: str) -> list[list[Row]]:
    """One list of rows a coefficient: a fixed random direction at a middle block, real questions."""
    generator = np.random.default_rng(0)
    vector = generator.normal(size=decoder.width)
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    questions = load_trait(trait_folder(language, "refusal")).questions[:QUESTIONS]
    prompts = [tuple(decoder.encode_question(question.text)) for question in questions]
    return [[Row(prompt, unit, coefficient, decoder.depth // 2) for prompt in prompts] for coefficient in COEFFICIENTS]


def compare(model: str, pairs: int = 3) -> Comparison:
    """Run both ways in turn `pairs` times after a warm-up, so that a drifting machine weighs on both."""
    spec = find_model(model)
    decoder = load_decoder(folder_of(spec.instruct), model)
    runs = rows_of(decoder, spec.language)
    everything = [row for run in runs for row in run]

    def fused() -> list[Generated]:
        return steer(decoder, everything, NEW_TOKENS, batch_rows=BATCH_ROWS).responses

    def apart() -> list[Generated]:
        return [one for run in runs for one in steer(decoder, run, NEW_TOKENS, batch_rows=BATCH_ROWS).responses]

    together, alone = fused(), apart()
    times: list[tuple[float, float]] = []
    for _ in range(pairs):
        start = time.perf_counter()
        fused()
        middle = time.perf_counter()
        apart()
        times.append((middle - start, time.perf_counter() - middle))
    return Comparison(
        rows=len(everything),
        tokens=sum(len(row.ids) + row.finished for row in together),
        fused_rows_per_second=len(everything) / float(np.median([one for one, _ in times])),
        apart_rows_per_second=len(everything) / float(np.median([other for _, other in times])),
        ratios=tuple(other / one for one, other in times),
        differing_rows=sum(one.ids != other.ids for one, other in zip(together, alone, strict=True)),
    )


@torch.inference_mode()
def composition_error(model: str) -> float:
    """Largest change of a logit, over the largest logit, when a prompt is read in a padded batch and not alone."""
    spec = find_model(model)
    decoder = load_decoder(folder_of(spec.instruct), model)
    prompts = [row.prompt for row in rows_of(decoder, spec.language)[0]]
    together = _last_logits(decoder, prompts)
    alone = torch.cat([_last_logits(decoder, [prompt]) for prompt in prompts])
    return float((together - alone).abs().max() / alone.abs().max())


def _last_logits(decoder: Decoder, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
    ids, mask = left_pad(prompts, decoder.pad_id, decoder.device)
    output = decoder.model(
        input_ids=ids, attention_mask=mask.long(), position_ids=position_ids(mask), use_cache=False, logits_to_keep=1
    )
    logits: torch.Tensor = output.logits[:, -1].double()
    return logits
