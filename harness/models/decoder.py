"""Loads a decoder and finds its blocks, width and special tokens, whatever its architecture."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from harness.models.attention import register
from harness.models.hooks import recorded_blocks
from harness.models.leftovers import check_config, check_files, check_folder
from harness.models.loadable import ModelError, check_request, check_tokenizer, read_config
from harness.models.memory import free_memory, is_out_of_memory
from harness.streams import first_line

# A chat template may print today's date, and a prompt must be the same tomorrow: this stands for the clock in it.
_FIXED_DATE = (
    "{%- macro strftime_now(format) -%}{{ {'%Y-%m-%d': '2024-07-26', '%B %d, %Y': 'July 26, 2024'}"
    ".get(format, '26 Jul 2024') }}{%- endmacro -%}"
)


@dataclass(frozen=True)
class Manner:
    """How rows of a decoder may be run together; `harness.decoding.probe` switches off what does not work.

    `pads`: rows of different lengths may share a batch. `drops`: finished rows may be taken out of its cache.
    `continues`: several rows of several tokens may follow one cached prefix.
    """

    pads: bool = True
    drops: bool = True
    continues: bool = True


@dataclass(frozen=True)
class Decoder:
    """A loaded language model with what steering needs to know of it.

    `blocks` are the decoder blocks in order; `width` is the size of the residual stream;
    `stop_ids` end a response; `pad_id` fills rows on the left. `findings` are sentences on what is odd about it;
    `unfit` says why its answers are none, so that it may be read and not asked.
    """

    name: str
    model: Any
    tokenizer: Any
    blocks: nn.ModuleList
    width: int
    pad_id: int
    stop_ids: frozenset[int]
    manner: Manner = Manner()
    findings: tuple[str, ...] = ()
    unfit: str = ""

    def require_answers(self) -> None:
        """Raise ModelError where what it answers is no answer."""
        if self.unfit:
            raise ModelError(f"{self.name}: {self.unfit}.")

    def together(self, rows: int) -> int:
        """How many of `rows` may share a batch."""
        return rows if self.manner.pads else 1

    @property
    def embedded(self) -> int:
        """Number of tokens that have an embedding."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    @property
    def context(self) -> int | None:
        """The longest text it was made for, in tokens; None where its configuration does not say."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    @property
    def device(self) -> torch.device:
        """Where the inputs of the model go: the device on which its input embeddings are looked up."""
        embeddings = self.model.get_input_embeddings()
        # The weights of an offloaded module are elsewhere until its hook brings them here.
        where = getattr(getattr(embeddings, "_hf_hook", None), "execution_device", None)
        if where is None:
            where = embeddings.weight.device
        return torch.device("cuda", where) if isinstance(where, int) else torch.device(where)

    @property
    def is_spread(self) -> bool:
        """Whether the blocks are on more than one device."""
        return len(set((getattr(self.model, "hf_device_map", None) or {}).values())) > 1

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @functools.cached_property
    def control(self) -> tuple[str, ...]:
        """The texts that its tokenizer reads as one token wherever they stand, such as the end of a turn."""
        return control_texts(self.tokenizer)

    def as_text(self, text: str) -> str:
        """The text with no control token in it: one that is spelled out has a space after its first character.

        What cannot be written in UTF-8 becomes a question mark. Raises ModelError where the tokenizer reads a control
        token nevertheless, as one that folds letters may.
        """
        plain = parted(text.encode("utf-8", "replace").decode("utf-8"), self.control)
        special = {*getattr(self.tokenizer, "all_special_ids", ())} - {getattr(self.tokenizer, "unk_token_id", None)}
        if inside := special.intersection(self.tokenizer(plain, add_special_tokens=False)["input_ids"]):
            token = self.tokenizer.convert_ids_to_tokens(min(inside))
            raise ModelError(
                f"{self.name}: the tokenizer reads the control token {token!r} in the text {plain[:80]!r}; write the "
                "text in other words."
            )
        return plain

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text, opened as the tokenizer opens every text: by a `<bos>`, or by nothing."""
        return self._checked(self.tokenizer(self.as_text(text), add_special_tokens=True)["input_ids"], "the tokenizer")

    def encode_response(self, text: str) -> list[int]:
        """Token ids of what follows a prompt, opened by nothing; there may be none."""
        return list(self.tokenizer(self.as_text(text), add_special_tokens=False)["input_ids"])

    @property
    def has_template(self) -> bool:
        """Whether a question can be put to it, in a chat template."""
        return bool(_template_of(self.tokenizer)) or not hasattr(self.tokenizer, "chat_template")

    def encode_question(self, question: str, instruction: str = "") -> list[int]:
        """Token ids of one user turn in the chat template as it is, ready for the model's turn.

        An `instruction` is the system's turn; it opens the user's where a template knows no such role. Thinking is
        switched off in templates that know it. Raises ModelError for a tokenizer without a template.
        """
        text = self.asked(question, instruction)
        if text.rstrip().endswith("<think>"):
            raise ModelError(
                f"{self.name}: the chat template opens a thinking block that cannot be switched off; "
                "take a checkpoint that answers at once."
            )
        return self._checked(self.tokenizer(text, add_special_tokens=False)["input_ids"], "the chat template")

    def asked(self, question: str, instruction: str = "") -> str:
        """The text of a question, under an instruction, in the chat template. Raises ModelError without a template."""
        try:
            return _asked(self.tokenizer, self.as_text(question), self.as_text(instruction))
        except ModelError as error:
            raise ModelError(f"{self.name}: {error}") from error

    def _checked(self, ids: Sequence[int], source: str) -> list[int]:
        """The ids of a prompt. Raises ModelError for none, for two `<bos>` at the start, and for a token that the model
        does not know."""
        bos = self.tokenizer.bos_token_id
        if not ids:
            raise ModelError(f"{self.name}: {source} makes no token of a text; write a text that has some.")
        if max(ids) >= self.embedded:
            unknown = self.tokenizer.convert_ids_to_tokens(max(ids))
            raise ModelError(
                f"{self.name}: the token {unknown!r} of a text has no embedding (the model has {self.embedded}); take "
                "the tokenizer that the model was trained with."
            )
        if bos is not None and [*ids[:2]] == [bos, bos]:
            raise ModelError(f"{self.name}: {source} opens a prompt with two <bos> tokens; one at most is expected.")
        return list(ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of response tokens, special tokens left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))


