"""Rotary positions and what is done to their frequencies so that a model reads past its trained context."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from llm_playground.transformer.config import ModelConfig, RopeScaling
from llm_playground.transformer.tables import GrowingTable

Table = tuple[Tensor, Tensor]  # (cos, sin with its signs), each shaped to multiply [B, H, T, R]


def frequencies(size: int, theta: float | Tensor) -> Tensor:
    """Return the turn of each pair per position, ``theta ** (-2 i / R)``, [R / 2] float32 in radians.

    Su et al. 2021, arXiv:2104.09864, section 3.4.2.

    Args:
        size: rotated elements R of a head.
        theta: base.
    """
    powers = torch.arange(0, size, 2, dtype=torch.int64).float() / size
    return 1.0 / theta**powers


def scaled_frequencies(size: int, theta: float, scaling: RopeScaling, context: int, length: int) -> Tensor:
    """Return the frequencies after scaling, [R / 2] float32, equal to those of ``transformers``.

    Args:
        size: rotated elements R of a head.
        theta: base before scaling.
        scaling: kind and numbers.
        context: the context of the training, unless ``scaling`` says another.
        length: tokens of the sequence at hand; matters for ``dynamic`` only.
    """
    original = scaling.original_context or context
    if scaling.type == "linear":
        return frequencies(size, theta) / scaling.factor
    if scaling.type == "dynamic":
        # In float32 as in transformers: far out, the rounding of the base shows in the angles.
        longest = torch.tensor(max(length, original))
        grown = scaling.factor * longest / original - (scaling.factor - 1)
        return frequencies(size, theta * grown ** (size / (size - 2)))
    if scaling.type == "yarn":
        return _yarn(size, theta, scaling, original)
    return _llama3(size, theta, scaling, original)


def _yarn(size: int, theta: float, scaling: RopeScaling, original: int) -> Tensor:
    """Slow pairs that turn rarely in the trained context, keep those that turn often, blend between.

    Peng et al. 2023, arXiv:2309.00071, section 3.2; the ramp runs over pair numbers, as in their code.
    """

    def pair_turning(times: float) -> float:
        return size * math.log(original / (times * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(pair_turning(scaling.beta_fast)), 0)
    high: float = min(math.ceil(pair_turning(scaling.beta_slow)), size - 1)
    if low == high:
        high += 0.001  # a step in place of a ramp
    ramp = ((torch.arange(size // 2).float() - low) / (high - low)).clamp(0, 1)
    plain = theta ** (torch.arange(0, size, 2).float() / size)
    kept = 1 - ramp
    return 1.0 / (scaling.factor * plain) * (1 - kept) + 1.0 / plain * kept


def _llama3(size: int, theta: float, scaling: RopeScaling, original: int) -> Tensor:
    """Divide low frequencies by the factor, leave high ones, blend between (Llama 3.1's reference code)."""
    plain = frequencies(size, theta)
    wavelength = 2 * math.pi / plain  # positions per full turn
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    slowed = torch.where(wavelength > original / low, plain / scaling.factor, plain)
    blend = (original / wavelength - low) / (high - low)
    blended = (1 - blend) * slowed / scaling.factor + blend * slowed
    between = (wavelength >= original / high) & (wavelength <= original / low)
    return torch.where(between, blended, slowed)


def attention_factor(scaling: RopeScaling | None) -> float:
    """Return what YaRN multiplies cosine and sine by: 0.1 ln(factor) + 1 (arXiv:2309.00071, section 3.4)."""
    if scaling is None or scaling.type != "yarn":
        return 1.0
    if scaling.attention_factor is not None:
        return scaling.attention_factor
    return 0.1 * math.log(scaling.factor) + 1.0 if scaling.factor > 1 else 1.0


class Rotary:
    """Tables of cosine and sine, in the half-split layout of the Llama checkpoints.

    Pair ``i`` of a head (elements i and i + R/2 of the R rotated ones) turns by ``position * frequency i``.
    Tables are float32, are worked out when first needed, and belong to no state dict.

    Args:
        config: the model's shape, with positions ``rope``.
    """

    def __init__(self, config: ModelConfig) -> None:
        self.size, self.context = config.rotary_size, config.context_length
        self.theta, self.theta_local, self.scaling = (
            config.rope_theta,
            config.rope_theta_local,
            config.rope_scaling,
        )
        self.dynamic = self.scaling is not None and self.scaling.type == "dynamic"
        self._tables = {
            local: GrowingTable(partial(self._make, local), config.context_length) for local in (False, True)
        }

    def _make(self, local: bool, length: int) -> Table:
        # The table of ``dynamic`` scaling serves up to the trained context, where frequencies are unscaled.
        return self._turn(torch.arange(length).float(), *self._frequencies(local, 0))

    def _frequencies(self, local: bool, length: int) -> tuple[Tensor, float]:
        if local and self.theta_local is not None:
            return frequencies(self.size, self.theta_local), 1.0
        if self.scaling is None:
            return frequencies(self.size, self.theta), 1.0
        return (
            scaled_frequencies(self.size, self.theta, self.scaling, self.context, length),
            attention_factor(self.scaling),
        )

    def _turn(self, positions: Tensor, speed: Tensor, factor: float) -> Table:
        angles = positions[..., None] * speed.to(positions.device)
        doubled = torch.cat((angles, angles), dim=-1)  # [..., R]
        cos, sin = doubled.cos(), doubled.sin()
        if factor != 1.0:
            cos, sin = cos * factor, sin * factor
        # The sign of the "rotated half" is folded into the table, so that one multiply-add does the turn.
        sin[..., : self.size // 2].neg_()
        return cos, sin

    def tables(
        self, positions: Tensor, start: int, length: int, dtype: torch.dtype = torch.float32
    ) -> tuple[Table, Table]:
        """Return the tables of a pass, for layers that see everything and for those with a window.

        Past the trained context, ``dynamic`` scaling makes all frequencies depend on the length. Decoding
        with a cache, whose keys were turned when they came, then differs from one pass over everything; that
        is so in ``transformers`` too.

        Args:
            positions: [T], counting up from ``start``; or [B, T].
            start: the first position, where ``positions`` is [T].
            length: greatest position of the pass plus 1.
            dtype: type of the tables.

        Returns:
            twice cosine and signed sine, each [T, R] or [B, 1, T, R].
        """
        full = self._table(False, positions, start, length, dtype)
        if self.theta_local is None:
            return full, full
        return full, self._table(True, positions, start, length, dtype)

    def _table(self, local: bool, positions: Tensor, start: int, length: int, dtype: torch.dtype) -> Table:
        if self.dynamic and not local and length > self._original:
            cos, sin = self._turn(positions.float(), *self._frequencies(False, length))
        else:
            cos, sin = self._tables[local](length, positions.device)
            chosen = slice(start, start + len(positions)) if positions.dim() == 1 else positions
            cos, sin = cos[chosen], sin[chosen]
        if positions.dim() == 2:
            cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
        return cos.to(dtype), sin.to(dtype)

    @property
    def _original(self) -> int:
        assert self.scaling is not None
        return self.scaling.original_context or self.context


def rotate(x: Tensor, table: Table) -> Tensor:
    """Turn queries or keys [B, H, T, D] by their positions; elements past the table's R are left alone."""
    cos, sin = table
    size = cos.shape[-1]
    if size == x.shape[-1]:
        return torch.addcmul(x * cos, x.roll(size // 2, dims=-1), sin)
    turned, rest = x[..., :size], x[..., size:]
    return torch.cat((torch.addcmul(turned * cos, turned.roll(size // 2, dims=-1), sin), rest), dim=-1)
