"""Learning rates as pure functions of the step."""

from __future__ import annotations

import math

from llm_playground.training.config import TrainingConfig


def learning_rate(step: int, config: TrainingConfig, peak: float | None = None) -> float:
    """Return the learning rate of a step (the first is 0).

    After a linear warm-up (``peak * (step + 1) / warmup_steps``), with ``low = peak * min_lr_ratio``:

    - ``cosine``: half a cosine down to ``low`` (Loshchilov and Hutter 2017, arXiv:1608.03983);
    - ``cosine_restarts``: the same, going back to the peak ``restarts`` times at equal distances (ibid.);
    - ``linear``: a straight line down to ``low``;
    - ``constant``: the peak;
    - ``wsd``: the peak, then a straight line down over the last ``decay_fraction`` of the steps (warm-up,
      stable, decay: Hu et al. 2024, arXiv:2404.06395);
    - ``inverse_sqrt``: ``peak * sqrt(w / (w + s))`` where ``s`` counts from the end of the warm-up and ``w``
      is its length, at least 1 (Vaswani et al. 2017, arXiv:1706.03762, section 5.3); never below ``low``.

    Args:
        peak: the highest rate; default ``config.learning_rate``.
    """
    peak = config.learning_rate if peak is None else peak
    low, warmup = peak * config.min_lr_ratio, config.warmup_steps
    if step < warmup:
        return peak * (step + 1) / warmup
    if config.schedule == "constant":
        return peak
    if config.schedule == "inverse_sqrt":
        width = max(1, warmup)
        return max(low, peak * math.sqrt(width / (width + step - warmup)))
    if config.schedule == "cosine_restarts":
        start, end = _cycle(step, config)
        return _half_cosine(step, start, end, peak, low)
    if config.schedule == "cosine":
        return _half_cosine(step, warmup, config.steps, peak, low)
    start = warmup if config.schedule == "linear" else _decay_start(config)
    if step < start:
        return peak
    return peak + (low - peak) * _done(step, start, config.steps)


def schedule_points(config: TrainingConfig, n: int = 200) -> list[tuple[int, float]]:
    """Return about ``n`` (step, learning rate) pairs of a run for a picture, its corners among them.

    The points are spread evenly; first and last step, the end of the warm-up, the start of a decay and both
    sides of each restart are always there.

    Raises:
        ValueError: ``n`` is below 2.
    """
    if n < 2:
        raise ValueError("n must be at least 2")
    last = config.steps - 1
    steps = {round(index * last / (n - 1)) for index in range(n)}
    corners = {config.warmup_steps - 1, config.warmup_steps}
    if config.schedule == "wsd":
        corners.add(_decay_start(config))
    if config.schedule == "cosine_restarts":
        for cycle in range(1, config.restarts + 1):
            start = _cycle_start(cycle, config)
            corners |= {start - 1, start}
    steps |= {step for step in corners if 0 <= step <= last}
    return [(step, learning_rate(step, config)) for step in sorted(steps)]


def _done(step: int, start: int, end: int) -> float:
    """Return the share that is over of the steps ``start`` to ``end - 1``: 0 at the first, 1 at the last."""
    return min(1.0, (step - start) / max(1, end - 1 - start))


def _half_cosine(step: int, start: int, end: int, peak: float, low: float) -> float:
    return low + (peak - low) * 0.5 * (1 + math.cos(math.pi * _done(step, start, end)))


def _decay_start(config: TrainingConfig) -> int:
    return max(config.warmup_steps, config.steps - max(1, round(config.decay_fraction * config.steps)))


def _cycle_start(cycle: int, config: TrainingConfig) -> int:
    """Return the first step of a cosine's cycle; whole steps, so cycles may differ by one in length."""
    span = config.steps - config.warmup_steps
    return config.warmup_steps + span * cycle // (config.restarts + 1)


def _cycle(step: int, config: TrainingConfig) -> tuple[int, int]:
    """Return the first step of the cycle that a step is in, and that of the next."""
    cycles = config.restarts + 1
    step = min(step, config.steps - 1)
    cycle = (step - config.warmup_steps) * cycles // max(1, config.steps - config.warmup_steps)
    while _cycle_start(cycle + 1, config) <= step:  # the division above rounds down by up to one cycle
        cycle += 1
    return _cycle_start(cycle, config), _cycle_start(cycle + 1, config)
