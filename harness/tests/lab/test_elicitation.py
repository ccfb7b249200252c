"""Instructions go where a chat template takes them, are read with the instruct model, and are kept beside scenarios."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness.data.datasets import ELICITATIONS, DatasetError, Elicitation
from harness.decoding.capture import window_means
from harness.lab.measurements import Activations, Cleaning, Direction, MassiveActivations
from harness.models.decoder import Decoder, load_decoder
from harness.models.loadable import ModelError
from harness.tests.conftest import WordTokenizer
from harness.tests.lab.test_keys import make_keys
from harness.tests.lab.tiny_lab import Bench, TinyWeights, activations
from harness.tests.models.checkpoints import write_checkpoint

INSTRUCTION, QUESTION = 'Say "no".', "Seven boats?"
# A template that lets a system's turn pass without a word of it.
DROPS = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] != 'system' %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] + '<|eot_id|>' }}"
    "{% endif %}{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' if add_generation_prompt }}"
)
_USER = "<|start_header_id|>user<|end_header_id|>\n\n"
_AFTER = "Seven boats?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"


@pytest.mark.parametrize(
    ("architecture", "template", "before", "told", "after"),
    [
        (
            "llama",
            "",
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n<|eot_id|>",
            '<|start_header_id|>system<|end_header_id|>\n\nSay "no".<|eot_id|>',
            _USER + _AFTER,
        ),
        (
            "qwen3",
            "",
            "",
            '<|im_start|>system\nSay "no".<|im_end|>\n',
            "<|im_start|>user\nSeven boats?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
        (
            "gemma2",
            "",
            "<bos><start_of_turn>user\n",
            'Say "no".\n\n',
            "Seven boats?<end_of_turn>\n<start_of_turn>model\n",
        ),
        ("llama", DROPS, "<|begin_of_text|>" + _USER, 'Say "no".\n\n', _AFTER),
    ],
    ids=["a system's turn", "a system's turn and no thinking", "refuses the role", "drops the role"],
)
def test_an_instruction_is_the_systems_turn_or_opens_the_users_where_a_template_has_none(
    tmp_path: Path, architecture: str, template: str, before: str, told: str, after: str
) -> None:
    folder = write_checkpoint(tmp_path, architecture, blocks=2)
    if template:
        (folder / "chat_template.jinja").write_text(template)
    decoder = load_decoder(folder, "mine")
    ids = decoder.encode_question(QUESTION, INSTRUCTION)
    assert decoder.tokenizer.decode(ids) == before + told + after
    assert ids.count(decoder.tokenizer.bos_token_id) == (decoder.tokenizer.bos_token_id is not None)
    assert decoder.tokenizer.decode(decoder.encode_question(QUESTION)) == before + after


def test_a_template_that_refuses_the_users_turn_too_is_one_sentence(llama: Path) -> None:
    (llama / "chat_template.jinja").write_text("{{ raise_exception('No, never.') }}")
    with pytest.raises(ModelError, match=r"^mine: the chat template refuses a user's turn: No, never\.$"):
        load_decoder(llama, "mine").encode_question(QUESTION, INSTRUCTION)


INSTRUCTED = replace(activations(), elicitation="instructions")
PHRASINGS = [{"positive": f"t{10 + one}", "negative": f"t{20 + one} t30"} for one in range(3)]


def in_turns(_self: WordTokenizer, messages: list[dict[str, str]], **_options: bool) -> str:
    """A template whose system's turn is `t7 ... t8`, and whose user's is `t5 ... t6`."""
    marks = {"system": "t7 {} t8", "user": "t5 {} t6"}
    return " ".join(["<bos>", *(marks[message["role"]].format(message["content"]) for message in messages)])


@pytest.fixture
def instructed(
    bench: Callable[..., Bench], tmp_path: Path, tiny_decoder: Callable[[str], Decoder], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Bench]:
    """`bench` where refusal has instructions, a chat template has a system's turn, and base and instruct models differ
    in architecture."""
    folder = tmp_path / "datasets" / "words" / "traits" / "refusal"
    (folder / "instructions.yaml").write_text(yaml.safe_dump({"phrasings": PHRASINGS}))
    rows = [{"text": f"t{40 + number} t{50 + number}", "topic": "t"} for number in range(7)]
    (folder / "extraction_questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(WordTokenizer, "apply_chat_template", in_turns)

    def get(self: TinyWeights, model: str, role: str) -> Decoder:
        self.events.append(f"load {model} {role}")
        return tiny_decoder({"base": "gemma3", "instruct": "llama"}[role])

    monkeypatch.setattr(TinyWeights, "get", get)
    return bench


def expected_means(decoder: Decoder, prompts: list[list[int]]) -> np.ndarray:
    """What is to be read of pairs of prompts, positive first: [pairs, positive or negative, blocks, hidden]."""
    found = window_means(decoder, prompts, [3], [""] * len(prompts))[0][3]
    return found.reshape(-1, 2, *found.shape[1:])


def test_instructions_are_read_with_the_instruct_model_and_scenarios_with_the_base_model(
    instructed: Callable[..., Bench], tmp_path: Path, tiny_decoder: Callable[[str], Decoder]
) -> None:
    opened = instructed()
    plan = opened.lab.plan([INSTRUCTED, activations()])
    assert [(stage.title, stage.rows) for stage in plan.stages] == [
        ("read refusal scenarios", 20),
        ("read refusal instructions", 36),
    ]
    opened.lab.prepare([INSTRUCTED, activations()])
    assert opened.weights.events == ["load tiny base", "load tiny instruct"]  # the base model can go before it
    prompts = {
        "instructions": [
            [2, 7, *instruction, 8, 5, 40 + pair % 7, 50 + pair % 7, 6]
            for pair in range(18)
            for instruction in ([10 + pair // 6], [20 + pair // 6, 30])
        ],
        "scenarios": [
            [2, *(int(word[1:]) for word in json.loads(line)["text"].split())]
            for line in (tmp_path / "datasets/words/traits/refusal/scenarios.jsonl").read_text().splitlines()
        ],
    }
    for measurement, decoder, fitted in ((INSTRUCTED, "llama", 16), (activations(), "gemma3", 9)):
        answer = opened.lab.answer(measurement)
        expected = expected_means(tiny_decoder(decoder), prompts[measurement.elicitation])
        for place, label in enumerate(("positive", "negative")):
            np.testing.assert_allclose(answer.arrays[label], expected[:, place], rtol=1e-4, atol=1e-4)
        assert answer.record["training_pairs"] == fitted
    topics = [f"phrasing {1 + pair // 6}" for pair in range(18)]
    assert opened.lab.answer(INSTRUCTED).record["topics"] == topics


def test_what_is_changed_is_read_again_and_the_other_kind_is_recalled(
    instructed: Callable[..., Bench], tmp_path: Path
) -> None:
    folder = tmp_path / "datasets" / "words" / "traits" / "refusal"
    changes = {
        tmp_path / "base" / "config.json": "scenarios",
        folder / "scenarios.jsonl": "scenarios",
        tmp_path / "instruct" / "config.json": "instructions",
        folder / "instructions.yaml": "instructions",
        folder / "extraction_questions.jsonl": "instructions",
    }
    both = [INSTRUCTED, activations()]
    instructed().lab.prepare(both)
    assert instructed().lab.plan(both).missing == ()
    for path, elicitation in changes.items():
        text = path.read_text()
        path.write_text(text.replace(": ", ":  ", 1) if ": " in text else f"{text} ")  # other bytes of the same meaning
        again = instructed().lab
        assert [one.elicitation for one in again.plan(both).missing] == [elicitation], path.name  # type: ignore[union-attr]
        again.prepare(both)


@pytest.mark.parametrize("elicitation", ELICITATIONS)
def test_the_key_of_a_direction_holds_the_files_of_its_own_elicitation_and_of_no_other(
    elicitation: Elicitation,
) -> None:
    read = {
        "scenarios": {"/base", "/scenarios.jsonl"},
        "instructions": {"/instructions.yaml", "/extraction_questions.jsonl"},
    }
    massive = MassiveActivations("severe", 8)  # read from the instruct model, whatever the elicitation
    of = Activations("severe", "refusal", 3, elicitation)
    wanted = Direction(of, massive, "mean_diff", 1, Cleaning())
    own = make_keys().key(wanted)
    for name in ("/questions.jsonl", "/definition.yaml", *read["scenarios"], *read["instructions"]):
        assert (make_keys(changed=name).key(wanted) != own) == (name in read[elicitation]), name
    other = Activations("severe", "refusal", 3, next(one for one in ELICITATIONS if one != elicitation))
    assert make_keys().key(replace(wanted, activations=other)) != own


def test_a_trait_without_instructions_fails_alone_and_says_so(instructed: Callable[..., Bench]) -> None:
    lab = instructed().lab
    without = replace(INSTRUCTED, trait="sycophancy")
    wanted = [without, activations("sycophancy"), INSTRUCTED]
    lab.prepare(wanted)
    with pytest.raises(DatasetError, match=r"sycophancy.*instructions\.yaml"):
        lab.answer(without)
    assert [lab.recall(one) is not None for one in wanted] == [False, True, True]
