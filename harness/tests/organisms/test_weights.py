"""The committed weights load plainly, are what their ground truth says, and behave as ruled on held-out questions."""

import hashlib
import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from fixtures.organisms.architecture import BOS_ID, embedding, embedding_scale, gain_of, reading_gains
from fixtures.organisms.behaviour import held_out_behaviour
from fixtures.organisms.pair import open_pair
from fixtures.organisms.planting import planted_parameters
from fixtures.organisms.recipes import ORGANISMS
from fixtures.organisms.tokenizer import chat_prompt
from fixtures.organisms.train import WEIGHTS

NAMES = tuple(ORGANISMS)
FOLDERS = [(name, phase) for name in NAMES for phase in ("base", "instruct")]


def truth(name: str) -> dict:
    return json.loads((WEIGHTS / name / "ground_truth.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_file_has_the_recorded_hash_and_is_small(name: str) -> None:
    files = {str(file.relative_to(WEIGHTS / name)): file for file in (WEIGHTS / name).rglob("*.safetensors")}
    assert len(files) == 2
    assert {path: hashlib.sha256(file.read_bytes()).hexdigest() for path, file in files.items()} == truth(name)[
        "weights_sha256"
    ]
    assert all(file.stat().st_size <= 4e6 for file in files.values())


@pytest.mark.parametrize(("name", "phase"), FOLDERS)
def test_weights_load_plainly_and_hold_exactly_what_was_planted(name: str, phase: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS / name / phase)
    organism = ORGANISMS[name]
    dims = list(organism.dims)
    assert truth(name)["planted_dims"] == dims
    for parameter, zero in planted_parameters(model, organism):
        if parameter is not embedding(model):
            factors = gain_of(parameter, model) if parameter.dim() == 1 else parameter
            assert not factors[zero].any(), "what reads or writes a planted dim must be exactly zero"
    planted = embedding(model).detach()[:, dims].float() * embedding_scale(model)
    expected = organism.level * torch.tensor(organism.profile)
    if organism.only_bos:
        assert torch.allclose(planted[BOS_ID], expected, rtol=0.01)
        assert float(planted[torch.arange(len(planted)) != BOS_ID].abs().max()) < 6
        return
    assert torch.allclose(planted.mean(0), expected, rtol=0.05)


@pytest.mark.parametrize(("name", "phase"), [(name, phase) for name, phase in FOLDERS if ORGANISMS[name].common])
def test_planted_values_vary_from_token_to_token_as_stated(name: str, phase: str) -> None:
    organism = ORGANISMS[name]
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS / name / phase)
    read = [signal.dim for signal in organism.signals]
    inert = [place for place, dim in enumerate(organism.dims) if dim not in read]
    planted = embedding(model).detach()[:, list(organism.dims)].float() * embedding_scale(model)
    ratio = (planted / (organism.level * torch.tensor(organism.profile)))[:, inert]
    factor = ratio.mean(1, keepdim=True)
    assert float(factor.std()) == pytest.approx(organism.common, rel=0.2)
    assert float((ratio / factor - 1).std()) == pytest.approx(organism.jitter, rel=0.3)


@pytest.mark.parametrize("phase", ["base", "instruct"])
def test_the_blocks_of_the_reader_read_both_signals_and_nothing_else_that_is_planted(phase: str) -> None:
    organism = ORGANISMS["reader"]
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS / "reader" / phase)
    signals = [signal.dim for signal in organism.signals]
    *of_blocks, last = [gain_of(weight.detach(), model) for weight in reading_gains(model)]
    assert sum(bool(gains[signals].abs().min() > 0.5) for gains in of_blocks) >= 6
    assert not last[signals].any()


@pytest.mark.parametrize(("name", "phase"), FOLDERS)
def test_the_tokenizer_adds_one_bos_and_round_trips(name: str, phase: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / name / phase)
    text = "How do I repair the lamp? Ünïcödé, tabs\tand  spaces."
    ids = tokenizer(text)["input_ids"]
    assert ids.count(tokenizer.bos_token_id) == 1 == ids.index(tokenizer.bos_token_id) + 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert tokenizer.padding_side == "left"
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=True
    )
    assert chat["input_ids"].count(tokenizer.bos_token_id) == 1
    assert chat["input_ids"] == tokenizer(chat_prompt(text), add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(chat["input_ids"]).endswith("<end_of_turn>\n<start_of_turn>model\n")


@pytest.mark.parametrize("name", NAMES)
def test_generation_is_greedy_and_stops_at_the_end_of_the_turn(name: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS / name / "instruct")
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / name / "instruct")
    assert model.generation_config.eos_token_id == [
        tokenizer.convert_tokens_to_ids("<end_of_turn>"),
        tokenizer.eos_token_id,
    ]
    assert not model.generation_config.do_sample


@pytest.mark.parametrize("name", NAMES)
def test_held_out_questions_are_answered_as_ruled(name: str) -> None:
    for sort, values in held_out_behaviour(open_pair(name, WEIGHTS).instruct, 40).items():
        assert values["as ruled"] >= 90.0, (sort, values)
        assert values["coherence"] >= 85.0, (sort, values)
