"""What a configuration builds, without the memory: one block of each stack on the meta device.

All blocks of a stack have equal weights, so one of each is built and its figures are multiplied by the depth.
That keeps the analysis of a model of any depth within a few milliseconds and still reads every number from
the very modules that would be trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from llm_playground.transformer.config import ModelConfig

if TYPE_CHECKING:
    from torch import nn

EMBEDDING, POSITIONS, SEGMENTS = "embedding", "positions", "segments"
ATTENTION, CROSS, SCORES = "attention", "cross-attention", "attention scores"
FEED_FORWARD, ROUTER, NORMS, HEAD = "feed-forward", "router", "norms", "head"
COMPONENTS = (EMBEDDING, POSITIONS, SEGMENTS, ATTENTION, CROSS, SCORES, FEED_FORWARD, ROUTER, NORMS, HEAD)
LOOKUPS = (EMBEDDING, POSITIONS, SEGMENTS)  # rows are picked from these, nothing is multiplied
_BY_PART = {
    "embedding": EMBEDDING,
    "position_embedding": POSITIONS,
    "segment_embedding": SEGMENTS,
    "attention": ATTENTION,
    "cross_attention": CROSS,
    "ffn": FEED_FORWARD,
    "router": ROUTER,
    "head": HEAD,
    "head_bias": HEAD,
    "head_transform": HEAD,
}


@dataclass(frozen=True)
class Weight:
    """One tensor of parameters.

    Attributes:
        name: in the skeleton.
        component: one of ``COMPONENTS``.
        shape: its sizes.
        stack: ``decoder`` or ``encoder`` for a tensor of a block, else ``""``.
        copies: how many layers have one like it.
    """

    name: str
    component: str
    shape: tuple[int, ...]
    stack: str
    copies: int

    @property
    def numel(self) -> int:
        """Number of elements of one copy."""
        count = 1
        for size in self.shape:
            count *= size
        return count


def component_of(name: str) -> str:
    """Return the component of a parameter or module by its dotted name: ``blocks.0.ffn.up`` -> feed-forward.

    Raises:
        KeyError: no part of the name is known.
    """
    for part in reversed(name.split(".")):
        if part.endswith("norm") and "head_transform" not in name:
            return NORMS
        if part in _BY_PART:
            return _BY_PART[part]
    raise KeyError(name)


def kinds(config: ModelConfig) -> dict[int | None, int]:
    """Return how many layers of the main stack have each window, None for those that see everything."""
    counts: dict[int | None, int] = {}
    for index in range(config.layers):
        window = config.layer_window(index)
        counts[window] = counts.get(window, 0) + 1
    return counts


def one_block(config: ModelConfig, window: int | None = None) -> ModelConfig:
    """Return the same shape with one block in each stack, which has the given window."""
    return config.model_copy(
        update={
            "layers": 1,
            "encoder_layers": 1 if config.architecture == "encoder-decoder" else None,
            "window": window,
            "full_attention_layers": (),
        }
    )


def build(config: ModelConfig) -> nn.Module:
    """Build the model of a configuration on the meta device, where tensors have shapes but no numbers."""
    import torch

    from llm_playground.transformer.encoder_decoder import EncoderDecoderLM
    from llm_playground.transformer.model import TransformerLM

    with torch.device("meta"):
        if config.architecture == "encoder-decoder":
            return EncoderDecoderLM(config)
        return TransformerLM(config)


def stack_of(name: str, config: ModelConfig) -> str:
    """Return whether a parameter or module lies in a block of the ``encoder`` or ``decoder``, else ``""``."""
    parts = name.split(".")
    if not any(part.endswith("blocks") for part in parts):
        return ""
    if config.architecture == "encoder-decoder":
        return "encoder" if any(part.startswith("encoder") for part in parts) else "decoder"
    return config.architecture


def depth(config: ModelConfig, stack: str) -> int:
    """Return how many blocks a stack has, 1 for what lies outside of the stacks."""
    if not stack:
        return 1
    return config.encoder_depth if stack == "encoder" else config.layers


@lru_cache(maxsize=128)
def weights(config: ModelConfig) -> tuple[Weight, ...]:
    """Return all tensors of parameters of a configuration, a tied head once."""
    return tuple(_weights(config))


def _weights(config: ModelConfig) -> Iterator[Weight]:
    for name, parameter in build(one_block(config)).named_parameters():
        stack = stack_of(name, config)
        yield Weight(name, component_of(name), tuple(parameter.shape), stack, depth(config, stack))
