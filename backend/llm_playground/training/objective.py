"""What a stage supplies to the engine, and the gradient of a step from it.

Loss terms are sums; each is divided by its count over the whole step: all micro-batches of all processes. So
how a batch is split cannot change the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from llm_playground.training.distributed import World
from llm_playground.training.precision import autocast

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Term:
    """One part of a loss over a micro-batch.

    Attributes:
        sum: the summed loss, a scalar tensor.
        count: what it is a sum over (tokens, pairs).
        weight: factor in the total loss.
    """

    sum: Tensor
    count: int
    weight: float = 1.0


class Objective(Protocol):
    """What a stage supplies."""

    def batch(self, cursor: int, size: int) -> Batch:
        """Return samples ``cursor`` to ``cursor + size - 1`` of the run; every tensor has ``size`` rows."""

    def counts(self, batch: Batch) -> Mapping[str, int]:
        """Return the count of each term over a batch, without running the model."""

    def loss(self, model: nn.Module, batch: Batch) -> Mapping[str, Term]:
        """Return the loss terms of a (micro-)batch. The model is called, not one of its methods."""

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return validation metrics by name; the model is in evaluation mode.

        All processes call it. It may share the work out and add up the sums by ``World.current()``.
        """


def always(last: bool) -> AbstractContextManager[object]:
    """Return the context of a micro-batch where there is one process: none."""
    return nullcontext()


def accumulate(
    model: nn.Module,
    objective: Objective,
    batch: Batch,
    micro_batch_size: int | None,
    device: str = "cpu",
    *,
    precision: str = "float32",
    scale: float | None = None,
    world: World | None = None,
    most_rows: int | None = None,
    accumulating: Callable[[bool], AbstractContextManager[object]] = always,
) -> dict[str, float]:
    """Run forward and backward over a step's batch, leaving the gradient of the mean loss.

    Args:
        batch: all rows of the step that are this process's.
        micro_batch_size: rows at once; None: all.
        precision: format of matrix products.
        scale: what the gradient is multiplied by; the returned means are not.
        world: the processes, whose gradients are averaged; None: one.
        most_rows: the most rows that any process has: all of them make as many passes.
        accumulating: the context of a micro-batch, told whether it is the last one.

    Returns:
        each term's mean over the step (not weighted), and their weighted sum as ``loss``.
    """
    world = world or World()
    rows = len(next(iter(batch.values())))
    most = most_rows or rows
    size = micro_batch_size or most
    counts = objective.counts(batch)
    summed = world.reduce_sums(list(counts.values()))
    totals = {name: max(1, round(count)) for name, count in zip(counts, summed, strict=True)}
    sums: dict[str, Tensor] = {}
    weights: dict[str, float] = {}
    for start in range(0, most, size):
        # A process with a row less than another may have nothing left to do, yet all must take part.
        idle = start >= rows
        chosen = slice(0, 1) if idle else slice(start, start + size)
        part = {name: value[chosen].to(device) for name, value in batch.items()}
        with accumulating(start + size >= most):
            with autocast(precision, device):
                terms = objective.loss(model, part)
            # Gradients are averaged over the processes, while the counts are those of all of them.
            parts = [term.sum * (term.weight * world.size / totals[name]) for name, term in terms.items()]
            loss = torch.stack(parts).sum()
            loss = loss * 0 if idle else loss
            (loss if scale is None else loss * scale).backward()
        for name, term in terms.items():
            weights[name] = term.weight
            value = term.sum.detach() * 0 if idle else term.sum.detach()
            sums[name] = sums[name] + value if name in sums else value
    whole = world.reduce_sums([float(value) for value in sums.values()])
    means = {name: value / totals[name] for name, value in zip(sums, whole, strict=True)}
    return {**means, "loss": sum(weights[name] * mean for name, mean in means.items())}
