"""Statistics of scores: no number without its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class Interval:
    """A share with its confidence interval.

    Attributes:
        value: the share in [0, 1].
        low: lower end.
        high: upper end.
        correct: number of successes.
        count: number of trials.
    """

    value: float
    low: float
    high: float
    correct: int
    count: int

    def to_dict(self) -> dict[str, float | int]:
        """Return the interval as JSON data."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "correct": self.correct,
            "count": self.count,
        }


def wilson_interval(correct: int, count: int, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval for a share (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212).

    Unlike the normal approximation it stays within [0, 1] and is honest near both ends.

    Args:
        correct: successes, 0 to ``count``.
        count: trials, at least 1.
        confidence: level in (0, 1).

    Raises:
        ValueError: counts out of range.
    """
    if not 0 <= correct <= count or count < 1:
        raise ValueError(f"need 0 <= correct <= count and count >= 1, got {correct} of {count}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = correct / count
    center = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    # At the very ends the formula gives exactly 0 and 1, which rounding would miss by a hair.
    low = center - half if correct > 0 else 0.0
    high = center + half if correct < count else 1.0
    return Interval(share, low, high, correct, count)
