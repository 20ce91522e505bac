"""Positions that are added to token vectors (sinusoids) or to attention scores (ALiBi)."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from llm_playground.transformer.tables import GrowingTable


def sinusoids(length: int, width: int) -> Tensor:
    """Return the sinusoidal position vectors, [length, width] float32.

    Element 2i of position p is ``sin(p / 10000^(2i / width))``, element 2i + 1 the cosine of the same
    (Vaswani et al. 2017, arXiv:1706.03762, section 3.5).
    """
    positions = torch.arange(length, dtype=torch.float64)[:, None]
    even = torch.arange(0, width, 2, dtype=torch.float64)
    angles = positions / 10_000.0 ** (even / width)  # [length, ceil(width / 2)]
    table = torch.empty(length, width, dtype=torch.float64)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles[:, : width // 2].cos()
    return table.float()


def _sinusoid_table(width: int, length: int) -> tuple[Tensor, ...]:
    return (sinusoids(length, width),)


class Sinusoids:
    """Sinusoidal position vectors, worked out when first needed.

    Args:
        width: size of a token's vector C.
        context: the most positions there are.
    """

    def __init__(self, width: int, context: int) -> None:
        self._table = GrowingTable(partial(_sinusoid_table, width), context)

    def __call__(self, positions: Tensor, length: int) -> Tensor:
        """Return the vectors of positions [T] or [B, T], all below ``length``: [T, C] or [B, T, C]."""
        (table,) = self._table(length, positions.device)
        return table[positions]


def alibi_slopes(heads: int) -> list[float]:
    """Return the slope of each head's bias: ``2^(-8 k / n)`` for k = 1 to n, n the number of heads.

    Press et al. 2021, arXiv:2108.12409, section 3. Where n is no power of two, the slopes of the power below
    it come first and then every other slope of the power above it, as in the authors' code.
    """
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2.0 ** (-8.0 * k / power) for k in range(1, power + 1)]
    between = [2.0 ** (-8.0 * k / (2 * power)) for k in range(1, 2 * power + 1, 2)]
    return slopes + between[: heads - power]
