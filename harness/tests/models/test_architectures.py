"""Every architecture, loaded from disk as the hub would hold it, is read, captured and steered exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.decoding import capture
from harness.decoding.capture import ResponseStatistics, add_responses, window_means
from harness.decoding.generation import greedy
from harness.decoding.steering import Row, RowSteering, steer
from harness.models.decoder import Decoder, load_decoder, wrap
from harness.models.hooks import recorded_blocks
from harness.tests.models.checkpoints import write_checkpoint, write_gemma3_4b_pair
from harness.tests.models.families import ARCHITECTURES, FAMILIES

BLOCKS, WIDTH = 4, 32
TEXTS = ("The lazy dog", "She refused to answer the question, because", "Of course you are right", "Seven")
LAYERS = {
    "gpt2": "transformer.h",
    "gpt_neox": "gpt_neox.layers",
    "gemma3_multimodal": "model.language_model.layers",
}
Load = Callable[[str], Decoder]


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """`loaded("llama")`: a decoder written to disk and loaded again, once a session."""
    made: dict[str, Decoder] = {}

    def load(architecture: str) -> Decoder:
        if architecture not in made:
            folder = write_checkpoint(tmp_path_factory.mktemp(architecture), architecture, blocks=BLOCKS, width=WIDTH)
            made[architecture] = load_decoder(folder, architecture)
        return made[architecture]

    return load


@pytest.fixture(scope="session", params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    """Each architecture in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def decoder(architecture: str, loaded: Load) -> Decoder:
    """The decoder of each architecture in turn."""
    return loaded(architecture)


def vectors(count: int) -> list[np.ndarray[Any, Any]]:
    """Unit directions [hidden]."""
    random = np.random.default_rng(3).standard_normal((count, WIDTH)).astype(np.float32)
    return list(random / np.linalg.norm(random, axis=1, keepdims=True))


def hidden_states(decoder: Decoder, ids: list[int]) -> tuple[Tensor, ...]:
    """transformers' own: the embeddings, then the output of every block, the last one after the final norm."""
    with torch.inference_mode():
        output = decoder.model(input_ids=torch.tensor([ids]), output_hidden_states=True, use_cache=False)
    states: tuple[Tensor, ...] = output.hidden_states
    return states


