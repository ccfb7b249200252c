"""`python -m harness.judges.train MODEL` makes the judge `reader:MODEL` from the labelled responses, in minutes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from harness.data.datasets import LANGUAGES, DatasetError, content_hash
from harness.data.gold import WRITTEN
from harness.data.labelled import Labelled, labelled_file, load_labelled
from harness.decoding.states import mean_states
from harness.judges.errors import JudgeError
from harness.judges.gate import CUTS
from harness.judges.protocol import Exchange
from harness.judges.quality import JudgeQuality, quality
from harness.judges.reader import Example, Readings, encoded, reader_file, save
from harness.judges.readout import Fitted, fit
from harness.models.checkpoints import Checkpoint, NotAtHand, locate, weights_identity
from harness.models.decoder import Decoder, load_decoder
from harness.models.loadable import ModelError
from harness.models.registry import MODELS
from harness.streams import replace_what_cannot_be_shown, shown

EXAMPLES = 6
CANDIDATES = 12  # blocks that are tried, from a third of depth to the last but one


def command_of(model: str, language: str = "english") -> str:
    """The command that trains a model's reader."""
    return f"python -m harness.judges.train {model}" + ("" if language == "english" else f" --language {language}")


def train(
    decoder: Decoder, labelled: Mapping[str, Sequence[Labelled]], about: Mapping[str, object] | None = None
) -> tuple[Readings, dict[str, JudgeQuality]]:
    """Readouts of every trait, and of coherence and relevance where these are labelled, with how well each did on
    questions left out.

    `labelled` are responses by trait; a trait is learned from its own, coherence and relevance from all that have the
    label. Raises ValueError for too few questions, or labels at one end of the scale alone.
    """
    rows = [one for own in labelled.values() for one in own]
    exchanges = [Exchange(one.question, one.response, one.finished) for one in rows]
    blocks = candidates(decoder.depth)
    states = mean_states(decoder, [encoded(decoder, exchange) for exchange in exchanges], blocks)
    readable = np.isfinite(states).all(axis=(1, 2))
    numbers = {question: number for number, question in enumerate(dict.fromkeys(one.question for one in rows))}
    questions = np.array([numbers[one.question] for one in rows])
    of_trait = np.array([trait for trait, own in labelled.items() for _ in own])
    fitted: dict[str, Fitted] = {}
    found: dict[str, JudgeQuality] = {}
    of_all = [label for label in ("coherence", "relevance") if any(label in one.scores for one in rows)]
    for what in (*labelled, *of_all):
        label = "trait" if what in labelled else what
        is_labelled = np.array([label in one.scores for one in rows])
        chosen = np.flatnonzero(readable & is_labelled & ((of_trait == what) if what in labelled else True))
        labels = np.array([rows[row].scores[label] for row in chosen])
        features = {block: states[chosen, place].astype(np.float64) for place, block in enumerate(blocks)}
        fitted[what] = fit(features, labels, questions[chosen])
        found[what] = quality(labels, fitted[what].held_out, questions[chosen], CUTS[label])
    readouts = {what: (one.block, one.readout) for what, one in fitted.items()}
    told = {
        "decoder": decoder.name,
        "labels": {trait: len(own) for trait, own in labelled.items()},
        "written by models": round(float(np.mean([one.source != WRITTEN for one in rows])), 3),
        "penalty": {what: one.penalty for what, one in fitted.items()},
        "root mean square error by block, questions left out": {
            what: {str(block): round(error, 2) for block, error in one.errors.items()} for what, one in fitted.items()
        },
        "libraries": {name: version(name) for name in ("torch", "transformers", "scikit-learn")},
        **(about or {}),
    }
    spread = np.linspace(0, len(rows) - 1, EXAMPLES).astype(int)
    examples = tuple(
        Example(
            exchanges[row],
            {
                what: float(score)
                for what, (block, readout) in readouts.items()
                for score in readout.read(states[row : row + 1, blocks.index(block)].astype(np.float64))
                if not np.isnan(score)
            },
        )
        for row in spread
    )
    return Readings(readouts, examples, told), found


def candidates(depth: int) -> tuple[int, ...]:
    """The blocks that are tried: evenly from a third of depth to the last but one."""
    return tuple(sorted({round(block) for block in np.linspace(depth / 3, max(depth - 2, 0), CANDIDATES)}))


def table(readings: Readings, found: Mapping[str, JudgeQuality]) -> str:
    """How well each readout does on responses to questions that were left out, one line each."""
    lines = [f"{'':14}{'block':>6}{'AUROC':>8}{'rank':>7}{'slope':>7}{'offset at 70':>14}{'n':>6}"]
    for what, one in found.items():
        figures = (one.auroc, one.rank_correlation, one.slope, one.offset)
        auroc, rank, slope, offset = ("-" if each.value is None else f"{each.value:.2f}" for each in figures)
        block = readings.readouts[what][0]
        lines.append(f"{what:14}{block:>6}{auroc:>8}{rank:>7}{slope:>7}{offset:>14}{one.slope.n:>6}")
    return "\n".join(lines)


def located(model: str) -> Path:
    """The folder of the instruct version of a model of the table, of a folder or of a hub id. Raises NotAtHand."""
    where = MODELS[model].instruct if model in MODELS else Checkpoint.parse(model)
    return where if isinstance(where, Path) else locate(where)


def main(arguments: list[str] | None = None) -> int:
    """The command: a table and the file, or one sentence and exit status 1."""
    replace_what_cannot_be_shown()
    parser = argparse.ArgumentParser(prog="python -m harness.judges.train", description=__doc__)
    parser.add_argument("model", help="a name of the table, a folder, or a hub id that is in the cache")
    parser.add_argument("--language", choices=sorted(LANGUAGES), default="english")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE.json", help="default: where reader:MODEL looks")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        folder = located(options.model)
        files = {trait: labelled_file(options.language, trait) for trait in LANGUAGES[options.language]}
        labelled = {trait: load_labelled(file) for trait, file in files.items() if file.is_file()}
        if not labelled:
            raise DatasetError(f"nobody has labelled responses in {options.language}; see datasets/README.md.")
        decoder = load_decoder(folder, options.model, options.dtype, options.device)
        hashes = {trait: content_hash(files[trait])[:16] for trait in labelled}
        readings, found = train(decoder, labelled, {"hashes of the labels": hashes})
        out = options.out or reader_file(options.language, options.model, weights_identity(folder))
        save(readings, out)
    except (NotAtHand, ModelError, DatasetError, JudgeError, ValueError) as error:
        print(shown(error), file=sys.stderr)
        return 1
    print(table(readings, found))
    print(f"{out}, in {time.monotonic() - started:.0f} s; try it with --judge reader:{options.model}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
