"""Histograms of tensors, in the fixed bins of :mod:`llm_playground.monitoring.histograms`."""

from __future__ import annotations

import torch
from torch import Tensor

from llm_playground.monitoring.histograms import BINS, HIGHEST, LOWEST, PER_SIDE

_ROOT_OF_2 = 0x3504F3  # the mantissa of the greatest float32 below the square root of 2
_PIECE = 2**22  # values at once, which bounds the memory for intermediates


def histogram_counts(tensor: Tensor) -> Tensor:
    """Count a tensor's values by bin: [BINS], integers; NaN is left out.

    The bin is read off the bits of the float32 value, without a logarithm: two bins for each exponent, parted
    at the square root of 2.
    """
    counts = torch.zeros(BINS, dtype=torch.long, device=tensor.device)
    for piece in tensor.detach().float().flatten().split(_PIECE):
        counts += _count(piece)
    return counts


def _count(values: Tensor) -> Tensor:
    bits = values[~values.isnan()].contiguous().view(torch.int32)
    exponent = ((bits >> 23) & 0xFF) - 127
    half = 2 * exponent + ((bits & 0x7FFFFF) > _ROOT_OF_2).int()  # 2**(half / 2) <= |x| < 2**((half + 1) / 2)
    place = half.clamp(max=2 * HIGHEST - 1) - 2 * LOWEST  # below 0: too small for a bin of its own
    signed = torch.where(bits < 0, PER_SIDE - 1 - place, PER_SIDE + 1 + place)
    return torch.bincount(torch.where(place < 0, PER_SIDE, signed), minlength=BINS)
