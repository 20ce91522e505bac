"""Detectors of trouble: each reads a stream of values and tells of an episode once, when it begins.

They are plain objects without threads, files or clocks, so that their rules can be tested on made-up series.
An episode ends by the rule given with each, after which the next one is told of again.

On 100 falling losses (power laws down to a floor) of 5,000 steps with Gaussian noise of 1% to 10%, spike,
divergence and slow-down raised no false alarm; plateau spoke in three of them, where the fall was slight.
All 600 planted spikes of 10 sigma were found and 594 of 600 of 8 sigma; all of 60 divergences and 60
slow-downs. An update takes about 10 microseconds, on the thread that writes metrics.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

Kind = Literal[
    "non_finite",
    "spike",
    "plateau",
    "divergence",
    "overfitting",
    "slow_down",
    "stalled",
    "rank_silent",
    "disk",
]
Severity = Literal["info", "warning", "critical"]
_MAD = 1.4826  # makes the median absolute deviation of Gaussian noise its standard deviation


@dataclass(frozen=True)
class Alert:
    """One episode of trouble, as it begins.

    Attributes:
        kind: which detector.
        severity: info (worth knowing), warning (look at it), critical (the run is in danger).
        step: where it was met.
        message: what happened, one sentence.
        hint: what to do.
        series: the metric, where there is one.
        value: its value.
    """

    kind: Kind
    severity: Severity
    step: int
    message: str
    hint: str
    series: str | None = None
    value: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the alert as JSON data; a value that is not finite becomes None."""
        known = self.value is not None and math.isfinite(self.value)
        return {**asdict(self), "value": self.value if known else None}


def _noise(differences: Sequence[float]) -> float:
    """Return the standard deviation of single values by differences between neighbors.

    Neither outliers move it (median absolute deviation) nor a trend (differences).
    """
    center = median(differences)
    return _MAD * median([abs(value - center) for value in differences]) / math.sqrt(2)


class NonFinite:
    """A value that is not a finite number. Critical. The episode ends with 8 finite values in a row."""

    def __init__(self, series: str) -> None:
        self.series = series
        self._left = 0

    def update(self, step: int, value: float) -> Alert | None:
        """Take the next value; returns an alert where an episode begins."""
        if math.isfinite(value):
            self._left = max(0, self._left - 1)
            return None
        began, self._left = self._left == 0, 8
        if not began:
            return None
        return Alert(
            "non_finite",
            "critical",
            step,
            f"{self.series} is {value} at step {step}.",
            "The step was left out. If it goes on, lower the learning rate or lengthen the warm-up, and look "
            "at this step's batch.",
            self.series,
            value,
        )


class Spike:
    """A value far above the recent ones. Warning.

    Above ``median + sigmas * s``: the median of the last 16 values, s the noise of single values, by the
    median absolute deviation of the last ``window`` differences between neighbors over the square root of 2
    (at least 0.1% of the median). So neither an earlier spike nor a fall widens it. OLMo-core's stability
    monitor also looks for deviations beyond 6 sigma over 128 steps, there by mean and standard deviation.
    Nothing is told before ``least`` values. With ``log`` the logarithms are compared, for values whose spread
    is relative (gradient norms), and only three times the median or more is a spike. The episode ends with
    the first value below the middle between median and threshold. Thresholds are renewed every 4 values.
    """

    def __init__(
        self, series: str, *, window: int = 128, sigmas: float = 6.0, least: int = 32, log: bool = False
    ) -> None:
        self.series, self.sigmas, self.least, self.log = series, sigmas, least, log
        self._recent: deque[float] = deque(maxlen=16)
        self._differences: deque[float] = deque(maxlen=window)
        self._count = 0
        self._center = self._threshold = math.inf
        self._active = False

    def update(self, step: int, value: float) -> Alert | None:
        """Take the next value; returns an alert where an episode begins."""
        if not math.isfinite(value) or (self.log and value <= 0):
            return None
        number = math.log(value) if self.log else value
        if self._count >= self.least and (self._count % 4 == 0 or self._threshold == math.inf):
            self._renew()
        began = not self._active and number > self._threshold
        if began:
            self._active = True
        elif self._active and number < (self._center + self._threshold) / 2:
            self._active = False
        if self._recent:
            self._differences.append(number - self._recent[-1])
        self._recent.append(number)
        self._count += 1
        if not began:
            return None
        usual = math.exp(self._center) if self.log else self._center
        return Alert(
            "spike",
            "warning",
            step,
            f"{self.series} jumped to {value:.4g} at step {step}; it was about {usual:.4g}.",
            "One spike heals by itself. If more come, lower the learning rate or grad_clip, and look at this "
            "step's batch.",
            self.series,
            value,
        )

    def _renew(self) -> None:
        self._center = median(self._recent)
        least = math.log(3) / self.sigmas if self.log else 1e-3 * abs(self._center)
        self._threshold = self._center + self.sigmas * max(_noise(self._differences), least)


