"""Keys and values of the tokens seen so far, in memory set aside once."""

from __future__ import annotations

import torch
from torch import Tensor

from llm_playground.core.errors import InputError
from llm_playground.transformer.config import ModelConfig

_SLACK = 64  # further tokens a windowed layer's memory holds, so that it is shifted only now and then


class KVCache:
    """A preallocated cache for a batch whose rows end together (left-padded where prompts differ).

    A layer with a window keeps only what later queries can see: its memory does not grow with the sequence.

    Args:
        config: the model's shape.
        batch: number of rows B.
        capacity: tokens it can hold, padding included.
        padding: number of padding tokens at the left of each row, [B] int64, or None for none.

    Attributes:
        keys, values: memory of each layer, [B, G, capacity or less with a window, D].
        length: tokens seen so far, padding included.
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
        self._windows = [config.layer_window(index) for index in range(config.layers)]
        self._ends = [0] * config.layers  # how far each layer's memory is filled
        self.keys, self.values = (
            [
                torch.empty(
                    (
                        batch,
                        config.key_value_heads,
                        capacity if window is None else min(capacity, window - 1 + _SLACK),
                        config.head_size,
                    ),
                    device=device,
                    dtype=dtype,
                )
                for window in self._windows
            ]
            for _ in range(2)
        )
        self.padding = padding
        self.length = 0
        self._capacity = capacity

    @property
    def capacity(self) -> int:
        """Tokens it can hold."""
        return self._capacity

    @property
    def nbytes(self) -> int:
        """Bytes set aside."""
        return sum(memory.nbytes for memory in (*self.keys, *self.values))

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
        """Store one layer's new keys and values [B, G, T, D]; return what its queries look at [B, G, S, D].

        Without a window these are all so far; with one, the new ones and as many before them as the first new
        query sees: S = T + min(tokens before, window - 1).
        """
        end = self._ends[layer] + keys.shape[2]
        window = self._windows[layer]
        if window is None:
            first = 0
        else:
            before = min(self.length, window - 1)
            if end > self.keys[layer].shape[2]:
                return self._shift(layer, keys, values, before)
            first = self._ends[layer] - before
        self.keys[layer][:, :, self._ends[layer] : end] = keys
        self.values[layer][:, :, self._ends[layer] : end] = values
        self._ends[layer] = end
        return self.keys[layer][:, :, first:end], self.values[layer][:, :, first:end]

    def _shift(self, layer: int, keys: Tensor, values: Tensor, before: int) -> tuple[Tensor, Tensor]:
        """Put the window's last tokens to the front of a windowed layer's memory, as it is full."""
        window, end = self._windows[layer], self._ends[layer]
        assert window is not None
        whole = []
        for memory, new in ((self.keys[layer], keys), (self.values[layer], values)):
            joined = torch.cat((memory[:, :, end - before : end], new), dim=2)
            left = min(joined.shape[2], window - 1)
            memory[:, :, :left] = joined[:, :, joined.shape[2] - left :]
            whole.append(joined)
        self._ends[layer] = min(before + keys.shape[2], window - 1)
        return whole[0], whole[1]

    def keep(self, rows: Tensor) -> None:
        """Keep only some rows (indices [K]), as finished ones leave the batch."""
        self.keys = [memory[rows] for memory in self.keys]
        self.values = [memory[rows] for memory in self.values]
        if self.padding is not None:
            self.padding = self.padding[rows]
