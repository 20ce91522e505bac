"""Tables over positions that are worked out when they are first needed, and are no part of the weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_SHORTEST = 64


class GrowingTable:
    """Tensors over positions 0, 1, 2, ..., made for as many positions as were asked for so far.

    Args:
        make: returns the tensors for a number of positions, each [length, ...] float32.
        limit: the most positions there are.
    """

    def __init__(self, make: Callable[[int], tuple[Tensor, ...]], limit: int) -> None:
        self._make, self._limit = make, limit
        self._tensors: tuple[Tensor, ...] = ()

    def __call__(self, length: int, device: torch.device) -> tuple[Tensor, ...]:
        """Return the tensors, each at least ``length`` long, on a device."""
        tensors = self._tensors
        if not tensors or len(tensors[0]) < length or tensors[0].device != device:
            rounded = min(self._limit, max(_SHORTEST, 1 << (length - 1).bit_length()))
            # Outside inference mode, for a table made in it could not be used in training later on; on the
            # CPU first, so that all devices have the same numbers.
            home = "meta" if device.type == "meta" else "cpu"
            with torch.inference_mode(False), torch.no_grad(), torch.device(home):
                tensors = tuple(tensor.to(device) for tensor in self._make(max(length, rounded)))
            self._tensors = tensors
        return tensors