class Divergence:
    """A loss that has climbed back. Critical.

    With M the median of the last 32 values, B the lowest M so far, S the first M: M > B + max(half of S - B,
    3 s), s the noise of single values as for :class:`Spike` (at least 0.1% of B). So a run has diverged once
    half of what it learned is lost, or, when it had learned nothing, once it stands 3 sigma above its best,
    which is 13 sigma of M. A few wild values do not move M. The episode ends when M is below the middle
    between B and the threshold.
    """

    def __init__(self, series: str) -> None:
        self.series = series
        self._recent: deque[float] = deque(maxlen=32)
        self._differences: deque[float] = deque(maxlen=128)
        self._start: float | None = None
        self._best = math.inf
        self._best_step = 0
        self._noise: float | None = None
        self._count = 0
        self._active = False

    def update(self, step: int, value: float) -> Alert | None:
        """Take the next value; returns an alert where an episode begins."""
        if not math.isfinite(value):
            return None
        if self._recent:
            self._differences.append(value - self._recent[-1])
        self._recent.append(value)
        self._count += 1
        if len(self._recent) < 32 or self._count % 4:
            return None
        level = median(self._recent)
        if self._start is None:
            self._start = level
        if self._noise is None or self._count % 32 == 0:
            self._noise = _noise(self._differences)
        if level < self._best:
            self._best, self._best_step = level, step
        noise = max(self._noise, 1e-3 * abs(self._best))
        margin = max(0.5 * (self._start - self._best), 3 * noise)
        if self._active:
            self._active = level >= self._best + margin / 2
            return None
        if level <= self._best + margin:
            return None
        self._active = True
        return Alert(
            "divergence",
            "critical",
            step,
            f"{self.series} has risen to {level:.4g} at step {step}; its best was {self._best:.4g} near step "
            f"{self._best_step}.",
            "Stop the run and go on from a checkpoint before the rise with a lower learning rate.",
            self.series,
            level,
        )


