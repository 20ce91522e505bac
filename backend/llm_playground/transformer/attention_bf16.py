"""Causal attention in bf16 for training on a processor, as batched products with a backward pass of its own.

PyTorch's fused kernel keeps no scores, which is what long sequences need; its backward pass in 16 bits is far
below what products reach on a processor. Here scores are made a block of queries at a time, with the keys
that the block can see. Those of short sequences are kept, as weights in bf16; those of long ones are made
again. Everything from the joint projection to the mixed values is one function, so that heads are laid out
once on the way in and once on the way out.

B batch, T tokens in Q blocks of S, C width, H heads, G key/value heads, D size of a head, N = B H.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from llm_playground.transformer.fused_bf16 import in_bf16

KEPT = 2**25  # bytes of one layer's weights that are kept; more are made again in the backward pass
_AT_ONCE = 2**23  # bytes of scores at once, which a processor's last cache holds
_LEAST, _MOST = 128, 256  # tokens of a block: of the two halves of a sequence, and of more blocks


def blocks_of(time: int) -> int:
    """Return how many equal blocks a sequence is worked on in: one, two, four, ... .

    More blocks leave out more of the keys that no query of theirs may see, and cost more calls: two are best
    for 256 and 512 tokens.
    """
    count = 1
    while time % (2 * count) == 0 and (time // (2 * count) >= _MOST or (count == 1 and time // 2 >= _LEAST)):
        count *= 2
    return count


def _places(heads: int, time: int) -> Iterator[tuple[slice, int]]:
    """Yield (heads, block of queries) of what is worked on at once; of some heads the last block comes first.

    Its queries see all keys, so that the backward pass can write the gradient of keys and add to it later.
    """
    count = blocks_of(time)
    together = max(1, _AT_ONCE // (2 * time * time // count))
    for first in range(0, heads, together):
        for block in reversed(range(count)):
            yield slice(first, first + together), block


@lru_cache(maxsize=32)
def _mask(start: int, stop: int, device: str) -> Tensor:
    """Return what is added to scores of queries from ``start`` to ``stop``: 0, or -inf for later keys."""
    hidden = torch.ones(stop - start, stop, dtype=torch.bool, device=device).triu(start + 1)
    return torch.zeros(hidden.shape, dtype=torch.bfloat16, device=device).masked_fill_(hidden, -torch.inf)


def _weights(q: Tensor, k: Tensor, start: int, scale: float) -> Tensor:
    """Return ``softmax(scale q k^T)`` of queries [n, S, D] from ``start`` and keys [n, S', D]: [n, S, S']."""
    mask = _mask(start, start + q.shape[1], q.device.type)
    scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=scale)
    made: Tensor = torch.ops.aten._softmax.out(scores, -1, False, out=scores)
    return made


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Turn the last dimension's pairs (i, i + R / 2) by a table [T, R] whose sine has its signs; in place.

    ``x cos + swap(x) sin``, where swap exchanges the halves; see :func:`.rotary.rotate`.
    """
    size, half = cos.shape[-1], cos.shape[-1] // 2
    turned = x[..., :size]
    swapped = torch.empty_like(turned, memory_format=torch.contiguous_format)
    swapped[..., :half].copy_(turned[..., half:])
    swapped[..., half:].copy_(turned[..., :half])
    turned.mul_(cos).addcmul_(swapped, sin)


