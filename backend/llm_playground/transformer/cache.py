"""Keys and values of the tokens seen so far, in memory set aside once."""

from __future__ import annotations

import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.config import ModelConfig


class KVCache:
    """A preallocated cache for a batch whose rows end together (left-padded where prompts differ).

    Args:
        config: the model's shape.
        batch: number of rows B.
        capacity: tokens it can hold, padding included.
        padding: number of padding tokens at the left of each row, [B] int64, or None for none.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch: int,
        capacity: int,
        padding: Tensor | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        shape = (config.layers, batch, config.key_value_heads, capacity, config.head_size)
        self.keys = torch.empty(shape, device=device, dtype=dtype)
        self.values = torch.empty(shape, device=device, dtype=dtype)
        self.padding = padding
        self.length = 0

    @property
    def capacity(self) -> int:
        """Tokens it can hold."""
        return int(self.keys.shape[3])

    def reserve(self, time: int) -> None:
        """Check that ``time`` further tokens fit.

        Raises:
            InputError: the cache would overflow.
        """
        if self.length + time > self.capacity:
            raise InputError(
                f"The sequence is too long: {self.length + time} tokens, with room for {self.capacity}."
            )

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store one layer's new keys and values [B, G, T, D]; return all so far [B, G, S, D]."""
        end = self.length + keys.shape[2]
        self.keys[layer, :, :, self.length : end] = keys
        self.values[layer, :, :, self.length : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Keep only some rows (indices [K]), as finished ones leave the batch."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]
        if self.padding is not None:
            self.padding = self.padding[rows]
