"""Log-probabilities of tokens and cross-entropy as sums, so that any split of a batch adds up the same."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from llm_playground.transformer import fused_bf16
from llm_playground.transformer.fused import fusible, head_loss

IGNORE = -100  # target value of positions without loss


def token_logprobs(logits: Tensor, targets: Tensor) -> Tensor:
    """Return log p(target) at each position.

    Args:
        logits: [..., V].
        targets: [...] ids; positions with ``IGNORE`` give 0.

    Returns:
        [...] in nats, at most 0.
    """
    flat = F.cross_entropy(
        (
            logits.reshape(-1, logits.shape[-1]).float()
            if logits.dtype != torch.float64
            else logits.reshape(-1, logits.shape[-1])
        ),
        targets.reshape(-1),
        ignore_index=IGNORE,
        reduction="none",
    )
    return -flat.view(targets.shape)


def count_targets(targets: Tensor) -> int:
    """Return how many of the targets are not ``IGNORE``."""
    return int((targets != IGNORE).sum())


def cross_entropy_sum(logits: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    """Return (sum of -log p(target) in nats, number of targets), leaving out ``IGNORE``.

    Args:
        logits: [..., V].
        targets: [...] ids.
    """
    count = count_targets(targets)
    scores = logits.reshape(-1, logits.shape[-1])
    if scores.dtype not in (torch.float32, torch.float64):
        scores = scores.float()
    total = F.cross_entropy(scores, targets.reshape(-1), ignore_index=IGNORE, reduction="sum")
    return total, count


def head_cross_entropy_sum(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Return the sum of -log p(target) in nats of the logits ``hidden @ weight.T``, leaving out ``IGNORE``.

    On a processor the logits are never there all at once; see :func:`.fused.head_loss` and, for training in
    bf16, :func:`.fused_bf16.head_loss`.

    Args:
        hidden: [..., C].
        weight: [V, C].
        targets: [...] ids.
    """
    half = weight.dtype == torch.float32 and fused_bf16.in_bf16(hidden)
    if not half and not fusible(hidden, weight):
        return cross_entropy_sum(F.linear(hidden, weight), targets)[0]
    hidden, targets = hidden.flatten(0, -2), targets.flatten()
    kept = targets != IGNORE
    if not bool(kept.all()):
        hidden, targets = hidden[kept], targets[kept]
    return (fused_bf16.head_loss if half else head_loss)(hidden, weight, targets)
