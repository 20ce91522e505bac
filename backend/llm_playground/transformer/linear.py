"""Linear layers and embeddings that leave the drawing of their weights to the model they are in."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_WIDE = 256  # least width from which oneDNN's products were measured to be faster than MKL's
_ROWS = 64  # fewer rows read the weights more than they compute


class _Product(torch.autograd.Function):
    """``y = x W^T + b`` by oneDNN, 7 to 15% faster than MKL on processors where that was measured.

    ``dx = g W`` goes the same way; for ``dW = g^T x``, where both matrices lie across, MKL is the faster one.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        return (
            _onednn(gradient, weight.t(), None) if wanted[0] else None,
            gradient.flatten(0, -2).t() @ x.flatten(0, -2) if wanted[1] else None,
            gradient.flatten(0, -2).sum(0) if wanted[2] else None,
        )


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    made: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return made


@lru_cache(maxsize=1)
def _has_onednn() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _by_onednn(x: Tensor, weight: Tensor) -> bool:
    """Say whether a product is one of those that oneDNN does faster, and training needs it."""
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and min(weight.shape) >= _WIDE
        and x.numel() >= _ROWS * x.shape[-1]
        and torch.is_grad_enabled()
        and weight.requires_grad
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and _has_onednn()
    )


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x W^T + b``, [..., in] -> [..., out], as ``F.linear`` does."""
    if not _by_onednn(x, weight):
        return F.linear(x, weight, bias)
    made: Tensor = _Product.apply(x, weight, bias)
    return made


class Linear(nn.Linear):
    """``nn.Linear`` whose weights are not drawn when it is built.

    A model draws all its weights once, at its end: drawing them twice would double the time a large model
    takes to build, and on the meta device there is nothing to draw.
    """

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""

    def forward(self, input: Tensor) -> Tensor:
        """Transform: [..., in] -> [..., out]."""
        return linear(input, self.weight, self.bias)


class Embedding(nn.Embedding):
    """``nn.Embedding`` whose weights are not drawn when it is built; see :class:`Linear`."""

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""