class _AttentionFunction(torch.autograd.Function):
    """``mixed = P v`` with ``P = softmax(scale q k^T)`` over the keys that a query sees.

    With the gradient g of the mixed values: ``dv = P^T g``, ``dP = g v^T``, for the scores
    ``dS = P (dP - sum over keys of P dP)``, ``dq = scale dS k`` and ``dk = scale dS^T q``. The gradient of a
    turned query is turned back by the transposed matrix. Products are summed in float32 and rounded to bf16,
    the softmax is float32 inside, as autocast has it for the single operations.

    Products copy what does not lie in one piece: queries and gradients lie block by block, all heads of one
    after another.
    """

    @staticmethod
    def forward(
        ctx: Any, qkv: Tensor, table: tuple[Tensor, Tensor] | None, heads: tuple[int, int], scale: float
    ) -> Tensor:
        batch, time, _ = qkv.shape
        split = _split(qkv, heads)  # [3, Q, B, H, S, D]
        count, step = split.shape[1], split.shape[4]
        if table is not None:
            cos, sin = (part.view(count, 1, 1, step, -1) for part in table)
            _turn(split[:2], cos, sin)
        q, k, v = split.flatten(2, 3)  # [Q, N, S, D]
        mixed = torch.empty_like(q)
        ctx.keeps = q.shape[1] * step * step * count * (count + 1) <= KEPT and any(ctx.needs_input_grad)
        kept = []
        keys, values = _Sight(k), _Sight(v)
        for some, block in _places(q.shape[1], time):
            weights = _weights(q[block, some], keys(block)[some], block * step, scale)
            torch.bmm(weights, values(block)[some], out=mixed[block, some])
            if ctx.keeps:
                kept.append(weights)
        ctx.heads, ctx.scale, ctx.turned = heads, scale, table is not None
        ctx.save_for_backward(split, *(table or ()), *kept)
        return mixed.unflatten(1, (batch, -1)).permute(1, 0, 3, 2, 4).reshape(batch, time, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        split, *rest = ctx.saved_tensors
        kept = rest[2:] if ctx.turned else rest
        _, count, batch, heads, step, size = split.shape
        q, k, v = split.flatten(2, 3)
        given = gradient.view(batch, count, step, heads, size).permute(1, 0, 3, 2, 4).flatten(1, 2)
        made = split.new_empty(3, batch, heads, count * step, size)
        dq, dk, dv = made.flatten(1, 2)  # [N, T, D]
        keys, values = _Sight(k), _Sight(v)
        for number, (some, block) in enumerate(_places(q.shape[1], count * step)):
            start, stop = block * step, (block + 1) * step
            queries, upstream, seen = q[block, some], given[block, some], keys(block)[some]
            weights = kept[number] if ctx.keeps else _weights(queries, seen, start, ctx.scale)
            ds = torch.bmm(upstream, values(block)[some].transpose(1, 2))
            torch.ops.aten._softmax_backward_data.out(ds, weights, -1, ds.dtype, grad_input=ds)
            _multiply(dq[some, start:stop], ds, seen, ctx.scale, new=True)
            new = block == count - 1
            _multiply(dk[some, :stop], ds.transpose(1, 2), queries, ctx.scale, new)
            _multiply(dv[some, :stop], weights.transpose(1, 2), upstream, 1.0, new)
        if ctx.turned:
            cos, sin = rest[:2]
            _turn(made[:2], cos, sin.roll(sin.shape[-1] // 2, -1))
        return _join(made, ctx.heads), None, None, None


class _Sight:
    """Keys or values [Q, N, S, D] as the queries of a block see them, put together once for each block."""

    def __init__(self, blocks: Tensor) -> None:
        self.blocks = blocks
        self._made: dict[int, Tensor] = {}

    def __call__(self, block: int) -> Tensor:
        """Return those up to the block's end, [N, (block + 1) S, D]."""
        if block not in self._made:
            # The first block lies in one piece.
            seen = self.blocks[: block + 1].transpose(0, 1).flatten(1, 2) if block else self.blocks[0]
            self._made[block] = seen
        return self._made[block]


def _multiply(out: Tensor, left: Tensor, right: Tensor, factor: float, new: bool) -> None:
    """Write ``factor left right`` to a gradient, or add it to what is there."""
    torch.baddbmm(out, left, right, beta=0.0 if new else 1.0, alpha=factor, out=out)


def _split(qkv: Tensor, heads: tuple[int, int]) -> Tensor:
    """Return queries, keys and values of each query head: [B, T, (H + 2 G) D] -> [3, Q, B, H, S, D]."""
    all_heads, few = heads
    count = blocks_of(qkv.shape[1])
    apart = qkv.unflatten(-1, (all_heads + 2 * few, -1)).unflatten(1, (count, -1))  # [B, Q, S, H + 2 G, D]
    if all_heads == few:
        return apart.unflatten(3, (3, few)).permute(3, 1, 0, 4, 2, 5).contiguous()
    batch, _, step, _, size = apart.shape
    made = qkv.new_empty(3, count, batch, all_heads, step, size)
    made[0].copy_(apart[:, :, :, :all_heads].permute(1, 0, 3, 2, 4))
    pairs = apart[:, :, :, all_heads:].unflatten(3, (2, few)).permute(3, 1, 0, 4, 2, 5)  # [2, Q, B, G, S, D]
    made[1:].unflatten(3, (few, -1)).copy_(pairs.unsqueeze(4))
    return made


def _join(made: Tensor, heads: tuple[int, int]) -> Tensor:
    """Return the gradient of a joint projection [B, T, (H + 2 G) D] from its parts', [3, B, H, T, D]."""
    all_heads, few = heads
    _, batch, _, time, size = made.shape
    joint = made.new_empty(batch, time, all_heads + 2 * few, size)
    if all_heads == few:
        joint.unflatten(2, (3, few)).copy_(made.permute(1, 3, 0, 2, 4))
    else:
        joint[:, :, :all_heads].copy_(made[0].transpose(1, 2))
        pairs = made[1:].unflatten(2, (few, -1)).sum(3)  # [2, B, G, T, D]
        joint[:, :, all_heads:].unflatten(2, (2, few)).copy_(pairs.permute(1, 3, 0, 2, 4))
    return joint.flatten(2)


@lru_cache(maxsize=1)
def available() -> bool:
    """Say whether this processor multiplies in bf16, without which PyTorch's kernel is the better way."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def attends(qkv: Tensor) -> bool:
    """Say whether :func:`attend` is for this projection: of training in bf16, on a processor that has it."""
    return qkv.dtype == torch.bfloat16 and in_bf16(qkv) and available()


def attend(qkv: Tensor, table: tuple[Tensor, Tensor] | None, heads: tuple[int, int], scale: float) -> Tensor:
    """Return the values that causal attention mixes, [B, T, H D], all in bf16.

    Args:
        qkv: [B, T, (H + 2 G) D], queries first, then keys, then values.
        table: rotary cosine and signed sine of the positions, each [T, R] in bf16; None: nothing is turned.
        heads: (H, G).
        scale: of the scores.
    """
    mixed: Tensor = _AttentionFunction.apply(qkv, table, heads, scale)
    return mixed
