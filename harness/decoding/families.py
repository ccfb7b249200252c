"""`python -m harness.decoding.families [--write] [TYPE ...]`: what becomes of every decoder type of transformers here.

A tiny decoder of each type, with random weights, is loaded and probed as a checkpoint would be. What is not refused
then answers prompts of several lengths in batches, rows finishing at different steps, and every token is compared with
those of each row alone, read whole again for every token, without a cache.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from harness.data.datasets import ROOT
from harness.decoding.capture import window_means
from harness.decoding.generation import greedy
from harness.decoding.probe import probed
from harness.decoding.states import mean_states
from harness.models.decoder import Decoder, Manner, check_blocks, wrap
from harness.models.loadable import ModelError, why_no_decoder
from harness.streams import first_line, replace_what_cannot_be_shown

REPORTS = ROOT / "reports" / "decoding"
BLOCKS, VOCABULARY, LETTERS_FROM = 4, 320, 3
MOST_PARAMETERS = 20_000_000  # of a decoder that could not be made tiny
ROWS, NEW = 5, 8
ROUNDED = 0.01  # of the norm of activations: recurrences that are read in chunks add in another order
APART = Manner(pads=False, drops=False, continues=False)
AGREES, MANNERED, REFUSED, NO_DECODER, UNBUILT, SILENT = (
    "agrees", "agrees when run so", "refused", "no decoder", "not built", "DIFFERS",
)  # fmt: skip
# Sizes by the names that configurations of transformers give them.
SIZES: Mapping[str, int] = {
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "n_embed", "dim", "embedding_size", "dim_model"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers"), BLOCKS),
    **dict.fromkeys(("encoder_layers", "num_encoder_layers", "num_decoder_layers"), BLOCKS),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "decoder_attention_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "num_encoder_attention_heads", "num_decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads", "linear_num_key_heads"), 2),
    **dict.fromkeys(("head_dim", "global_head_dim", "attention_head_dim", "dim_head", "d_kv", "rotary_dim"), 8),
    **dict.fromkeys(("intermediate_size", "n_inner", "ffn_dim", "d_ff", "decoder_ffn_dim", "encoder_ffn_dim"), 64),
    **dict.fromkeys(("ffn_hidden_size", "dff", "shared_intermediate_size", "block_ff_dim"), 64),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "expert_ffn_hidden_size"), 32),
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input", "unpadded_vocab_size"), VOCABULARY),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length"), 512),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_top_k", "moe_k", "moe_topk", "top_k_experts"), 2),
    **dict.fromkeys(("n_group", "topk_group", "n_shared_experts", "num_shared_experts", "first_k_dense_replace"), 1),
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank", "o_lora_rank", "hidden_size_per_layer_input"), 16),
    **dict.fromkeys(("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "index_head_dim"), 8),
    **dict.fromkeys(("linear_num_value_heads", "mamba_n_heads", "mamba_num_heads", "n_mamba_heads"), 4),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim", "state_size", "mamba_d_state"), 8),
    **dict.fromkeys(("ssm_state_size", "mamba_dt_rank", "index_n_heads", "index_topk"), 8),
    **dict.fromkeys(("mamba_d_head", "mamba_head_dim", "mamba_headdim", "lru_width", "sliding_window"), 16),
    **dict.fromkeys(("mamba_d_ssm", "attention_hidden_size"), 64),
    "qk_head_dim": 16,
    "mamba_n_groups": 1,
    "n_groups": 1,
    "mamba_chunk_size": 16,
    "chunk_size": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "num_kv_shared_layers": 0,
    "lru_width": 32,
}


DERIVED = ("head_dim", "num_key_value_heads", "pad_token_id", "bos_token_id", "eos_token_id")  # set also where None
# What a type may need that the first sizes do not give: as many heads for keys as for queries, or heads that fill.
OTHER_SIZES = (
    SIZES,
    {**SIZES, "num_key_value_heads": 4},
    {name: size for name, size in SIZES.items() if name != "head_dim"},
    {**SIZES, "num_key_value_heads": 4, "qk_rope_head_dim": 16, "head_dim": 16},
    {**SIZES, "num_heads": 4, "head_dim": 16, "hidden_size": 64},
)


@dataclass(frozen=True)
class Outcome:
    """What became of one type, and why, in a sentence."""

    type: str
    outcome: str
    why: str = ""
    manner: Mapping[str, bool] | None = None


class Letters:
    """A tokenizer of bytes that knows no template."""

    pad_token_id, bos_token_id, eos_token_id, chat_template = 0, 1, 2, None

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        ids = [LETTERS_FROM + byte for byte in text.encode()]
        return {"input_ids": [1, *ids] if add_special_tokens else ids}

    def get_vocab(self) -> dict[str, int]:
        """Every byte, and what pads, opens and ends."""
        return {"<pad>": 0, "<bos>": 1, "<eos>": 2, **{f"<{byte}>": LETTERS_FROM + byte for byte in range(256)}}

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:  # noqa: ARG002
        """The bytes as text."""
        return bytes(one - LETTERS_FROM for one in ids if LETTERS_FROM <= one < LETTERS_FROM + 256).decode("latin-1")


def decoder_types() -> list[str]:
    """Every model type that transformers loads for causal language modelling."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def tiny_config(usual: Any, sizes: Mapping[str, int] = SIZES) -> Any:
    """A configuration of the class of `usual` with sizes that fit a test."""
    from transformers import PreTrainedConfig

    changed: dict[str, Any] = {}
    depth = usual.num_hidden_layers if hasattr(usual, "num_hidden_layers") else None
    for name, value in usual.to_dict().items():
        own = usual.__dict__.get(name)
        if isinstance(own, PreTrainedConfig):
            changed[name] = tiny_config(own, sizes).to_dict()
        elif name in sizes and (type(value) is int or (value is None and name in DERIVED)):
            changed[name] = sizes[name]
        elif isinstance(value, list) and value and len(value) == depth:
            kinds = list(dict.fromkeys(map(str, value)))  # every kind of block, in turn
            firsts = [value[list(map(str, value)).index(kind)] for kind in kinds]
            changed[name] = [firsts[block % len(firsts)] for block in range(BLOCKS)]
    return type(usual)(**changed)


