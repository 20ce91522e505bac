"""A moving average of the weights, which is often better than the last weights themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from llm_playground.training.spread import put


class WeightAverage:
    """The exponential moving average of a model's parameters (Polyak and Juditsky 1992, with forgetting).

    ``average = d average + (1 - d) weights`` after each step; ``d = min(decay, (1 + step) / (10 + step))``:
    a short memory at first, so that the random start is soon forgotten (the rule of TensorFlow's
    ``ExponentialMovingAverage``).

    Args:
        model: whose parameters to follow; the average starts as a copy of them.
        decay: memory of the average, between 0 and 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._weights = dict(model.named_parameters())
        self._averages = {name: value.detach().clone() for name, value in self._weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights as they are after ``step`` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self._averages.values()), list(self._weights.values()), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the model have the averaged weights for a block, and its own ones after it."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, average in self._averages.items():
            weight = self._weights[name]
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Make the averaged weights the model's own."""
        for name, average in self._averages.items():
            self._weights[name].copy_(average)

    def tensors(self) -> dict[str, Tensor]:
        """Return the averages by parameter name, to be stored."""
        return dict(self._averages)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`tensors` returned."""
        for name, average in self._averages.items():
            put(average, tensors[name])
