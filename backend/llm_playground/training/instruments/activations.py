"""What a model's activations look like on one micro-batch, by layer, through the model's own capture."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn

from llm_playground.transformer.capture import Capture

_DEAD = 1e-3  # of the layer's root mean square
_NAME = re.compile(r"^(.*blocks\.\d+)\.(output|ffn\.hidden|ffn\.gates|attention\.scores|attention\.weights)$")


class _Watching(Capture):
    """Reduces each intermediate to numbers as it arises, so that none is kept longer than its layer lasts."""

    def __init__(self) -> None:
        super().__init__(
            [
                "*blocks.*.output",
                "*blocks.*.ffn.hidden",
                "*blocks.*.ffn.gates",
                "*blocks.*.attention.scores",
                "*blocks.*.attention.weights",
            ]
        )
        self.numbers: dict[str, Tensor] = {}
        self._scores: Tensor | None = None

    def __call__(self, name: str, value: Tensor) -> Tensor:
        match = _NAME.match(name)
        if match is None:
            return value
        layer, part, numbers = match[1], match[2], self.numbers
        x = value.detach().float()
        if part == "output":
            numbers[f"activation_mean/{layer}"] = x.mean()
            numbers[f"activation_std/{layer}"] = x.std(correction=0)
        elif part == "ffn.hidden":
            greatest = x.abs().flatten(0, -2).amax(0)  # [F]
            numbers[f"dead_units/{layer}"] = (greatest <= _DEAD * x.square().mean().sqrt()).float().mean()
        elif part == "ffn.gates":
            unused = (x.flatten(0, -2) == 0).all(0)  # [E]
            numbers[f"dead_experts/{layer}"] = unused.float().mean()
        elif part == "attention.scores":
            self._scores = x
        elif self._scores is not None:
            # The scores are from before masking; a weight above 0 says which of them count.
            seen = self._scores.masked_fill(x == 0, float("-inf"))
            numbers[f"max_attention_logit/{layer}"] = seen.amax()
            self._scores = None
        return value


class _WithCapture:
    """Stands in for a model in an objective's loss: every pass of the model is watched."""

    def __init__(self, model: nn.Module, capture: Capture) -> None:
        self._model, self._capture = model, capture

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._model(*args, capture=self._capture, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def activation_statistics(objective: Any, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, float]:
    """Run an objective's loss once and return figures of what its model's layers put out.

    By layer (``activation_mean/blocks.0``):

    - ``activation_mean``, ``activation_std``: of the residual stream after the layer.
    - ``dead_units``: share of hidden units of the feed-forward part that stay within a thousandth of the
      layer's root mean square for every token; ``dead_experts``: share of experts that no token was sent to.
    - ``max_attention_logit``: the greatest score that goes into an attention's softmax; growing scores
      foretell instability (Dehghani et al. 2023, "Scaling Vision Transformers to 22 Billion Parameters",
      arXiv:2302.05442; Kimi Team 2025, arXiv:2507.20534, clip them at 100).

    Args:
        objective: has ``loss(model, batch)``.
        model: a language model, which takes ``capture``; it is run in the mode that it is in.
        batch: a micro-batch on the model's device.
    """
    watching = _Watching()
    with torch.no_grad():
        objective.loss(_WithCapture(model, watching), batch)
    if not watching.numbers:
        return {}
    values = torch.stack(list(watching.numbers.values())).tolist()
    return dict(zip(watching.numbers, values, strict=True))
