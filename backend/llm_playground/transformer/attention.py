"""Attention: within a sequence, and from a decoder to an encoder's states.

B batch, T queries, S keys, C width, H heads, G key/value heads, D size of a head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm_playground.transformer.attention_bf16 import attend, attends
from llm_playground.transformer.capture import Capture
from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.forward_pass import ForwardPass
from llm_playground.transformer.fused import fusible, split_and_turn
from llm_playground.transformer.linear import Linear
from llm_playground.transformer.masks import Visibility
from llm_playground.transformer.norms import make_head_norm
from llm_playground.transformer.rotary import Table, rotate


class _AttentionBase(nn.Module):
    """What both kinds share: the sizes of heads, their norms, and the mixing of values.

    Args:
        config: the model's shape.
        name: of the part in captures (``blocks.0.attention``).
    """

    output: nn.Linear

    def __init__(self, config: ModelConfig, name: str) -> None:
        super().__init__()
        self.name = name
        self.heads, self.kv_heads, self.size = config.heads, config.key_value_heads, config.head_size
        self.dropout, self.softcap = config.dropout, config.attention_softcap
        # None leaves the fast kernels their own 1 / sqrt(D).
        self.scale = None if config.query_scalar is None else config.score_scale
        self.q_norm = make_head_norm(config) if config.qk_norm else None
        self.k_norm = make_head_norm(config) if config.qk_norm else None

    def _split_heads(self, x: Tensor, heads: int) -> Tensor:
        """Give each head its part: [B, T, heads * D] -> [B, heads, T, D]."""
        return x.view(x.shape[0], x.shape[1], heads, self.size).transpose(1, 2)

    def _mix(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        visibility: Visibility,
        window: int | None,
        capture: Capture | None,
    ) -> Tensor:
        """Mix values [B, G, S, D] by how well queries [B, H, T, D] fit keys [B, G, S, D]; return [B, T, C].

        Vaswani et al. 2017, arXiv:1706.03762, section 3.2; each key/value head serves H / G query heads
        (Ainslie et al. 2023, arXiv:2305.13245).
        """
        if self.kv_heads != self.heads:
            k = k.repeat_interleave(self.heads // self.kv_heads, dim=1)  # [B, H, S, D]
            v = v.repeat_interleave(self.heads // self.kv_heads, dim=1)
        if self.softcap is not None or (
            capture is not None and capture.wants(f"{self.name}.scores", f"{self.name}.weights")
        ):
            mixed = self._mix_explicitly(q, k, v, visibility, window, capture)
        else:
            mask = visibility.mask(window)
            mixed = F.scaled_dot_product_attention(
                q,
                k,
                v,
                attn_mask=mask if mask is None or mask.dtype == torch.bool else mask.to(q.dtype),
                is_causal=visibility.is_causal(window),
                dropout_p=self.dropout if self.training else 0.0,
                scale=self.scale,
            )  # [B, H, T, D]
        if capture is not None:
            mixed = capture(f"{self.name}.mixed", mixed)
        output = self.output(mixed.transpose(1, 2).reshape(q.shape[0], q.shape[2], self.heads * self.size))
        return output if capture is None else capture(f"{self.name}.output", output)

    def _mix_explicitly(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        visibility: Visibility,
        window: int | None,
        capture: Capture | None,
    ) -> Tensor:
        """Write the softmax out, to show its scores and weights or to cap the scores: [B, H, T, D]."""
        scores = (q * (self.scale or self.size**-0.5)) @ k.transpose(-2, -1)  # [B, H, T, S]
        if self.softcap is not None:
            scores = self.softcap * torch.tanh(scores / self.softcap)
        bias = visibility.bias(window)
        if bias is not None:
            scores = scores + bias.to(scores.dtype)
        if capture is not None:
            scores = capture(f"{self.name}.scores", scores)
        seen = visibility.seen(window)
        if seen is not None:
            kept = torch.is_grad_enabled() or (capture is not None and capture.wants(f"{self.name}.scores"))
            # In place where nobody needs the scores again: a new tensor of T x S is most of the time here.
            fill = scores.masked_fill if kept else scores.masked_fill_
            scores = fill(~seen, float("-inf"))
        wide = torch.float64 if scores.dtype == torch.float64 else torch.float32
        weights = scores.softmax(dim=-1, dtype=wide).to(q.dtype)  # [B, H, T, S]
        if capture is not None:
            weights = capture(f"{self.name}.weights", weights)
        return F.dropout(weights, self.dropout, self.training) @ v


class Attention(_AttentionBase):
    """Self-attention; multi-head, grouped-query or multi-query by the number of key/value heads.

    Args:
        config: the model's shape.
        index: of the layer, as the cache counts.
        name: of the part in captures.
        window: tokens a query sees, itself included; None: all (before it).
    """

    def __init__(self, config: ModelConfig, index: int, name: str, window: int | None) -> None:
        super().__init__(config, name)
        self.index, self.window = index, window
        self.split = (self.heads * self.size, self.kv_heads * self.size, self.kv_heads * self.size)
        self.qkv = Linear(config.width, sum(self.split), bias=config.has_qkv_bias)
        self.output = Linear(self.heads * self.size, config.width, bias=config.has_output_bias)

    def forward(self, x: Tensor, shared: ForwardPass) -> Tensor:
        """Mix tokens: [B, T, C] -> [B, T, C]; the pass's cache is extended."""
        qkv = self.qkv(x)
        if self._by_products(qkv, shared):
            table, scale = shared.bf16_table(self.window is not None), self.scale or self.size**-0.5
            made: Tensor = self.output(attend(qkv, table, (self.heads, self.kv_heads), scale))
            return made
        table = None if shared.tables is None else shared.tables[self.window is not None]
        fused = table is not None and self.q_norm is None and fusible(qkv, *table)
        if fused and table is not None and shared.capture is None:
            q, k, v = split_and_turn(qkv, table, (self.heads, self.kv_heads, self.kv_heads))
        else:
            q, k, v = self._apart(qkv, table, shared.capture)
            if fused:  # looked at: laid out as they are otherwise, so that looking changes no rounding
                q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        if shared.cache is not None:
            k, v = shared.cache.extend(self.index, k, v)  # [B, G, S, D]
        return self._mix(q, k, v, shared.visibility, self.window, shared.capture)

    def _by_products(self, qkv: Tensor, shared: ForwardPass) -> bool:
        """Say whether the pass is one that products in bf16 do faster than PyTorch's kernel."""
        return (
            attends(qkv)
            and shared.cache is None
            and shared.capture is None
            and self.q_norm is None
            and self.softcap is None
            and not (self.training and self.dropout)
            and shared.visibility.is_causal(self.window)
        )

    def _apart(
        self, qkv: Tensor, table: Table | None, capture: Capture | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries [B, H, T, D], keys and values [B, G, T, D], normalized, turned and shown."""
        q, k, v = qkv.split(self.split, dim=-1)
        q = self._split_heads(q, self.heads)  # [B, H, T, D]
        k = self._split_heads(k, self.kv_heads)  # [B, G, T, D]
        v = self._split_heads(v, self.kv_heads)  # [B, G, T, D]
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        if capture is not None:
            q, k = capture(f"{self.name}.q", q), capture(f"{self.name}.k", k)
            v = capture(f"{self.name}.v", v)
        if table is not None:
            q, k = rotate(q, table), rotate(k, table)
            if capture is not None:
                q, k = capture(f"{self.name}.q_rotated", q), capture(f"{self.name}.k_rotated", k)
        return q, k, v


class CrossAttention(_AttentionBase):
    """Attention from a decoder's tokens to an encoder's states, which have no order of their own here.

    Args:
        config: the model's shape.
        index: of the decoder's layer.
        name: of the part in captures.
    """

    def __init__(self, config: ModelConfig, index: int, name: str) -> None:
        super().__init__(config, name)
        self.index = index
        self.q = Linear(config.width, self.heads * self.size, bias=config.has_qkv_bias)
        self.kv = Linear(config.width, 2 * self.kv_heads * self.size, bias=config.has_qkv_bias)
        self.output = Linear(self.heads * self.size, config.width, bias=config.has_output_bias)

    def forward(self, x: Tensor, shared: ForwardPass) -> Tensor:
        """Read the encoder's states: [B, T, C] -> [B, T, C]; their keys and values are made once."""
        memory, capture = shared.memory, shared.capture
        assert memory is not None
        q = self._split_heads(self.q(x), self.heads)  # [B, H, T, D]
        if self.q_norm is not None:
            q = self.q_norm(q)
        if self.index not in memory.parts:
            k, v = self.kv(memory.states).chunk(2, dim=-1)
            k, v = self._split_heads(k, self.kv_heads), self._split_heads(v, self.kv_heads)  # [B, G, S, D]
            memory.parts[self.index] = (k if self.k_norm is None else self.k_norm(k), v)
        k, v = memory.parts[self.index]
        if capture is not None:
            q, k = capture(f"{self.name}.q", q), capture(f"{self.name}.k", k)
            v = capture(f"{self.name}.v", v)
        return self._mix(q, k, v, memory.visibility, None, capture)
