"""Learning rates as pure functions of the step."""

from __future__ import annotations

import math

from llm_playground.training.config import TrainingConfig


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Return the learning rate of a step (the first is 0).

    Linear warm-up, then either half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983) or warm-up,
    stable, decay: constant, then linear down over the last ``decay_fraction`` (Hu et al. 2024,
    arXiv:2404.06395). Both end at ``min_lr_ratio`` of the peak.
    """
    peak, low = config.learning_rate, config.learning_rate * config.min_lr_ratio
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    if config.schedule == "cosine":
        span = max(1, config.steps - 1 - config.warmup_steps)
        done = min(1.0, (step - config.warmup_steps) / span)
        return low + (peak - low) * 0.5 * (1 + math.cos(math.pi * done))
    decay = max(1, round(config.decay_fraction * config.steps))
    start = max(config.warmup_steps, config.steps - decay)
    if step < start:
        return peak
    done = min(1.0, (step - start) / max(1, config.steps - 1 - start))
    return peak + (low - peak) * done
