"""How every benchmark measures: both sides alternate within one process, and medians are compared.

Machines are noisy and differ, so a claim is a ratio. Alternating gives both sides the same noise, and the
median of several rounds leaves out what disturbed one of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        claim: what is compared.
        ours, referee: medians, in ``unit``.
        unit: unit of both; more is better where it ends in "/s", else less is better.
        against: name of the referee.
        goal: least ratio that the project asks of itself, or None.
    """

    claim: str
    ours: float
    referee: float
    unit: str
    against: str
    goal: float | None = None

    @property
    def ratio(self) -> float:
        """How many times better ours is: above 1 is faster."""
        return self.ours / self.referee if self.unit.endswith("/s") else self.referee / self.ours


def alternate(sides: Mapping[str, Callable[[], object]], rounds: int = 7) -> dict[str, float]:
    """Return the median seconds of each side, run in turn after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, work in sides.items():
            begin = time.perf_counter()
            work()
            if number:
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}
