"""The parts of a block: norm, rotary positions, attention, feed-forward. B batch, T time, C width."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm_playground.transformer.cache import KVCache
from llm_playground.transformer.config import ModelConfig


def make_norm(config: ModelConfig) -> nn.Module:
    """Return LayerNorm (Ba et al. 2016) or RMSNorm (Zhang and Sennrich 2019) over the last dimension."""
    if config.norm == "rmsnorm":
        return nn.RMSNorm(config.width, eps=config.norm_eps)
    return nn.LayerNorm(config.width, eps=config.norm_eps, bias=config.bias)


class Rotary(nn.Module):
    """Rotary positions (Su et al. 2021, arXiv:2104.09864), in the half-split layout of the Llama checkpoints.

    Pair ``i`` of a head (elements i and i + D/2) turns by ``position * theta ** (-2 i / D)``.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size = config.head_size
        powers = torch.arange(0, size, 2, dtype=torch.int64).float() / size
        angles = torch.outer(torch.arange(config.context_length).float(), 1.0 / config.rope_theta**powers)
        doubled = torch.cat((angles, angles), dim=-1)
        # The sign of the "rotated half" is folded into the table, so that one multiply-add does the turn.
        sign = torch.cat((-torch.ones(size // 2), torch.ones(size // 2)))
        self.register_buffer("cos", doubled.cos(), persistent=False)  # [context, D]
        self.register_buffer("sin", doubled.sin() * sign, persistent=False)  # [context, D]

    def table(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return (cos, sin) for positions [T] or [B, T], each shaped to multiply [B, H, T, D]."""
        cos, sin = self.cos[positions], self.sin[positions]
        return (cos, sin) if positions.dim() == 1 else (cos.unsqueeze(1), sin.unsqueeze(1))


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Turn queries or keys [B, H, T, D] by their positions."""
    cos, sin = table
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)


class Attention(nn.Module):
    """Causal self-attention, with fewer key/value than query heads if asked (GQA, arXiv:2305.13245)."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.heads, self.kv_heads, self.size = config.heads, config.key_value_heads, config.head_size
        self.dropout = config.dropout
        self.split = (self.heads * self.size, self.kv_heads * self.size, self.kv_heads * self.size)
        self.qkv = nn.Linear(config.width, sum(self.split), bias=config.bias)
        self.output = nn.Linear(config.width, config.width, bias=config.bias)

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        """Mix tokens.

        Args:
            x: [B, T, C].
            rotary: cos and sin of the tokens' positions, or None without rotary positions.
            mask: what each query may see, [B, 1, T, S] bool, or None for plainly causal.
            cache: keys and values of the tokens before, extended by this call.

        Returns:
            [B, T, C].
        """
        batch, time, width = x.shape
        q, k, v = self.qkv(x).split(self.split, dim=-1)
        q = q.view(batch, time, self.heads, self.size).transpose(1, 2)  # [B, H, T, D]
        k = k.view(batch, time, self.kv_heads, self.size).transpose(1, 2)  # [B, G, T, D]
        v = v.view(batch, time, self.kv_heads, self.size).transpose(1, 2)  # [B, G, T, D]
        if rotary is not None:
            q, k = rotate(q, rotary), rotate(k, rotary)
        if cache is not None:
            k, v = cache.extend(self.index, k, v)  # [B, G, S, D]
        if self.kv_heads != self.heads:
            k = k.repeat_interleave(self.heads // self.kv_heads, dim=1)
            v = v.repeat_interleave(self.heads // self.kv_heads, dim=1)
        mixed = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=mask,
            is_causal=mask is None and time > 1,
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.output(mixed.transpose(1, 2).reshape(batch, time, width))


class FeedForward(nn.Module):
    """Two linear layers around a GELU, or SwiGLU's gated three (Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        hidden = config.hidden_width
        # SwiGLU's gate and up projections read the same input: one matrix product instead of two.
        self.up = nn.Linear(
            config.width, 2 * hidden if self.activation == "swiglu" else hidden, bias=config.bias
        )
        self.down = nn.Linear(hidden, config.width, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each token alone: [B, T, C] -> [B, T, C]."""
        if self.activation == "swiglu":
            gate, up = self.up(x).chunk(2, dim=-1)
            return self.down(F.silu(gate) * up)
        return self.down(F.gelu(self.up(x), approximate="tanh" if self.activation == "gelu_tanh" else "none"))


class Block(nn.Module):
    """One pre-norm block: attention, then feed-forward, each added to the residual stream."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.attention_norm = make_norm(config)
        self.attention = Attention(config, index)
        self.ffn_norm = make_norm(config)
        self.ffn = FeedForward(config)
        self.drop = nn.Dropout(config.dropout) if config.dropout else nn.Identity()

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        """Add both parts to the residual stream: [B, T, C] -> [B, T, C]."""
        x = x + self.drop(self.attention(self.attention_norm(x), rotary, mask, cache))
        return x + self.drop(self.ffn(self.ffn_norm(x)))
