"""Parts of a model with a backward pass of their own, for training on a processor.

A processor spends much of a small model's step on reading and writing memory. The formulas that autograd puts
together from single operations keep and pass over several tensors where one is enough; here each part has its
derivative worked out by hand. Devices with fused kernels of their own and ``torch.compile`` (which joins
operations itself) take PyTorch's way; for training in bf16 see :mod:`.fused_bf16`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from llm_playground.transformer import fused_bf16
from llm_playground.transformer.fused_bf16 import in_bf16

_LOGITS = 2**24  # logits at once, 64 MiB of them


def fusible(*tensors: Tensor) -> bool:
    """Say whether tensors are such that the functions of this module are faster for them.

    A model of shapes alone goes the processor's way, so that what it keeps can be counted.
    """
    kind = tensors[0].dtype
    return (
        tensors[0].device.type in ("cpu", "meta")
        and kind in (torch.float32, torch.float64)
        and all(tensor.dtype == kind for tensor in tensors)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class _RMSNormFunction(torch.autograd.Function):
    """``y = x r w`` with ``r = 1 / sqrt(mean(x^2) + eps)``: Zhang and Sennrich 2019, arXiv:1910.07467.

    With ``n = x r`` and the gradient g of y: ``dw = sum over tokens of g n``, and since
    ``dr/dx = -r^3 x / C``, ``dx = r (g w - n mean(g w n))``.

    The second is what PyTorch's backward kernel of LayerNorm computes when it is told that the mean was 0,
    but for the mean of ``g w``, which that kernel takes away from each token and which is put back here.
    What is returned, and its gradient, may be in another format than what is read.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, format: torch.dtype) -> Tensor:
        size = x.shape[-1]
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)  # [..., 1]
        scale = norm.square_().div_(size).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return (x * scale).mul_(weight).to(format)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight, scale = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        gradient = gradient.to(x.dtype).contiguous()
        dx, dw, _ = torch.ops.aten.native_layer_norm_backward(
            gradient, x.contiguous(), [x.shape[-1]], torch.zeros_like(scale), scale, weight, None, wanted
        )
        if dx is not None:
            mean = (gradient @ weight).div_(x.shape[-1]).unsqueeze(-1)  # [..., 1]
            dx = dx.add_(mean.mul_(scale))
        return dx, dw, None, None


class RMSNorm(nn.RMSNorm):
    """``nn.RMSNorm`` over the last dimension with a cheaper backward pass on a processor.

    Args:
        size: of the last dimension.
        eps: added to the mean square.
        for_products: whether linear layers alone read what it returns: autocast may then have it in 16 bits.
    """

    def __init__(self, size: int, eps: float, *, for_products: bool = False) -> None:
        super().__init__(size, eps=eps)
        self.for_products = for_products

    def forward(self, x: Tensor) -> Tensor:
        """Normalize: [..., C] -> [..., C]."""
        assert self.weight is not None and self.eps is not None
        half = self.for_products and x.dtype == torch.float32 and in_bf16(x)
        if not half and not fusible(x, self.weight):
            return super().forward(x)
        format = torch.bfloat16 if half else x.dtype
        normed: Tensor = _RMSNormFunction.apply(x, self.weight, self.eps, format)
        return normed


