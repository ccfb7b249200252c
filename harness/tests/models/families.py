"""Families of checkpoints: special tokens, stop tokens and the chat template of each, as the hub has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """What the checkpoints of one family have beside their weights.

    `specials` are the special tokens by name, at the first ids; `turns` more that the chat template uses. `metaspace`
    writes a space as a visible mark and unknown characters as bytes, where others write everything as bytes.
    `stops` end a response according to the generation configuration of the instruct model.
    """

    tokenizer_class: str
    specials: Mapping[str, str]
    turns: tuple[str, ...]
    adds_bos: bool
    metaspace: bool
    stops: tuple[str, ...]
    template: str


GEMMA = Family(
    "GemmaTokenizer",
    {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"},
    ("<start_of_turn>", "<end_of_turn>"),
    adds_bos=True,
    metaspace=True,
    stops=("<eos>", "<end_of_turn>"),
    template=(
        "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{{ raise_exception('System role not supported') }}"
        "{%- endif -%}{%- for message in messages -%}"
        "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
        "{{ raise_exception('Roles must alternate') }}{%- endif -%}"
        "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' "
        "+ (message['content'] | trim) + '<end_of_turn>\n' }}{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
    ),
)
_LLAMA3 = Family(
    "PreTrainedTokenizerFast",
    {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    ("<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
    adds_bos=True,
    metaspace=False,
    stops=("<|end_of_text|>", "<|eot_id|>"),
    template=(
        "{{- bos_token }}{%- if not date_string is defined %}{%- if strftime_now is defined %}"
        "{%- set date_string = strftime_now('%d %b %Y') %}{%- else %}{%- set date_string = '26 Jul 2024' %}"
        "{%- endif %}{%- endif %}{{- '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' + date_string "
        "+ '\n\n<|eot_id|>' }}{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] "
        "+ '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
    ),
)
_MISTRAL = Family(
    "LlamaTokenizer",
    {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"},
    (),
    adds_bos=True,
    metaspace=True,
    stops=("</s>",),
    template=(
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
        "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
        "{{ ' ' + message['content'] + eos_token }}{% else %}{{ raise_exception('Only user and assistant roles') }}"
        "{% endif %}{% endfor %}"
    ),
)
_CHATML = (
    "{%- for message in messages %}{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
)
QWEN2 = Family(
    "Qwen2Tokenizer",
    {"pad_token": "<|endoftext|>", "eos_token": "<|im_end|>"},
    ("<|im_start|>",),
    adds_bos=False,
    metaspace=False,
    stops=("<|im_end|>", "<|endoftext|>"),
    template=_CHATML + "{%- endif %}",
)
QWEN3 = Family(
    "Qwen2Tokenizer",
    QWEN2.specials,
    ("<|im_start|>", "<think>", "</think>"),
    adds_bos=False,
    metaspace=False,
    stops=QWEN2.stops,
    # The hybrid models fill the block with nothing when thinking is off, and open none of their own otherwise.
    template=_CHATML
    + "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- else %}"
    + "{{- '<think>\n' }}{%- endif %}{%- endif %}",
)
_GPT2 = Family(
    "GPT2Tokenizer",
    {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"},
    (),
    adds_bos=False,
    metaspace=False,
    stops=("<|endoftext|>",),
    template="",  # there is no instruct model
)
_PHI3 = Family(
    "LlamaTokenizer",
    {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<|endoftext|>"},
    ("<|assistant|>", "<|end|>", "<|system|>", "<|user|>"),
    adds_bos=False,
    metaspace=True,
    stops=("<|endoftext|>", "<|assistant|>", "<|end|>"),
    template=(
        "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
    ),
)
_OLMO2 = Family(
    "GPT2Tokenizer",
    {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|pad|>"},
    (),
    adds_bos=False,
    metaspace=False,
    stops=("<|endoftext|>",),
    template=(
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}{{ '<|assistant|>\n' "
        "+ message['content'] + (eos_token if loop.last else eos_token + '\n') }}{% else %}{{ '<|' + message['role'] "
        "+ '|>\n' + message['content'] + '\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    ),
)
_NEOX = Family("GPTNeoXTokenizer", _GPT2.specials, (), False, False, _GPT2.stops, "")

FAMILIES: Mapping[str, Family] = {
    "gemma": GEMMA,
    "gemma2": GEMMA,
    "gemma3": GEMMA,
    "gemma3_multimodal": GEMMA,
    "llama": _LLAMA3,
    "mistral": _MISTRAL,
    "mixtral": _MISTRAL,
    "qwen2": QWEN2,
    "qwen3": QWEN3,
    "qwen3_moe": QWEN3,
    "gpt2": _GPT2,
    "phi3": _PHI3,
    "olmo2": _OLMO2,
    "gpt_neox": _NEOX,
}
ARCHITECTURES = tuple(FAMILIES)
