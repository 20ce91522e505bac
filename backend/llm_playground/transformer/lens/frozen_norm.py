"""A norm at one token, taken as the linear map that it is once its mean and deviation are known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from llm_playground.transformer.norms import RMSNormPlusOne, TokenGroupNorm


@dataclass(frozen=True)
class FrozenNorm:
    """``y = (x - mean of its group) * scale + bias`` with numbers fixed at one token, in float64.

    Attributes:
        mean: mean of each element's group, [C]; zeros for RMS norms.
        deviation: what elements are divided by, [C].
        gain: what they are multiplied by then, [C].
        bias: [C].
        groups: number of groups whose mean is taken off; 0 for RMS norms.
    """

    mean: Tensor
    deviation: Tensor
    gain: Tensor
    bias: Tensor
    groups: int

    @property
    def scale(self) -> Tensor:
        """Gain over deviation, [C]."""
        return self.gain / self.deviation

    def linear(self, x: Tensor) -> Tensor:
        """Return what a summand of the input contributes to the output, without the bias: [..., C]."""
        if self.groups:
            grouped = x.unflatten(-1, (self.groups, -1))
            x = (grouped - grouped.mean(dim=-1, keepdim=True)).flatten(-2)
        return x * self.scale


def freeze_norm(norm: nn.Module, x: Tensor) -> FrozenNorm:
    """Fix a norm at its input.

    LayerNorm and GroupNorm divide by ``sqrt(variance + eps)`` of the group, RMSNorm by
    ``sqrt(mean square + eps)`` (see ``transformer/norms.py`` for the papers).

    Args:
        norm: one of the model's norms.
        x: the token's vector before it, [C].

    Raises:
        TypeError: another kind of module.
    """
    x = x.double()
    weight, bias = getattr(norm, "weight", None), getattr(norm, "bias", None)
    gain = torch.ones_like(x) if weight is None else weight.detach().double()
    offset = torch.zeros_like(x) if bias is None else bias.detach().double()
    if isinstance(norm, nn.RMSNorm | RMSNormPlusOne):
        deviation = (x.square().mean() + (norm.eps or 0.0)).sqrt().expand_as(x)
        if isinstance(norm, RMSNormPlusOne):
            gain = 1 + gain
        return FrozenNorm(torch.zeros_like(x), deviation, gain, offset, 0)
    if isinstance(norm, nn.LayerNorm | TokenGroupNorm):
        groups = norm.groups if isinstance(norm, TokenGroupNorm) else 1
        grouped = x.view(groups, -1)
        mean = grouped.mean(-1, keepdim=True).expand_as(grouped).reshape(-1)
        variance = grouped.var(-1, unbiased=False, keepdim=True).expand_as(grouped).reshape(-1)
        return FrozenNorm(mean, (variance + norm.eps).sqrt(), gain, offset, groups)
    raise TypeError(f"{type(norm).__name__} is no norm of this model")
