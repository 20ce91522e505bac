"""Normalization of each token's vector: LayerNorm, RMSNorm (plain, or with a gain of 1 + w), GroupNorm."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm_playground.transformer.config import ModelConfig
from llm_playground.transformer.fused import RMSNorm


def make_norm(config: ModelConfig, *, for_products: bool = False) -> nn.Module:
    """Return the configured norm over a token's vector, [..., C] -> [..., C].

    LayerNorm: Ba et al. 2016, arXiv:1607.06450. RMSNorm: Zhang and Sennrich 2019, arXiv:1910.07467.

    Args:
        config: the model's shape.
        for_products: whether linear layers alone read what it returns.
    """
    if config.norm == "rmsnorm":
        return RMSNorm(config.width, eps=config.norm_eps, for_products=for_products)
    if config.norm == "rmsnorm_plus_one":
        return RMSNormPlusOne(config.width, config.norm_eps)
    if config.norm == "groupnorm":
        return TokenGroupNorm(config.norm_groups, config.width, config.norm_eps, config.bias)
    return nn.LayerNorm(config.width, eps=config.norm_eps, bias=config.bias)


def make_head_norm(config: ModelConfig) -> nn.Module:
    """Return the norm over each head of queries or keys, [..., D] -> [..., D]: an RMSNorm.

    Henry et al. 2020, arXiv:2010.04245, as in Qwen 3 and (with a gain of 1 + w) Gemma 3.
    """
    if config.norm == "rmsnorm_plus_one":
        return RMSNormPlusOne(config.head_size, config.norm_eps)
    return RMSNorm(config.head_size, eps=config.norm_eps)


class RMSNormPlusOne(nn.Module):
    """RMSNorm with the gain ``1 + weight``: ``x / sqrt(mean(x^2) + eps) * (1 + weight)``, as in Gemma.

    Half-precision input is normalized in float32 and rounded once at the end, as Gemma's own code does.

    Args:
        size: of the last dimension.
        eps: added to the mean square.
    """

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(size))  # [size]; 0 is a gain of 1

    def forward(self, x: Tensor) -> Tensor:
        """Normalize: [..., size] -> [..., size]."""
        wide = x if x.dtype == torch.float64 else x.float()
        normed = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + self.eps)
        return (normed * (1.0 + self.weight.to(wide.dtype))).to(x.dtype)


class TokenGroupNorm(nn.Module):
    """GroupNorm (Wu and He 2018, arXiv:1803.08494) of each token alone, over groups of its channels.

    One group is a LayerNorm.

    Args:
        groups: number of groups; must divide ``size``.
        size: channels of a token.
        eps: added to the variance.
        bias: whether there is an offset beside the gain.
    """

    def __init__(self, groups: int, size: int, eps: float, bias: bool) -> None:
        super().__init__()
        self.groups, self.eps = groups, eps
        self.weight = nn.Parameter(torch.ones(size))  # [size]
        self.bias = nn.Parameter(torch.zeros(size)) if bias else None  # [size]

    def forward(self, x: Tensor) -> Tensor:
        """Normalize: [..., size] -> [..., size]."""
        tokens = x.reshape(-1, x.shape[-1])  # [tokens, size]: each token is a sample of its own
        return F.group_norm(tokens, self.groups, self.weight, self.bias, self.eps).view(x.shape)