@torch.inference_mode()
def read_again(decoder: Decoder, prompt: list[int], response: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Block outputs [blocks, tokens, hidden] at response tokens, prompt and response read in one pass, unpadded."""
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    handles = [block.register_forward_hook(keep) for block in decoder.blocks]
    try:
        decoder.model(input_ids=torch.tensor([[*prompt, *response]]), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return np.stack([output[0, len(prompt) :].double().numpy() for output in outputs])


@contextmanager
def added_before(block: nn.Module, vector: Tensor) -> Iterator[None]:
    """Add a vector to what goes into a block, at every position: a steering that shares no code with the harness."""

    def hook(_module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if inputs:
            return (inputs[0] + vector, *inputs[1:]), named
        return inputs, named | {"hidden_states": named["hidden_states"] + vector}

    handle = block.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@torch.inference_mode()
def read_again_each_step(decoder: Decoder, ids: list[int], tokens: int) -> tuple[int, ...]:
    """Greedy tokens of one row, the whole text read at every step: no batch, no padding, no cache."""
    whole = list(ids)
    for _ in range(tokens):
        logits = decoder.model(input_ids=torch.tensor([whole]), use_cache=False).logits
        whole.append(int(logits[0, -1].argmax()))
    return tuple(whole[len(ids) :])


def test_blocks_width_and_depth_are_those_of_the_decoder(architecture: str, decoder: Decoder) -> None:
    assert decoder.blocks is decoder.model.get_submodule(LAYERS.get(architecture, "model.layers"))
    assert (decoder.depth, decoder.width) == (BLOCKS, WIDTH)


def test_the_output_of_a_block_is_the_next_hidden_state(decoder: Decoder) -> None:
    ids = decoder.encode(TEXTS[1])
    outputs: dict[int, Tensor] = {}
    with recorded_blocks(decoder.blocks, outputs.__setitem__):
        states = hidden_states(decoder, ids)
    assert list(outputs) == list(range(BLOCKS))
    for block in range(BLOCKS - 1):
        assert torch.equal(outputs[block], states[block + 1])
        assert not torch.equal(outputs[block], states[block])


def test_a_bos_opens_texts_where_the_tokenizer_puts_one_and_questions_where_the_template_does(
    architecture: str, decoder: Decoder
) -> None:
    bos, family = decoder.tokenizer.bos_token_id, FAMILIES[architecture]
    rows = [(decoder.encode(TEXTS[0]), family.adds_bos)]
    if family.template:
        rows.append((decoder.encode_question(TEXTS[0]), "bos_token" in family.template))
    for ids, opened in rows:
        assert TEXTS[0] in decoder.tokenizer.decode(ids)
        assert [place for place, one in enumerate(ids) if one == bos] == ([0] if opened else [])


def test_stop_tokens_are_those_of_the_family_and_padding_has_an_embedding(architecture: str, decoder: Decoder) -> None:
    family = FAMILIES[architecture]
    assert decoder.stop_ids == set(decoder.tokenizer.convert_tokens_to_ids(family.stops))
    assert 0 <= decoder.pad_id < decoder.model.get_input_embeddings().weight.shape[0]


def test_a_left_padded_batch_answers_like_row_by_row(decoder: Decoder) -> None:
    rows = [decoder.encode(text) for text in TEXTS]
    batch = greedy(decoder, rows, 8, stop_ids=frozenset())
    assert [row.ids for row in batch] == [read_again_each_step(decoder, ids, 8) for ids in rows]
    assert len({token for row in batch for token in row.ids}) > 8


def test_rows_of_one_batch_are_steered_as_by_hand_or_not_at_all(decoder: Decoder) -> None:
    prompts = [decoder.encode(text) for text in TEXTS]
    scale = float(torch.linalg.vector_norm(hidden_states(decoder, prompts[1])[2], dim=-1).mean())
    first, second = vectors(2)
    rows = [
        Row(tuple(prompts[0]), first, 2.0 * scale, 0),
        Row(tuple(prompts[1])),
        Row(tuple(prompts[2]), second, -2.0 * scale, BLOCKS - 2),
        Row(tuple(prompts[3]), first, 0.0, 1),
    ]
    # Stop tokens end rows of the batch, the by-hand reference is cut there.
    steered = steer(decoder, rows, 8, batch_rows=4).responses
    for row, response in zip(rows, steered, strict=True):
        plain = read_again_each_step(decoder, list(row.prompt), 8)
        expected = plain
        if row.direction is not None and row.coefficient:
            with added_before(decoder.blocks[row.block + 1], torch.from_numpy(row.direction * row.coefficient)):
                expected = read_again_each_step(decoder, list(row.prompt), 8)
            assert expected != plain
        stop = next((place for place, token in enumerate(expected) if token in decoder.stop_ids), 8)
        assert response.ids == expected[:stop]


def test_window_means_are_those_of_reading_prompts_and_responses_again(decoder: Decoder) -> None:
    prompts = [decoder.encode(text) for text in TEXTS]
    means, generated = window_means(decoder, prompts, (1, 3, 6), TEXTS)
    assert [row.ids for row in generated] == [read_again_each_step(decoder, ids, 6) for ids in prompts]
    for row, (prompt, response) in enumerate(zip(prompts, generated, strict=True)):
        tokens = read_again(decoder, prompt, response.ids)
        for window, found in means.items():
            expected = tokens[:, :window].mean(axis=1)
            apart = np.linalg.norm(found[row] - expected, axis=1) / np.linalg.norm(expected, axis=1)
            assert apart.max() < 1e-5, (row, window)


def test_only_the_logits_that_are_asked_for_are_computed(decoder: Decoder) -> None:
    ids = torch.tensor([decoder.encode(TEXTS[1])])
    with torch.inference_mode():
        whole = decoder.model(input_ids=ids).logits
        last = decoder.model(input_ids=ids, logits_to_keep=1).logits
    assert last.shape[1] == 1
    torch.testing.assert_close(last[:, 0], whole[:, -1], rtol=1e-4, atol=1e-4)


def test_vision_layers_of_the_same_number_are_not_the_decoders(loaded: Load) -> None:
    decoder = loaded("gemma3_multimodal")
    towers = {
        module
        for path, module in decoder.model.named_modules()
        if "vision" in path and isinstance(module, nn.ModuleList) and len(module) == BLOCKS
    }
    assert towers
    assert decoder.blocks not in towers


def test_the_shape_of_gemma_3_4b_is_read_and_steered(tmp_path: Path) -> None:
    base, instruct = (load_decoder(folder, folder.name, "bfloat16") for folder in write_gemma3_4b_pair(tmp_path))
    for decoder in (base, instruct):
        assert type(decoder.model).__name__ == "Gemma3ForConditionalGeneration"
        assert (decoder.depth, decoder.width, decoder.model.dtype) == (34, 64, torch.bfloat16)
        kinds = decoder.model.config.text_config.layer_types
        assert [block for block, kind in enumerate(kinds) if kind == "full_attention"] == [5, 11, 17, 23, 29]
    means, _ = window_means(base, [base.encode(TEXTS[0])], (5,), ["one"])
    assert means[5].shape == (1, 34, 64)
    question = tuple(instruct.encode_question("How to bake bread?"))
    direction = np.eye(64, dtype=np.float32)[43]
    plain, steered = steer(instruct, [Row(question), Row(question, direction, 300.0, 15)], 6, batch_rows=2).responses
    assert plain.ids != steered.ids


def test_a_model_whose_weights_are_fetched_when_needed_answers_the_same(loaded: Load, tmp_path: Path) -> None:
    from accelerate import cpu_offload

    plain = loaded("llama")
    rows = [Row(tuple(plain.encode(text)), vectors(1)[0], 5.0 * place, 1) for place, text in enumerate(TEXTS)]
    folder = write_checkpoint(tmp_path, "llama", blocks=BLOCKS, width=WIDTH)
    fetched = load_decoder(folder, "fetched")
    cpu_offload(fetched.model, execution_device=torch.device("cpu"))
    fetched = wrap("fetched", fetched.model, fetched.tokenizer)
    assert fetched.model.get_input_embeddings().weight.device.type == "meta"
    assert fetched.device.type == "cpu"
    assert steer(fetched, rows, 8, batch_rows=4) == steer(plain, rows, 8, batch_rows=4)
    prompts = [row.prompt for row in rows]
    assert np.array_equal(
        window_means(fetched, prompts, (4,), TEXTS)[0][4], window_means(plain, prompts, (4,), TEXTS)[0][4]
    )


class Elsewhere(nn.Module):
    """A block that computes on another device than the one that the inputs are on; "meta" stands for a second GPU."""

    def forward(self, stream: Tensor) -> Tensor:
        return stream.to("meta")


def test_a_block_on_another_device_is_steered_there(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = loaded("llama")
    monkeypatch.setattr(Tensor, "isfinite", lambda self: torch.ones(self.shape, dtype=torch.bool))  # meta has no data
    steering = RowSteering([Row((1,), vectors(1)[0], 2.0, 0)], decoder)
    steering.positions(torch.ones(1, 3, dtype=torch.bool), prompt=True)
    block = Elsewhere()
    with steering.on(nn.ModuleList([block])):
        output = block(torch.zeros(1, 3, WIDTH))
    assert (output.device.type, output.shape) == ("meta", (1, 3, WIDTH))


def test_blocks_on_other_devices_are_captured_there(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = loaded("llama")
    prompts = [decoder.encode(text) for text in TEXTS]
    moved: list[Tensor] = []
    to_cpu = Tensor.cpu

    @contextmanager
    def elsewhere(blocks: nn.ModuleList, record: Callable[[int, Tensor], None]) -> Iterator[None]:
        with recorded_blocks(blocks, lambda block, stream: record(block, stream.to("meta") if block % 2 else stream)):
            yield

    def brought(self: Tensor) -> Tensor:
        if not self.is_meta:
            return to_cpu(self)
        moved.append(self)
        return torch.zeros(self.shape, dtype=self.dtype)

    monkeypatch.setattr(capture, "recorded_blocks", elsewhere)
    monkeypatch.setattr(Tensor, "cpu", brought)
    means, _ = window_means(decoder, prompts, (2, 3), TEXTS)
    # Two blocks: the ends of the prompts, and the means of two windows.
    assert [tensor.shape for tensor in moved] == [(len(TEXTS), WIDTH)] * 6
    assert means[3][:, ::2].all()
    statistics = ResponseStatistics(decoder.depth, decoder.width)
    add_responses(decoder, prompts, 3, TEXTS, statistics)
    assert statistics.arrays()["mean"][::2].all()


def test_a_model_spread_over_devices_drops_finished_rows_by_indices_that_fit_all(
    loaded: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = loaded("llama")
    rows = [decoder.encode(text) for text in TEXTS]
    free = greedy(decoder, rows, 6, stop_ids=frozenset())
    stops = frozenset({free[1].ids[1]})
    moved: list[Tensor] = []
    to_cpu = Tensor.cpu

    def watched(self: Tensor) -> Tensor:
        moved.append(self)
        return to_cpu(self)

    monkeypatch.setattr(Tensor, "cpu", watched)
    expected = greedy(decoder, rows, 6, stop_ids=stops)
    # On one device the indices stay where they are: moving them would make the host wait.
    assert not decoder.is_spread
    assert moved == []
    monkeypatch.setattr(decoder.model, "hf_device_map", {"model.layers.0": 0, "model.layers.1": 1}, raising=False)
    assert decoder.is_spread
    assert greedy(decoder, rows, 6, stop_ids=stops) == expected
    assert moved


def test_response_statistics_are_those_of_reading_prompts_and_responses_again(decoder: Decoder) -> None:
    prompts = [decoder.encode(text) for text in TEXTS]
    statistics = ResponseStatistics(decoder.depth, decoder.width)
    add_responses(decoder, prompts, 5, TEXTS, statistics)
    responses = greedy(decoder, prompts, 5)
    tokens = np.concatenate(
        [read_again(decoder, prompt, row.ids) for prompt, row in zip(prompts, responses, strict=True)], axis=1
    )
    found = statistics.arrays()
    assert statistics.tokens == tokens.shape[1] > 0
    for name, expected in (("mean", tokens.mean(axis=1)), ("peak", np.abs(tokens).max(axis=1))):
        apart = np.linalg.norm(found[name] - expected, axis=1) / np.linalg.norm(expected, axis=1)
        assert apart.max() < 1e-5, name
    np.testing.assert_allclose(statistics.token_norms(), np.linalg.norm(tokens, axis=2).mean(axis=1), rtol=1e-5)
