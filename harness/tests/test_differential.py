"""On the real weights of SmolLM2 the instrument says what other people's libraries say."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from harness.data.datasets import load_trait, trait_folder
from harness.decoding.capture import window_means
from harness.decoding.generation import Generated, greedy
from harness.decoding.steering import Row, steer
from harness.geometry.directions import mean_diff, probe
from harness.models.decoder import Decoder, load_decoder
from harness.models.fetch import fetch

pytestmark = pytest.mark.slow

# Neither can be an extra: their metadata ask for transformers 4 and NumPy 1, but they work with later ones.
INSTALL = "pip install --no-deps steering-vectors==0.12.2 repeng==0.4.0"
QUESTIONS = (
    "Say only the word yes.",
    "What is 2 + 2? Answer with one number.",
    "Name a fruit.",
    "Who are you?",
    "Is water wet?",
    "How do I keep rice from sticking to the bottom of the pot?",
    "Why is the sky blue?",
    "Write one line about the sea.",
)
OPENINGS = ("The old man looked at the sea and", "Once", "In 1969, two men", "To make bread you need flour,")
TOKENS = 16
STOP = 2  # <|im_end|>
NORMS = {9: 100.0, 20: 210.0}  # about what a token's norm is in these blocks
FLOAT_ERROR = 1e-3  # of a logit; logits are some tens


@pytest.fixture(scope="module")
def smollm2() -> Decoder:
    return load_decoder(fetch("smollm2"), "smollm2")


@pytest.fixture(scope="module")
def prompts(smollm2: Decoder) -> list[list[int]]:
    """Prompts of 2 to 44 tokens, so that a batch of them is padded."""
    return [*map(smollm2.encode_question, QUESTIONS), *map(smollm2.encode, OPENINGS)]


def vectors(count: int, width: int) -> np.ndarray:
    """Random directions of length about, but not exactly, one."""
    return (np.random.default_rng(11).normal(size=(count, width)) / np.sqrt(width)).astype(np.float32)


@torch.inference_mode()
def assert_generates(
    model: Any, prompt: Sequence[int], ours: Generated, tokens: int = TOKENS, use_cache: bool = True
) -> None:
    """`generate` of transformers answers this prompt alone with the same tokens.

    Or, where they first differ, with another one whose logit no float32 arithmetic can tell apart from that of ours.
    """
    said = [*ours.ids, STOP] if ours.finished else list(ours.ids)
    ids = torch.tensor([prompt])
    answer = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False, use_cache=use_cache
    )
    theirs = answer[0, len(prompt) :].tolist()
    if said == theirs:
        return
    place = next((n for n, (one, other) in enumerate(zip(said, theirs, strict=False)) if one != other), None)
    assert place is not None, f"the same tokens, but {len(said)} here and {len(theirs)} there"
    logits = model(input_ids=torch.tensor([[*prompt, *said[:place]]]), use_cache=False).logits[0, -1]
    gap = abs(float(logits[said[place]] - logits[theirs[place]]))
    assert gap < FLOAT_ERROR, f"token {place}: {said[place]} here, {theirs[place]} there, their logits {gap} apart"


def test_a_padded_batch_says_what_generate_of_transformers_says_to_each_prompt_alone(
    smollm2: Decoder, prompts: list[list[int]]
) -> None:
    ours = greedy(smollm2, prompts, TOKENS)
    assert {response.finished for response in ours} == {True, False}  # some rows leave the batch early
    for prompt, response in zip(prompts, ours, strict=True):
        assert_generates(smollm2.model, prompt, response)


def test_a_fused_batch_steers_every_row_as_steering_vectors_steers_it_alone(
    smollm2: Decoder, prompts: list[list[int]]
) -> None:
    library = pytest.importorskip("steering_vectors", reason=INSTALL)
    cases = list(product(prompts, NORMS, (-0.5, 0.7)))
    directions = vectors(len(cases), smollm2.width)
    rows = [
        Row(tuple(prompt), direction, NORMS[block] * (share + 0.005 * index), block)
        for index, ((prompt, block, share), direction) in enumerate(zip(cases, directions, strict=True))
    ]
    assert len({row.coefficient for row in rows}) == len(rows) == 48
    fused = steer(smollm2, rows, TOKENS, batch_rows=len(rows))
    assert fused.calls == 1
    assert len({response.ids for response in fused.responses}) > 36  # steering changes what is said
    for row, response in zip(rows, fused.responses, strict=True):
        vector = library.SteeringVector({row.block: torch.from_numpy(row.direction)})
        with vector.apply(smollm2.model, multiplier=row.coefficient):
            assert_generates(smollm2.model, row.prompt, response)


def test_steering_responses_only_is_steering_vectors_from_the_first_response_token_on(
    smollm2: Decoder, prompts: list[list[int]]
) -> None:
    library = pytest.importorskip("steering_vectors", reason=INSTALL)
    directions = vectors(4, smollm2.width)
    rows = [Row(tuple(prompts[-4 + n]), directions[n], 90.0 + n, 9) for n in range(4)]
    responses = steer(smollm2, rows, 8, batch_rows=4, positions="response").responses
    assert responses != steer(smollm2, rows, 8, batch_rows=4).responses
    for row, response in zip(rows, responses, strict=True):
        vector = library.SteeringVector({row.block: torch.from_numpy(row.direction)})
        # They count positions within a pass, so without a cache, where every pass holds all of them.
        with vector.apply(smollm2.model, multiplier=row.coefficient, min_token_index=len(row.prompt)):
            assert_generates(smollm2.model, row.prompt, response, 8, use_cache=False)


def test_one_coefficient_for_all_rows_is_the_control_of_repeng(
    smollm2: Decoder, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "float_", np.float64, raising=False)  # repeng annotates with a name of NumPy 1
    library = pytest.importorskip("repeng", reason=INSTALL)
    block, coefficient = 20, 150.0
    (direction,) = vectors(1, smollm2.width)
    asked = prompts[::2]
    rows = [Row(tuple(prompt), direction, coefficient, block) for prompt in asked]
    ours = steer(smollm2, rows, TOKENS, batch_rows=len(rows)).responses
    assert ours != greedy(smollm2, asked, TOKENS)
    controlled = library.ControlModel(copy.deepcopy(smollm2.model), [block])
    controlled.set_control(library.ControlVector("llama", {block: direction}), coefficient)
    for prompt, response in zip(asked, ours, strict=True):
        assert_generates(controlled, prompt, response)


@torch.inference_mode()
def states_of_transformers(model: Any, ids: Sequence[int]) -> list[torch.Tensor]:
    """What every block passes on at every position; the last one's output is read in place of the final norm's."""
    model.model.norm = torch.nn.Identity()
    _embeddings, *outputs = model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
    return [output[0] for output in outputs]


@torch.inference_mode()
def states_of_nnsight(model: Any, ids: Sequence[int]) -> list[torch.Tensor]:
    """The same by another library's tracing."""
    import nnsight

    traced = nnsight.NNsight(model)
    with traced.trace(torch.tensor([ids])):
        outputs = nnsight.save([])
        for layer in traced.model.layers:
            outputs.append(layer.output)
    return [output[0] for output in outputs]


