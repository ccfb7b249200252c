"""A judge that is a decoder on this machine: the expected digit of its answer, in batches after a cached prefix."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.decoding.generation import REMEDY, BadActivations
from harness.judges import prompts, scoring
from harness.judges.errors import raise_overflow
from harness.judges.identity import code_of, definitions_hash
from harness.judges.protocol import Exchange, Judgement
from harness.models.decoder import Decoder, cache_name
from harness.models.loadable import ModelError
from harness.models.memory import free_memory, in_batches

DIGITS = "0123456789"
SPACE_MARKS = str.maketrans("▁Ġ", "  ")  # how vocabularies of SentencePiece and of byte-level BPE write a space
KEPT_PREFIXES = 4  # trait, coherence and relevance, and one more trait
CODE = (
    "judges/prompts",
    "judges/scoring",
    "judges/local",
    "models/decoder",
)  # the modules that this judge's scores depend on
SHORTEST = Exchange(
    "", "", True
)  # read beside every batch, so that the shared prefix is the definition's and no longer

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Grader:
    """A loaded decoder with what grading needs to know of its tokenizer.

    `digits` are the ids of all tokens that are one digit, white space aside, for each of the ten; `context` is the
    longest prompt it can read, if it says so.
    """

    decoder: Decoder
    digits: tuple[Ids, ...]
    context: int | None


class LocalJudge:
    """Asks a decoder for one digit and takes the expectation over what it thinks of all ten.

    `folder` is where its weights come from, for messages; `weights_identity` changes with the weights, their number
    format or their revision; `load` gives the decoder, and is called on first use and again after `release`.
    `coherence` and `relevance` are definitions; with `relevance`, coherence is capped where it is low.
    """

    def __init__(
        self,
        name: str,
        folder: Path | str,
        weights_identity: str,
        load: Callable[[], Decoder],
        coherence: Mapping[str, str],
        relevance: Mapping[str, str] | None = None,
        batch_rows: int = 64,
    ) -> None:
        self._name, self._folder, self._weights_identity, self._load = name, folder, weights_identity, load
        self._coherence, self._relevance, self._batch_rows = coherence, relevance, batch_rows
        self._grader: Grader | None = None
        self.first_tokens: Counter[str] = Counter()  # of answers that gave no score
        self._prefixes: dict[Ids, Any] = {}  # key-value caches of one row, by the token ids they hold

    @property
    def identity(self) -> str:
        """Changes with the weights, the definitions of coherence and relevance, and this judge's code."""
        definitions = definitions_hash(self._coherence, self._relevance)
        return f"local-judge:{self._weights_identity}:{definitions}:{code_of(*CODE)}"

    def __repr__(self) -> str:
        return f"LocalJudge({self._name!r}, {str(self._folder)!r})"

    def judge(self, definition: Mapping[str, str], exchanges: Sequence[Exchange]) -> list[Judgement]:
        """Trait and coherence of each exchange; None where digits hold too little of the probability of the answer's
        first token, or where the question is longer than the judge can read.

        Raises ModelError when the decoder cannot be loaded, has no chat template or no tokens for single digits, or
        when a definition alone is longer than it can read; ValueError when a definition lacks a part; JudgeOverflow,
        with all other judgements, for exchanges that give it NaN or infinite logits.
        """
        try:
            return self._judged(definition, exchanges)
        except BadActivations as error:
            raise_overflow(self, definition, exchanges, error)

    def _judged(self, definition: Mapping[str, str], exchanges: Sequence[Exchange]) -> list[Judgement]:
        trait = self.scores(definition, exchanges, scoring.TRAIT_MASS)
        coherence = self.scores(self._coherence, exchanges, scoring.COHERENCE_MASS)
        if self._relevance is None:
            return [Judgement(*both) for both in zip(trait, coherence, strict=True)]
        relevance = self.scores(self._relevance, exchanges, scoring.COHERENCE_MASS)
        capped = [scoring.capped(*both) for both in zip(coherence, relevance, strict=True)]
        return [Judgement(*each) for each in zip(trait, capped, relevance, strict=True)]

    def release(self) -> None:
        """Free weights and caches; they are loaded again on the next use."""
        self._grader = None
        self._prefixes.clear()
        free_memory()

    def scores(
        self, definition: Mapping[str, str], exchanges: Sequence[Exchange], least_mass: float
    ) -> list[float | None]:
        """One number from 0 to 100 for each exchange, by one definition; None and errors as in `judge`, but
        BadActivations with the places of exchanges."""
        if not exchanges:
            return []
        grader = self._loaded()
        rows = [self._encoded(grader, definition, exchange) for exchange in exchanges]
        readable = [row for row in dict.fromkeys(rows) if grader.context is None or len(row) <= grader.context]
        shared = common_prefix([self._encoded(grader, definition, SHORTEST), *readable])
        together = grader.decoder.together(self._batch_rows)
        if grader.context is not None and len(shared) >= grader.context:
            raise ModelError(
                f"{self._name}: the definition of {definition.get('name', 'a trait')} alone fills the "
                f"{grader.context} tokens that the judge at {self._folder} can read; shorten it or take another judge."
            )
        found: dict[Ids, float | None] = {}
        bad: set[Ids] = set()

        def run(batch: list[int]) -> None:
            chosen = [readable[index] for index in batch]
            probabilities, likeliest = self._probabilities(grader, shared, chosen)
            for row, digits, first in zip(chosen, probabilities.tolist(), likeliest.tolist(), strict=True):
                if not np.isfinite(digits).all():
                    bad.add(row)
                elif (score := scoring.expected_digit(digits, least_mass)) is not None:
                    found[row] = score
                else:
                    self.first_tokens[grader.decoder.tokenizer.decode([first])] += 1

        in_batches([len(row) for row in readable], together, run, self._halve)
        if places := [place for place, row in enumerate(rows) if row in bad]:
            what = f"{len(places)} of {len(rows)} prompts, first that of {exchanges[places[0]].question[:80]!r}"
            raise BadActivations(f"{self._name}: NaN or infinite logits after {what}; {REMEDY}.", places)
        return [found.get(row) for row in rows]

    def _halve(self, batch_rows: int) -> None:
        self._batch_rows = batch_rows  # memory will not be larger next time

    def _loaded(self) -> Grader:
        if self._grader is None:
            decoder = self._load()
            self._grader = Grader(decoder, digit_ids(decoder.tokenizer, self._name), decoder.context)
        return self._grader

    def _encoded(self, grader: Grader, definition: Mapping[str, str], exchange: Exchange) -> Ids:
        return tuple(grader.decoder.encode_question(prompts.prompt(definition, exchange, prompts.LOCAL)))

    @torch.inference_mode()
    def _probabilities(
        self, grader: Grader, shared: Ids, rows: Sequence[Ids]
    ) -> tuple[Float[Tensor, "rows 10"], Int[Tensor, " rows"]]:
        """Probability of each digit as the token after each row, and the likeliest token; all rows open with `shared`.

        What follows the shared prefix is padded on the right: a row's real tokens then see each other, and the
        prefix, at their true distances, whatever the length of sliding windows, and never see its padding. The mask
        nevertheless admits the padding, as a position that sees nothing would turn into NaN.
        """
        decoder = grader.decoder
        cached: dict[str, Any] = {}
        if decoder.manner.continues:
            cache = copy.deepcopy(self._prefix_cache(decoder, shared))
            cache.batch_repeat_interleave(len(rows))
            cached = {cache_name(decoder.model): cache}
        else:  # every row is read whole
            shared = ()
        lengths = torch.tensor([len(row) - len(shared) for row in rows])
        longest = int(lengths.max())
        ids = torch.full((len(rows), longest), decoder.pad_id, dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row) - len(shared)] = torch.tensor(row[len(shared) :], dtype=torch.long)
        positions = torch.arange(len(shared), len(shared) + longest, device=decoder.device)
        with logits_only_at(decoder.model, (lengths - 1).to(decoder.device)):
            output = decoder.model(
                input_ids=ids.to(decoder.device),
                attention_mask=torch.ones((len(rows), len(shared) + longest), dtype=torch.long, device=decoder.device),
                position_ids=positions.expand(len(rows), -1),
                use_cache=bool(cached),
                **cached,
            )
        probabilities = output.logits[:, -1].float().softmax(dim=-1)
        digits = torch.stack([probabilities[:, list(ids)].sum(dim=-1) for ids in grader.digits], dim=-1)
        return digits.cpu(), probabilities.argmax(dim=-1).cpu()

    def _prefix_cache(self, decoder: Decoder, shared: Ids) -> Any:
        """The key-value cache of the shared prefix, one row; made once for each definition."""
        if shared not in self._prefixes:
            if len(self._prefixes) >= KEPT_PREFIXES:
                del self._prefixes[next(iter(self._prefixes))]
            ids = torch.tensor([shared], dtype=torch.long, device=decoder.device)
            output = decoder.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=True, logits_to_keep=1)
            self._prefixes[shared] = getattr(output, cache_name(decoder.model))
        return self._prefixes[shared]


