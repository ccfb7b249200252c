"""A cache with room holds what the library's holds, in place, and leaves alone the layers that forget."""

from __future__ import annotations

import pytest
import torch

from harness.decoding.cache import RoomyLayer, give_room
from harness.models.decoder import Decoder, cache_name

PROMPTS = torch.tensor([[2, 5, 9], [2, 7, 8], [2, 40, 41]])


@torch.inference_mode()
def test_a_cache_with_room_is_the_librarys_and_never_moves(decoder: Decoder) -> None:
    """Windows of 6 positions stay where 9 are to come, and get room where 5 are."""
    named = cache_name(decoder.model)
    slides = decoder.name != "tiny llama"
    for length in (9, 5):
        plain, roomy = (decoder.model(input_ids=PROMPTS, use_cache=True)[named] for _ in range(2))
        give_room(roomy, length)
        expected = [not (slides and length == 9 and layer.is_sliding) for layer in plain.layers]
        assert [isinstance(layer, RoomyLayer) for layer in roomy.layers] == expected
        places = [layer.keys.data_ptr() for layer in roomy.layers]
        for step in range(length - 3):
            keep = torch.tensor([0, 2])[: 2 if step else None]
            if step == 1:
                plain.batch_select_indices(keep)
                roomy.batch_select_indices(keep)
                places = [layer.keys.data_ptr() for layer in roomy.layers]
            token = torch.full((2 if step else 3, 1), 10 + step)
            one, other = (decoder.model(input_ids=token, **{named: cache}) for cache in (plain, roomy))
            assert torch.equal(one.logits, other.logits)
        for mine, theirs, place, room in zip(roomy.layers, plain.layers, places, expected, strict=True):
            assert torch.equal(mine.keys, theirs.keys)
            assert torch.equal(mine.values, theirs.values)
            assert not room or mine.keys.data_ptr() == place
        assert roomy.get_seq_length() == length
        if not slides:
            with pytest.raises(RuntimeError):
                decoder.model(input_ids=token, **{named: roomy})
