"""Which keys a query may see: causal, windowed, padded; and ALiBi's bias on how far it looks.

A *row* is a query, a *column* a key; both are counted from the first token of the sequence, padding included.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Visibility:
    """What the queries of one pass may see, worked out once for all layers with the same window.

    Args:
        time: queries T of the pass.
        start: tokens before them, in the cache.
        causal: whether a query sees only itself and what came before.
        kept: which tokens are not padding, [B, start + T] bool; None: all.
        slopes: ALiBi's slope of each head, [H]; None: no bias.
        device: where masks are made.
    """

    def __init__(
        self,
        time: int,
        start: int = 0,
        *,
        causal: bool = True,
        kept: Tensor | None = None,
        slopes: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.time, self.start, self.causal = time, start, causal
        self.kept, self.slopes, self.device = kept, slopes, device
        self._seen: dict[int | None, Tensor | None] = {}
        self._masks: dict[int | None, Tensor | None] = {}

    def is_causal(self, window: int | None) -> bool:
        """Return whether plain causal attention without a mask says it all (and fast kernels can know it)."""
        return self.causal and self.time > 1 and self.mask(window) is None

    def mask(self, window: int | None) -> Tensor | None:
        """Return the mask of fast attention, [1 or B, 1 or H, T, S], boolean or (ALiBi) additive float.

        None where no mask is needed: all keys are seen, or attention is plainly causal.
        """
        if window not in self._masks:
            self._masks[window] = self._make_mask(window)
        return self._masks[window]

    def _make_mask(self, window: int | None) -> Tensor | None:
        bias = self.bias(window)
        if bias is not None:
            seen = self.seen(window)
            return bias if seen is None else bias.masked_fill(~seen, float("-inf"))
        if self.kept is None and self.start == 0 and (window is None or window >= self.time):
            return None
        return self.seen(window)

    def seen(self, window: int | None) -> Tensor | None:
        """Return what each query may see, [1 or B, 1, T, S] bool; S as the cache hands out (``columns``).

        None: each sees all.
        """
        if window not in self._seen:
            self._seen[window] = self._make_seen(window)
        return self._seen[window]

    def _make_seen(self, window: int | None) -> Tensor | None:
        if self.kept is None and (not self.causal or self.time == 1):
            return None  # a single query sees all that the cache hands out
        rows, columns = self._rows(), self.columns(window)
        seen = torch.ones(1, self.time, len(columns), dtype=torch.bool, device=self.device)
        if self.causal:
            seen = seen & (columns <= rows)
            if window is not None:
                seen = seen & (columns > rows - window)
        if self.kept is not None:
            # A padding query sees itself, for a softmax over nothing would be NaN.
            seen = (seen & self.kept[:, None, -len(columns) :]) | (columns == rows)
        return seen.unsqueeze(1)

    def bias(self, window: int | None) -> Tensor | None:
        """Return ALiBi's bias, [1, H, T, S] float32: minus slope times distance (arXiv:2108.12409)."""
        if self.slopes is None:
            return None
        distance = (self._rows() - self.columns(window)).abs()  # [T, S]
        return -(self.slopes[:, None, None] * distance)[None]

    def columns(self, window: int | None) -> Tensor:
        """Return the columns of the keys that a layer with this window is handed, [S]."""
        first = 0 if window is None else max(0, self.start - window + 1)
        return torch.arange(first, self.start + self.time, device=self.device)

    def _rows(self) -> Tensor:
        return torch.arange(self.start, self.start + self.time, device=self.device)[:, None]  # [T, 1]


class CrossVisibility(Visibility):
    """What a decoder's queries may see of the encoder's states: all but padding, whatever the distance.

    Args:
        kept: which states are not padding, [B, S] bool; None: all.
    """

    def __init__(self, kept: Tensor | None = None) -> None:
        super().__init__(1, causal=False, kept=kept)

    def _make_seen(self, window: int | None) -> Tensor | None:
        return None if self.kept is None else self.kept[:, None, None]  # [B, 1, 1, S]

    def _make_mask(self, window: int | None) -> Tensor | None:
        return self.seen(window)