def tiny_decoder(kind: str, sizes: Mapping[str, int] = SIZES) -> Decoder:
    """A random decoder of a type, its weights large enough that its text varies. Raises what its construction does."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = tiny_config(AutoConfig.for_model(kind), sizes)
    with torch.device("meta"):
        size = sum(one.numel() for one in AutoModelForCausalLM.from_config(config).parameters())
    if size > MOST_PARAMETERS:
        raise ValueError(f"{size:,} parameters, though its sizes were reduced")
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float().eval().requires_grad_(False)
    dice = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, 1.0 if "embed" in name or "wte" in name else 0.3, generator=dice)
    decoder = wrap(kind, model, Letters())
    check_blocks(decoder)
    return decoder


def built(kind: str) -> Decoder:
    """A tiny decoder by the first sizes that fit. Raises what the last sizes met, or ModelError."""
    *first, last = OTHER_SIZES
    for sizes in first:
        with contextlib.suppress(Exception):
            return tiny_decoder(kind, sizes)
    return tiny_decoder(kind, last)


def outcome_of(kind: str) -> Outcome:
    """Build, probe and run a tiny decoder of one type."""
    from transformers import AutoConfig

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if reason := why_no_decoder(AutoConfig.for_model(kind).to_dict()):
                return Outcome(kind, NO_DECODER, reason)
            decoder = built(kind)
        except ModelError as error:
            return Outcome(kind, REFUSED, str(error))
        except Exception as error:  # of about two hundred classes
            return Outcome(kind, UNBUILT, f"{type(error).__name__}: {first_line(error)}")
        try:
            decoder = probed(decoder, ())
            wrong = differing(decoder)
        except ModelError as error:
            return Outcome(kind, REFUSED, str(error))
        except Exception as error:  # what a user would be left with
            return Outcome(kind, SILENT, f"{type(error).__name__}: {first_line(error)}")
    manner = asdict(decoder.manner)
    if wrong:
        return Outcome(kind, SILENT, wrong, manner)
    if decoder.manner == Manner():
        return Outcome(kind, AGREES, manner=manner)
    return Outcome(kind, MANNERED, "; ".join(decoder.findings), manner)


def differing(decoder: Decoder) -> str:
    """How many of a few rows come out of a batch otherwise than alone, whole and without a cache; empty where none do.

    Compared are the tokens of `greedy`, and what blocks pass on: caught while it generates, and read afterwards.
    """
    dice = torch.Generator().manual_seed(1)
    rows = [
        [1, *torch.randint(LETTERS_FROM, 256, (3 + 4 * row,), generator=dice).tolist()] for row in reversed(range(ROWS))
    ]
    alone = [_alone(decoder, row) for row in rows]
    stops = frozenset({alone[0][2], alone[3][4]})  # so that rows end at different steps
    expected = [said[: next((place for place, one in enumerate(said) if one in stops), NEW)] for said in alone]
    found: list[tuple[int, ...]] = []
    together = decoder.together(ROWS)
    for start in range(0, ROWS, together):
        found += [one.ids for one in greedy(decoder, rows[start : start + together], NEW, stop_ids=stops)]
    wrong = sum(one != tuple(other) for one, other in zip(found, expected, strict=True))
    if wrong:
        return f"the tokens of {wrong} of {ROWS} rows differ from those of the row alone"
    caught = np.concatenate(
        [
            window_means(decoder, rows[start : start + together], [NEW], [""] * together)[0][NEW]
            for start in range(0, ROWS, together)
        ]
    )
    exchanges = [(tuple(row), tuple(said)) for row, said in zip(rows, alone, strict=True)]
    read = mean_states(decoder, exchanges, range(decoder.depth))
    whole = np.stack([mean_states(replace(decoder, manner=APART), [one], range(decoder.depth))[0] for one in exchanges])
    for what, states in (("caught while generating", caught), ("read afterwards", read)):
        change = float(np.linalg.norm(states - whole) / np.linalg.norm(whole))
        if change > ROUNDED:
            return f"activations {what} differ by {change:.1%} of their norm from those of a row read whole"
    return ""


@torch.inference_mode()
def _alone(decoder: Decoder, row: Sequence[int]) -> list[int]:
    """Greedy tokens of one row, the whole text read again for each."""
    said: list[int] = []
    for _ in range(NEW):
        ids = torch.tensor([[*row, *said]])
        logits = decoder.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
        said.append(int(logits[0, -1].argmax()))
    return said


def markdown(found: Sequence[Outcome]) -> str:
    """The page with its table."""
    import transformers

    counts = Counter(one.outcome for one in found)
    lines = [
        "# Decoder types of transformers",
        "",
        *(__doc__ or "").splitlines()[2:],
        f"transformers {transformers.__version__}: " + ", ".join(f"{count} {name}" for name, count in counts.items()),
        "",
        "| type | outcome | why |",
        "|---|---|---|",
        *(f"| {one.type} | {one.outcome} | {one.why.replace('|', '&#124;')} |" for one in found),
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Sweep, print the page, and with --write keep it in reports/decoding; 1 if a type differs and nothing is said."""
    replace_what_cannot_be_shown()
    parser = argparse.ArgumentParser(
        prog="python -m harness.decoding.families", description=(__doc__ or "").partition(":")[2].splitlines()[0]
    )
    parser.add_argument("types", nargs="*", metavar="TYPE", help="only these (default: every type)")
    parser.add_argument("--write", action="store_true", help="keep families.md and families.json in reports/decoding")
    options = parser.parse_args(arguments)
    found = [outcome_of(kind) for kind in options.types or decoder_types()]
    print(markdown(found))
    if options.write:
        REPORTS.mkdir(parents=True, exist_ok=True)
        (REPORTS / "families.md").write_text(markdown(found), encoding="utf-8")
        rows = [asdict(one) for one in found]
        (REPORTS / "families.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(any(one.outcome == SILENT for one in found))


if __name__ == "__main__":
    raise SystemExit(main())