class _SwiGLUFunction(torch.autograd.Function):
    """``h = silu(a) b`` of the halves a and b of the input: Shazeer 2020, arXiv:2002.05202, equation 6.

    With the gradient g of h: ``db = g silu(a)``, ``da = g b silu'(a)`` where
    ``silu'(a) = s (1 + a (1 - s))``, ``s = sigmoid(a)`` (PyTorch's kernel). Both are written where they
    belong in one gradient of the input; of the forward pass only the input is kept.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        gate, up = x.chunk(2, dim=-1)
        return F.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        made = torch.empty_like(x)
        (gate, up), (d_gate, d_up) = x.chunk(2, dim=-1), made.chunk(2, dim=-1)
        torch.ops.aten.silu.out(gate, out=d_up)
        d_up.mul_(gradient)
        torch.mul(gradient, up, out=d_gate)
        torch.ops.aten.silu_backward.grad_input(d_gate, gate, grad_input=d_gate)
        return made


def swiglu(x: Tensor) -> Tensor:
    """Return ``silu(gate) * up`` of an input that holds the gate first: [..., 2 F] -> [..., F]."""
    if x.dtype == torch.bfloat16 and in_bf16(x):
        return fused_bf16.swiglu(x)
    if not fusible(x):
        gate, up = x.chunk(2, dim=-1)
        return F.silu(gate) * up
    made: Tensor = _SwiGLUFunction.apply(x)
    return made


class _SplitHeadsFunction(torch.autograd.Function):
    """Queries, keys and values of each head from their joint projection, the first two turned.

    A pair (x, y) turned by an angle is ``(x cos - y sin, y cos + x sin)`` (Su et al. 2021,
    arXiv:2104.09864, equation 34), and its gradient is the gradient turned back, by the transposed matrix.
    Both passes write each number where it belongs, so that neither halves nor heads are put together later.
    """

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor, heads: tuple[int, int, int]) -> Any:
        ctx.save_for_backward(cos, sin)
        ctx.heads = heads
        apart = qkv.unflatten(-1, (sum(heads), -1)).transpose(1, 2)  # [B, H + 2 G, T, D]
        made = torch.empty_like(apart, memory_format=torch.contiguous_format)
        turning = heads[0] + heads[1]
        _turn(apart[:, :turning], made[:, :turning], cos, sin)
        made[:, turning:].copy_(apart[:, turning:])
        return made.split(heads, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        cos, sin = ctx.saved_tensors
        batch, _, time, size = gradients[0].shape
        made = gradients[0].new_empty(batch, time, sum(ctx.heads), size)
        q, k, v = made.transpose(1, 2).split(ctx.heads, dim=1)
        half = cos.shape[-1] // 2
        back = torch.cat((sin[..., half:], sin[..., :half]), dim=-1)
        _turn(gradients[0], q, cos, back)
        _turn(gradients[1], k, cos, back)
        v.copy_(gradients[2])
        return made.flatten(2), None, None, None


def _turn(x: Tensor, out: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Write [B, H, T, D] turned by a table, whose sine has its signs; see :func:`.rotary.rotate`."""
    size, half = cos.shape[-1], cos.shape[-1] // 2
    torch.mul(x[..., :size], cos, out=out[..., :size])
    out[..., :half].addcmul_(x[..., half:size], sin[..., :half])
    out[..., half:size].addcmul_(x[..., :half], sin[..., half:])
    if size < x.shape[-1]:
        out[..., size:].copy_(x[..., size:])


def split_and_turn(
    qkv: Tensor, table: tuple[Tensor, Tensor], heads: tuple[int, int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values, each [B, its heads, T, D], with queries and keys turned.

    Args:
        qkv: [B, T, (H + 2 G) D], queries first, then keys, then values.
        table: rotary cosine and signed sine, each [T, R] or [B, 1, T, R].
        heads: (H, G, G).
    """
    made: tuple[Tensor, Tensor, Tensor] = _SplitHeadsFunction.apply(qkv, *table, heads)
    return made


class _HeadLossFunction(torch.autograd.Function):
    """The summed cross-entropy of ``logits = h W^T``, and its gradient, some tokens at a time.

    With ``p = softmax(logits)`` and e the one-hot targets, ``dlogits = p - e``, so ``dh = (p - e) W`` and
    ``dW = (p - e)^T h``. Both are made right away, for a sum's gradient only scales them: logits turn into p
    where they lie, and neither they nor their gradient are there for all tokens at once.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        d_hidden, d_weight = (torch.empty_like(x) if wanted else None for x in (hidden, weight))
        if d_weight is not None and not len(hidden):
            d_weight.zero_()
        total = hidden.new_zeros(())
        size = max(1, _LOGITS // len(weight))
        for start in range(0, len(hidden), size):
            part = slice(start, start + size)
            logits, right = hidden[part] @ weight.t(), targets[part, None]
            torch.ops.aten._log_softmax.out(logits, -1, False, out=logits)
            total -= logits.gather(-1, right).sum()
            if d_hidden is None or d_weight is None:
                continue
            errors = logits.exp_()
            errors.scatter_add_(-1, right, errors.new_full((1, 1), -1.0).expand_as(right))
            torch.mm(errors, weight, out=d_hidden[part])
            torch.addmm(d_weight, errors.t(), hidden[part], beta=float(start > 0), out=d_weight)
        if wanted:
            ctx.save_for_backward(d_hidden, d_weight)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        d_hidden, d_weight = ctx.saved_tensors
        return d_hidden * gradient, d_weight * gradient, None


def head_loss(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Return the sum of -log p(target) in nats, where logits are ``hidden @ weight.T``.

    Args:
        hidden: [N, C].
        weight: [V, C].
        targets: [N] ids.
    """
    total: Tensor = _HeadLossFunction.apply(hidden, weight, targets)
    return total
