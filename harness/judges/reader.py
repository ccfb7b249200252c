"""A judge that reads: ridge regressions on a frozen decoder's hidden states of the exchange. Nothing is asked."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from harness.atomic import write_atomically
from harness.data.datasets import judging_folder
from harness.decoding.generation import BadActivations
from harness.decoding.states import Ids, mean_states
from harness.judges import scoring
from harness.judges.errors import JudgeError, raise_overflow
from harness.judges.identity import code_of
from harness.judges.protocol import Exchange, Judgement
from harness.judges.readout import Readout
from harness.models.decoder import Decoder
from harness.models.gguf import cache_folder
from harness.models.memory import free_memory

FORMAT = 1  # of the files
CODE = (
    *(f"judges/{name}" for name in ("reader", "readout", "scoring")),
    "decoding/states",
    "models/decoder",
)
AS_TRAINED = 5.0  # points by which an example may be read otherwise than in training: number formats differ


@dataclass(frozen=True)
class Example:
    """A training response with what the finished readouts made of it, to see that they still do."""

    exchange: Exchange
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Readings:
    """The readouts of one decoder by what they read (traits, coherence, relevance), each with its block.

    `about` says how they were trained; `examples` are read again before anything is judged.
    """

    readouts: Mapping[str, tuple[int, Readout]]
    examples: tuple[Example, ...]
    about: Mapping[str, Any]

    def scores(
        self, wanted: Sequence[str], read: Callable[[tuple[int, ...]], Float[np.ndarray, "exchanges blocks hidden"]]
    ) -> list[list[float | None]]:
        """For each of the wanted readouts the scores of all exchanges, None where there is none.

        `read` gives mean states at blocks; it is asked once, for those that the wanted readouts need.
        """
        blocks = tuple(sorted({self.readouts[what][0] for what in wanted}))
        states, found = read(blocks), []
        for what in wanted:
            block, readout = self.readouts[what]
            scores = readout.read(states[:, blocks.index(block)].astype(np.float64))
            found.append([None if np.isnan(score) else float(score) for score in scores])
        return found


def reader_file(language: str, name: str, weights_identity: str) -> Path:
    """Where the readings of a model are: with the data if they ship, else in the user's cache. It may not be there."""
    shipped = judging_folder(language) / "readers" / f"{name}.json"
    if name == Path(name).name and shipped.is_file():  # a folder's path is no name
        return shipped
    return cache_folder() / "readers" / f"{weights_identity[:16]}-{language}.json"


def save(readings: Readings, path: Path) -> None:
    """Write JSON and, beside it, the numbers as float32 safetensors, whose hash the JSON holds."""
    from safetensors.numpy import save as to_bytes

    arrays = {
        f"{what}.{name}": np.atleast_1d(array).astype(np.float32)
        for what, (_, readout) in readings.readouts.items()
        for name, array in readout.arrays().items()
    }
    numbers = to_bytes(arrays)
    head = {
        "format": FORMAT,
        "sha256": hashlib.sha256(numbers).hexdigest(),
        "blocks": {what: block for what, (block, _) in readings.readouts.items()},
        "examples": [
            {
                "question": one.exchange.question,
                "response": one.exchange.response,
                "finished": one.exchange.finished,
                "scores": {what: round(score, 2) for what, score in one.scores.items()},
            }
            for one in readings.examples
        ],
        "about": dict(readings.about),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path.with_suffix(".safetensors"), numbers)
    write_atomically(path, (json.dumps(head, indent=1, ensure_ascii=False) + "\n").encode())


