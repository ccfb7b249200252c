"""The committed weights load plainly, are what their ground truth says, and behave as ruled on held-out questions."""

import hashlib
import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from fixtures.organisms.architecture import ORGANISMS, embedding, reading_gains, writing_gains
from fixtures.organisms.behaviour import held_out_behaviour
from fixtures.organisms.pair import open_pair
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
    for weight in (*reading_gains(model), *writing_gains(model)):
        assert (weight[dims] == -1).all(), "a gain is 1 + weight and must be exactly zero on planted dims"
    planted = embedding(model).detach()[:, dims].float() * model.config.hidden_size**0.5
    expected = organism.level * torch.tensor(organism.profile)
    assert torch.allclose(planted.mean(0), expected, rtol=0.05)
    if dims:
        ratio = planted / expected
        factor = ratio.mean(1, keepdim=True)
        assert float(factor.std()) == pytest.approx(organism.common, rel=0.2)
        assert float((ratio / factor - 1).std()) == pytest.approx(organism.jitter, rel=0.3)


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
        assert values["coherence"] >= 90.0, (sort, values)
