"""Norms of weights, gradients and updates by layer; whole also where a parameter is split over processes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from llm_playground.training.spread import whole

_BLOCK = re.compile(r"^((?:[a-z_]+\.)*blocks\.\d+)\.")


def layer_of(name: str) -> str:
    """Return the layer that a parameter belongs to.

    >>> layer_of("blocks.3.attention.qkv.weight"), layer_of("encoder.blocks.0.ffn.up.weight")
    ('blocks.3', 'encoder.blocks.0')
    >>> layer_of("embedding.weight")
    'embedding'
    """
    match = _BLOCK.match(name)
    return match[1] if match else name.rpartition(".")[0] or name


def layer_norms(tensors: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]) -> dict[str, float]:
    """Return the Euclidean norm of each layer's tensors together, by parameter names.

    Norms are taken in float32 and joined by their squares. A tensor that is split over processes (a DTensor)
    counts whole; all processes must call this.
    """
    items = list(tensors.items() if isinstance(tensors, Mapping) else tensors)
    squares: dict[str, Tensor] = {}
    for name, tensor in items:
        norm = torch.linalg.vector_norm(tensor.detach(), dtype=torch.float32)
        square = whole(norm).square()
        layer = layer_of(name)
        squares[layer] = squares[layer] + square if layer in squares else square
    if not squares:
        return {}
    numbers = torch.stack(list(squares.values())).sqrt().tolist()  # one wait for the device
    return dict(zip(squares, numbers, strict=True))
