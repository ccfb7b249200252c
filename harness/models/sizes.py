"""How deep and how wide a model is, from its configuration alone."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

from harness.models.architecture import Architecture, UnknownArchitecture, from_config
from harness.models.checkpoints import NotAtHand, locate
from harness.models.registry import ModelSpec
from harness.streams import first_line


class Sizes(NamedTuple):
    """Number of blocks of a checkpoint, width of its residual stream, and the rest where its family's is known."""

    depth: int
    width: int
    architecture: Architecture | None


@functools.cache
def sizes_in(folder: Path) -> Sizes:
    """The sizes of a checkpoint in a folder. Raises NotAtHand for a configuration that cannot be read."""
    from transformers import AutoConfig, __version__

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config()
        depth, width = int(config.num_hidden_layers), int(config.hidden_size)
    except Exception as error:  # what older or newer releases wrote, they tell in many ways
        raise NotAtHand(
            f"the configuration in {folder} cannot be read: {first_line(error)}.",
            f"# mend its config.json, or take a checkpoint that fits transformers {__version__}",
        ) from error
    try:
        return Sizes(depth, width, from_config(config))
    except UnknownArchitecture:
        return Sizes(depth, width, None)


def sizes_of(spec: ModelSpec) -> tuple[int, int]:
    """Depth and width of a model: from its entry, else from its folder. Raises NotAtHand where neither is here."""
    if spec.architecture is not None:
        return spec.depth or spec.architecture.blocks, spec.architecture.width
    found = sizes_in(spec.instruct if isinstance(spec.instruct, Path) else locate(spec.instruct))
    return found.depth, found.width