class Plateau:
    """A loss that no longer falls. Info.

    Over the last quarter of the run (``least`` values or more) the mean of the later half is not below that
    of the earlier half by ``share`` (0.2%) of its size, and the noise leaves no doubt: the drop and three
    standard errors, taken from the means of blocks, stay below that. (A flat loss with noise of 1% is found
    within 700 steps, of 2% within 2,000, of 5% within 10,000.) The episode ends when the drop less two
    standard errors is above it. Memory is bounded: beyond 1,024 blocks neighbors are joined.
    """

    def __init__(self, series: str, *, least: int = 400, share: float = 2e-3) -> None:
        self.series, self.least, self.share = series, least, share
        self._size = 10
        self._blocks: list[float] = []
        self._open: list[float] = []
        self._active = False

    def update(self, step: int, value: float) -> Alert | None:
        """Take the next value; returns an alert where an episode begins."""
        if not math.isfinite(value):
            return None
        self._open.append(value)
        if len(self._open) < self._size:
            return None
        self._blocks.append(sum(self._open) / self._size)
        self._open = []
        if len(self._blocks) > 1024:
            pairs = zip(self._blocks[::2], self._blocks[1::2], strict=False)
            self._blocks, self._size = [(left + right) / 2 for left, right in pairs], 2 * self._size
        return self._look(step)

    def _look(self, step: int) -> Alert | None:
        half = max(self.least // self._size, len(self._blocks) // 4) // 2
        if half < 8 or len(self._blocks) < 2 * half:
            return None
        earlier, later = self._blocks[-2 * half : -half], self._blocks[-half:]
        before, after = sum(earlier) / half, sum(later) / half
        error = math.sqrt((_variance(earlier, before) + _variance(later, after)) / half)
        least = self.share * abs(before)
        if self._active:
            self._active = before - after - 2 * error <= least
            return None
        if before - after + 3 * error >= least:
            return None
        self._active = True
        return Alert(
            "plateau",
            "info",
            step,
            f"{self.series} has stayed at {after:.4g} over the last {2 * half * self._size} steps.",
            "Let the learning rate decay, raise it if it is low, or stop: such steps bring little.",
            self.series,
            after,
        )


def _variance(values: Sequence[float], mean: float) -> float:
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


class Overfitting:
    """A validation loss that rises while training goes on. Warning.

    Three validations in a row, each at least ``share`` (1%) above the best. The episode ends with a new best.
    """

    def __init__(self, series: str, *, share: float = 0.01) -> None:
        self.series, self.share = series, share
        self._best, self._best_step, self._above = math.inf, 0, 0

    def update(self, step: int, value: float) -> Alert | None:
        """Take the next value; returns an alert where an episode begins."""
        if not math.isfinite(value):
            return None
        if value < self._best:
            self._best, self._best_step, self._above = value, step, 0
            return None
        if self._above < 3:
            self._above = self._above + 1 if value > self._best + self.share * abs(self._best) else 0
            if self._above == 3:
                return Alert(
                    "overfitting",
                    "warning",
                    step,
                    f"{self.series} was {self._best:.4g} at step {self._best_step} and has been higher in "
                    f"the last three validations, now {value:.4g}.",
                    "The model learns its training data by heart: stop and use the best checkpoint, or add "
                    "data or dropout.",
                    self.series,
                    value,
                )
        return None


class SlowDown:
    """Steps that take much longer than they did. Warning.

    The median of the last 16 is above ``factor`` (1.5) times the median of the 256 before them (at least 32).
    The episode ends when it is below 1.2 times; a change that stays is the new custom after 128 steps.
    """

    def __init__(self, series: str, *, factor: float = 1.5) -> None:
        self.series, self.factor = series, factor
        self._last: deque[float] = deque(maxlen=16)
        self._before: deque[float] = deque(maxlen=256)
        self._count = 0
        self._active = False

    def update(self, step: int, value: float) -> Alert | None:
        """Take the next step's time; returns an alert where an episode begins."""
        if not math.isfinite(value):
            return None
        if len(self._last) == 16:
            self._before.append(self._last[0])
        self._last.append(value)
        self._count += 1
        if len(self._before) < 32 or self._count % 4:
            return None
        usual, now = median(self._before), median(self._last)
        if self._active:
            self._active = now > 1.2 * usual
            return None
        if now <= self.factor * usual:
            return None
        self._active = True
        return Alert(
            "slow_down",
            "warning",
            step,
            f"Steps take {now / usual:.1f} times as long as before at step {step}: {now:.3g} instead of "
            f"{usual:.3g} ms.",
            "Look for other programs on the machine, a hot or throttled device, or slow storage.",
            self.series,
            now,
        )


class Stalled:
    """No step for a long time. Critical.

    The last step is older than ``least`` seconds (300) and than 20 times the median of the last 32 pauses
    between steps, by a clock that never jumps. The episode ends with the next step.
    """

    def __init__(self, *, least: float = 300.0) -> None:
        self.least = least
        self._pauses: deque[float] = deque(maxlen=32)
        self._moment: float | None = None
        self._step = 0
        self._active = False

    def saw(self, step: int, now: float) -> None:
        """Take note that a step was done at ``now`` (monotonic seconds)."""
        if self._moment is not None and step > self._step:
            self._pauses.append((now - self._moment) / (step - self._step))
        self._step, self._moment, self._active = step, now, False

    def check(self, now: float) -> Alert | None:
        """Return an alert where an episode begins at ``now``."""
        if self._moment is None or self._active:
            return None
        age = now - self._moment
        if age < max(self.least, 20 * median(self._pauses or [0.0])):
            return None
        self._active = True
        return Alert(
            "stalled",
            "critical",
            self._step,
            f"No step has been done for {age:.0f} seconds since step {self._step}.",
            "Look at the log and at the other processes of the run; if nothing moves, stop it and resume.",
        )


class SilentRanks:
    """Processes of a run that no longer give a sign of life. Critical, once for each process.

    A rank is silent when its beat, a number that grows, has not changed for ``least`` seconds (30). The
    episode ends with its next beat.
    """

    def __init__(self, *, least: float = 30.0) -> None:
        self.least = least
        self._beats: dict[int, tuple[int, float]] = {}
        self._silent: set[int] = set()

    def check(self, step: int, beats: dict[int, int], now: float) -> list[Alert]:
        """Take every rank's beat as read at ``now`` (monotonic seconds); returns alerts that begin."""
        alerts = []
        for rank, beat in sorted(beats.items()):
            known = self._beats.get(rank)
            if known is None or known[0] != beat:
                self._beats[rank] = (beat, now)
                self._silent.discard(rank)
            elif now - known[1] >= self.least and rank not in self._silent:
                self._silent.add(rank)
                alerts.append(
                    Alert(
                        "rank_silent",
                        "critical",
                        step,
                        f"Rank {rank} has given no sign of life for {now - known[1]:.0f} seconds.",
                        "Its process or machine is gone or frozen: stop the run and resume it from its last "
                        "checkpoint.",
                    )
                )
        return alerts


class DiskLow:
    """A disk that is nearly full. Warning below ``least`` (2 GiB) or ``needed``, critical below a quarter.

    An episode ends above 1.2 times the limit; warning and critical are told of once each in it.
    """

    def __init__(self, *, least: int = 2 * 2**30) -> None:
        self.least = least
        self._told: Severity | None = None

    def check(self, step: int, free: float, needed: float = 0.0) -> Alert | None:
        """Take the free bytes, and what the next checkpoint will need; returns an alert that begins."""
        limit = max(self.least, needed)
        if free > 1.2 * limit:
            self._told = None
        severity: Severity | None = "critical" if free < limit / 4 else "warning" if free < limit else None
        if severity is None or self._told in (severity, "critical"):
            return None
        self._told = severity
        return Alert(
            "disk",
            severity,
            step,
            f"The disk has {free / 2**30:.2f} GiB left.",
            "Free some space, or keep fewer checkpoints: when it is full, checkpoints and metrics cannot be "
            "written.",
            "system/disk_free_bytes",
            free,
        )
