"""Histograms of weights and gradients: fixed bins, equally wide in the logarithm, on both sides of zero.

The bins are the same for every layer, step and run, so that pictures can be laid over each other. Two bins a
doubling from 2**-40 (about 1e-12) to 2**16; one bin around zero; what lies beyond is counted in the outermost
bins, so that counts add up to the number of values that are numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy
from numpy.typing import NDArray

LOWEST, HIGHEST = -40, 16  # powers of two
PER_SIDE = 2 * (HIGHEST - LOWEST)
BINS = 2 * PER_SIDE + 1


@lru_cache(maxsize=1)
def edges() -> tuple[float, ...]:
    """Return the ``BINS + 1`` edges, ascending; of its two edges a bin holds the one nearer to zero."""
    positive = [2.0 ** (k / 2) for k in range(2 * LOWEST, 2 * HIGHEST + 1)]
    return (*(-edge for edge in reversed(positive)), *positive)


def pack(counts: Sequence[int] | NDArray[Any]) -> bytes:
    """Return counts as stored: little-endian 64-bit numbers, compressed (about 200 bytes for a layer).

    Raises:
        ValueError: there are not ``BINS`` of them.
    """
    array = numpy.asarray(counts, dtype="<u8")
    if array.shape != (BINS,):
        raise ValueError(f"a histogram has {BINS} counts, not {array.shape}")
    return zlib.compress(array.tobytes(), 6)


def unpack(data: bytes) -> list[int]:
    """Return the counts that :func:`pack` stored."""
    return [int(count) for count in numpy.frombuffer(zlib.decompress(data), dtype="<u8")]