def load(path: Path, command: str) -> Readings:
    """The readings that `save` wrote. Raises JudgeError, with the `command` that makes them, for what is not whole."""
    from safetensors.numpy import load as from_bytes

    if not path.is_file():
        raise JudgeError(f"no reader of this model was trained ({path} is not there): {command}")
    try:
        head, numbers = json.loads(path.read_bytes()), path.with_suffix(".safetensors").read_bytes()
        if head["format"] != FORMAT or hashlib.sha256(numbers).hexdigest() != head["sha256"]:
            raise ValueError("its numbers are of another file or format")
        arrays: dict[str, dict[str, np.ndarray]] = {}
        for key, array in from_bytes(numbers).items():
            what, _, name = key.rpartition(".")
            arrays.setdefault(what, {})[name] = array.astype(np.float64)
        readouts = {
            what: (int(head["blocks"][what]), Readout(**{name: _scalar(name, array) for name, array in one.items()}))
            for what, one in arrays.items()
        }
        if not head["examples"]:
            raise ValueError("it holds no example by which its decoder could be told")
        examples = tuple(
            Example(Exchange(one["question"], one["response"], one["finished"]), one["scores"])
            for one in head["examples"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JudgeError(f"the reader in {path} cannot be used ({error}); train it again: {command}") from error
    return Readings(readouts, examples, head["about"])


def _scalar(name: str, array: np.ndarray) -> np.ndarray:
    return array[0] if name in ("intercept", "ridge", "farthest") else array


def encoded(decoder: Decoder, exchange: Exchange) -> tuple[Ids, Ids]:
    """Token ids of the question in its template and of the response, which ends with its turn if it is finished.

    So an empty response is one token.
    """
    prompt, response = decoder.encode_question(exchange.question), decoder.encode_response(exchange.response)
    return tuple(prompt), (*response, *([min(decoder.stop_ids)] if exchange.finished and decoder.stop_ids else []))


class ReaderJudge:
    """Scores exchanges by what a decoder's blocks make of them, as its readouts learned from labelled responses.

    `file` holds the readings and `command` trains them; `weights_identity` changes with the decoder's weights or their
    number format; `decoder` gives it, and is called on first use and again after `release`. With `relevance_cap`,
    coherence is capped where relevance is low.
    """

    def __init__(
        self,
        name: str,
        file: Path,
        command: str,
        weights_identity: str,
        decoder: Callable[[], Decoder],
        relevance_cap: bool = False,
        batch_rows: int = 64,
    ) -> None:
        self._name, self._file, self._command, self._weights_identity = name, file, command, weights_identity
        self._load, self._relevance_cap, self._batch_rows = decoder, relevance_cap, batch_rows
        self._loaded: tuple[Readings, Decoder] | None = None

    @property
    def identity(self) -> str:
        """Changes with the weights, the readings, the cap and this judge's code. Raises JudgeError without readings."""
        if not self._file.is_file():
            raise JudgeError(f"{self._name}: no reader of this model was trained: {self._command}")
        read = hashlib.sha256(self._file.read_bytes()).hexdigest()[:16]
        return f"reader:{self._weights_identity}:{read}:{'capped' if self._relevance_cap else ''}:{code_of(*CODE)}"

    def judge(self, definition: Mapping[str, str], exchanges: Sequence[Exchange]) -> list[Judgement]:
        """Trait and coherence of each exchange; None where it is too far from what the readouts were trained on.

        Raises JudgeError for a trait that they were not trained on, and where the decoder does not read the examples
        as it did in training; JudgeOverflow, with all other judgements, for exchanges that it makes no numbers of.
        """
        if not exchanges:
            return []
        readings, decoder = self._ready()
        wanted = (definition["name"], "coherence", *(["relevance"] if self._relevance_cap else []))
        if unknown := [what for what in wanted if what not in readings.readouts]:
            raise JudgeError(
                f"{self._name} was not trained on {', '.join(unknown)}, only on "
                f"{', '.join(sorted(readings.readouts))}: label responses and train it again: {self._command}"
            )
        try:
            of_trait, coherence, *rest = readings.scores(wanted, functools.partial(self._states, decoder, exchanges))
        except BadActivations as error:
            raise_overflow(self, definition, exchanges, error)
        if not rest:
            return [Judgement(*both) for both in zip(of_trait, coherence, strict=True)]
        capped = [scoring.capped(*both) for both in zip(coherence, rest[0], strict=True)]
        return [Judgement(*each) for each in zip(of_trait, capped, rest[0], strict=True)]

    def release(self) -> None:
        """Free the decoder; it is loaded again on the next use, and so are the readings."""
        self._loaded = None
        free_memory()

    def _states(
        self, decoder: Decoder, exchanges: Sequence[Exchange], blocks: tuple[int, ...]
    ) -> Float[np.ndarray, "exchanges blocks hidden"]:
        return mean_states(decoder, [encoded(decoder, one) for one in exchanges], blocks, self._batch_rows)

    def _ready(self) -> tuple[Readings, Decoder]:
        """The readings and their decoder, after it was seen to read their examples as it did in training."""
        if self._loaded is None:
            readings, decoder = load(self._file, self._command), self._load()
            self._require_same(readings, decoder)
            self._loaded = readings, decoder
        return self._loaded

    def _require_same(self, readings: Readings, decoder: Decoder) -> None:
        """Raise JudgeError unless a decoder has the blocks that are read, and makes of the examples what it made."""
        again = f"so these are other weights than it was trained on; train it again: {self._command}"
        for block, readout in readings.readouts.values():
            if block >= decoder.depth or len(readout.mean) != decoder.width:
                raise JudgeError(
                    f"{self._name}: block {block} of width {len(readout.mean)} is read, and {decoder.name} has none, "
                    f"{again}"
                )
        wanted = tuple(readings.readouts)
        read = functools.partial(self._states, decoder, [one.exchange for one in readings.examples])
        for what, scores in zip(wanted, readings.scores(wanted, read), strict=True):
            for one, found in zip(readings.examples, scores, strict=True):
                trained = one.scores.get(what)
                if trained is not None and (found is None or abs(found - trained) > AS_TRAINED):
                    raise JudgeError(
                        f"{self._name}: {what} of an example is read as {found} and was {trained:g} in training, "
                        f"{again}"
                    )