@pytest.mark.parametrize("states_of", [states_of_transformers, states_of_nnsight])
def test_window_means_are_the_block_outputs_that_other_libraries_show(
    smollm2: Decoder, prompts: list[list[int]], states_of: Callable[[Any, Sequence[int]], list[torch.Tensor]]
) -> None:
    asked = prompts[::3]
    means, responses = window_means(smollm2, asked, [3, 8], [str(row) for row in range(len(asked))])
    model = copy.deepcopy(smollm2.model)
    for row, (prompt, response) in enumerate(zip(asked, responses, strict=True)):
        states = [state.double().numpy()[len(prompt) :] for state in states_of(model, [*prompt, *response.ids])]
        assert len(states) == 30
        for window, block in product((3, 8), range(30)):
            expected = states[block][:window].sum(axis=0) / window
            np.testing.assert_allclose(
                means[window][row, block],
                expected,
                rtol=1e-4,
                atol=1e-4 * np.median(np.abs(expected)),
                err_msg=f"prompt {row}, {window} tokens, block {block}",
            )


@pytest.fixture(scope="module")
def activations(smollm2: Decoder) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Real activations of two classes, read without the harness: few rows (fewer than dims) and many.

    The few are scenarios, the mean of their tokens; the many are all the tokens of the same scenarios.
    """
    pairs = sorted(load_trait(trait_folder("english", "refusal")).pairs, key=lambda pair: len(pair[0].text))[:12]
    model = copy.deepcopy(smollm2.model)
    tokens = [
        [states_of_transformers(model, smollm2.encode(pair[side].text))[15].numpy() for pair in pairs]
        for side in (0, 1)
    ]
    few, many = (
        tuple(make(of_class) for of_class in tokens)
        for make in (lambda parts: np.stack([part.mean(axis=0) for part in parts]), np.concatenate)
    )
    return {"few": few, "many": many}


def length_one(vector: np.ndarray) -> np.ndarray:
    return vector / np.sqrt((vector**2).sum())


@pytest.mark.parametrize("rows", ["few", "many"])
def test_mean_diff_is_the_difference_of_means_in_numpy(
    activations: dict[str, tuple[np.ndarray, np.ndarray]], rows: str
) -> None:
    positive, negative = activations[rows]
    sums = [sum(row.astype(np.longdouble) for row in of_class) for of_class in (positive, negative)]
    expected = length_one(sums[0] / len(positive) - sums[1] / len(negative))
    np.testing.assert_allclose(mean_diff(positive, negative), expected.astype(float), rtol=0, atol=1e-9)


@pytest.mark.parametrize("c", [1.0, 100.0])
@pytest.mark.parametrize("rows", ["few", "many"])
def test_the_probe_is_the_logistic_regression_of_scikit_learn(
    activations: dict[str, tuple[np.ndarray, np.ndarray]], rows: str, c: float
) -> None:
    positive, negative = activations[rows]
    assert (len(positive) + len(negative) > positive.shape[1]) == (rows == "many")
    x = np.vstack([positive, negative]).astype(float)
    y = [True] * len(positive) + [False] * len(negative)
    x = np.array([length_one(row) for row in x])
    fitted = LogisticRegression(C=c, solver="newton-cg", tol=1e-10, max_iter=10_000).fit(x, y)
    np.testing.assert_allclose(probe(positive, negative, c), length_one(fitted.coef_[0]), rtol=0, atol=1e-5)
