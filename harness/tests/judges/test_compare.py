"""What the comparison of judges computes itself: log-probabilities of responses, and an order without a scale."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from harness.data.gold import GoldExchange
from harness.judges import compare
from harness.models.decoder import Decoder


def test_log_probabilities_are_those_of_each_row_alone(
    tiny_decoder: Callable[[str], Decoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = tiny_decoder("llama")
    rows = [((2, 5, 6), (7, 8)), ((2, 9), (10, 11, 12, 13)), ((2, 5), ()), ((2, 30, 31, 32, 33), (40,))]
    monkeypatch.setattr(compare, "BATCH_ROWS", 2)
    found = compare.log_probabilities(decoder, rows)
    assert np.isnan(found[2])  # nothing was said
    for (prompt, response), mean in zip(rows, found, strict=True):
        if response:
            ids = torch.tensor([[*prompt, *response]])
            with torch.inference_mode():
                logits = decoder.model(input_ids=ids).logits[0].log_softmax(dim=-1)
            places = range(len(prompt) - 1, len(prompt) + len(response) - 1)
            alone = [float(logits[place, token]) for place, token in zip(places, response, strict=True)]
            assert mean == pytest.approx(np.mean(alone), abs=1e-5)


def test_a_judge_without_a_scale_is_told_by_its_order_alone() -> None:
    gold = [
        GoldExchange(f"question {number // 2}", f"response {number}", 100.0 * (number % 2), "clear")
        for number in range(80)
    ]
    scores = [-3.0 + 0.1 * (one.score > 50) for one in gold]
    found = compare.row("likelihood", "refusal", gold, scores, 0.1, has_scale=False)
    assert found["auroc"].startswith("1")
    assert (found["slope"], found["side of 50"], found["gate"]) == ("", "", "no scale")
    assert compare.row("x", "refusal", gold, [one.score for one in gold], 0.1, has_scale=True)["gate"] == "passed"
    assert compare.row("x", "refusal", gold, [50.0] * 80, 0.1, has_scale=True)["gate"] == "not passed"