@contextmanager
def logits_only_at(model: Any, positions: Tensor) -> Iterator[None]:
    """While it lasts, the model's head reads one position a row: logits are [rows, 1, vocabulary].

    With a large vocabulary the logits of all positions would be the largest tensor by far.
    """

    def choose(_head: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        hidden, *rest = inputs
        rows = torch.arange(len(positions), device=hidden.device)
        return (hidden[rows, positions.to(hidden.device)].unsqueeze(1), *rest)

    handle = model.get_output_embeddings().register_forward_pre_hook(choose)
    try:
        yield
    finally:
        handle.remove()


def common_prefix(rows: Sequence[Ids]) -> Ids:
    """The token ids that all rows open with, and that leave each row at least one token of its own."""
    first, last = min(rows), max(rows)  # in the order of tuples, all others lie between
    length = min(len(row) for row in rows) - 1
    for index in range(length):
        if first[index] != last[index]:
            return first[:index]
    return first[:length]


def digit_ids(tokenizer: Any, name: str) -> tuple[Ids, ...]:
    """For each digit the ids of all single tokens that are this digit, with or without white space around it.

    Whether a tokenizer opens an answer with a space is its own affair, so all forms count as the digit. Raises
    ModelError when a digit has no token.
    """
    found: dict[str, list[int]] = {digit: [] for digit in DIGITS}
    for token, index in tokenizer.get_vocab().items():
        digit = token.translate(SPACE_MARKS).strip()
        if digit in found:
            found[digit].append(index)
    for digit, ids in found.items():
        if not ids:
            raise ModelError(f"{name}: its tokenizer has no token that is the digit {digit}; take another model.")
    return tuple(tuple(sorted(ids)) for ids in found.values())