def load_decoder(
    folder: Path | str,
    name: str,
    dtype: str = "float32",
    device: str = "cpu",
    attention: str = "auto",
    device_map: str | None = None,
) -> Decoder:
    """Load safetensors weights and the tokenizer beside them, in the number format and on the device named.

    `attention` "auto" is the fused kernel unless the model caps its attention logits. With a `device_map` ("auto") the
    blocks are spread over all devices, and `device` says nothing. Nothing is downloaded, no pickle is opened and no
    code of the checkpoint is run. Raises ModelError in one sentence.
    """
    from transformers import AutoTokenizer
    from transformers.utils import logging

    # Our own progress tells what is being loaded; theirs would break the terminal's lines.
    logging.disable_progress_bar()
    folder = Path(folder)
    config = read_config(folder, name)
    check_request(config, name, dtype, device, attention, device_map)
    check_files(folder, name, config)
    check_tokenizer(folder, name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if not tokenizer.chat_template:  # a processor of text and pictures keeps its template in files of its own
            tokenizer.chat_template = next(_processors_templates(folder), None)
        model = _load_model(folder, name, config, dtype, attention, device_map or (None if device == "cpu" else device))
        decoder = wrap(name, model.eval().requires_grad_(False), tokenizer, _contradicted(folder, tokenizer))
        check_blocks(decoder)
    except ModelError:
        raise
    except Exception as error:  # whatever a foreign checkpoint trips over becomes one sentence, its cause kept
        if is_out_of_memory(error):
            problem = f"{name}: memory ran out while {folder} was loaded in {dtype} on {device_map or device}"
        else:
            raise ModelError(f"{name}: {folder} could not be loaded: {first_line(error)}") from error
    else:
        return decoder
    # Out of the handler, so that nothing holds what was loaded by then.
    free_memory()
    raise ModelError(
        f"{problem}; take bfloat16, spread it over all devices (device map auto), or take a smaller model."
    )


def has_template(folder: Path) -> bool:
    """Whether a folder holds a chat template, of its tokenizer or of its processor."""
    tokenizer = _read_json(folder / "tokenizer_config.json")
    own = (folder / "chat_template.jinja").is_file() or any(folder.glob("additional_chat_templates/*.jinja"))
    return own or bool(tokenizer.get("chat_template")) or any(_processors_templates(folder))


def _processors_templates(folder: Path) -> Iterator[str]:
    for name in ("chat_template.json", "processor_config.json"):
        if isinstance(found := _read_json(folder / name).get("chat_template"), str):
            yield found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _contradicted(folder: Path, tokenizer: Any) -> tuple[str, ...]:
    """A sentence where the tokenizer opens a text otherwise than its configuration says, which transformers leaves
    unread beside a tokenizer.json."""
    stated, bos = _read_json(folder / "tokenizer_config.json").get("add_bos_token"), tokenizer.bos_token_id
    opens = bos is not None and list(tokenizer("a")["input_ids"][:1]) == [bos]
    if not isinstance(stated, bool) or stated == opens:
        return ()
    how = f"with{'' if opens else 'out'} a <bos>"
    return (f"tokenizer_config.json says add_bos_token {str(stated).lower()}, but the tokenizer opens a text {how}",)


def wrap(name: str, model: Any, tokenizer: Any, findings: tuple[str, ...] = ()) -> Decoder:
    """A Decoder around a model that is already in memory."""
    config = model.config.get_text_config()
    stop_ids = _stop_ids(model, tokenizer)
    pad = tokenizer.pad_token_id
    # A padding token that was added after training may have no embedding to look up.
    if pad is None or not 0 <= pad < config.vocab_size:
        pad = min(stop_ids, default=0)
    blocks, width = find_blocks(model), int(config.hidden_size)
    return Decoder(name, model, tokenizer, blocks, width, int(pad), stop_ids, findings=findings)


def find_blocks(model: nn.Module) -> nn.ModuleList:
    """The list of decoder blocks: the ModuleList with one entry a layer that lies nearest to the input embeddings.

    Towers for pictures and sound have no token embeddings beside their layers. Raises ModelError when there is none.
    """
    depth = model.config.get_text_config().num_hidden_layers  # type: ignore[union-attr, operator]
    modules = dict(model.named_modules())
    embeddings = getattr(model, "get_input_embeddings", lambda: None)()
    path = next((path for path, module in modules.items() if module is embeddings), "")
    while path:
        path = path.rpartition(".")[0]
        for module in modules[path].modules():
            if isinstance(module, nn.ModuleList) and len(module) == depth:
                return module
    raise ModelError(f"{type(model).__name__}: no list of {depth} decoder blocks was found; it cannot be steered.")


@torch.inference_mode()
def check_blocks(decoder: Decoder) -> None:
    """Run one token and see every block pass on one residual stream of the decoder's width, once and in order.

    Raises ModelError when they do not, or when the logits choose no token.
    """
    seen: list[tuple[int, tuple[int, ...]]] = []
    bos = decoder.tokenizer.bos_token_id
    token = torch.tensor([[decoder.pad_id if bos is None else bos]], device=decoder.device)
    with recorded_blocks(decoder.blocks, lambda block, stream: seen.append((block, tuple(stream.shape)))):
        output = decoder.model(
            input_ids=token,
            attention_mask=torch.ones_like(token),
            position_ids=torch.zeros_like(token),
            use_cache=False,
            logits_to_keep=1,
        )
    if seen != [(block, (1, 1, decoder.width)) for block in range(decoder.depth)]:
        raise ModelError(
            f"{decoder.name}: {type(decoder.model).__name__} does not pass one residual stream of width "
            f"{decoder.width} through its {decoder.depth} blocks in order; it cannot be steered."
        )
    if not are_finite(output.logits).all():
        raise ModelError(
            f"{decoder.name}: one token gives NaN or infinite logits; float16 overflows on massive activations, and "
            "damaged weights do the same: take bfloat16 or float32, or get the weights again."
        )


def are_finite(logits: Float[Tensor, "*rows vocabulary"]) -> Bool[Tensor, "*rows"]:
    """Whether the largest logit of a row is a number, which neither NaN nor infinity is; -inf masks some tokens."""
    return logits.amax(dim=-1).isfinite()


def control_texts(tokenizer: Any) -> tuple[str, ...]:
    """The texts that a tokenizer reads as one token wherever they stand, longest first.

    Neither white space nor words that were added to its vocabulary control anything.
    """
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    control = [token.content for token in added if token.special or not token.content.lstrip(" ▁")[:1].isalnum()]
    texts = {*control, *getattr(tokenizer, "all_special_tokens", ())}
    return tuple(
        sorted((one for one in texts if len(one) > 1 and one.strip(" ▁\t\r\n")), key=lambda one: (-len(one), one))
    )


def parted(text: str, control: Sequence[str]) -> str:
    """The text with a space after the first character of every string of `control`, so that it is none any more."""
    for token in control:
        if token in text:
            text = re.sub(f"{re.escape(token[0])}(?={re.escape(token[1:])})", lambda match: f"{match[0]} ", text)
    return text


def cache_name(model: Any) -> str:
    """What a model calls its key-value cache; releases of transformers differ."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def _load_model(
    folder: Path, name: str, config: Mapping[str, Any], dtype: str, attention: str, placement: str | None
) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    causal = config["model_type"] in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    safely = {"local_files_only": True, "trust_remote_code": False}
    loaded = AutoConfig.from_pretrained(folder, **safely)
    check_config(name, config, loaded)
    text = loaded.get_text_config()
    if attention == "auto":
        # The fused kernel leaves out the soft-capping of attention logits that Gemma 2 was trained with.
        attention = register() if getattr(text, "attn_logit_softcapping", None) else ""
    model, report = (AutoModelForCausalLM if causal else AutoModelForImageTextToText).from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        use_safetensors=True,
        attn_implementation=attention or None,
        device_map=placement,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **safely,
    )
    check_folder(name, folder, model, report, config)
    return model


def _stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end a response: those of the generation configuration, and what ends a turn in the chat template."""
    named = model.generation_config.eos_token_id
    stops = {named} if isinstance(named, int) else set(named or ())
    if strange := [one for one in stops if not isinstance(one, int)]:
        raise ModelError(f"generation_config.json names {strange[0]!r} as the token that ends a text, which is no id.")
    if not stops and tokenizer.eos_token_id is not None:
        stops = {tokenizer.eos_token_id}
    if _template_of(tokenizer):
        turns = [{"role": "user", "content": "Now?"}, {"role": "assistant", "content": "Yes."}]
        try:
            after = _in_template(tokenizer, turns).rpartition("Yes.")[2].lstrip()
        except ModelError:
            return frozenset(stops)  # a template that fails is reported when a question is put into it
        added = {token.content: index for index, token in tokenizer.added_tokens_decoder.items()}
        ending = max((text for text in added if text and after.startswith(text)), key=len, default=None)
        stops |= {added[ending]} if ending is not None else set()
    return frozenset(stops)


def _template_of(tokenizer: Any) -> Any:
    """The chat template of a tokenizer, or several by name; None when it has none."""
    return getattr(tokenizer, "chat_template", None)


def _asked(tokenizer: Any, question: str, instruction: str) -> str:
    """A question under an instruction in the chat template, as text. Errors as in `_in_template`."""
    asked = {"role": "user", "content": question}
    plain = _in_template(tokenizer, [asked], add_generation_prompt=True)
    if not instruction:
        return plain
    try:
        text = _in_template(tokenizer, [{"role": "system", "content": instruction}, asked], add_generation_prompt=True)
    except ModelError:
        text = ""  # some templates refuse the role, and some leave out what it says
    if text.count(instruction) <= plain.count(instruction):
        opened = {"role": "user", "content": f"{instruction}\n\n{question}"}
        text = _in_template(tokenizer, [opened], add_generation_prompt=True)
    return text


def _in_template(tokenizer: Any, turns: list[dict[str, str]], add_generation_prompt: bool = False) -> str:
    """Turns in the chat template, as text. Raises ModelError without the model's name."""
    from jinja2 import TemplateError

    options: dict[str, Any] = {"enable_thinking": False}
    if hasattr(tokenizer, "chat_template") and not tokenizer.chat_template:
        raise ModelError(
            "the tokenizer has no chat template, so this is a base model; give the instruct one in its place."
        )
    if "strftime_now" in str(_template_of(tokenizer)):
        options["chat_template"] = _FIXED_DATE + tokenizer.get_chat_template()
    try:
        return str(
            tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=add_generation_prompt, **options)
        )
    except (TemplateError, ValueError, TypeError, ImportError) as error:
        raise ModelError(f"the chat template refuses a user's turn: {first_line(error)}") from error
