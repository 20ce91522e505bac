"""Parts of a model with a backward pass of their own, for training in bf16 on a processor.

Under autocast what a norm returns is cast for the product that reads it, and what products return is float32
again as soon as it meets a float32 number. Here each part takes and returns the format that its neighbours
work in, and keeps for the backward pass what is least. As in autocast, norms and losses are float32 inside,
the residual stream and the weights' gradients are float32. See :mod:`.fused` for float32, and for RMSNorm.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_LOGITS = 2**25  # logits at once, 64 MiB of them
_SCORES = 2**20  # of them made float32 at once, 4 MiB


def in_bf16(x: Tensor) -> bool:
    """Say whether a part that reads x belongs to a training pass whose products are bf16 on a processor.

    A model of shapes alone goes the processor's way, as in :func:`.fused.fusible`.
    """
    return (
        x.device.type in ("cpu", "meta")
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
    )


class _SwiGLUFunction(torch.autograd.Function):
    """``h = a s b`` with ``s = sigmoid(a)`` of the halves a and b of the input: arXiv:2002.05202, equation 6.

    With the gradient g of h: ``db = g a s`` and ``da = g b (s + a s (1 - s))``. The sigmoids are kept: in 16
    bits making them costs four times what reading them does.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        gate, up = x.chunk(2, dim=-1)
        share = torch.sigmoid(gate)
        ctx.save_for_backward(x, share)
        return (gate * share).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x, share = ctx.saved_tensors
        made = torch.empty_like(x)
        (gate, up), (d_gate, d_up) = x.chunk(2, dim=-1), made.chunk(2, dim=-1)
        given = gradient * up
        torch.mul(given, gate, out=d_gate)
        torch.ops.aten.sigmoid_backward.grad_input(d_gate, share, grad_input=d_gate)
        d_gate.addcmul_(given, share)
        torch.mul(gradient, share, out=d_up).mul_(gate)
        return made


def swiglu(x: Tensor) -> Tensor:
    """Return ``silu(gate) * up`` of bf16 numbers that hold the gate first: [..., 2 F] -> [..., F]."""
    made: Tensor = _SwiGLUFunction.apply(x)
    return made


_SLOPE, _CUBE = 2 * (2 / torch.pi) ** 0.5, 2 * (2 / torch.pi) ** 0.5 * 0.044715


class _GELUFunction(torch.autograd.Function):
    """``y = x s`` with ``s = sigmoid(z)``, ``z = 2 sqrt(2 / pi) (x + 0.044715 x^3)``.

    This is the approximation by tanh of Hendrycks and Gimpel 2016, arXiv:1606.08415, for
    ``(1 + tanh(z / 2)) / 2 = sigmoid(z)``, which costs a third of tanh. With the gradient g of y:
    ``dx = g (s + x s (1 - s) dz/dx)``, ``dz/dx = 2 sqrt(2 / pi) (1 + 3 * 0.044715 x^2)``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        gate = _polynomial(x, _SLOPE, _CUBE).mul_(x).sigmoid_()
        ctx.save_for_backward(x, gate)
        return x * gate

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x, gate = ctx.saved_tensors
        made = gradient * x
        torch.ops.aten.sigmoid_backward.grad_input(made, gate, grad_input=made)
        return made.mul_(_polynomial(x, _SLOPE, 3 * _CUBE)).addcmul_(gradient, gate)


def _polynomial(x: Tensor, constant: float, square: float) -> Tensor:
    """Return ``constant + square x^2``."""
    return torch.addcmul(x.new_full((), constant), x, x, value=square)


def gelu_tanh(x: Tensor) -> Tensor:
    """Return ``x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))`` of bf16 numbers."""
    made: Tensor = _GELUFunction.apply(x)
    return made


class _HeadLossFunction(torch.autograd.Function):
    """The summed cross-entropy of ``logits = h W^T``, and its gradient, as in :mod:`.fused`.

    Logits are a product in bf16; a few at a time become float32 for the softmax p, and the errors
    ``p - one-hot targets`` are rounded to bf16 in the place of the logits. With m the greatest logit of a
    token, ``-log p(target) = m - log p(m) - logit of the target``.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        half, matrix = hidden.bfloat16(), weight.bfloat16()
        d_hidden = torch.empty_like(half) if wanted else None
        d_weight: Tensor | None = None
        total = hidden.new_zeros((), dtype=torch.float32)
        size, few = (max(1, count // len(weight)) for count in (_LOGITS, _SCORES))
        scores = weight.new_empty(min(few, len(hidden)), len(weight), dtype=torch.float32)
        for start in range(0, len(hidden), size):
            part = half[start : start + size]
            logits = part @ matrix.t()
            for first in range(0, len(part), few):
                some = logits[first : first + few]
                right = targets[start + first : start + first + len(some), None]
                wide = scores[: len(some)].copy_(some)
                chosen, top = wide.gather(-1, right), wide.amax(-1, keepdim=True)
                torch.ops.aten._softmax.out(wide, -1, False, out=wide)
                # The greatest probability is at least 1 / V, so that its logarithm is exact and finite.
                total += (top - chosen - wide.amax(-1, keepdim=True).log_()).sum()
                if wanted:
                    some.copy_(wide.scatter_add_(-1, right, wide.new_full((1, 1), -1.0).expand_as(right)))
            if d_hidden is not None:
                torch.mm(logits, matrix, out=d_hidden[start : start + size])
                d_part = (logits.t() @ part).float()
                d_weight = d_part if d_weight is None else d_weight.add_(d_part)
        if wanted:
            ctx.save_for_backward(d_hidden, torch.zeros_like(weight) if d_weight is None else d_weight)
        ctx.type = hidden.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        d_hidden, d_weight = ctx.saved_tensors
        return (d_hidden.float() * gradient).to(ctx.type), d_weight * gradient, None


def head_loss(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Return the sum of -log p(target) in nats, where logits are the product in bf16 of ``hidden weight^T``.

    Args:
        hidden: [N, C], bf16 or float32.
        weight: [V, C] float32.
        targets: [N] ids.

    Returns:
        a float32 scalar.
    """
    total: Tensor = _HeadLossFunction.apply(hidden, weight, targets)
    return total
