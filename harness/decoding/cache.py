"""A key-value cache whose buffers have their final length, so that a step of decoding copies nothing it already has."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

States = Float[Tensor, "rows heads positions head_dim"]


class RoomyLayer(DynamicLayer):
    """The keys and values of a layer in front of the room for those to come; `keys` and `values` are views of them.

    The layer of transformers concatenates at every step, and so reads and writes all it holds to add one position.
    """

    def __init__(self, keys: States, values: States, length: int) -> None:
        super().__init__()
        self.device, self.dtype = keys.device, keys.dtype
        self.used = keys.shape[-2]
        self.roomy_keys, self.roomy_values = (_with_room(states, length) for states in (keys, values))
        self.is_initialized = True
        self._show()

    def _show(self) -> None:
        self.keys = self.roomy_keys[:, :, : self.used]
        self.values = self.roomy_values[:, :, : self.used]

    def update(self, key_states: States, value_states: States, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write the new positions behind the old ones; raises RuntimeError where there is no room for them."""
        new = slice(self.used, self.used + key_states.shape[-2])
        self.roomy_keys[:, :, new] = key_states
        self.roomy_values[:, :, new] = value_states
        self.used = new.stop
        self._show()
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows, with their room."""
        self.roomy_keys, self.roomy_values = self.roomy_keys[indices], self.roomy_values[indices]
        self._show()


def _with_room(states: States, length: int) -> Tensor:
    room = states.new_empty(*states.shape[:2], length, states.shape[-1])
    room[:, :, : states.shape[-2]] = states
    return room


def give_room(cache: Any, length: int) -> None:
    """Let the layers of a cache hold up to `length` positions without copying, where they keep every position.

    Layers of another kind stay as the model made them: states of linear attention, or a window that fills up.
    """
    if type(cache) is not DynamicCache:
        return
    for index, layer in enumerate(cache.layers):
        slides = type(layer) is DynamicSlidingWindowLayer and length > layer.sliding_window - 1
        if type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) and not slides and layer.is_initialized:
            cache.layers[index] = RoomyLayer(layer.keys, layer.values, length)
